"""Every page, whatever the state of the data: a message and a next step, never a traceback."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from app_support import (
    HOME,
    assert_no_failure,
    open_page,
    publish_rows,
    read_text,
    record_load,
    register_visits,
    registered_visits,
    visits,
)
from records import change_records
from registered import ACCOUNTS, set_sources
from source_parts import find_parts
from streamlit.testing.v1 import AppTest

from data_stack import registry
from data_stack.errors import TerminalError, TransientError
from data_stack.ops import ExpectationRecord, LoadRecord, Ops, new_id
from data_stack.publish import rollback
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from orchestration import steps
from streamlit_app import app_pages
from streamlit_app.page import FoundPage, find_pages

# with a source and its pages that only these tests have, so that they test something where no source is registered
with registered_visits(*SOURCES):
    PAGES = find_pages(app_pages)
every_page = pytest.mark.parametrize("found", PAGES, ids=[found.name for found in PAGES])
page_of_warehouse = pytest.mark.parametrize(
    "found", [pytest.param(one, id=one.name) for one in PAGES if one.page.needs_warehouse]
)
GUESTS = visits("2024-01-01", [10] * 30)
BALANCE = {ACCOUNTS.fact: [{"id": 1, ACCOUNTS.day: date(2024, 1, 31)}]}


def read_rows() -> dict[str, list[Mapping[str, object]]]:
    """Rows of every source, by table; a table that several sources have gets the rows of each."""
    rows: dict[str, list[Mapping[str, object]]] = {}
    for part in find_parts("pages").values():
        for table, added in part.ROWS.items():
            rows[table] = [*rows.get(table, []), *added]
    return rows


ROWS = {**read_rows(), **GUESTS, **BALANCE}


@pytest.fixture(autouse=True)
def with_visits(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sources that only tests have are registered beside the others."""
    register_visits(monkeypatch, *SOURCES)


