"""Versions of rows side by side: what the gate sees, what a load that passed removes, and in which order."""

from collections.abc import Sequence

import duckdb
import pytest

from data_stack.loads import find_present_loads, settle_loads
from data_stack.ops import LoadRecord, LoadState, Ops
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.versions import find_replaced_loads, open_as_if_passed

DAYS = Source("days", "Days", table="visits", key="id", replaces=("day",), fact="core.fct_visits", day="day")


class RawFile:
    """A raw file with visits per day, and the days that each load covers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ops = Ops(settings)
        settings.raw_dir.mkdir(parents=True)
        with self._open() as db:
            db.execute("create schema raw")
            db.execute("create table raw._dlt_loads (load_id varchar, status bigint)")
            db.execute("create table raw.visits (id varchar, day integer, batch varchar, _dlt_load_id varchar)")
            db.execute("create table raw.coverage (day integer, batch varchar, _dlt_load_id varchar)")
            db.execute("create table raw.rejects (batch varchar, reason varchar, _dlt_load_id varchar)")

    def _open(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.settings.raw_file("days")))

    def add(self, load_id: str, days: dict[int, Sequence[str]], state: LoadState, rejects: int = 0) -> None:
        with self._open() as db:
            for day, ids in days.items():
                batch = f"{load_id} day {day}"
                db.execute("insert into raw.coverage values (?, ?, ?)", [day, batch, load_id])
                for visit in ids:
                    db.execute("insert into raw.visits values (?, ?, ?, ?)", [visit, day, batch, load_id])
                for _ in range(rejects):
                    db.execute("insert into raw.rejects values (?, 'broken', ?)", [batch, load_id])
            db.execute("insert into raw._dlt_loads values (?, 0)", [load_id])
        self.ops.record_load("run", LoadRecord("days", load_id, 1, 1, 0, 0))
        if state != LoadState.PENDING:
            self.ops.decide_load("days", load_id, state)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self._open() as db:
            return db.execute(sql).fetchall()

    def visits(self) -> list[str]:
        return [str(visit) for (visit,) in self.rows("select id from raw.visits order by 1")]

    def state(self, load_id: str) -> str:
        return str(self.ops.query("select state from loads where load_id = ?", [load_id])[0]["state"])


@pytest.fixture
def raw(settings: Settings) -> RawFile:
    """An empty raw file."""
    return RawFile(settings)


def test_only_a_load_that_passed_replaces_rows(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a", "b"], 2: ["c"]}, LoadState.PASSED)
    raw.add("2.0", {1: ["a"]}, LoadState.FAILED)
    assert settle_loads(raw.settings, raw.ops, DAYS) == 0
    assert raw.visits() == ["a", "a", "b", "c"]
    raw.ops.decide_load("days", "2.0", LoadState.ACCEPTED)
    assert settle_loads(raw.settings, raw.ops, DAYS) == 3, "two visits and a day of the coverage"
    assert raw.rows("select id, _dlt_load_id from raw.visits order by 1") == [("a", "2.0"), ("c", "1.0")]
    assert settle_loads(raw.settings, raw.ops, DAYS) == 0


def test_a_day_that_becomes_empty_loses_its_rows(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"], 2: ["b"]}, LoadState.PASSED)
    raw.add("2.0", {1: []}, LoadState.PENDING)
    assert find_present_loads(raw.settings, DAYS) == ["1.0", "2.0"]
    raw.ops.decide_load("days", "2.0", LoadState.PASSED)
    settle_loads(raw.settings, raw.ops, DAYS)
    assert raw.visits() == ["b"]


def test_a_later_load_that_passed_supersedes_the_failed_one_before_it(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    raw.add("2.0", {1: ["bad"]}, LoadState.FAILED, rejects=2)
    raw.add("3.0", {1: ["good"]}, LoadState.PASSED, rejects=1)
    settle_loads(raw.settings, raw.ops, DAYS)
    assert raw.visits() == ["good"]
    assert raw.state("2.0") == "superseded"
    assert raw.rows("select _dlt_load_id from raw.rejects") == [("3.0",)]


def test_a_load_accepted_late_does_not_replace_a_later_one(raw: RawFile) -> None:
    raw.add("1.0", {1: ["old"], 2: ["held"]}, LoadState.FAILED)
    raw.add("2.0", {1: ["new"]}, LoadState.PASSED)
    raw.ops.decide_load("days", "1.0", LoadState.ACCEPTED)
    settle_loads(raw.settings, raw.ops, DAYS)
    assert raw.visits() == ["held", "new"]


def test_the_order_is_that_of_the_loads_and_not_of_the_clock(raw: RawFile) -> None:
    raw.add("9.0", {1: ["before the clock was set back"]}, LoadState.PASSED)
    raw.add("5.0", {1: ["after"]}, LoadState.PASSED)
    assert find_replaced_loads(raw.settings, DAYS, "5.0") == ["9.0"]
    assert find_replaced_loads(raw.settings, DAYS, "9.0") == []
    settle_loads(raw.settings, raw.ops, DAYS)
    assert raw.visits() == ["after"]


def test_the_gate_sees_the_raw_file_as_if_the_load_had_passed(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"], 2: ["b"]}, LoadState.PASSED)
    raw.add("2.0", {2: ["failed"], 3: ["unseen"]}, LoadState.FAILED)
    raw.add("3.0", {1: [], 3: ["c"]}, LoadState.PENDING, rejects=1)
    with open_as_if_passed(raw.settings, DAYS, "3.0", raw.ops.passed_loads("days")) as db:
        assert db.execute("select id from raw.visits order by 1").fetchall() == [("b",), ("c",)]
        assert db.execute("select day from raw.coverage order by 1").fetchall() == [(1,), (2,), (3,)]
        assert db.execute("select count(*) from raw.rejects").fetchall() == [(2,)]
    assert raw.visits() == ["a", "b", "c", "failed", "unseen"], "the view changes nothing"
