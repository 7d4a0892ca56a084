"""The door for SQL: what it answers, with which values and types, and when it starts a new process."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published_file import write_published_file
from test_sql_door_attacks import ATTACKS

from data_stack.errors import QueryRefusedError, TerminalError
from data_stack.sql_door.door import Limits, SqlDoor
from data_stack.sql_door.worker import Answerer

SELECTS: dict[str, list[Any]] = json.loads(Path(__file__).with_name("selects.json").read_text(encoding="utf-8"))
"""Selects and their first rows; each has an order, so that it is always the same."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published_file(tmp_path_factory.mktemp("published") / "warehouse.duckdb")


@pytest.fixture(scope="module")
def door(file: Path) -> Iterator[SqlDoor]:
    with SqlDoor(file, "analyst", Limits(seconds=20)) as door:
        yield door


@pytest.mark.parametrize("sql", SELECTS)
def test_a_select_is_answered_with_its_values(sql: str, door: SqlDoor) -> None:
    assert door.query(sql).rows[0] == tuple(SELECTS[sql])


def test_an_answer_has_the_types_of_its_columns(door: SqlDoor) -> None:
    found = door.query(
        "select day_utc, visits, guests_mean, [site] as sites, 1.5::decimal(4, 2) from marts.mart_visits_daily"
    )
    assert [(column.name, column.type) for column in found.columns[:4]] == [
        ("day_utc", "DATE"),
        ("visits", "BIGINT"),
        ("guests_mean", "DOUBLE"),
        ("sites", "VARCHAR[]"),
    ]
    assert found.columns[4].type == "DECIMAL(4,2)"
    assert found.publication_id == "first"


def test_cut_rows_are_noted(door: SqlDoor) -> None:
    found = door.query("select range from range(1000000) order by range desc", rows=3)
    assert found.rows == ((999999,), (999998,), (999997,))
    assert found.notes == ("only the first 3 rows; the statement has more",)
    assert door.query("select range from range(3)", rows=3).notes == ()
    assert len(door.query("from range(1000000)", rows=1_000_000).rows) == 10_000


def test_an_answer_that_is_too_large_is_refused(file: Path) -> None:
    with SqlDoor(file, "analyst", Limits(seconds=20, answer_size=1_000_000)) as door:
        with pytest.raises(QueryRefusedError, match="larger than 1 MB; select fewer columns or rows"):
            door.query("select string_agg(a.site, '') from core.fct_visits a, core.fct_visits b")


def test_what_is_refused_is_named(door: SqlDoor) -> None:
    for sql, message in {
        "select read_text('x')": "the function read_text is not allowed here",
        "select averag(guests) from core.fct_visits": "the function averag is not allowed here",
        "select upperr(site) from core.fct_visits": "similar ones are upper",
        "from fct_visits": r"there is no table fct_visits; did you mean core\.fct_visits\?",
        "from core.fct_visit": r"did you mean core\.fct_visits",
        "from core.fct_payments": r"core\.fct_payments is of a personal source",
        "select $1": "may not contain PARAMETER",
        "select default": "may not contain DEFAULT",
        "select 1; select 2": "these are 2 statements",
        "delete from core.fct_visits": "only a select is answered",
        "select nothing from core.fct_visits": 'Binder Error: Referenced column "nothing" not found',
        "select id from core.fct_visits": r"core\.fct_visits\.id: personal, and not for this reader",
        "select 'a'::integer": "Conversion Error",
        "select from where": "Parser Error",
        "x" * 30_000: "longer than 20,000 characters",
        "from range(9999999)": "1,000,000 elements at most",
    }.items():
        with pytest.raises(QueryRefusedError, match=message):
            door.query(sql)


def test_a_process_is_kept_until_it_is_late(file: Path) -> None:
    with SqlDoor(file, "owner", Limits(seconds=2, threads=1), workers=1) as door:
        (first,) = pids(door)
        began = psutil.Process(first).cpu_times()
        for _ in range(20):
            door.query("select count(*) from core.fct_visits")
        used = sum(psutil.Process(first).cpu_times()[:2]) - sum(began[:2])
        assert pids(door) == [first]
        # a warm process parses, checks and answers: no new connection, no import
        assert used < 1
        with pytest.raises(QueryRefusedError, match=r"longer than 2 s and was stopped; add a filter"):
            door.query("select count(*) from range(1000000) a, range(1000000) b")
        assert not psutil.pid_exists(first)
        assert pids(door) != [first]


