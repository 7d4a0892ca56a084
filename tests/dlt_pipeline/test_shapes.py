"""Sources that are no files: a table with a cursor and deletions, and an API whose rows change and vanish."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import shapes
from ingestion import column, load, raw
from shapes import API, VISITS_SOURCE, AccountsTable, VisitsReader

from data_quality.runner import validate
from data_stack.errors import TerminalError
from data_stack.loads import find_present_loads
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.reader import open_reader

pytestmark = pytest.mark.integration

FIRST, SECOND = date(2024, 1, 1), date(2024, 1, 2)
BALANCES = "select id, balance from raw.accounts where not is_deleted order by id"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sources are in the registry."""
    shapes.register(monkeypatch, "accounts", "visits")
    API.answers.clear()
    API.asked.clear()


@pytest.fixture
def accounts(tmp_path: Path) -> AccountsTable:
    """A table with three accounts."""
    table = AccountsTable(tmp_path)
    for account, balance in ((1, "10.00"), (2, "20.00"), (3, "30.00")):
        table.put(account, balance)
    return table


def judge(settings: Settings, source_name: str) -> list[bool]:
    """Whether each pending load passes its gate."""
    return [report.passed for report in validate(settings, Ops(settings), "run", get_source(source_name))]


def test_a_cursor_reads_changes_and_deletions_only(settings: Settings, accounts: AccountsTable) -> None:
    first = load(settings, "accounts")
    assert (first.counts.read, first.counts.loaded) == (3, 3)
    assert judge(settings, "accounts") == [True]
    assert load(settings, "accounts").load_id is None
    accounts.put(2, "25.00")
    accounts.put(3, "30.00", is_deleted=True)
    changed = load(settings, "accounts")
    assert (changed.counts.read, changed.counts.loaded) == (2, 2)
    assert judge(settings, "accounts") == [True]
    assert raw(settings, "accounts", BALANCES) == [(1, Decimal("10.00")), (2, Decimal("25.00"))]
    assert column(settings, "accounts", "select count(*) from raw.accounts") == [3], "a tombstone is a row"
    assert column(settings, "accounts", "select count(*) from raw.provider") == [1]


def test_a_load_that_only_deletes_is_a_load(settings: Settings, accounts: AccountsTable) -> None:
    load(settings, "accounts")
    judge(settings, "accounts")
    accounts.put(1, "10.00", is_deleted=True)
    assert load(settings, "accounts").counts.loaded == 1
    assert judge(settings, "accounts") == [True]
    assert raw(settings, "accounts", BALANCES) == [(2, Decimal("20.00")), (3, Decimal("30.00"))]


def test_a_version_that_fails_does_not_take_the_good_one_away(settings: Settings, accounts: AccountsTable) -> None:
    load(settings, "accounts")
    judge(settings, "accounts")
    accounts.put(1, "-1.00")
    accounts.put(2, "22.00")
    load(settings, "accounts")
    assert judge(settings, "accounts") == [False]
    passed = Ops(settings).passed_loads("accounts")
    current = f"select id, balance from raw.accounts where _dlt_load_id in ('{', '.join(passed)}') order by id"
    assert raw(settings, "accounts", current) == [(1, 10), (2, 20), (3, 30)]
    accounts.put(1, "11.00")
    load(settings, "accounts")
    # the corrected row passes, so what is left of the failed load is judged again, and is good
    assert judge(settings, "accounts") == [True, True]
    assert raw(settings, "accounts", BALANCES) == [(1, 11), (2, 22), (3, 30)]


def test_the_cursor_stays_where_it_was_when_a_load_fails(settings: Settings, accounts: AccountsTable) -> None:
    load(settings, "accounts")
    for account in range(4, 24):
        accounts.put(account, "much")
    with pytest.raises(TerminalError, match=r"all 20 rows of accounts .* \(balance does not fit the type"):
        load(settings, "accounts")
    accounts.correct("1.00")
    assert load(settings, "accounts").counts.loaded == 20
    assert column(settings, "accounts", "select count(*) from raw.accounts") == [23]


def test_a_row_that_does_not_fit_is_rejected(settings: Settings, accounts: AccountsTable) -> None:
    accounts.put(4, "much")
    counts = load(settings, "accounts").counts
    assert (counts.read, counts.loaded, counts.rejected) == (4, 3, 1)
    assert raw(settings, "accounts", "select source_line, reason from raw.rejects") == [
        (4, "balance does not fit the type of the column")
    ]


def test_the_cursor_is_restored_from_the_raw_file(settings: Settings, accounts: AccountsTable) -> None:
    load(settings, "accounts")
    shutil.rmtree(settings.dlt_state_dir("accounts"))
    accounts.put(1, "12.00")
    assert load(settings, "accounts").counts.read == 1


def visits_of(settings: Settings) -> list[tuple[object, ...]]:
    return raw(settings, "visits", "select id, guests from raw.visits order by 1")


def test_rows_of_an_answer_change_and_vanish(settings: Settings) -> None:
    API.answers |= {FIRST: {"a": 1, "b": 2}, SECOND: {"c": 3}}
    load(settings, "visits", "2024-01-01", "2024-01-02")
    assert judge(settings, "visits") == [True]
    API.answers[FIRST] = {"a": 5}
    changed = load(settings, "visits", "2024-01-01", "2024-01-02")
    assert API.asked == [FIRST, SECOND] * 2, "UTC days, not months"
    assert (changed.counts.read, changed.counts.loaded, changed.counts.repeated) == (2, 1, 1)
    assert judge(settings, "visits") == [True]
    assert visits_of(settings) == [("a", 5), ("c", 3)]
    API.answers[SECOND] = {}
    assert load(settings, "visits", "2024-01-01", "2024-01-02").load_id is not None
    assert judge(settings, "visits") == [True]
    assert visits_of(settings) == [("a", 5)]
    assert load(settings, "visits", "2024-01-01", "2024-01-02").load_id is None, "the same answer is no new load"


def test_an_empty_first_answer_is_a_load_and_covers_its_day(settings: Settings) -> None:
    load(settings, "visits", "2024-01-01", "2024-01-01")
    assert find_present_loads(settings, VISITS_SOURCE) != []
    assert judge(settings, "visits") == [True]
    assert raw(settings, "visits", "select day_utc, visits from raw.coverage") == [(FIRST, 0)]


def test_a_reader_is_closed_also_after_a_failure(settings: Settings) -> None:
    before = VisitsReader.closed
    API.answers[FIRST] = {"a": 1}
    load(settings, "visits", "2024-01-01", "2024-01-01")
    API.answers[FIRST] = {"a": "many"}  # type: ignore[dict-item]
    with pytest.raises(Exception, match="many"):
        load(settings, "visits", "2024-01-01", "2024-01-01")
    assert VisitsReader.closed == before + 2


def test_a_source_has_its_own_default_days(settings: Settings) -> None:
    window = open_reader(VISITS_SOURCE, settings).default_window()
    assert isinstance(window, Window)
    assert len(window.days()) == 1
