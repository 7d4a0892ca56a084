"""Known oddities on both sides of their bounds, and months with the shares of the provider's files of early 2021."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from ingestion import load
from provider_files import Serve, month_of_rides, ride, write_zip
from quality_data import LOAD, RIDE

from data_quality.check import find_suite
from data_quality.runner import GateReport, validate
from data_stack.ops import ExpectationRecord, Ops
from data_stack.registry import get_source, source_names
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
Evaluate = Callable[[str], list[ExpectationRecord]]

RIDES = 2000
# so many more rides of one day that a share of 1 in 1,000 is more than one ride
MORE_RIDES = f"""
insert into raw.trips
select trips.* replace (printf('%016X', 100000 + i) as ride_id, 100000 + i as source_line)
from raw.trips, range({RIDES} - (select count(*) from raw.trips)) as numbers(i)
where ride_id = '{RIDE}';
update raw.files set rows_loaded = rows_loaded + {RIDES} - (select sum(rows_loaded) from raw.files)
where batch = '202410.zip';
"""
FIRST_OF_MANY = "update raw.trips set {} where source_line between 100000 and 99999 + {}"
FIRST_HOURS = "update raw.hours set {} where hour_utc < timestamp '2024-01-01' + {} * interval 1 hour"

# per bounded column: what makes a row odd, and the largest number of such rows with which the load passes
BOUNDS = {
    ("bike", "start_year"): ("started_at_local = '2012-10-21'", RIDES // 1000),
    ("bike", "months_after_file_month"): ("started_at_local = '2024-08-31'", RIDES // 1000),
    ("bike", "is_end_before_start"): ("ended_at_local = started_at_local - interval 1 second", RIDES // 200),
    ("bike", "member_casual"): ("member_casual = 'Subscriber'", RIDES // 200),
    ("bike", "is_member_casual_missing"): ("member_casual = null", RIDES // 200),
    ("weather", "weather_code"): ("weather_code = -999", 240 // 20),
}


def plant(dirty: Dirty, source_name: str, assignment: str, count: int) -> None:
    """Make some rows of the clean file odd."""
    if source_name == "bike":
        dirty("bike", MORE_RIDES)
    template = FIRST_OF_MANY if source_name == "bike" else FIRST_HOURS
    dirty(source_name, template.format(assignment, count))


def failed(outcomes: list[ExpectationRecord], column: str) -> list[tuple[str, int]]:
    return sorted((o.severity, o.unexpected) for o in outcomes if o.column == column and not o.success)


def test_every_bounded_expectation_is_tested_on_both_sides() -> None:
    bounded = set()
    for source_name in source_names():
        expectations = [e for check in find_suite(source_name) for e in check.expectations]
        kinds = [(e.expectation_type, e.column) for e in expectations]
        bounded |= {(source_name, column) for kind, column in kinds if kinds.count((kind, column)) == 2}
    assert bounded == set(BOUNDS)


@pytest.mark.parametrize(("source_name", "column"), BOUNDS)
def test_a_share_at_its_bound_is_a_warning(source_name: str, column: str, dirty: Dirty, evaluate: Evaluate) -> None:
    assignment, allowed = BOUNDS[source_name, column]
    plant(dirty, source_name, assignment, allowed)
    outcomes = evaluate(source_name)
    assert failed(outcomes, column) == [("warning", allowed)]
    assert GateReport.of_outcomes(source_name, LOAD, outcomes).passed


@pytest.mark.parametrize(("source_name", "column"), BOUNDS)
def test_a_share_above_its_bound_rejects_the_load(
    source_name: str, column: str, dirty: Dirty, evaluate: Evaluate
) -> None:
    assignment, allowed = BOUNDS[source_name, column]
    plant(dirty, source_name, assignment, allowed + 1)
    outcomes = evaluate(source_name)
    assert failed(outcomes, column) == [("critical", allowed + 1), ("warning", allowed + 1)]
    assert not GateReport.of_outcomes(source_name, LOAD, outcomes).passed


@pytest.mark.parametrize(("rides", "severities"), [(200, ["warning"]), (199, ["critical", "warning"])])
def test_one_ride_is_above_the_bound_only_in_a_load_of_under_200(
    rides: int, severities: list[str], dirty: Dirty, evaluate: Evaluate
) -> None:
    dirty("bike", f"delete from raw.trips where source_line > {rides}")
    dirty("bike", "update raw.trips set ended_at_local = started_at_local - interval 1 second where source_line = 7")
    outcomes = [outcome for outcome in evaluate("bike") if outcome.column == "is_end_before_start"]
    assert {outcome.checked for outcome in outcomes} == {rides}
    assert [severity for severity, _ in failed(outcomes, "is_end_before_start")] == severities


def write_month(bucket: Path, month: date, rides: int, ending_before_start: int) -> None:
    """A file of the 13-column format, in which some rides at noon end half a minute before they start."""
    lines = month_of_rides(month, rides, first=rides * 100)
    noon, before_noon = f"{month:%Y-%m}-15 12:00:00", f"{month:%Y-%m}-15 11:59:30"
    lines[:ending_before_start] = [ride(n + 1, noon, before_noon) for n in range(ending_before_start)]
    write_zip(bucket, f"JC-{month:%Y%m}-citibike-tripdata.csv.zip", lines)


def ingest_and_validate(settings: Settings, month: date) -> GateReport:
    load(settings, "bike", f"{month}", f"{month.replace(day=monthrange(month.year, month.month)[1])}")
    (report,) = validate(settings, Ops(settings.ops_dir), "run", [get_source("bike")])
    return report


LIMIT = (
    "A ride that ends before it starts, even allowing for a daylight saving time change, has an incorrect time; core"
    " flags it, and it is not in the mean duration. A larger share rejects the load (limit 0.5 %: six times the highest"
    " known share, 4 of 4,881 rides in February 2021)."
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
    examples = ", ".join(f"{n:016X}" for n in range(1, 6))
    assert report.format_failures() == [
        f"bike: {severity}: expect_column_values_to_be_in_set on is_end_before_start: 98 of 4881 fail, for example"
        f" {examples}. {LIMIT}"
        for severity in ("critical", "warning")
    ]
