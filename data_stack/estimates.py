"""Estimates with confidence intervals from leaving out one cluster (one week, for example) after the other.

Days of one week resemble each other, so intervals that treat days as independent are too narrow. With few clusters this
jackknife is closer to the truth than the formula that sums squared errors by cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MIN_CLUSTERS = 8
"""With fewer clusters there is no interval: too few to tell how much clusters vary."""

_CONFIDENCE = 0.95
# shares of the points below each knot of a curve, the usual choice for four knots
_KNOTS = (0.05, 0.35, 0.65, 0.95)
_STEPS = 60


@dataclass(frozen=True)
class Curve:
    """A mean along an axis.

    Attributes:
        x: Positions on the axis, increasing.
        mean: The mean at each position.
        low: Lower end of the 95 % confidence band of the mean.
        high: Upper end of the band.
    """

    x: Floats
    mean: Floats
    low: Floats
    high: Floats

    def at(self, x: float) -> float:
        """Return the mean at a position between the first and the last."""
        return float(np.interp(x, self.x, self.mean))


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums.

    Attributes:
        value: The ratio.
        standard_error: Its standard error; None with fewer than two clusters.
        clusters: How many clusters it comes from.
    """

    value: float
    standard_error: float | None
    clusters: int

    @property
    def margin(self) -> float | None:
        """Half the width of the 95 % confidence interval; None with fewer than `MIN_CLUSTERS` clusters."""
        if self.standard_error is None or self.clusters < MIN_CLUSTERS:
            return None
        return student_t(self.clusters - 1) * self.standard_error


def fit_curve(x: Sequence[float], y: Sequence[float], days: Sequence[date]) -> Curve | None:
    """Fit a natural cubic spline with four knots by least squares.

    The band is that of the mean, not of single points. Its clusters are calendar weeks.

    Args:
        x: Positions of the points.
        y: Observed values of the points.
        days: Day of each point.

    Returns:
        The curve; None with fewer than `MIN_CLUSTERS` weeks or too few different `x`.
    """
    positions, observed = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    week = np.array([day.toordinal() - day.weekday() for day in days])
    weeks = len(np.unique(week))
    knots = np.quantile(positions, _KNOTS) if len(positions) else np.array([])
    if weeks < MIN_CLUSTERS or (np.diff(knots) <= 0).any():
        return None
    coefficients, covariance = fit_least_squares(spline_columns(positions, knots), observed, week)
    grid = np.linspace(positions.min(), positions.max(), _STEPS)
    columns = spline_columns(grid, knots)
    mean = columns @ coefficients
    margin = student_t(weeks - 1) * np.sqrt(((columns @ covariance) * columns).sum(axis=1))
    return Curve(grid, mean, mean - margin, mean + margin)


def student_t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t distribution: how many standard errors a 95 % interval extends.

    Cornish and Fisher's expansion, with an error below 1 % from four degrees of freedom on (Abramowitz and
    Stegun 26.7.5).

    Args:
        freedom: Degrees of freedom.
    """
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    terms: tuple[float, ...] = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum((term / freedom**power for power, term in enumerate(terms)), 0.0)


def spline_columns(x: Floats, knots: Floats) -> Floats:
    """Return the design matrix of a natural cubic spline: cubic between the knots, linear beyond them.

    Args:
        x: Positions, shape (points,).
        knots: Increasing positions of the knots, at least three.

    Returns:
        Shape (points, knots): a constant, `x`, and one column per knot but the last two.
    """
    last, before, width = knots[-1], knots[-2], knots[-1] - knots[0]

    def cube(knot: float) -> Floats:
        cubed: Floats = np.maximum(x - knot, 0) ** 3
        return cubed

    bends = [
        cube(knot) - (cube(before) * (last - knot) - cube(last) * (before - knot)) / (last - before)
        for knot in knots[:-2]
    ]
    return np.column_stack([np.ones(len(x)), x, *(bend / width**2 for bend in bends)])


def fit_least_squares(design: Floats, observed: Floats, cluster: ArrayLike) -> tuple[Floats, Floats]:
    """Fit coefficients by least squares, with their covariance from leaving out one cluster after the other.

    Args:
        design: One row per point, shape (points, coefficients).
        observed: Values, shape (points,).
        cluster: Cluster of each point, shape (points,).

    Returns:
        The coefficients, and their covariance of shape (coefficients, coefficients).
    """
    labels = np.asarray(cluster)
    parts = [(design[labels == label], observed[labels == label]) for label in np.unique(labels)]
    grams = np.array([columns.T @ columns for columns, _ in parts])
    moments = np.array([columns.T @ values for columns, values in parts])
    gram, moment = grams.sum(axis=0), moments.sum(axis=0)
    coefficients = np.linalg.pinv(gram) @ moment
    without = (np.linalg.pinv(gram - grams) @ (moment - moments)[:, :, None])[:, :, 0]
    return coefficients, jackknife_covariance(coefficients, without)


def divide_sums(numerators: ArrayLike, denominators: ArrayLike) -> Ratio:
    """Divide the sum of the numerators by the sum of the denominators.

    Args:
        numerators: One sum per cluster, shape (clusters,).
        denominators: One sum per cluster, shape (clusters,); their total is positive.

    Returns:
        The ratio with its standard error.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    value = float(above.sum() / below.sum())
    remaining = below.sum() - below
    # a cluster with the whole denominator leaves nothing to divide by
    is_left = remaining > 0
    if not is_left.any():
        return Ratio(value, None, len(below))
    moved = np.zeros((len(below), 1))
    moved[is_left, 0] = (above - value * below)[is_left] / remaining[is_left]
    variance = jackknife_covariance(np.zeros(1), moved)
    return Ratio(value, float(np.sqrt(variance[0, 0])), len(below))


def jackknife_covariance(estimate: Floats, without: Floats) -> Floats:
    """Return the covariance of an estimate from how much it moves when one cluster is left out.

    Args:
        estimate: From all clusters, shape (values,).
        without: The estimate without each cluster, shape (clusters, values).

    Returns:
        Shape (values, values).
    """
    moved = without - estimate
    covariance: Floats = (len(without) - 1) / len(without) * moved.T @ moved
    return covariance
