"""Cases of the bike suite: each corrupts one thing in the clean raw file."""

from gate_cases import BETWEEN, IN_SET, NOT_NULL, REGEX, Case, critical, odd, warning
from sources.bike.clean import CLOCK_RIDE, RIDE


def ride(assignment: str, where: str = f"ride_id = '{RIDE}'") -> str:
    return f"update raw.trips set {assignment} where {where};"


def ride_count(change: int, where: str) -> str:
    return f"update raw.files set rows_loaded = rows_loaded + {change} where {where};"


OCTOBER, NOVEMBER = "batch = '202410.zip'", "batch = '202411.zip'"
THREE, THREE_KEYS = "source_line <= 3", tuple(f"{n:016X}" for n in range(3))

CASES = [
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
