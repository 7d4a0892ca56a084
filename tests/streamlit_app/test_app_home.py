"""The start page: the cards of the sources, what is loaded, the last run."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from app_support import assert_no_failure, metrics, open_page, publish_rows, read_text, record_load, visits

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.registry import source_names
from data_stack.settings import Settings
from streamlit_app import home_cards
from streamlit_app.home_card import find_cards

pytestmark = pytest.mark.usefixtures("only_visits")

GUESTS = visits("2024-01-01", [10])
ACCOUNT = {"core.fct_accounts": [{"id": 1}]}
NAMES = source_names()
CARD = """
import streamlit as st
from streamlit_app.queries import read_bounds
from streamlit_app.elements import Metric, show_metrics

def get_bounds(warehouse):
    sql = "select min(day_utc), max(day_utc) from core.fct_visits where guests > 0"
    return read_bounds(warehouse.fetch(sql), "nobody came")

def render(view, period):
    loaded = get_bounds(view.warehouse)
    show_metrics(Metric("Days of {name}", (period or loaded).days))
"""
PutCard = Callable[[str, str], None]


@pytest.fixture
def put_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutCard:
    """Adds the card of a source; those of the repository are left out."""
    name = f"cards_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("streamlit_app.app_pages.home.home_cards", importlib.import_module(name))

    def put(source_name: str, text: str) -> None:
        (tmp_path / name / f"{source_name}.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    return put


def test_cards_come_in_the_order_of_the_registry_with_one_period(settings: Settings, put_card: PutCard) -> None:
    for name in ("visits", "accounts"):
        put_card(name, CARD.format(name=name))
    publish_rows(settings, {**visits("2024-01-01", [10] * 30), **ACCOUNT})
    app = open_page("home", period="Last 7 days")
    assert_no_failure(app)
    assert [(name, value) for name, (value, _) in metrics(app).items()] == [
        ("Days of accounts", "7"),
        ("Days of visits", "7"),
    ]
    assert [caption.value for caption in app.sidebar.caption] == ["24 Jan 2024 to 30 Jan 2024"]


def test_a_card_without_days_says_so_and_the_others_are_shown(settings: Settings, put_card: PutCard) -> None:
    put_card("accounts", CARD.format(name="accounts"))
    put_card("visits", CARD.format(name="visits"))
    publish_rows(settings, visits("2024-01-01", [0]))
    app = open_page("home")
    assert_no_failure(app)
    assert not app.metric
    assert not app.sidebar.selectbox
    said = read_text(app).replace("\\", "")
    assert "Accounts of a database: nothing is loaded; `data-stack run --sources accounts`" in said
    assert "Nobody came." in said


def test_a_card_that_does_not_fit_the_publication_is_a_message_and_the_rest_is_shown(
    settings: Settings, put_card: PutCard
) -> None:
    put_card("visits", CARD.format(name="visits").replace("guests > 0", "renamed > 0"))
    publish_rows(settings, GUESTS)
    app = open_page("home")
    assert not app.exception
    assert "`data-stack run` builds and publishes it again" in read_text(app)
    assert len(app.dataframe) == 1


def test_the_card_of_a_source_that_is_not_registered_is_not_shown(settings: Settings, put_card: PutCard) -> None:
    put_card("boats", CARD.format(name="boats"))
    publish_rows(settings, GUESTS)
    app = open_page("home")
    assert_no_failure(app)
    assert not app.metric


def test_a_file_that_is_no_card_is_named(settings: Settings, put_card: PutCard) -> None:
    put_card("visits", "")
    publish_rows(settings, GUESTS)
    said = read_text(open_page("home")).replace("\\", "")
    assert "home_cards/visits.py has no render(view, period)" in said


def test_our_cards_belong_to_sources_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(home_cards.__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} <= set(NAMES)
    # of the two sources that are registered in these tests, none has a card
    assert find_cards(home_cards) == []


def test_what_is_loaded_by_source(settings: Settings) -> None:
    record_load(settings, "visits", days_ago=400)
    publish_rows(settings, GUESTS)
    shown = open_page("home").dataframe[0].value
    rows = {row["source"]: (row["rows"], str(row["data_through"])[:10], row["state"]) for _, row in shown.iterrows()}
    assert rows == {
        "Accounts of a database": (0, "NaT", "nothing loaded"),
        "Visits by UTC day": (1, "2024-01-01", "stale"),
    }
    record_load(settings, "visits", days_ago=1)
    publish_rows(settings, GUESTS)
    assert open_page("home").dataframe[0].value["state"].tolist() == ["nothing loaded", "loaded"]


def test_a_failed_run_shows_although_it_published_nothing(settings: Settings) -> None:
    publish_rows(settings, GUESTS)
    ops = Ops(settings)
    with pytest.raises(TerminalError), ops.run("run", ["visits"]):
        raise TerminalError("critical: id_is_unique fails")
    app = open_page("home")
    said = read_text(app)
    assert "`run` of" in said and "failed; fix the reported problem and run `data-stack run` again" in said
    assert "critical: id_is_unique fails" in [text.value for text in app.text]
    with ops.run("publish", []):
        assert "is still running" in read_text(app.run())
