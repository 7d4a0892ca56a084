"""Known oddities on both sides of their limits, and months with the shares of the provider's files of early 2021."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from ingestion import load
from providers import Serve
from quality_data import LOAD
from sources.bike.provider import month_of_rides, ride, write_zip

from data_quality.check import find_suite
from data_quality.runner import GateReport, validate
from data_stack.ops import ExpectationRecord, Ops
from data_stack.registry import get_source, source_names
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
Evaluate = Callable[[str], list[ExpectationRecord]]

RIDES = 4000
# so many rides in November that 1 in 1,000 of them is not under the minimum count
MORE_RIDES = f"""
insert into raw.trips
select trips.* replace (printf('%016X', 100000 + i) as ride_id, 100000 + i as source_line)
from raw.trips, range({RIDES} - (select count(*) from raw.trips where batch = '202411.zip')) as numbers(i)
where source_line = 500;
update raw.files set rows_loaded = {RIDES} where batch = '202411.zip';
"""
FIRST_OF_MANY = "update raw.trips set {} where source_line between 100000 and 99999 + {}"
FIRST_HOURS = "update raw.hours set {} where hour_utc < timestamp '2024-01-01' + {} * interval 1 hour"

# per known oddity: what makes a row odd, the largest number of such rows with which the load passes, and of how many
BOUNDS = {
    ("bike", "is_before_opening"): ("started_at_local = '2012-10-21'", RIDES // 1000, RIDES),
    ("bike", "is_far_from_file_month"): ("started_at_local = '2024-08-31'", RIDES // 1000, RIDES),
    ("bike", "is_end_before_start"): ("ended_at_local = started_at_local - interval 1 second", RIDES // 200, RIDES),
    ("bike", "is_third_rider_type"): ("member_casual = 'Subscriber'", RIDES // 200, RIDES),
    ("bike", "is_member_casual_missing"): ("member_casual = null", RIDES // 200, RIDES),
    ("weather", "is_code_outside_table"): ("weather_code = -999", 240 // 20, 240),
}
GROUPS = {"bike": "2024-11", "weather": "2024-01-01 to 2024-01-10"}


def plant(dirty: Dirty, source_name: str, assignment: str, count: int) -> None:
    """Make some rows of the clean file odd."""
    if source_name == "bike":
        dirty("bike", MORE_RIDES)
    template = FIRST_OF_MANY if source_name == "bike" else FIRST_HOURS
    dirty(source_name, template.format(assignment, count))


def get_share(outcomes: list[ExpectationRecord], column: str) -> ExpectationRecord:
    """The outcome of the limit on the share of a known oddity."""
    (outcome,) = (each for each in outcomes if each.column == f"{column.removeprefix('is_')}_share")
    return outcome


def count_warned(outcomes: list[ExpectationRecord], column: str) -> list[int]:
    return [o.unexpected for o in outcomes if (o.column, o.severity, o.success) == (column, "warning", False)]


def test_every_known_oddity_is_tested_on_both_sides() -> None:
    oddities = set()
    for source_name in source_names():
        expectations = [e for check in find_suite(source_name) for e in check.expectations]
        limits = {e.meta["reason"] for e in expectations if e.severity.value == "critical"}
        warnings = [e for e in expectations if e.severity.value == "warning"]
        oddities |= {(source_name, e.column) for e in warnings if e.meta["reason"] in limits}
    assert oddities == set(BOUNDS)


@pytest.mark.parametrize(("source_name", "column"), BOUNDS)
def test_a_share_at_its_limit_is_a_warning(source_name: str, column: str, dirty: Dirty, evaluate: Evaluate) -> None:
    assignment, allowed, rows = BOUNDS[source_name, column]
    plant(dirty, source_name, assignment, allowed)
    outcomes = evaluate(source_name)
    share = get_share(outcomes, column)
    assert (share.checked, share.unexpected, share.observed) == (1, 0, f"{allowed / rows:.6g}")
    assert count_warned(outcomes, column) == [allowed]
    assert GateReport.of_outcomes(source_name, LOAD, outcomes).passed


@pytest.mark.parametrize(("source_name", "column"), BOUNDS)
def test_a_share_above_its_limit_rejects_the_load(
    source_name: str, column: str, dirty: Dirty, evaluate: Evaluate
) -> None:
    assignment, allowed, rows = BOUNDS[source_name, column]
    plant(dirty, source_name, assignment, allowed + 1)
    outcomes = evaluate(source_name)
    share = get_share(outcomes, column)
    assert (share.severity, share.success, share.example_keys) == ("critical", False, [GROUPS[source_name]])
    assert (share.checked, share.unexpected, share.observed) == (1, 1, f"{(allowed + 1) / rows:.6g}")
    assert count_warned(outcomes, column) == [allowed + 1]
    assert not GateReport.of_outcomes(source_name, LOAD, outcomes).passed


def write_month(bucket: Path, month: date, rides: int, ending_before_start: int) -> None:
    """A file of the 13-column format, in which some rides at noon end half a minute before they start."""
    first = (12 * month.year + month.month) * 100_000
    lines = month_of_rides(month, rides, first)
    noon, before_noon = f"{month:%Y-%m}-15 12:00:00", f"{month:%Y-%m}-15 11:59:30"
    lines[:ending_before_start] = [ride(first + n, noon, before_noon) for n in range(ending_before_start)]
    write_zip(bucket, f"JC-{month:%Y%m}-citibike-tripdata.csv.zip", lines)


def ingest_and_validate(settings: Settings, first_month: date, last_month: date | None = None) -> GateReport:
    last = last_month or first_month
    load(settings, "bike", f"{first_month}", f"{last.replace(day=monthrange(last.year, last.month)[1])}")
    (report,) = validate(settings, Ops(settings.ops_dir), "run", get_source("bike"))
    return report


@pytest.mark.integration
@pytest.mark.parametrize(
    ("rides", "odd", "shares"),
    [(20, 1, []), (20, 2, []), (300, 2, []), (300, 3, ["0.01"]), (599, 3, ["0.00500835"]), (600, 3, [])],
)
def test_a_share_is_judged_from_three_odd_rides_on(
    rides: int, odd: int, shares: list[str], settings: Settings, bucket: Path, serve: Serve
) -> None:
    month = date(2021, 2, 1)
    write_month(bucket, month, rides, odd)
    serve()
    report = ingest_and_validate(settings, month)
    assert count_warned(report.failures, "is_end_before_start") == [odd]
    assert [failure.observed for failure in report.failures if failure.severity == "critical"] == shares
    assert report.passed == (not shares)


@pytest.mark.integration
def test_one_bad_month_of_twelve_rejects_their_load(settings: Settings, bucket: Path, serve: Serve) -> None:
    months = [date(2021, month, 1) for month in range(1, 13)]
    for month in months:
        write_month(bucket, month, 500, {8: 10, 9: 2}.get(month.month, 0))
    serve()
    report = ingest_and_validate(settings, months[0], months[-1])
    assert not report.passed
    critical, warning = report.failures
    assert (critical.severity, critical.column) == ("critical", "end_before_start_share")
    assert (critical.example_keys, critical.observed) == (["2021-08"], "0.02")
    assert (warning.severity, warning.column) == ("warning", "is_end_before_start")
    # 0.2 % of the load, under the limit of 0.5 %
    assert (warning.unexpected, warning.checked) == (12, 6000)


LIMIT = (
    "A ride that ends before it starts, even allowing for a daylight saving time change, has an incorrect time; core"
    " flags it, and it is not in the mean duration. The load is rejected if 3 or more such rows are over 0.005 of the"
    " rides of a month (limit 0.5 %: six times the highest known share, 4 of 4,881 rides in February 2021)."
)


@pytest.mark.integration
def test_months_as_in_early_2021_pass_with_one_warning(settings: Settings, bucket: Path, serve: Serve) -> None:
    months = {date(2021, 2, 1): (4881, 4), date(2021, 3, 1): (17_123, 9), date(2021, 4, 1): (23_774, 3)}
    for month, (rides, ending_before_start) in months.items():
        write_month(bucket, month, rides, ending_before_start)
    serve()
    for month, (rides, ending_before_start) in months.items():
        report = ingest_and_validate(settings, month)
        assert report.passed
        (failure,) = report.failures
        assert (failure.severity, failure.column) == ("warning", "is_end_before_start")
        assert (failure.unexpected, failure.checked) == (ending_before_start, rides)
        assert failure.reason == LIMIT


@pytest.mark.integration
def test_a_month_with_2_percent_of_such_rides_is_rejected(settings: Settings, bucket: Path, serve: Serve) -> None:
    month = date(2021, 2, 1)
    write_month(bucket, month, 4881, 98)
    serve()
    report = ingest_and_validate(settings, month)
    assert not report.passed
    first = 12 * 2021 + 2
    examples = ", ".join(f"{first * 100_000 + n:016X}" for n in range(5))
    assert report.format_failures() == [
        "bike: critical: expect_column_values_to_be_between on end_before_start_share: 1 of 1 fail, for example 2021-02"
        f" (observed: 0.0200779). {LIMIT}",
        "bike: warning: expect_column_values_to_be_in_set on is_end_before_start: 98 of 4881 fail, for example"
        f" {examples}. {LIMIT}",
    ]
