"""Key figures: values of the published metrics, publications of earlier versions, and no MetricFlow in a page."""

import ast
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest
from app_support import HOME, publish_rows, record_load, visits

from data_stack.errors import TerminalError
from data_stack.metrics.door import open_metrics
from data_stack.metrics.query import MetricQuery
from data_stack.ops import Ops
from data_stack.publish import rollback
from data_stack.settings import Settings
from orchestration import steps
from streamlit_app.data import NothingToShowError, Warehouse, open_publication
from streamlit_app.figures import fetch_figures, find_last_day
from streamlit_app.filters import Period

LOADS = ("loads", "loaded_rows", "reject_share")
DAY = Period(date(2024, 3, 1), date(2024, 3, 1))


@pytest.fixture
def published(settings: Settings, only_visits: None) -> Settings:
    """A publication with one load of one row."""
    record_load(settings, "visits")
    publish_rows(settings, visits("2024-03-01", [1]))
    return settings


def open_warehouse_of(settings: Settings) -> Warehouse:
    return open_publication(settings.warehouse_file)


def test_figures_are_what_the_metrics_answer(published: Settings) -> None:
    warehouse = open_warehouse_of(published)
    found = fetch_figures(warehouse, LOADS)
    assert found == {"loads": 1, "loaded_rows": 1, "reject_share": 0.0}
    with open_metrics(published) as metrics:
        assert tuple(found.values()) == metrics.query(MetricQuery(metrics=LOADS)).rows[0]
        assert find_last_day(warehouse, "loads") == metrics.describe("loads").data_until


def test_a_period_without_rows_has_no_value(published: Settings) -> None:
    assert fetch_figures(open_warehouse_of(published), LOADS, DAY) == dict.fromkeys(LOADS)


def test_figures_change_and_roll_back_with_the_publication(published: Settings) -> None:
    record_load(published, "visits")
    publish_rows(published, visits("2024-03-01", [1]))
    assert fetch_figures(open_warehouse_of(published), LOADS)["loads"] == 2
    run = steps.Run.begin(published, "rollback", "test")
    rollback(published, Ops(published), run.locks, None, "test")
    assert fetch_figures(open_warehouse_of(published), LOADS)["loads"] == 1


def test_a_metric_that_the_publication_does_not_have(published: Settings) -> None:
    with pytest.raises(NothingToShowError, match="has no metric nothing; `data-stack run` publishes it again$"):
        fetch_figures(open_warehouse_of(published), ("nothing",))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("metric_totals", "made by an earlier version and has no SQL of loads; `data-stack run` publishes it again$"),
        ("semantic_manifest", "made by an earlier version and has no metrics; `data-stack run` publishes it again$"),
    ],
)
def test_a_publication_of_an_earlier_version_says_what_to_run(published: Settings, table: str, said: str) -> None:
    published.warehouse_file.chmod(0o644)
    with duckdb.connect(str(published.warehouse_file)) as db:
        db.execute(f"drop table ops.{table}")
    with pytest.raises(TerminalError, match=said):
        fetch_figures(open_warehouse_of(published), LOADS)


def find_figures() -> list[str]:
    """The metrics that pages and cards show."""
    trees = [ast.parse(path.read_text()) for path in HOME.parent.rglob("*.py")]
    assigned = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    return sorted(
        {name for node in assigned if ast.unparse(node.targets[0]).endswith("FIGURES") for name in _read(node.value)}
    )


def _read(value: ast.expr) -> tuple[str, ...]:
    names: tuple[str, ...] = ast.literal_eval(value)
    return names


@pytest.mark.slow
def test_every_figure_on_the_demo_is_what_the_metrics_answer(on_demo: Settings) -> None:
    warehouse = open_warehouse_of(on_demo)
    with open_metrics(on_demo) as metrics:
        for name in find_figures():
            expected = metrics.query(MetricQuery(metrics=(name,))).rows[0][0]
            assert fetch_figures(warehouse, (name,)) == {name: expected}, name
            assert expected is not None, name


@pytest.mark.slow
def test_no_page_imports_metricflow(on_demo: Settings) -> None:
    code = (
        "import sys\n"
        "import streamlit.components.v2.manifest_scanner as scanner\n"
        "scanner.scan_component_manifests = list\n"
        "from app_support import metrics, open_page\n"
        "from streamlit_app import app_pages\n"
        "from streamlit_app.page import find_pages\n"
        "shown = [metrics(open_page(page.name)) for page in find_pages(app_pages)]\n"
        "print(sum(map(len, shown)), [name for name in ('metricflow', 'dbt', 'jinja2.sandbox') if name in sys.modules])"
    )
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOME.parents[1],
        env={"PYTHONPATH": f"{folder}:{folder.parent}:{HOME.parents[1]}", "DATA_DIR": str(on_demo.data_dir)},
    )  # fmt: skip
    count, found = done.stdout.strip().splitlines()[-1].split(" ", 1)
    assert int(count) >= len(find_figures())
    assert found == "[]"
