"""Helpers for the tests of the pages: publications of a few rows, pages opened by name.

The tables come from the yml of the dbt models, so a column that was renamed there fails here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml
from project_metrics import project_manifest
from records import change_records
from registered import ACCOUNTS, VISITS, set_sources
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ElementTree
from streamlit.util import calc_hash

from data_stack.ops import LoadRecord, Ops, new_id
from data_stack.publish import build_marker, semantic_manifest_file
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from orchestration import steps
from streamlit_app import app_pages
from streamlit_app.data import Warehouse, open_publication
from streamlit_app.page import find_pages

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table, `schema.table`."""

VISIT_PAGES = Path(__file__).with_name("visit_pages")
HOME = PROJECT_ROOT / "streamlit_app" / "Home.py"


def open_page(name: str, **url: str) -> AppTest:
    """Run a page as a browser that opens its URL.

    Args:
        name: Its module in `app_pages`.
        url: Parameters of the URL.
    """
    app = AppTest.from_file(str(HOME), default_timeout=30)
    app.query_params = dict(url)
    app._page_hash = calc_hash(name)
    return app.run()


def go_to(app: AppTest, name: str) -> AppTest:
    """Change the page within a session, as a click on the menu does."""
    # AppTest.switch_page needs a file, and our pages are functions
    app._page_hash = calc_hash(name)
    # a browser sends neither the widgets nor the parameters of the page that it leaves
    app._tree, app.query_params = ElementTree(), {}
    app._tree._runner = app
    return app.run()


def days(first: str, last: str) -> dict[str, str]:
    """URL parameters of a chosen period."""
    return {"period": "Chosen days", "from": first, "to": last}


def read_text(app: AppTest) -> str:
    """All text of a page outside of charts and tables."""
    kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.text)
    return "\n".join(element.value for kind in kinds for element in kind)


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    """Figure and change by label."""
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def assert_no_failure(app: AppTest) -> None:
    """The page drew without an exception and without a message about a failure."""
    assert not app.exception
    failures = [element.value for element in app.error]
    assert failures == [], failures


def publish_rows(settings: Settings, rows: Rows, leave_out: Sequence[str] = ()) -> str:
    """Publish a warehouse of every table of core and marts, with these rows.

    Args:
        settings: Where to.
        rows: Rows by table; a column that a row leaves out is null.
        leave_out: Tables that an older publication did not have.

    Returns:
        The publication's identifier.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    settings.build_file.write_bytes(empty_warehouse())
    with duckdb.connect(str(settings.build_file)) as db:
        for table in leave_out:
            db.execute(f"drop table {table}")
        for table in rows.keys() - set(leave_out):
            _insert(db, table, rows[table])
    if rows.keys() - {VISITS.fact, ACCOUNTS.fact}:
        semantic_manifest_file(settings).write_text(project_manifest())
    build_marker(settings).touch()
    run = steps.Run.begin(settings, new_id(), "test")
    with run.ops.run("publish", [], run_id=run.run_id):
        return steps.publish(run, unpin=True).publication_id


def publication_of(settings: Settings, rows: Rows) -> Warehouse:
    """Publish rows and open what was published, for a query; a row is added if no source has one."""
    first = SOURCES[0]
    added = {} if any(source.fact in rows for source in SOURCES) else {first.fact: [{first.day: date(2024, 1, 1)}]}
    publish_rows(settings, {**added, **rows})
    return open_publication(settings.warehouse_file)


def record_load(settings: Settings, source: str, days_ago: float = 0) -> None:
    """Record that rows of a source were loaded some days ago; publish afterwards."""
    ops = Ops(settings)
    load_id = new_id()
    ops.record_load("test", LoadRecord(source, load_id, 1, 1, 0, 0))
    ops.decide_load(source, load_id, "passed")
    change_records(
        ops,
        "update loads set loaded_at_utc = datetime(loaded_at_utc, ?) where load_id = ?",
        [(f"-{days_ago} days", load_id)],
    )


def visits(first: str, guests: Sequence[int]) -> Rows:
    """Rows of the source that only tests register: one visit per day, with so many guests."""
    begin = date.fromisoformat(first)
    return {
        VISITS.fact: [
            {"id": f"{number}", VISITS.day: begin + timedelta(days=number), "guests": count}
            for number, count in enumerate(guests)
        ]
    }


def register_visits(monkeypatch: pytest.MonkeyPatch, *others: Source) -> None:
    """Register the two sources that only tests have, after other ones, and add the pages of `visit_pages`."""
    # imports the pages first: a module that is imported later would keep these sources after the test
    find_pages(app_pages)
    set_sources(monkeypatch, (*others, ACCOUNTS, VISITS))
    monkeypatch.setattr(app_pages, "__path__", [*app_pages.__path__, str(VISIT_PAGES)])


@contextmanager
def registered_visits(*others: Source) -> Iterator[None]:
    """`register_visits` for the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        register_visits(patch, *others)
        yield


@cache
def published_tables() -> dict[str, dict[str, str]]:
    """Columns with their types by table, from the yml of core and marts, and the facts that only tests have."""
    tables = {
        VISITS.fact: {"id": "varchar", VISITS.day: "date", "guests": "bigint"},
        ACCOUNTS.fact: {"id": "bigint", ACCOUNTS.day: "date"},
    }
    for path in sorted(PROJECT_ROOT.glob("dbt/models/*/*.yml")):
        schema = path.parent.name
        for model in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader).get("models", []):
            if schema in ("core", "marts"):
                columns = {column["name"]: column["data_type"] for column in model["columns"]}
                tables[f"{schema}.{model['name']}"] = columns
    return tables


@cache
def empty_warehouse() -> bytes:
    """A DuckDB file with every table of core and marts, without rows; made once per process to save time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.duckdb"
        with duckdb.connect(str(path)) as db:
            db.execute("create schema core; create schema marts; create schema gate")
            marks = "table_name varchar, column_name varchar, data_type varchar, is_published boolean"
            db.execute(f"create table gate.personal_columns ({marks})")
            for table, columns in published_tables().items():
                db.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        return path.read_bytes()


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    unknown = {name for row in rows for name in row} - set(published_tables()[table])
    assert not unknown, f"{table} has no column {unknown}"
    if rows:
        # one statement for all rows: one per row took most of the time of the tests
        db.register("new_rows", pl.from_dicts(rows, infer_schema_length=None, strict=False))
        db.execute(f"insert into {table} by name select * from new_rows")
