"""Every expectation of every suite is proven able to fail: each case corrupts one thing in a clean raw file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

import pytest
from quality_data import CLOCK_RIDE, RIDE, transaction_id

from data_quality.check import find_suite
from data_stack.ops import ExpectationRecord
from data_stack.registry import get_source, source_names

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
REGEX = "expect_column_values_to_match_regex"

ANY = None


@dataclass(frozen=True)
class Failure:
    """An expectation that fails in a case, and what its record must contain."""

    expectation: str
    column: str
    severity: str
    unexpected: int | None = 1
    keys: tuple[str, ...] | None = ANY


@dataclass(frozen=True)
class Case:
    """SQL that corrupts a clean raw file, and every expectation that then fails."""

    name: str
    sql: str
    failures: tuple[Failure, ...] = field(default_factory=tuple)


def critical(expectation: str, column: str, unexpected: int | None = 1, keys: tuple[str, ...] | None = ANY) -> Failure:
    return Failure(expectation, column, "critical", unexpected, keys)


def warning(expectation: str, column: str, unexpected: int | None = 1, keys: tuple[str, ...] | None = ANY) -> Failure:
    return Failure(expectation, column, "warning", unexpected, keys)


def odd(column: str, rows: int, group: str, keys: tuple[str, ...] | None = ANY) -> tuple[Failure, ...]:
    """The two failures of a known oddity whose share in one group is above the limit."""
    share = f"{column.removeprefix('is_')}_share"
    return warning(IN_SET, column, rows, keys), critical(BETWEEN, share, 1, (group,))


def ride(assignment: str, where: str = f"ride_id = '{RIDE}'") -> str:
    return f"update raw.trips set {assignment} where {where};"


def ride_count(change: int, where: str) -> str:
    return f"update raw.files set rows_loaded = rows_loaded + {change} where {where};"


OCTOBER, NOVEMBER = "batch = '202410.zip'", "batch = '202411.zip'"
THREE, THREE_KEYS = "source_line <= 3", tuple(f"{n:016X}" for n in range(3))

BIKE = [
    Case("no id", ride("ride_id = null"), (critical(NOT_NULL, "ride_id", 1, ("202410.zip:301",)),)),
    Case("id from a spreadsheet", ride("ride_id = '1.23E+15'"), (critical(REGEX, "ride_id", 1, ("1.23E+15",)),)),
    Case(
        "duplicate ride",
        f"insert into raw.trips from raw.trips where ride_id = '{RIDE}';" + ride_count(1, OCTOBER),
        (critical(BETWEEN, "copies_in_file", 2, (RIDE, RIDE)),),
    ),
    Case("no start", ride("started_at_local = null"), (critical(NOT_NULL, "started_at_local", 1, (RIDE,)),)),
    Case("no end", ride("ended_at_local = null"), (critical(NOT_NULL, "ended_at_local", 1, (RIDE,)),)),
    Case(
        "start before the system opened",
        ride("started_at_local = timestamp '2012-10-20 08:00:00'"),
        (warning(IN_SET, "is_before_opening", 1, (RIDE,)), warning(IN_SET, "is_far_from_file_month", 1, (RIDE,))),
    ),
    Case(
        "many starts before the system opened",
        ride("started_at_local = timestamp '2012-12-31 23:59:59'", THREE),
        (
            *odd("is_before_opening", 3, "2024-09", THREE_KEYS),
            *odd("is_far_from_file_month", 3, "2024-09", THREE_KEYS),
        ),
    ),
    Case(
        "unrecorded file",
        ride("batch = 'unknown.zip'") + ride_count(-1, OCTOBER),
        (critical(NOT_NULL, "file_month", 1, (RIDE,)),),
    ),
    Case(
        "start two months before its file's",
        ride("started_at_local = '2024-08-31 08:00:00', ended_at_local = '2024-08-31 08:15:00'"),
        (warning(IN_SET, "is_far_from_file_month", 1, (RIDE,)),),
    ),
    Case(
        "start two months after its file's",
        ride("started_at_local = '2024-12-01', ended_at_local = '2024-12-01 00:05:00'"),
        (warning(IN_SET, "is_far_from_file_month", 1, (RIDE,)),),
    ),
    Case(
        "end before start",
        ride("ended_at_local = started_at_local - interval 1 second"),
        (warning(IN_SET, "is_end_before_start", 1, (RIDE,)),),
    ),
    Case(
        "many ends before starts",
        ride("ended_at_local = started_at_local - interval 1 second", THREE),
        odd("is_end_before_start", 3, "2024-09", THREE_KEYS),
    ),
    Case(
        "end before start despite the end of daylight saving time",
        ride("ended_at_local = '2024-11-03 00:59:59'", f"ride_id = '{CLOCK_RIDE}'"),
        (warning(IN_SET, "is_end_before_start", 1, (CLOCK_RIDE,)),),
    ),
    Case(
        "2 rides in 100 over a day",
        ride("ended_at_local = started_at_local + interval 25 hour", "source_line <= 11"),
        (warning(BETWEEN, "duration_hours", 11, tuple(f"{n:016X}" for n in range(5))),),
    ),
    Case("new vehicle", ride("rideable_type = 'cargo_bike'"), (warning(IN_SET, "rideable_type", 1, (RIDE,)),)),
    Case(
        "no vehicle in the new format",
        ride("rideable_type = null"),
        (warning(IN_SET, "is_rideable_type_missing", 1, (RIDE,)),),
    ),
    Case("third rider", ride("member_casual = 'Subscriber'"), (warning(IN_SET, "is_third_rider_type", 1, (RIDE,)),)),
    Case(
        "many third riders",
        ride("member_casual = 'Subscriber'", THREE),
        odd("is_third_rider_type", 3, "2024-09", THREE_KEYS),
    ),
    Case(
        "no rider in the new format",
        ride("member_casual = null"),
        (warning(IN_SET, "is_member_casual_missing", 1, (RIDE,)),),
    ),
    Case(
        "many without a rider in the new format",
        ride("member_casual = null", THREE),
        odd("is_member_casual_missing", 3, "2024-09", THREE_KEYS),
    ),
    Case("start in the sea", ride("start_latitude = 0"), (warning(BETWEEN, "start_latitude", 1, (RIDE,)),)),
    Case("start in Montreal", ride("start_longitude = -73.55"), (warning(BETWEEN, "start_longitude", 1, (RIDE,)),)),
    Case("end in the sea", ride("end_latitude = 0"), (warning(BETWEEN, "end_latitude", 1, (RIDE,)),)),
    Case("end in Montreal", ride("end_longitude = -73.55"), (warning(BETWEEN, "end_longitude", 1, (RIDE,)),)),
    Case(
        "many without a start station",
        ride("start_station_id = null", "source_line % 10 = 0"),
        (warning(NOT_NULL, "start_station_id", 54),),
    ),
    Case(
        "many without an end station",
        ride("end_station_id = null", "source_line % 10 = 0"),
        (warning(NOT_NULL, "end_station_id", 54),),
    ),
    Case(
        "an empty day",
        "delete from raw.trips where started_at_local::date = '2024-10-21';" + ride_count(-6, OCTOBER),
        (
            warning(BETWEEN, "rides", 1, ("2024-10-21",)),
            warning(BETWEEN, "share_of_weekdays_before", 1, ("2024-10-21",)),
        ),
    ),
    Case(
        "a day with few rides",
        f"delete from raw.trips where started_at_local::date = '2024-10-21' and ride_id != '{RIDE}';"
        + ride_count(-5, OCTOBER),
        (warning(BETWEEN, "share_of_weekdays_before", 1, ("2024-10-21",)),),
    ),
    Case(
        "a truncated file",
        f"delete from raw.trips where {NOVEMBER} and day(started_at_local) > 5;" + ride_count(-150, NOVEMBER),
        (
            critical(IN_SET, "is_truncated", 1, ("2024-11",)),
            warning(BETWEEN, "share_of_months_before", 1, ("2024-11",)),
            warning(BETWEEN, "rides", 25, tuple(f"2024-11-{day:02}" for day in range(6, 11))),
            warning(BETWEEN, "share_of_weekdays_before", 25, tuple(f"2024-11-{day:02}" for day in range(6, 11))),
        ),
    ),
    Case(
        "a month of snow",
        f"delete from raw.trips where {NOVEMBER} and (source_line % 6 != 1 or day(started_at_local) in (8, 9));"
        + ride_count(-153, NOVEMBER),
        (
            warning(BETWEEN, "share_of_months_before", 1, ("2024-11",)),
            warning(BETWEEN, "rides", 2, ("2024-11-08", "2024-11-09")),
            warning(BETWEEN, "share_of_weekdays_before", 28),
        ),
    ),
    Case(
        "a file of single rides",
        f"delete from raw.trips where {NOVEMBER} and (source_line % 6 != 1 or day(started_at_local) % 2 = 0);"
        + ride_count(-166, NOVEMBER),
        (
            critical(IN_SET, "is_truncated", 1, ("2024-11",)),
            warning(BETWEEN, "share_of_months_before", 1, ("2024-11",)),
            warning(BETWEEN, "rides", 15),
            warning(BETWEEN, "share_of_weekdays_before", 29),
        ),
    ),
    Case("a missing ride", ride_count(1, OCTOBER), (critical(BETWEEN, "rides_missing", 1, ("202410.zip",)),)),
    Case("a duplicated ride", ride_count(-1, OCTOBER), (critical(BETWEEN, "rides_missing", 1, ("202410.zip",)),)),
    Case(
        "many rejected rows",
        f"update raw.files set rows_rejected = 1 where {OCTOBER}",
        (warning(BETWEEN, "rejected_share", 1, ("202410.zip",)),),
    ),
]


def hour(assignment: str, where: str = "hour_utc = '2024-01-03 10:00:00'") -> str:
    return f"update raw.hours set {assignment} where {where};"


HOUR = ("2024-01-03 10:00:00",)

WEATHER = [
    Case("no place", hour("place_id = null"), (critical(NOT_NULL, "place_id", 1, HOUR),)),
    Case(
        "no time",
        hour("hour_utc = null"),
        (
            critical(NOT_NULL, "hour_utc", 1, ("an hour without a time",)),
            warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),
        ),
    ),
    Case(
        "a year before the archive",
        hour("hour_utc = '1939-12-31 10:00:00'"),
        (
            critical(BETWEEN, "year", 1, ("1939-12-31 10:00:00",)),
            critical(BETWEEN, "missing_share", 1, ("1939-12-31 to 2024-01-10",)),
            warning(BETWEEN, "hours_missing", ANY),
        ),
    ),
    Case(
        "a duplicate hour",
        f"insert into raw.hours from raw.hours where hour_utc = '{HOUR[0]}'",
        (critical(BETWEEN, "copies_of_hour", 2, HOUR * 2),),
    ),
    Case(
        "a half hour",
        hour("hour_utc = '2024-01-03 10:30:00'"),
        (
            critical(BETWEEN, "seconds_past_the_hour", 1, ("2024-01-03 10:30:00",)),
            warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),
        ),
    ),
    Case("another grid cell", hour("grid_latitude = 42"), (critical(BETWEEN, "degrees_to_grid_cell", 1, HOUR),)),
    Case("Fahrenheit", hour("temperature_2m = 71"), (critical(BETWEEN, "temperature_2m", 1, HOUR),)),
    Case("too humid", hour("relative_humidity_2m = 101"), (critical(BETWEEN, "relative_humidity_2m", 1, HOUR),)),
    Case(
        "apparent temperature with a placeholder",
        hour("apparent_temperature = -999"),
        (critical(BETWEEN, "apparent_temperature", 1, HOUR),),
    ),
    Case("negative precipitation", hour("precipitation = -0.1"), (critical(BETWEEN, "precipitation", 1, HOUR),)),
    Case("a flood", hour("precipitation = 400"), (critical(BETWEEN, "precipitation", 1, HOUR),)),
    Case("negative rain", hour("rain = -0.1"), (critical(BETWEEN, "rain", 1, HOUR),)),
    Case("snow in millimetres", hour("snowfall = 51"), (critical(BETWEEN, "snowfall", 1, HOUR),)),
    Case("negative wind", hour("wind_speed_10m = -1"), (critical(BETWEEN, "wind_speed_10m", 1, HOUR),)),
    Case(
        "a code outside the table",
        hour("weather_code = 100"),
        (warning(IN_SET, "is_code_outside_table", 1, HOUR), warning(IN_SET, "weather_code", 1, HOUR)),
    ),
    Case(
        "many codes outside the table",
        hour("weather_code = -999", "hour_utc < '2024-01-01 13:00:00'"),
        (
            *odd("is_code_outside_table", 13, "2024-01-01 to 2024-01-10"),
            warning(IN_SET, "weather_code", 13),
        ),
    ),
    Case("an unknown code", hour("weather_code = 4"), (warning(IN_SET, "weather_code", 1, HOUR),)),
    Case(
        "apparent and actual temperature mixed up",
        hour("apparent_temperature = temperature_2m + 21", "hour_utc < '2024-01-01 03:00:00'"),
        (warning(BETWEEN, "apparent_minus_actual", 3, tuple(f"2024-01-01 0{n}:00:00" for n in range(3))),),
    ),
    Case(
        "precipitation that does not add up",
        hour("rain = rain + 1", "hour_utc < '2024-01-01 05:00:00'"),
        (warning(BETWEEN, "precipitation_minus_parts", 5, tuple(f"2024-01-01 0{n}:00:00" for n in range(5))),),
    ),
    Case(
        "hours without any value",
        hour(
            "temperature_2m = null, relative_humidity_2m = null, apparent_temperature = null, precipitation = null,"
            " rain = null, snowfall = null, wind_speed_10m = null, weather_code = null",
            "hour_utc >= '2024-01-09 18:00:00'",
        ),
        (
            warning(BETWEEN, "measures_answered", 30, tuple(f"2024-01-09 {n}:00:00" for n in range(18, 23))),
            warning(BETWEEN, "null_share", 8),
        ),
    ),
    Case(
        "a missing hour",
        f"delete from raw.hours where hour_utc = '{HOUR[0]}'",
        (warning(BETWEEN, "hours_missing", 1, ("2024-01-03",)),),
    ),
    Case(
        "a fifth of the hours is missing",
        "delete from raw.hours where hour_utc::date in ('2024-01-04', '2024-01-05')",
        (
            critical(BETWEEN, "missing_share", 1, ("2024-01-01 to 2024-01-10",)),
            warning(BETWEEN, "hours_missing", 2, ("2024-01-04", "2024-01-05")),
        ),
    ),
    Case(
        "a second place",
        hour("place_id = '1.0,1.0'"),
        (critical(BETWEEN, "places", 1, ("2024-01-01 to 2024-01-10",)),),
    ),
    Case(
        "a variable with gaps",
        hour("wind_speed_10m = null", "hour_utc < '2024-01-01 13:00:00'"),
        (warning(BETWEEN, "null_share", 1, ("wind_speed_10m",)),),
    ),
]

SECOND = "batch = 'second.csv'"
SHOP = transaction_id(date(2024, 3, 8), "Shop 2")


def row(assignment: str, where: str = f"transaction_id = '{SHOP}'") -> str:
    return f"update raw.transactions set {assignment} where {SECOND} and {where};"


def row_count(change: int) -> str:
    return f"update raw.files set rows_loaded = rows_loaded + {change} where {SECOND};"


EXPORT = ("export 2",)
INCOMES = tuple(transaction_id(date(2024, month, 26), "Employer") for month in range(1, 6))

TRANSACTIONS = [
    Case("no id", row("transaction_id = null"), (critical(NOT_NULL, "transaction_id", 1, ("line 26",)),)),
    Case(
        "an id that is not a hash",
        row("transaction_id = 'Jane Roe'"),
        (critical(REGEX, "transaction_id", 1, ("line 26",)),),
    ),
    Case(
        "duplicate transaction",
        f"insert into raw.transactions from raw.transactions where {SECOND} and transaction_id = '{SHOP}';"
        + row_count(1),
        (critical(BETWEEN, "copies_in_file", 2, (SHOP, SHOP)),),
    ),
    Case("no date", row("date = null"), (critical(NOT_NULL, "date", 1, (SHOP,)),)),
    Case(
        "a date in the far future",
        row("date = '2024-07-03'"),
        (
            critical(BETWEEN, "days_after_load", 1, (SHOP,)),
            warning(BETWEEN, "days_pending", 1, (transaction_id(date(2024, 5, 28), "Shop 0"),)),
            warning(BETWEEN, "share_of_months_before", 1, ("export 2, 2024-06",)),
        ),
    ),
    Case(
        "a year of two digits",
        row("date = '0024-03-08'"),
        (critical(BETWEEN, "year", 1, (SHOP,)), warning(BETWEEN, "share_of_months_before", 2)),
    ),
    Case("no amount", row("amount = null"), (critical(NOT_NULL, "amount", 1, (SHOP,)),)),
    Case("a lost decimal point", row("amount = 20500000"), (warning(IN_SET, "is_amount_huge", 1, (SHOP,)),)),
    Case("no name", row("name = ' '"), (warning(NOT_NULL, "name", 1, (SHOP,)),)),
    Case("no account", row("account = ''"), (critical(NOT_NULL, "account", 1, (SHOP,)),)),
    Case("a mask read as a number", row("account_mask = '42.0'"), (critical(REGEX, "account_mask", 1, (SHOP,)),)),
    Case("no type", row("type = null"), (critical(NOT_NULL, "type", 1, (SHOP,)),)),
    Case("a fourth type", row("type = 'loan'"), (critical(IN_SET, "type", 1, (SHOP,)),)),
    Case("no status", row("status = null"), (critical(NOT_NULL, "status", 1, (SHOP,)),)),
    Case("a third status", row("status = 'cancelled'"), (critical(IN_SET, "status", 1, (SHOP,)),)),
    Case(
        "a returned salary",
        row("amount = 3000", f"transaction_id = '{INCOMES[0]}'"),
        (warning(IN_SET, "is_income_positive", 1, INCOMES[:1]),),
    ),
    Case("pending for a long time", row("status = 'pending'"), (warning(BETWEEN, "days_pending", 1, (SHOP,)),)),
    Case(
        "mostly uncategorised",
        row("category = ' '", "type = 'regular' and date < '2024-04-01'"),
        (warning(IN_SET, "is_category_blank", 24),),
    ),
    Case("a missing transaction", row_count(1), (critical(BETWEEN, "transactions_missing", 1, EXPORT),)),
    Case("a duplicated transaction", row_count(-1), (critical(BETWEEN, "transactions_missing", 1, EXPORT),)),
    Case(
        "many rejected rows",
        f"update raw.files set rows_rejected = 1 where {SECOND}",
        (warning(BETWEEN, "rejected_share", 1, EXPORT),),
    ),
    Case(
        "income with reversed signs",
        row("amount = -amount", "type = 'income'"),
        (critical(BETWEEN, "positive_income_share", 1, EXPORT), warning(IN_SET, "is_income_positive", 5, INCOMES)),
    ),
    Case(
        "spending with reversed signs",
        row("amount = -amount", "type = 'regular'"),
        (critical(BETWEEN, "negative_regular_share", 1, EXPORT),),
    ),
    Case(
        "an export that would erase an earlier one",
        f"delete from raw.transactions where {SECOND} and type = 'regular' and month(date) < 4;" + row_count(-24),
        (critical(BETWEEN, "share_of_replaced", 1, EXPORT),),
    ),
    Case(
        "one side of a transfer",
        row("amount = amount / 2", "account = 'Savings' and month(date) = 3"),
        (warning(BETWEEN, "transfer_net_share", 1, ("export 2, 2024-03",)),),
    ),
    Case(
        "a month with few transactions",
        f"delete from raw.transactions where {SECOND} and month(date) = 4 and type != 'internal transfer';"
        + row_count(-9),
        (warning(BETWEEN, "share_of_months_before", 1, ("export 2, 2024-04",)),),
    ),
]

CASES = {"bike": BIKE, "weather": WEATHER, "transactions": TRANSACTIONS}


def _cases() -> Iterator[object]:
    for source_name, cases in CASES.items():
        for case in cases:
            yield pytest.param(source_name, case, id=f"{source_name}: {case.name}")


Evaluate = Callable[[str], list[ExpectationRecord]]
Dirty = Callable[[str, str], None]


@pytest.mark.parametrize("source_name", source_names())
def test_clean_data_fails_no_expectation(source_name: str, dirty: Dirty, evaluate: Evaluate) -> None:
    dirty(source_name, "")
    outcomes = evaluate(source_name)
    assert [outcome for outcome in outcomes if not outcome.success] == []
    unchecked = {outcome.column for outcome in outcomes if not outcome.checked}
    shares = {e.column for check in find_suite(source_name) if check.name == "shares" for e in check.expectations}
    assert unchecked == shares, "a share is null while no row is odd"


@pytest.mark.parametrize(("source_name", "case"), _cases())
def test_a_corruption_fails_its_expectations_and_no_others(
    source_name: str, case: Case, dirty: Dirty, evaluate: Evaluate
) -> None:
    dirty(source_name, case.sql)
    failed = {(o.expectation, o.column, o.severity): o for o in evaluate(source_name) if not o.success}
    assert set(failed) == {(f.expectation, f.column, f.severity) for f in case.failures}
    for expected in case.failures:
        outcome = failed[expected.expectation, expected.column, expected.severity]
        if expected.unexpected is not ANY:
            assert outcome.unexpected == expected.unexpected
        if expected.keys is not ANY:
            assert tuple(outcome.example_keys) == expected.keys
        assert outcome.reason


@pytest.mark.parametrize("source_name", source_names())
def test_every_expectation_has_a_case_a_severity_and_a_reason(source_name: str) -> None:
    expectations = [e for check in find_suite(source_name) for e in check.expectations]
    named = [(e.expectation_type, e.column, e.severity.value) for e in expectations]
    proven = {(f.expectation, f.column, f.severity) for case in CASES[source_name] for f in case.failures}
    assert proven == set(named)
    assert len(named) == len(set(named)), "reports and Data Docs identify an expectation by type, column and severity"
    assert all(len(e.meta["reason"]) > 10 for e in expectations)


@pytest.mark.parametrize("source_name", source_names())
def test_no_observed_column_is_personal(source_name: str) -> None:
    observed = {column for check in find_suite(source_name) for column in check.observed}
    assert observed.isdisjoint(get_source(source_name).personal_columns)
    assert source_name != "transactions" or observed == set()
