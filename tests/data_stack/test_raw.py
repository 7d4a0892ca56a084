"""Answers of raw files are kept while a file does not change, and no longer."""

import os
import time
from pathlib import Path

import duckdb
import pytest

from data_stack import raw
from data_stack.raw import change_raw, query_raw
from data_stack.registry import SOURCES
from data_stack.settings import Settings

SOURCE = SOURCES[0]
COUNT = "select count(*) from raw.rows"


@pytest.fixture
def raw_file(settings: Settings) -> Path:
    """A raw file of one row, written long ago."""
    path = settings.raw_file(SOURCE.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as db:
        db.execute("create schema raw; create table raw.rows as select 1 as number")
    age(path)
    return path


def age(path: Path) -> None:
    then = time.time() - 60
    os.utime(path, (then, then))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were opened."""
    found: list[Path] = []
    connect = raw.connect_duckdb

    def note(path: Path, **config: bool) -> duckdb.DuckDBPyConnection:
        found.append(path)
        return connect(path, **config)

    monkeypatch.setattr(raw, "connect_duckdb", note)
    return found


def test_a_file_that_does_not_change_is_asked_once(settings: Settings, raw_file: Path, opened: list[Path]) -> None:
    answers = [query_raw(settings, SOURCE, COUNT) for _ in range(3)]
    assert answers == [[(1,)]] * 3
    answers[0].clear()
    assert query_raw(settings, SOURCE, COUNT) == [(1,)]
    assert opened == [raw_file]
    assert query_raw(settings, SOURCE, "select ? + number from raw.rows", [1]) == [(2,)]
    assert query_raw(settings, SOURCE, "select ? + number from raw.rows", [2]) == [(3,)]
    assert len(opened) == 3


def test_a_changed_file_is_asked_again(settings: Settings, raw_file: Path) -> None:
    assert query_raw(settings, SOURCE, COUNT) == [(1,)]
    with change_raw(settings, SOURCE) as db:
        db.execute("insert into raw.rows values (2)")
    assert query_raw(settings, SOURCE, COUNT) == [(2,)]
    raw_file.unlink()
    assert query_raw(settings, SOURCE, COUNT) == []


def test_rows_that_are_not_yet_in_the_file_itself_count(settings: Settings, raw_file: Path) -> None:
    assert query_raw(settings, SOURCE, COUNT) == [(1,)]
    with duckdb.connect(str(raw_file)) as db:
        db.execute("set checkpoint_threshold = '1GB'; pragma disable_checkpoint_on_shutdown")
        db.execute("insert into raw.rows values (2)")
    age(raw_file)
    assert raw_file.with_name(f"{raw_file.name}.wal").exists()
    assert query_raw(settings, SOURCE, COUNT) == [(2,)]


def test_an_answer_of_a_file_that_was_just_written_is_not_kept(settings: Settings, raw_file: Path) -> None:
    os.utime(raw_file)
    written = raw_file.stat()
    assert query_raw(settings, SOURCE, COUNT) == [(1,)]
    with duckdb.connect(str(raw_file)) as db:
        db.execute("insert into raw.rows values (2)")
    # the same tick of the clock, and the same size
    os.truncate(raw_file, max(written.st_size, raw_file.stat().st_size))
    os.utime(raw_file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert query_raw(settings, SOURCE, COUNT) == [(2,)]


def test_many_rows_are_not_kept(settings: Settings, raw_file: Path, opened: list[Path]) -> None:
    many = "select * from range(1001)"
    assert len(query_raw(settings, SOURCE, many)) == len(query_raw(settings, SOURCE, many)) == 1001
    assert opened == [raw_file, raw_file]
