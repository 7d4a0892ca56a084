"""Clean raw files for the tests of the gate, which corrupt one thing in a copy of them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from typing import Any

from raw_builder import build_raw

from data_stack.settings import Settings

Row = dict[str, Any]

LOAD = "2.0"
CLEAN_LOADS = {"transactions": ("1.0", LOAD)}  # of the sources whose clean file contains more than LOAD
MONTHS = (date(2024, 9, 1), date(2024, 10, 1), date(2024, 11, 1))
RIDES_PER_DAY = 6
RIDE = "000000000000012C"  # the ride that most cases corrupt: line 301, 2024-10-21 at 08:00
CLOCK_RIDE = "C10C000000000000"

FIRST_HOUR = datetime(2024, 1, 1)
HOURS = 240

TRANSACTION_MONTHS = (1, 2, 3, 4, 5)
LOADED_AT = datetime(2024, 6, 1, 12)


def build_clean(settings: Settings, source_name: str) -> None:
    """Write the raw file of a source with the load `LOAD`, and for transactions also an earlier export."""
    {"bike": _build_bike, "weather": _build_weather, "transactions": _build_transactions}[source_name](settings)


def bike_tables() -> dict[str, list[Row]]:
    """Three months of six rides per day, one ride of the previous month, one over the end of daylight saving time."""
    days = [MONTHS[0] + timedelta(days=n) for n in range(91)]
    starts = [datetime(day.year, day.month, day.day, 8 + 2 * k) for day in days for k in range(RIDES_PER_DAY)]
    trips = [_ride(f"{n:016X}", start, start + timedelta(minutes=15), n + 1) for n, start in enumerate(starts)]
    stray = _ride("57AA000000000000", datetime(2024, 8, 31, 23, 50), datetime(2024, 9, 1, 0, 5), 9001)
    clock = _ride(CLOCK_RIDE, datetime(2024, 11, 3, 1, 50), datetime(2024, 11, 3, 1, 10), 9002)
    trips += [{**stray, "batch": "202409.zip"}, clock]
    return {"trips": trips, "files": [_bike_file(month, trips) for month in MONTHS]}


def _ride(ride_id: str, start: datetime, end: datetime, line: int) -> Row:
    return {
        "ride_id": ride_id,
        "rideable_type": "electric_bike" if line % 2 else "classic_bike",
        "started_at_local": start,
        "ended_at_local": end,
        "start_station_id": "JC115",
        "end_station_id": "4074.10",
        "start_latitude": 40.72,
        "start_longitude": -74.04,
        "end_latitude": 40.73,
        "end_longitude": -74.05,
        "member_casual": "casual" if line % 5 == 0 else "member",
        "batch": f"{start:%Y%m}.zip",
        "source_line": line,
    }


def _bike_file(month: date, trips: list[Row]) -> Row:
    name = f"{month:%Y%m}.zip"
    rows = sum(trip["batch"] == name for trip in trips)
    return {
        "batch": name,
        "month": month,
        "rows_read": rows,
        "rows_loaded": rows,
        "rows_rejected": 0,
        "rows_repeated": 0,
        "is_cut_by_end": True,
    }


def _build_bike(settings: Settings) -> None:
    build_raw(settings, "bike", bike_tables(), LOAD)


def _build_weather(settings: Settings) -> None:
    build_raw(settings, "weather", {"hours": [_hour(n) for n in range(HOURS)]}, LOAD)


def _hour(n: int) -> Row:
    wet = n % 12 == 0
    return {
        "place_id": "40.7282,-74.0776",
        "latitude": 40.7282,
        "longitude": -74.0776,
        "grid_latitude": 40.738,
        "grid_longitude": -74.0425,
        "elevation": 51.0,
        "hour_utc": FIRST_HOUR + timedelta(hours=n),
        "temperature_2m": 2.0 + n % 24 / 4,
        "relative_humidity_2m": 60.0,
        "apparent_temperature": -1.0 + n % 24 / 4,
        "precipitation": 2.0 if wet else 0.0,
        "rain": 1.0 if wet else 0.0,
        "snowfall": 0.7 if wet else 0.0,
        "wind_speed_10m": 12.0,
        "weather_code": 71 if wet else 2,
    }


def _build_transactions(settings: Settings) -> None:
    build_raw(settings, "transactions", _export("first.csv", 1, (1, 2, 3)), "1.0")
    build_raw(settings, "transactions", _export("second.csv", 2, TRANSACTION_MONTHS), LOAD)


def _export(name: str, order: int, months: tuple[int, ...]) -> dict[str, list[Row]]:
    rows = [{**row, "batch": name, "source_line": n + 2} for n, row in enumerate(_transactions(months))]
    span = {"covered_from": min(row["date"] for row in rows), "covered_to": max(row["date"] for row in rows)}
    accounts = sorted({(row["account"], row["account_mask"]) for row in rows})
    counts = {"rows_read": len(rows), "rows_loaded": len(rows), "rows_rejected": 0, "rows_repeated": 0}
    return {
        "transactions": rows,
        "files": [{"batch": name, "export_order": order, "loaded_at_utc": LOADED_AT, **counts}],
        "coverage": [
            {"batch": name, "account": account, "account_mask": mask, "export_order": order, **span}
            for account, mask in accounts
        ],
    }


def _transactions(months: tuple[int, ...]) -> Iterator[Row]:
    for month in months:
        for n in range(8):
            yield _transaction(date(2024, month, 2 + 3 * n), f"Shop {n}", "20.50", "regular")
        yield _transaction(date(2024, month, 26), "Employer", "-3000.00", "income")
        yield _transaction(date(2024, month, 27), "To savings", "500.00", "internal transfer")
        yield _transaction(date(2024, month, 27), "From checking", "-500.00", "internal transfer", ("Savings", "0007"))
    yield {**_transaction(date(2024, months[-1], 28), "Shop 0", "9.99", "regular"), "status": "pending"}


def _transaction(day: date, name: str, amount: str, kind: str, account: tuple[str, str] = ("Checking", "0042")) -> Row:
    return {
        "transaction_id": transaction_id(day, name),
        "occurrence": 1,
        "date": day,
        "name": name,
        "amount": Decimal(amount),
        "status": "posted",
        "category": " Groceries" if kind == "regular" else None,
        "is_excluded": False,
        "type": kind,
        "account": account[0],
        "account_mask": account[1],
    }


def transaction_id(day: date, name: str) -> str:
    """A hash like the one that ingestion computes, of fewer columns."""
    return md5(f"{day}{name}".encode(), usedforsecurity=False).hexdigest()