def pids(door: SqlDoor) -> list[int]:
    """The processes that wait for the next call."""
    door.query("select 1")
    return [worker._process.pid for worker in list(door._idle.queue)]


def test_a_process_that_dies_is_replaced(file: Path) -> None:
    with SqlDoor(file, "owner", workers=1) as door:
        (first,) = pids(door)
        psutil.Process(first).kill()
        with pytest.raises(QueryRefusedError, match="was stopped"):
            door.query("select 1")
        assert door.query("select 1").rows == ((1,),)


def test_a_new_publication_is_seen_at_once(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with SqlDoor(file, "analyst", workers=1) as door:
        with pytest.raises(TerminalError, match="no published warehouse"):
            door.query("select 1")
        write_published_file(file, "one")
        assert door.query("select 1").publication_id == "one"
        (pid,) = pids(door)
        snapshot = Path(shutil.copy2(file, tmp_path / "one.duckdb"))
        write_published_file(file, "two")
        assert door.query("select publication_id from ops.publication").rows == (("two",),)
        # a rollback brings the earlier file back
        snapshot.replace(file)
        assert door.query("select publication_id from ops.publication").rows == (("one",),)
        assert pids(door) == [pid]


def test_a_file_that_does_not_say_what_is_personal_stays_closed(tmp_path: Path) -> None:
    for table, readers in (("personal_columns", ("analyst", "household", "owner")), ("tables", ("analyst",))):
        file = write_published_file(tmp_path / "warehouse.duckdb")
        with duckdb.connect(str(file)) as db:
            db.execute(f"drop table ops.{table}")
        for reader in readers:
            with SqlDoor(file, reader) as door, pytest.raises(TerminalError, match="made by an earlier version"):
                door.query("select 1")
    with SqlDoor(file, "owner_shown") as door:
        assert door.query("select count(*) from core.fct_payments").rows == ((40,),)


def test_several_threads_ask_at_once(file: Path) -> None:
    with SqlDoor(file, "analyst", Limits(seconds=20), workers=2) as door:
        answers: list[int] = []

        def ask(number: int) -> None:
            answers.append(door.query(f"select sum(guests) + {number} from core.fct_visits").rows[0][0])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [1795 + number for number in range(12)]


def test_a_process_ends_with_its_caller(file: Path) -> None:
    door = SqlDoor(file, "owner", workers=1)
    (pid,) = pids(door)
    door._idle.get_nowait()._process.stdin.close()
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.02)


_STATEMENTS = [sql for kind in ("catalog", "personal", "shadows", "harmless") for sql in ATTACKS[kind]] + list(SELECTS)
_WORDS = st.sampled_from(sorted({word for sql in _STATEMENTS for word in sql.replace("(", " ( ").split()}))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(_STATEMENTS), st.sampled_from(_STATEMENTS), st.integers(0, 40), st.integers(0, 40), _WORDS)
def test_a_mutated_statement_reads_only_what_it_may(
    file: Path, answerer: Answerer, first: str, second: str, cut: int, joined: int, word: str
) -> None:
    sql = " ".join([*first.split(" ")[:cut], word, *second.split(" ")[joined:]])
    opened = answerer._open()
    try:
        answerer._check(opened, sql)
        # DuckDB's own account of what is read, after binding: it looks through the views
        read = opened.db.get_table_names(sql, qualified=True)
    except (QueryRefusedError, duckdb.Error):
        return
    names = {name.split(" ")[0].strip('"') for name in read if "." in name}
    assert names <= {f"published.{table}" for table in opened.readable.tables}, sql


@pytest.fixture(scope="module")
def answerer(file: Path) -> Answerer:
    return Answerer(str(file), "analyst", {"memory_limit": "512MB", "threads": 1})
