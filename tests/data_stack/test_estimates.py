"""Estimates and their intervals, on planted relations and on numbers worked out by hand."""

from datetime import date, timedelta

import numpy as np
import pytest

from data_stack.estimates import MIN_CLUSTERS, Ratio, divide_sums, fit_curve, fit_least_squares, student_t

# a Monday
BEGIN = date(2024, 1, 1)


def days(count: int) -> list[date]:
    return [BEGIN + timedelta(days=number) for number in range(count)]


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.7764), (7, 2.3646), (12, 2.1788), (51, 2.0076)])
def test_student_t_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, rel=0.01)


def test_errors_go_together_within_a_cluster() -> None:
    # mean 4; without the first pair 6, without the second 2; (2^2 + 2^2) * 1 / 2
    seen, cluster = np.array([1.0, 3.0, 5.0, 7.0]), np.array([1, 1, 2, 2])
    mean, variance = fit_least_squares(np.ones((4, 1)), seen, cluster)
    assert mean.tolist() == pytest.approx([4.0])
    assert variance.tolist() == [pytest.approx([4.0])]


def test_a_ratio_of_sums_has_the_error_of_its_clusters() -> None:
    # 20 / 20; without the first cluster 1.5, without the second 0.5: sqrt(1 / 2 * (0.5^2 + 0.5^2))
    assert divide_sums([5, 15], [10, 10]) == Ratio(1.0, pytest.approx(0.5), 2)


def test_a_ratio_of_one_cluster_has_no_error() -> None:
    assert divide_sums([1], [2]) == Ratio(0.5, None, 1)


def test_a_cluster_with_the_whole_denominator_is_not_left_out() -> None:
    # without the second cluster 3 / 4 becomes 1 / 4: sqrt(1 / 2 * 0.5^2)
    assert divide_sums([1, 2], [4, 0]) == Ratio(0.75, pytest.approx(0.125**0.5), 2)


def test_an_interval_takes_eight_clusters() -> None:
    assert Ratio(1, 0.1, 7).margin is None
    assert Ratio(1, 0.1, 8).margin == pytest.approx(0.1 * student_t(7))


def test_a_straight_line_is_found_without_error() -> None:
    x = [float(number % 30) for number in range(90)]
    found = fit_curve(x, [2 * place - 5 for place in x], days(90))
    assert found is not None
    assert (found.x[0], found.x[-1]) == (0, 29)
    for line in (found.mean, found.low, found.high):
        assert line == pytest.approx(2 * found.x - 5, abs=1e-6)
    assert found.at(10.5) == pytest.approx(16)


def test_a_relation_that_bends_twice_is_followed() -> None:
    x = np.linspace(-5, 32, 365)
    found = fit_curve(x.tolist(), np.sin(x / 9).tolist(), days(365))
    assert found is not None
    assert np.abs(found.mean - np.sin(found.x / 9)).max() < 0.08


@pytest.mark.parametrize("weeks", [MIN_CLUSTERS, 13, 52])
def test_the_band_holds_the_planted_mean_as_often_as_it_says(weeks: int) -> None:
    """Days of one week share their temperature and their noise."""
    random = np.random.default_rng(1)
    held = []
    for _ in range(300):
        x = np.repeat(random.uniform(0, 30, weeks), 7) + random.normal(0, 2, 7 * weeks)
        noise = np.repeat(random.normal(0, 0.2, weeks), 7) + random.normal(0, 0.2, 7 * weeks)
        found = fit_curve(x.tolist(), (x / 20 + noise).tolist(), days(7 * weeks))
        assert found is not None
        held.append((found.low < found.x / 20) & (found.x / 20 < found.high))
    assert 0.91 < np.mean(held) < 0.97


@pytest.mark.parametrize(
    ("x", "count"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([float(n) for n in range(7 * MIN_CLUSTERS - 7)], 7 * MIN_CLUSTERS - 7, id="one week too few"),
        pytest.param([3.0] * 90, 90, id="one temperature"),
    ],
)
def test_too_little_makes_no_curve(x: list[float], count: int) -> None:
    assert fit_curve(x, x, days(count)) is None
