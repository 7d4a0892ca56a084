"""Two sources of other shapes than files, which only tests register: each is a module as `dlt_pipeline` has them.

`accounts` is a table with a cursor and deletions, read by a plain dlt resource. `visits` is an API that is asked again
for the same UTC days, whose rows change and vanish.
"""

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import dlt
import great_expectations.expectations as gxe
import pyarrow as pa
import pytest
from registered import ACCOUNTS as ACCOUNTS_SOURCE
from registered import VISITS as VISITS_SOURCE
from registered import set_sources

from data_quality.check import Check, critical, warning
from data_stack import registry
from data_stack.progress import Progress
from data_stack.settings import BaseStackSettings
from data_stack.window import Window
from dlt_pipeline.reader import BatchReader, Plan, Planned, Provider, ResourceReader
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import BOOLEAN, DATE, INTEGER, MONEY, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable

ACCOUNTS = RawTable(
    "accounts",
    pa.schema(
        [("id", INTEGER), ("balance", MONEY), ("updated_at", TIMESTAMP), ("is_deleted", BOOLEAN), ("batch", TEXT)]
    ),
    key=("id",),
)


class AccountsSettings(BaseStackSettings):
    """Settings of this source."""


class AccountsReader(ResourceReader):
    """Reads a table of SQLite from where it was read last."""

    name = "accounts"
    tables = (ACCOUNTS, REJECTS, PROVIDER)
    settings_class = AccountsSettings

    def open_resource(self) -> Any:
        """See `ResourceReader.open_resource`."""
        database = self.settings.data_dir.parent / "accounts.sqlite"

        cursor = dlt.sources.incremental("updated_at")

        @dlt.resource(name="accounts", primary_key="id", write_disposition="merge")
        def accounts(updated_at: Any = cursor) -> Iterator[list[dict[str, Any]]]:
            with sqlite3.connect(database) as db:
                db.row_factory = sqlite3.Row
                sql = "select * from accounts where ? is null or updated_at >= ? order by updated_at, id"
                rows = [dict(row) for row in db.execute(sql, [updated_at.last_value] * 2)]
            yield [row | {"is_deleted": bool(row["is_deleted"])} for row in rows]

        return accounts().add_map(_parse_account)


def _parse_account(row: dict[str, Any]) -> dict[str, Any]:
    is_number = row["balance"].lstrip("-").replace(".", "").isdigit()
    balance = Decimal(row["balance"]) if is_number else row["balance"]
    return row | {"balance": balance, "updated_at": datetime.fromisoformat(row["updated_at"])}


class AccountsTable:
    """The provider's table; every change gets a later time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "accounts.sqlite"
        self._changes = 0
        with sqlite3.connect(self.path) as db:
            db.execute("create table accounts (id integer primary key, balance text, updated_at text, is_deleted int)")

    def put(self, account: int, balance: str, is_deleted: bool = False) -> None:
        """Insert, change or delete an account."""
        self._changes += 1
        updated_at = (datetime(2024, 1, 1) + timedelta(days=self._changes)).isoformat()
        with sqlite3.connect(self.path) as db:
            db.execute(
                "insert or replace into accounts values (?, ?, ?, ?)", [account, balance, updated_at, is_deleted]
            )

    def correct(self, balance: str) -> None:
        """Correct every balance that is no number, which is no change to the provider's clock."""
        with sqlite3.connect(self.path) as db:
            db.execute("update accounts set balance = ? where balance = 'much'", [balance])


VISITS = RawTable(
    "visits", pa.schema([("id", TEXT), ("day_utc", DATE), ("guests", INTEGER), ("batch", TEXT)]), key=("id",)
)
COVERED_DAYS = RawTable("coverage", pa.schema([("day_utc", DATE), ("visits", INTEGER)]), key=("day_utc",))
VISITS_CHECKS = (
    Check(
        "rows",
        "select id as key, guests, guests > 50 as is_crowd from raw.visits where _dlt_load_id = $load_id",
        (
            critical(gxe.ExpectColumnValuesToBeBetween, "guests", "A visit has guests.", min_value=1, max_value=100),
            warning(gxe.ExpectColumnValuesToBeInSet, "is_crowd", "A crowd is rare.", value_set=[False]),
        ),
        observed=frozenset({"guests"}),
    ),
)
ACCOUNTS_CHECKS = (
    Check(
        "rows",
        "select id::varchar as key, balance::double as balance from raw.accounts where _dlt_load_id = $load_id",
        (critical(gxe.ExpectColumnValuesToBeBetween, "balance", "No account is overdrawn.", min_value=0),),
    ),
)


@dataclass
class VisitsApi:
    """What the provider answers by day; `asked` are the days that it was asked for."""

    answers: dict[date, dict[str, int]]
    asked: list[date]


API = VisitsApi({}, [])


class VisitsReader(BatchReader[date]):
    """Asks for every day of the window again, because any day may have changed."""

    name = "visits"
    tables = (VISITS, COVERED_DAYS, REJECTS, PROVIDER)
    settings_class = AccountsSettings
    closed = 0

    def close(self) -> None:
        """See `SourceReader.close`."""
        VisitsReader.closed += 1

    def plan(self, window: Window | None) -> Plan[date]:
        """See `SourceReader.plan`."""
        days = window.days() if window else []
        return Plan(tuple(Planned(f"visits {day}", None, None, day) for day in days))

    def default_window(self) -> Window | None:
        """See `SourceReader.default_window`: yesterday, UTC."""
        today = datetime.now(UTC).date()
        return Window(today, today)

    def provider(self) -> Provider:
        """See `SourceReader.provider`."""
        return Provider("live", "")

    def read(self, items: list[date], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`."""
        for day in items:
            API.asked.append(day)
            batch, visits = f"visits {day}", API.answers.get(day, {})
            rows = [{"id": name, "day_utc": day, "guests": guests, "batch": batch} for name, guests in visits.items()]
            stage.write_rows(VISITS, rows)
            stage.count_read(batch, len(rows))

    def describe(self, items: list[date], stage: Stage) -> None:
        """See `SourceReader.describe`: a day without visits is covered too."""
        stage.write_rows(COVERED_DAYS, [{"day_utc": day, "visits": len(API.answers.get(day, {}))} for day in items])


SHAPES = {
    "accounts": (ACCOUNTS_SOURCE, AccountsReader, ACCOUNTS_CHECKS),
    "visits": (VISITS_SOURCE, VisitsReader, VISITS_CHECKS),
}


def register(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Register sources of this module as if their modules were in `dlt_pipeline` and `data_quality/suites`."""
    set_sources(monkeypatch, (*registry.SOURCES, *(SHAPES[name][0] for name in names)))
    for name in names:
        _, reader, checks = SHAPES[name]
        module, suite = ModuleType(f"dlt_pipeline.{name}"), ModuleType(f"data_quality.suites.{name}")
        monkeypatch.setattr(reader, "__module__", module.__name__)
        vars(module)[reader.__name__] = reader
        vars(suite)["CHECKS"] = checks
        for made in (module, suite):
            monkeypatch.setitem(sys.modules, made.__name__, made)
