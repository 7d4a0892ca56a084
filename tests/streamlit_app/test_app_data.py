"""Access to the warehouse: bound values, cached on the publication, without blocking a run."""

import ast
import re
import threading
from pathlib import Path

import duckdb
import pytest
from app_support import VISIT_PAGES, open_page, publish_rows, read_text, record_load, visits

from data_stack.errors import TerminalError
from data_stack.ops import Ops, new_id
from data_stack.publish import rollback
from data_stack.settings import Settings
from orchestration import steps
from streamlit_app.data import open_publication

pytestmark = pytest.mark.usefixtures("only_visits")

SUM = "select cast(sum(guests) as bigint) from core.fct_visits"


def publish(settings: Settings, guests: int) -> str:
    return publish_rows(settings, visits("2024-01-01", [guests]))


def total(settings: Settings) -> int:
    value: int = open_publication(settings.warehouse_file).fetch(SUM).item()
    return value


def test_a_new_publication_is_seen_and_an_open_one_stays_as_it_was(settings: Settings) -> None:
    publish(settings, 1)
    before = open_publication(settings.warehouse_file)
    assert open_publication(settings.warehouse_file) is before
    publish(settings, 2)
    assert before.fetch("select guests from core.fct_visits").item() == 1
    assert total(settings) == 2


def test_a_rollback_is_seen_also_when_the_file_is_an_earlier_one_again(settings: Settings) -> None:
    first = publish(settings, 1)
    assert total(settings) == 1
    publish(settings, 2)
    assert total(settings) == 2
    run = steps.Run.begin(settings, new_id(), "test")
    rollback(settings, run.ops, run.locks, first, "wrong numbers")
    assert total(settings) == 1


@pytest.mark.integration
def test_a_page_shows_the_new_publication_without_a_restart(settings: Settings) -> None:
    publish(settings, 1234)
    app = open_page("visits")
    assert "1,234" in [metric.value for metric in app.metric]
    publish(settings, 5678)
    assert "5,678" in [metric.value for metric in app.run().metric]


@pytest.mark.integration
def test_a_page_that_is_asked_all_the_time_blocks_no_run(settings: Settings) -> None:
    publish(settings, 1)
    ended, seen, failures = threading.Event(), set(), []

    def read() -> None:
        while not ended.is_set():
            try:
                seen.add(total(settings))
            except Exception as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for guests in range(2, 6):
        publish(settings, guests)
    ended.set()
    reader.join()
    assert failures == []
    assert total(settings) == 5
    assert seen <= {1, 2, 3, 4, 5}


def test_an_answer_comes_from_the_cache_until_there_is_another_publication(settings: Settings) -> None:
    publish(settings, 1)
    warehouse = open_publication(settings.warehouse_file)
    sql = "select random() as n"
    assert warehouse.fetch(sql).item() == warehouse.fetch(sql).item()
    publish(settings, 2)
    assert open_publication(settings.warehouse_file).fetch(sql).item() != warehouse.fetch(sql).item()


def test_values_are_bound_and_never_read_as_sql(settings: Settings) -> None:
    publish(settings, 1)
    hostile = "'; drop table core.fct_visits; --"
    warehouse = open_publication(settings.warehouse_file)
    assert warehouse.fetch("select $text as text", text=hostile).item() == hostile
    assert warehouse.fetch("select list_contains($names, 'a') as found", names=["a", hostile]).item() is True


def test_nothing_can_be_written(settings: Settings) -> None:
    publish(settings, 1)
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        open_publication(settings.warehouse_file).fetch("delete from core.fct_visits")


def test_the_publication_says_what_it_has(settings: Settings) -> None:
    record_load(settings, "visits", days_ago=3)
    publication_id = publish(settings, 1)
    publication = open_publication(settings.warehouse_file).publication
    assert publication.publication_id == publication_id
    assert publication.tables["core.fct_visits"] == 1
    visited, accounts = publication.source_state("visits"), publication.source_state("accounts")
    assert (visited.rows, str(visited.data_through)) == (1, "2024-01-01")
    assert visited.loaded_at_utc is not None
    assert (publication.published_at_utc - visited.loaded_at_utc).days == 3
    assert (accounts.rows, accounts.data_through, accounts.loaded_at_utc) == (0, None, None)


def test_looking_creates_no_data_folder(settings: Settings) -> None:
    with pytest.raises(TerminalError, match="no published warehouse"):
        open_publication(settings.warehouse_file)
    assert "There is no published warehouse" in read_text(open_page("home"))
    assert Ops.existing(settings) is None
    assert not settings.data_dir.exists()


def test_only_the_data_module_opens_the_warehouse() -> None:
    package = Path(__file__).parents[2] / "streamlit_app"
    calls = ("duckdb.connect", "connect_warehouse(", "open_warehouse(")
    found = [path.name for path in package.rglob("*.py") if any(call in path.read_text("utf-8") for call in calls)]
    assert found == ["data.py"]


def test_every_query_is_a_constant_of_its_module() -> None:
    package = Path(__file__).parents[2] / "streamlit_app"
    asked = [
        (path.name, ast.unparse(call.args[0]))
        for path in (*package.rglob("*.py"), *VISIT_PAGES.glob("*.py"))
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "fetch"
    ]
    assert asked
    assert [found for found in asked if not re.fullmatch(r"_[A-Z_]+", found[1])] == []
