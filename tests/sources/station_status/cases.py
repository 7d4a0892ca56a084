"""Cases of the suite of the feed of stations: each corrupts one thing in the clean raw file."""

from gate_cases import BETWEEN, NOT_NULL, Case, critical, warning

STATION_3 = "station_id = 'station 3' and batch = 'poll 1'"
REPORT = ("station 3 at 2024-01-10 12:28:57",)
LATER = ("poll 2",)


def report(assignment: str, where: str = STATION_3) -> str:
    return f"update raw.reports set {assignment} where {where};"


def poll(assignment: str) -> str:
    return f"update raw.polls set {assignment} where batch = 'poll 2';"


CASES = [
    Case(
        "no station",
        report("station_id = null"),
        (critical(NOT_NULL, "station_id", 1, ("a station without an identifier at 2024-01-10 12:28:57",)),),
    ),
    Case("no time", report("last_reported_utc = null"), (critical(NOT_NULL, "last_reported_utc", 1, ("station 3",)),)),
    Case(
        "no number of bikes",
        report("num_bikes_available = null"),
        (critical(NOT_NULL, "num_bikes_available", 1, REPORT),),
    ),
    Case(
        "a report without its document",
        report("batch = 'another'"),
        (critical(NOT_NULL, "document_time", 1, REPORT),),
    ),
    Case(
        "a report twice",
        f"insert into raw.reports from raw.reports where {STATION_3}",
        (critical(BETWEEN, "copies_of_report", 2, REPORT * 2),),
    ),
    Case(
        "a report from the future",
        report("last_reported_utc = '2024-01-10 12:35:01'"),
        (critical(BETWEEN, "seconds_after_document", 1, ("station 3 at 2024-01-10 12:35:01",)),),
    ),
    Case(
        "a negative number of bikes",
        report("num_bikes_available = -1"),
        (critical(BETWEEN, "num_bikes_available", 1, REPORT),),
    ),
    Case(
        "too many electric bikes",
        report("num_ebikes_available = 1001"),
        (critical(BETWEEN, "num_ebikes_available", 1, REPORT),),
    ),
    *(
        Case(
            f"a placeholder in {name}",
            report(f"{name} = 9999"),
            (critical(BETWEEN, name, 1, REPORT), warning(BETWEEN, "capacity_to_usual", 1, REPORT)),
        )
        for name in ("num_bikes_disabled", "num_docks_available", "num_docks_disabled")
    ),
    Case(
        "half of the docks are gone",
        report("num_docks_available = 0"),
        (warning(BETWEEN, "capacity_to_usual", 1, REPORT),),
    ),
    Case(
        "a document without stations",
        poll("stations = 0"),
        (critical(BETWEEN, "stations", 1, LATER), warning(BETWEEN, "stations_to_before", 1, LATER)),
    ),
    Case("a part of the system", poll("stations = 9"), (warning(BETWEEN, "stations_to_before", 1, LATER),)),
    Case("silent stations", poll("stations_silent = 3"), (warning(BETWEEN, "silent_share", 1, LATER),)),
    Case(
        "a stale document",
        poll("fetched_at_utc = last_updated_utc + interval 121 minute"),
        (warning(BETWEEN, "hours_behind", 1, LATER),),
    ),
]
