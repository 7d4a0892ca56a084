"""Every page, whatever the state of the data: a message and a next step, never a traceback."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from app_support import HOME, assert_no_failure, demand_days, open_page, publish_rows, read_text, record_load, rides
from records import change_records
from streamlit.testing.v1 import AppTest

from data_stack.errors import TerminalError, TransientError
from data_stack.ops import ExpectationRecord, LoadRecord, Ops, new_id
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


@pytest.fixture(scope="module")
def held_back(shared: Settings) -> Settings:
    """A publication with rows of every source, in which bike has a failed load and the provider of weather is gone."""
    ops = Ops(shared.ops_dir)
    outcome = ExpectationRecord("e", "c", "critical", False, 4, 1, [], None, "r")
    ops.record_load("r", LoadRecord("bike", "170.1", 4, 4, 0, 0))
    ops.record_validations("r", "bike", "170.1", [outcome])
    ops.decide_load("bike", "170.1", "failed", f"bike: *4* of <b> fail.\nmore {'words ' * 99}")
    with pytest.raises(TransientError), ops.step("r", "ingest", "weather"):
        raise TransientError(f"weather: answered 500 {'again ' * 99}")
    change_records(ops, "update validations set evaluated_at_utc = '2024-02-01 06:00:00.000'")
    change_records(ops, "update steps set started_at_utc = '2024-02-02 07:30:00.000' where step = 'ingest'")
    publish_rows(shared, BIKE | SKY | MONEY)
    return shared


HELD_BACK = {
    "bike": "Citi Bike trips: held back since 1 Feb 2024 06:00 UTC: \\*4\\* of \\<b\\> fail. The numbers are those of"
    " the last load that passed. The page Data quality has the details.",
    "weather": "Open-Meteo hourly weather: held back since 2 Feb 2024 07:30 UTC: answered 500 again",
}


@pytest.mark.parametrize("found", [pytest.param(one, id=one.name) for one in PAGES if one.page.needs_warehouse])
@pytest.mark.integration
def test_a_page_says_which_of_its_sources_is_held_back(
    held_back: Settings, monkeypatch: pytest.MonkeyPatch, found: FoundPage
) -> None:
    monkeypatch.setenv("DATA_DIR", str(held_back.data_dir))
    app = open_page(found.name)
    assert_no_failure(app)
    said = [warning.value for warning in app.warning if "held back" in warning.value]
    expected = [notice for name, notice in HELD_BACK.items() if name in (found.page.sources or HELD_BACK)]
    assert [notice[: len(begin)] for notice, begin in zip(said, expected, strict=True)] == expected
    assert all(len(notice) < 450 and "more words" not in notice for notice in said)


def test_nothing_held_back_is_no_notice_and_an_accepted_load_is_none_from_the_next_publication(
    settings: Settings,
) -> None:
    ops = Ops(settings.ops_dir)
    publish_rows(settings, MONEY)
    assert "held back" not in read_text(open_page("home"))
    ops.record_load("r", LoadRecord("bike", "170.1", 4, 4, 0, 0))
    ops.decide_load("bike", "170.1", "failed", "bike: bad")
    publish_rows(settings, MONEY)
    assert "bad. Nothing of it has passed yet." in read_text(open_page("bike_demand"))
    ops.accept_load("170.1", "known")
    publish_rows(settings, BIKE | MONEY)
    assert "held back" not in read_text(open_page("bike_demand"))


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
