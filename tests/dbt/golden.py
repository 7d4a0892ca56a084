"""The golden data: few rows that show every rule. `test_golden_*.py` has the expected marts, computed by hand.

New York local time in 2024: 10 March has no hour from 02:00 (EST, UTC-5, becomes EDT, UTC-4, at 07:00 UTC); 3 November
has the hour from 01:00 twice (EDT from 05:00 UTC, EST from 06:00 UTC).
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from dbt_support import Ride, make_empty_raw, put_bike_file
from raw_builder import build_raw, pass_loads

from data_stack.settings import Settings

MARCH = [
    # Mondays at 8: two dry ones with 2 and 4 rides, a rainy one with 1
    Ride("mon04_a", "2024-03-04 08:00:00", "2024-03-04 08:10:00", "A", "B", "member"),
    Ride("mon04_b", "2024-03-04 08:59:59", "2024-03-04 09:29:59", "A", "B", "casual"),
    Ride("mon11_a", "2024-03-11 08:00:00", "2024-03-11 08:10:00"),
    Ride("mon11_b", "2024-03-11 08:10:00", "2024-03-11 08:20:00"),
    Ride("mon11_c", "2024-03-11 08:20:00", "2024-03-11 08:30:00"),
    Ride("mon11_d", "2024-03-11 08:30:00", "2024-03-11 08:40:00"),
    Ride("mon18_a", "2024-03-18 08:30:00", "2024-03-18 08:45:00.500"),
    # the end is before the start; the kind of rider is unknown
    Ride("backward", "2024-03-04 12:00:00", "2024-03-04 11:59:00", None, "C", None),
    # over the hour that is missing in spring, and from within it
    Ride("spring_across", "2024-03-10 01:50:00", "2024-03-10 03:05:00"),
    Ride("spring_within", "2024-03-10 02:30:00", "2024-03-10 03:45:00"),
    # over midnight, from one station to another
    Ride("over_midnight", "2024-03-20 23:50:00", "2024-03-21 00:20:00", "B", "A"),
    Ride("no_end", "2024-03-20 10:00:00", "2024-03-20 10:30:00", "B", None),
]
NOVEMBER = [
    # a stray ride: the file is cut by end, and October is not loaded
    Ride("stray", "2024-10-31 23:50:00", "2024-11-01 00:10:00"),
    # before, over and after the autumn change
    Ride("autumn_first", "2024-11-03 01:10:00", "2024-11-03 01:40:00"),
    Ride("autumn_over", "2024-11-03 01:50:00", "2024-11-03 01:10:00"),
    Ride("autumn_after", "2024-11-03 02:00:00", "2024-11-03 02:20:00"),
    # the last day: December is not loaded
    Ride("last_day", "2024-11-30 23:00:00", "2024-11-30 23:30:00"),
]
MASKS = {"Checking": "0012", "Card": "0034", "Joint": "0056", "Metro": "0078"}

# the rows of the raw tables that one export wrote, by table
Export = dict[str, list[dict[str, Any]]]


def load_golden(settings: Settings) -> None:
    """Write the raw files and let their loads pass."""
    make_empty_raw(settings)
    put_bike_file(settings, "JC-202403.zip", "2024-03-01", MARCH)
    put_bike_file(settings, "JC-202411.zip", "2024-11-01", NOVEMBER, cut_by_end=True)
    build_raw(settings, "weather", {"hours": weather_hours()}, load_id="1.0")
    for number, export in enumerate(exports(), start=1):
        build_raw(settings, "transactions", export, load_id=f"{number}.0")
    pass_loads(settings)


def weather_hours() -> list[dict[str, Any]]:
    """Weather of three Mondays at 8, of the spring day (23 hours) and of the autumn day (25 hours)."""
    mondays = [
        _hour(datetime(2024, 3, 4, 13), 5.0, 0.0, 0),
        _hour(datetime(2024, 3, 11, 12), 5.0, 0.0, 1),
        _hour(datetime(2024, 3, 18, 12), 8.0, 1.2, 61),
    ]
    # 0 to 22 degrees, 0.1 mm in each hour, the first one snow
    spring = [
        _hour(datetime(2024, 3, 10, 5) + timedelta(hours=i), float(i), 0.1, 3, 0.0 if i else 0.07) for i in range(23)
    ]
    # 12 degrees, but 12.5 in the first hour; no precipitation, but unknown in the first hour
    autumn = [
        _hour(datetime(2024, 11, 3, 4) + timedelta(hours=i), 12.0 if i else 12.5, 0.0 if i else None, 0)
        for i in range(25)
    ]
    # an hour without any value is left out of the facts
    nothing = _hour(datetime(2024, 11, 4, 5), None, None, None)
    return [*mondays, *spring, *autumn, nothing]


def _hour(
    hour: datetime,
    temperature: float | None,
    precipitation: float | None,
    code: int | None,
    snowfall: float | None = None,
) -> dict[str, Any]:
    return {
        "place_id": "40.7282,-74.0776",
        "hour_utc": hour,
        "temperature_2m": temperature,
        "precipitation": precipitation,
        "snowfall": snowfall,
        "weather_code": code,
    }


def exports() -> list[Export]:
    """Every bank export, oldest first."""
    return [
        *(first_export(), second_export(), third_export(), fourth_export()),
        *(fares_of_july(), fares_of_august(), fares_of_september()),
    ]


def first_export() -> Export:
    """An export of January and February, of both accounts."""
    rows = [
        _money(
            "salary", "2024-01-05", "-3000.00", "Checking", type="income", category="Salary", parent_category="Income"
        ),
        _money("groceries", "2024-01-07", "80.50", "Card", category=" Groceries ", parent_category="Food"),
        _money("refund", "2024-01-09", "-20.50", "Card", category="Groceries", parent_category="Food "),
        _money(
            "excluded", "2024-01-12", "999.99", "Card", category="Groceries", parent_category="Food", is_excluded=True
        ),
        _money("transfer_out", "2024-01-15", "500.00", "Checking", type="internal transfer"),
        _money("transfer_in", "2024-01-15", "-500.00", "Card", type="internal transfer"),
        _money("rent", "2024-01-20", "1200.00", "Checking", category="Rent", parent_category="Home", recurring="Rent"),
        _money("blank", "2024-01-25", "10.00", "Card", category="  ", status="pending"),
        _money(
            "pending",
            "2024-02-10",
            "45.00",
            "Checking",
            category="Restaurants",
            parent_category="Food",
            status="pending",
        ),
        _money("other_account", "2024-02-12", "30.00", "Card", category="Groceries", parent_category="Food"),
    ]
    return _export(rows, "export_1.csv", 1, "2024-01-05", "2024-02-12", ["Checking", "Card"])


def second_export() -> Export:
    """A later export of February for one account: the pending payment posted, more expensive and a day later."""
    rows = [_money("posted", "2024-02-11", "46.10", "Checking", category="Restaurants", parent_category="Food")]
    return _export(rows, "export_2.csv", 2, "2024-02-01", "2024-02-29", ["Checking"])


def third_export() -> Export:
    """An export of another account, which ends with a pending subscription payment."""
    rows = [
        _streaming("stream_march", "2024-03-30", "9.99"),
        _streaming("stream_pending", "2024-04-30", "10.99", status="pending", category=" "),
    ]
    return _export(rows, "export_3.csv", 3, "2024-03-01", "2024-04-30", ["Joint"])


def fourth_export() -> Export:
    """The days after it: the subscription posted a day later and was paid again, at a higher price; then a refund."""
    rows = [
        _streaming("stream_april", "2024-05-01", "10.99"),
        _streaming("stream_may", "2024-05-30", "12.49"),
        _streaming("stream_refund", "2024-06-02", "-2.00"),
    ]
    return _export(rows, "export_4.csv", 4, "2024-05-01", "2024-06-20", ["Joint"])


def fares_of_july() -> Export:
    """An export that ends with pending fares; two of them are equal."""
    rows = [
        _fare("toll_1", "2024-07-15", "7.00", "TOLL", status="pending"),
        _fare("tap_1", "2024-07-30", "2.90", "SUBWAY", status="pending"),
        _fare("tap_2", "2024-07-31", "2.90", "SUBWAY", status="pending"),
        _fare("ferry", "2024-07-31", "5.00", "FERRY", status="pending"),
        _fare("toll_2", "2024-07-31", "7.00", "TOLL", status="pending"),
        _fare("bus_1", "2024-07-31", "3.00", "BUS", status="pending"),
    ]
    return _export(rows, "export_5.csv", 5, "2024-07-01", "2024-07-31", ["Metro"])


def fares_of_august() -> Export:
    """The days after it: one of the equal fares posted, the ferry was paid twice, and a bus fare is pending again."""
    rows = [
        _fare("tap_posted", "2024-08-01", "2.90", "SUBWAY"),
        _fare("bus_posted_1", "2024-08-01", "3.00", "BUS"),
        _fare("ferry_posted_1", "2024-08-02", "5.00", "FERRY"),
        _fare("ferry_posted_2", "2024-08-03", "5.00", "FERRY"),
        _fare("toll_posted", "2024-08-05", "7.00", "TOLL"),
        _fare("bus_2", "2024-08-31", "3.00", "BUS", status="pending"),
    ]
    return _export(rows, "export_6.csv", 6, "2024-08-01", "2024-08-31", ["Metro"])


def fares_of_september() -> Export:
    """The second bus fare posted."""
    rows = [_fare("bus_posted_2", "2024-09-01", "3.00", "BUS")]
    return _export(rows, "export_7.csv", 7, "2024-09-01", "2024-09-30", ["Metro"])


def _fare(transaction_id: str, day: str, amount: str, name: str, **other: Any) -> dict[str, Any]:
    return _money(
        transaction_id, day, amount, "Metro", name=name, category="Transit", parent_category="Travel", **other
    )


def _streaming(transaction_id: str, day: str, amount: str, **other: Any) -> dict[str, Any]:
    defaults = {"name": "STREAMING CO", "category": "Media", "parent_category": "Leisure", "recurring": "Streaming "}
    return _money(transaction_id, day, amount, "Joint", **{**defaults, **other})


def _money(transaction_id: str, day: str, amount: str, account: str, **other: Any) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "date": date.fromisoformat(day),
        "name": f"name of {transaction_id}",
        "amount": Decimal(amount),
        "account": account,
        "account_mask": MASKS[account],
        "type": "regular",
        "status": "posted",
        "is_excluded": False,
        "occurrence": 1,
        "note": "a note that stays in raw",
        **other,
    }


def _export(rows: list[dict[str, Any]], name: str, order: int, first: str, last: str, accounts: list[str]) -> Export:
    days = {"covered_from": date.fromisoformat(first), "covered_to": date.fromisoformat(last)}
    return {
        "transactions": [{**row, "batch": name} for row in rows],
        "coverage": [
            {"batch": name, "account": account, "account_mask": MASKS[account], "export_order": order, **days}
            for account in accounts
        ],
        "files": [{"batch": name, "export_order": order, "loaded_at_utc": datetime(2024, 3, 1)}],
    }


def find_transactions_that_count(exports: list[Export]) -> set[str]:
    """The transaction ids that must be in the facts: the rules of `int_transactions__*`, written as loops."""
    coverage = [days for export in exports for days in export["coverage"]]
    orders = {days["batch"]: days["export_order"] for days in coverage}
    rows = [
        {**row, "export_order": orders[row["batch"]]}
        for export in exports
        for row in export["transactions"]
        if not any(_replaces(days, row, orders[row["batch"]]) for days in coverage)
    ]
    return {row["transaction_id"] for row in rows} - _find_posted(rows)


def _replaces(days: dict[str, Any], row: dict[str, Any], order: int) -> bool:
    is_same_account = (days["account"], days["account_mask"]) == (row["account"], row["account_mask"])
    return (
        is_same_account and days["covered_from"] <= row["date"] <= days["covered_to"] and days["export_order"] > order
    )


def _find_posted(rows: list[dict[str, Any]]) -> set[str]:
    """The pending rows that a later export posts, each by a posting of its own."""
    in_time = sorted(rows, key=lambda row: (row["date"], row["transaction_id"]))
    unused = [row for row in in_time if row["status"] == "posted"]
    posted = set()
    for pending in (row for row in in_time if row["status"] == "pending"):
        posting = next((row for row in unused if _posts(row, pending)), None)
        if posting:
            unused.remove(posting)
            posted.add(pending["transaction_id"])
    return posted


def _posts(posting: dict[str, Any], pending: dict[str, Any]) -> bool:
    columns = ("account", "account_mask", "name", "amount")
    is_same_payment = pending["name"] is not None and all(posting[name] == pending[name] for name in columns)
    days_later = (posting["date"] - pending["date"]).days
    return is_same_payment and 0 <= days_later <= 14 and posting["export_order"] > pending["export_order"]