@pytest.fixture(scope="module")
def only_accounts(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder whose publication has rows of the one source without a page."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("accounts"))
    with registered_visits(*SOURCES):
        publish_rows(settings, BALANCE)
    return settings


@pytest.fixture(scope="module")
def other_shape(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder whose tables have other columns."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("shape"))
    with registered_visits(*SOURCES):
        publish_rows(settings, ROWS)
    with duckdb.connect(str(settings.warehouse_file)) as db:
        for (table,) in db.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('core', 'marts')"
        ).fetchall():
            db.execute(f"create or replace table {table} as select 1 as other")
    return settings


@every_page
def test_without_a_source(settings: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage) -> None:
    set_sources(monkeypatch, ())
    app = open_page(found.name)
    assert_no_failure(app)
    assert "No source is registered; `data-stack new-source` adds one." in read_text(app)


@every_page
def test_without_a_warehouse(settings: Settings, found: FoundPage) -> None:
    app = open_page(found.name)
    assert not app.exception
    assert "`make demo` or `data-stack run` publishes one" in read_text(app)


@every_page
@pytest.mark.integration
def test_without_a_warehouse_the_last_run_says_why(settings: Settings, found: FoundPage) -> None:
    ops = Ops(settings)
    with pytest.raises(TerminalError), ops.run("run", ["visits"]):
        raise TerminalError("critical: id is *null*")
    app = open_page(found.name)
    assert not app.exception
    assert "failed; fix the reported problem" in read_text(app)
    # as it is, not read as markdown
    assert "critical: id is *null*" in [text.value for text in app.text]


@every_page
@pytest.mark.integration
def test_sources_without_rows(only_accounts: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage) -> None:
    monkeypatch.setenv("DATA_DIR", str(only_accounts.data_dir))
    app = open_page(found.name)
    assert_no_failure(app)
    if found.page.sources:
        assert "nothing is loaded; `data-stack run --sources" in read_text(app)


@pytest.mark.parametrize(
    ("found", "table"),
    [pytest.param(found, table, id=f"{found.name}-{table}") for found in PAGES for table in found.page.tables],
)
@pytest.mark.integration
def test_a_table_is_missing(settings: Settings, found: FoundPage, table: str) -> None:
    publish_rows(settings, ROWS, leave_out=[table])
    app = open_page(found.name)
    assert_no_failure(app)
    assert f"The publication has no `{table}`; `data-stack run` builds and publishes it." in read_text(app)


@pytest.mark.parametrize("found", [pytest.param(one, id=one.name) for one in PAGES if one.page.sources])
def test_a_table_of_another_shape_is_a_message(
    other_shape: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage
) -> None:
    monkeypatch.setenv("DATA_DIR", str(other_shape.data_dir))
    app = open_page(found.name)
    assert not app.exception
    assert "`data-stack run` builds and publishes it again" in read_text(app)


@pytest.fixture(scope="module")
def pinned(shared: Settings) -> Settings:
    """A data folder whose publication is pinned."""
    with registered_visits(*SOURCES):
        first = publish_rows(shared, GUESTS)
        publish_rows(shared, GUESTS)
    run = steps.Run.begin(shared, new_id(), "test")
    rollback(shared, run.ops, run.locks, first, "wrong *numbers*")
    return shared


@every_page
@pytest.mark.integration
def test_a_pinned_publication(pinned: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage) -> None:
    monkeypatch.setenv("DATA_DIR", str(pinned.data_dir))
    said = read_text(open_page(found.name))
    assert "is pinned by a rollback (wrong \\*numbers\\*)" in said
    assert "Runs publish nothing until `data-stack publish` ends the pin." in said


@pytest.mark.parametrize(("days", "is_stale"), [(44.9, False), (45.1, True)])
@pytest.mark.integration
def test_a_source_is_stale_after_the_days_of_the_setting(settings: Settings, days: float, is_stale: bool) -> None:
    record_load(settings, "visits", days_ago=days)
    publish_rows(settings, GUESTS)
    said = read_text(open_page("visits"))
    since = datetime.now(UTC) - timedelta(days=days)
    assert (f"no new rows since {since.day} {since:%b %Y}" in said) == is_stale
    assert ("`data-stack run --sources visits` loads what the provider has published since then" in said) == is_stale


def test_another_source_that_is_stale_is_not_the_business_of_this_page(settings: Settings) -> None:
    record_load(settings, "accounts", days_ago=400)
    publish_rows(settings, GUESTS)
    assert "no new rows" not in read_text(open_page("visits"))


def test_a_source_that_is_newer_than_the_publication_has_no_rows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        set_sources(patch, (*SOURCES, ACCOUNTS))
        publish_rows(settings, BALANCE)
    app = open_page("visits")
    assert_no_failure(app)
    assert "nothing is loaded; `data-stack run --sources visits`" in read_text(app)


REASON = f"*4* of <b> fail.\nmore {'words ' * 99}"


@pytest.fixture(scope="module")
def held_back(shared: Settings) -> Settings:
    """A publication with rows of every source, each of which has a load that failed its gate."""
    ops = Ops(shared)
    outcome = ExpectationRecord("e", "c", "critical", False, 4, 1, [], None, "r")
    with registered_visits(*SOURCES):
        for number, source in enumerate(registry.SOURCES):
            load_id = f"170.{number}"
            ops.record_load("r", LoadRecord(source.name, load_id, 4, 4, 0, 0))
            ops.record_validations("r", source.name, load_id, [outcome])
            ops.decide_load(source.name, load_id, "failed", f"{source.name}: {REASON}")
        change_records(ops, "update validations set evaluated_at_utc = '2024-02-01 06:00:00.000'")
        publish_rows(shared, ROWS)
    return shared


@page_of_warehouse
@pytest.mark.integration
def test_a_page_says_which_of_its_sources_is_held_back(
    held_back: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage
) -> None:
    monkeypatch.setenv("DATA_DIR", str(held_back.data_dir))
    app = open_page(found.name)
    assert_no_failure(app)
    said = [warning.value for warning in app.warning if "held back" in warning.value]
    names = found.page.sources or registry.source_names()
    assert sorted(said) == sorted(
        f"{registry.get_source(name).title}: held back since 1 Feb 2024 06:00 UTC: \\*4\\* of \\<b\\> fail. The numbers"
        " are those of the last load that passed. The page Data quality has the details."
        for name in names
    )


def test_a_provider_that_fails_holds_its_source_back(settings: Settings) -> None:
    ops = Ops(settings)
    with pytest.raises(TransientError), ops.step("r", "ingest", "visits"):
        raise TransientError(f"visits: answered 500 {'again ' * 99}")
    change_records(ops, "update steps set started_at_utc = '2024-02-02 07:30:00.000' where step = 'ingest'")
    publish_rows(settings, GUESTS)
    (said,) = (warning.value for warning in open_page("visits").warning)
    assert said.startswith("Visits by UTC day: held back since 2 Feb 2024 07:30 UTC: answered 500 again")
    assert len(said) < 450


def test_nothing_held_back_is_no_notice_and_an_accepted_load_is_none_from_the_next_publication(
    settings: Settings,
) -> None:
    ops = Ops(settings)
    publish_rows(settings, BALANCE)
    assert "held back" not in read_text(open_page("home"))
    ops.record_load("r", LoadRecord("visits", "170.1", 4, 4, 0, 0))
    ops.decide_load("visits", "170.1", "failed", "visits: bad")
    publish_rows(settings, BALANCE)
    assert "bad. Nothing of it has passed yet." in read_text(open_page("visits"))
    ops.accept_load("170.1", "known")
    publish_rows(settings, {**GUESTS, **BALANCE})
    assert "held back" not in read_text(open_page("visits"))


def test_a_failure_of_a_page_is_a_message_and_its_place_goes_to_the_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish_rows(settings, GUESTS)

    def fails(*_: object) -> None:
        raise KeyError(" ".join(["a", "value", "of", "a", "row"]))

    monkeypatch.setattr("streamlit_app.charts.draw_stacked_bars", fails)
    app = open_page("visits")
    assert not app.exception
    assert "This page failed (KeyError)" in read_text(app)
    assert "visits.py" in caplog.text and "a value of a row" not in caplog.text + read_text(app)


def test_a_setting_that_cannot_be_used_is_a_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STALE_AFTER_DAYS", "soon")
    app = AppTest.from_file(str(HOME), default_timeout=30).run()
    assert not app.exception
    assert "Setting STALE\\_AFTER\\_DAYS" in read_text(app)
