"""Every page, whatever the state of the data: a message and a next step, never a traceback."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from app_support import HOME, assert_no_failure, demand_days, open_page, publish_rows, read_text, record_load, rides
from streamlit.testing.v1 import AppTest

from data_stack.errors import TerminalError
from data_stack.ops import Ops, new_id
from data_stack.publish import rollback
from data_stack.settings import Settings
from orchestration import steps
from streamlit_app import app_pages
from streamlit_app.page import FoundPage, find_pages

PAGES = find_pages(app_pages)
every_page = pytest.mark.parametrize("found", PAGES, ids=[found.name for found in PAGES])
DAILY, HOURLY, TRIPS = "marts.mart_demand_daily", "marts.mart_demand_hourly", "core.fct_trips"
BIKE = {DAILY: demand_days("2024-01-01", [10] * 30), TRIPS: rides("2024-01-01")}
SKY = {"core.fct_weather_hourly": [{"date_local": date(2024, 1, 31), "temperature_c": 5.0}]}
MONEY = {"core.fct_transactions": [{"transaction_id": "a", "date": date(2024, 1, 31)}]}


@pytest.fixture(scope="module")
def one_source(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Settings]:
    """Data folders whose publication has rows of one source."""
    folders = {name: Settings.load(data_dir=tmp_path_factory.mktemp(name)) for name in ("bike", "transactions")}
    publish_rows(folders["bike"], BIKE)
    publish_rows(folders["transactions"], MONEY)
    return folders


@pytest.fixture(scope="module")
def other_shape(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder whose tables have other columns."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("shape"))
    publish_rows(settings, BIKE | SKY | MONEY)
    with duckdb.connect(str(settings.warehouse_file)) as db:
        for (table,) in db.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('core', 'marts')"
        ).fetchall():
            db.execute(f"create or replace table {table} as select 1 as other")
    return settings


@every_page
def test_without_a_warehouse(settings: Settings, found: FoundPage) -> None:
    app = open_page(found.name)
    assert not app.exception
    assert "`make demo` or `data-stack run` publishes one" in read_text(app)


@every_page
@pytest.mark.integration
def test_without_a_warehouse_the_last_run_says_why(settings: Settings, found: FoundPage) -> None:
    ops = Ops(settings.ops_dir)
    with pytest.raises(TerminalError), ops.run("run", ["bike"]):
        raise TerminalError("critical: ride_id is *null*")
    app = open_page(found.name)
    assert not app.exception
    assert "failed; fix the reported problem" in read_text(app)
    # as it is, not read as markdown
    assert "critical: ride_id is *null*" in [text.value for text in app.text]


@every_page
@pytest.mark.integration
def test_sources_without_rows(
    one_source: dict[str, Settings], monkeypatch: pytest.MonkeyPatch, found: FoundPage
) -> None:
    other = "bike" if "transactions" in found.page.sources else "transactions"
    monkeypatch.setenv("DATA_DIR", str(one_source[other].data_dir))
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
    publish_rows(settings, BIKE | MONEY, leave_out=[table])
    app = open_page(found.name)
    assert_no_failure(app)
    assert f"The publication has no `{table}`; `data-stack run` builds and publishes it." in read_text(app)


@pytest.mark.parametrize("found", [pytest.param(one, id=one.name) for one in PAGES if one.page.needs_warehouse])
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
    first = publish_rows(shared, BIKE)
    publish_rows(shared, BIKE)
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
    record_load(settings, "bike", days_ago=days)
    publish_rows(settings, BIKE)
    said = read_text(open_page("bike_demand"))
    since = datetime.now(UTC) - timedelta(days=days)
    assert (f"no new rows since {since.day} {since:%b %Y}" in said) == is_stale
    assert ("`data-stack run --sources bike` loads what the provider has published since then" in said) == is_stale


def test_another_source_that_is_stale_is_not_the_business_of_this_page(settings: Settings) -> None:
    record_load(settings, "weather", days_ago=400)
    publish_rows(settings, BIKE)
    assert "no new rows" not in read_text(open_page("bike_demand"))


def test_a_failure_of_a_page_is_a_message_and_its_place_goes_to_the_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish_rows(settings, BIKE)

    def fails(*_: object) -> None:
        raise KeyError(" ".join(["a", "value", "of", "a", "row"]))

    monkeypatch.setattr("streamlit_app.queries.bike_demand.get_trips", fails)
    app = open_page("bike_demand")
    assert not app.exception
    assert "This page failed (KeyError)" in read_text(app)
    assert "bike_demand.py" in caplog.text and "a value of a row" not in caplog.text + read_text(app)


def test_a_setting_that_cannot_be_used_is_a_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STALE_AFTER_DAYS", "soon")
    app = AppTest.from_file(str(HOME), default_timeout=30).run()
    assert not app.exception
    assert "Setting STALE\\_AFTER\\_DAYS" in read_text(app)
