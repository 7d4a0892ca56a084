"""What holds for every metric: definitions, names, an independent compiler, threads, publications, kept SQL."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metric_support import Fetch, Reference, SmallCompiler, ask, assert_equals_reference, assert_same, find_modules
from project_metrics import project_manifest

from data_stack.errors import MetricError, TerminalError
from data_stack.metrics import flow
from data_stack.metrics.door import Metrics, open_metrics
from data_stack.metrics.query import MetricFilter, MetricQuery
from data_stack.metrics.run_records import complete_manifest
from data_stack.ops import LoadRecord, new_id
from data_stack.publish import rollback, semantic_manifest_file
from data_stack.settings import PROJECT_ROOT, Settings
from data_stack.warehouse import open_warehouse
from orchestration import steps
from scaffold.metric_reference import read_catalog

_LOADS = "ops.loads"
REFERENCES = {
    "loads": Reference("count(*)", _LOADS, "loaded_at_utc", dimension="source"),
    "read_rows": Reference("sum(rows_read)", _LOADS, "loaded_at_utc", dimension="source"),
    "loaded_rows": Reference("sum(rows_loaded)", _LOADS, "loaded_at_utc", dimension="source"),
    "rejected_rows": Reference("sum(rows_rejected)", _LOADS, "loaded_at_utc", dimension="state"),
    "duplicate_rows": Reference("sum(rows_repeated)", _LOADS, "loaded_at_utc", dimension="source"),
    "reject_share": Reference(
        "sum(rows_rejected) / nullif(sum(rows_read), 0)", _LOADS, "loaded_at_utc", dimension="source"
    ),
    "load_age": Reference(
        "min(date_diff('second', loaded_at_utc, (select max(published_at_utc) from ops.publications)) / 3600.0)"
        " filter (state in ('passed', 'accepted') and rows_loaded > 0)",
        _LOADS, "loaded_at_utc", dimension="source",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def small(metric_settings: Settings, fetch: Fetch) -> SmallCompiler:
    """The independent compiler on the same publication."""
    return SmallCompiler(fetch("select manifest from ops.semantic_manifest")[0][0], fetch)


@pytest.fixture
def own(metric_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of the data folder, for a test that publishes."""
    shutil.copytree(metric_settings.data_dir, tmp_path / "own")
    return Settings.load(data_dir=tmp_path / "own")


@pytest.mark.parametrize("name", REFERENCES)
def test_a_metric_of_the_run_records_equals_sql(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


def test_every_metric_has_a_reference(metrics: Metrics) -> None:
    known = {*REFERENCES, *(name for module in find_modules() for name in module.REFERENCES)}
    compared = {row[0] for module in find_modules() for row in getattr(module, "COMPARED", ())}
    assert {info.name for info in metrics.list()} == known | compared


def test_the_document_lists_what_the_publication_offers(metrics: Metrics) -> None:
    written = read_catalog(PROJECT_ROOT).metrics
    for info in metrics.list():
        metric = written[info.name]
        assert (info.description, info.unit, info.owner) == (metric.description, metric.unit, metric.owner)
        assert (info.dimensions, info.grains) == (tuple(metric.dimensions), metric.grains)
    assert len(written) == len(metrics.list())


def test_every_metric_says_what_it_is_and_who_answers_for_it(metrics: Metrics) -> None:
    specialists = {path.stem for path in (PROJECT_ROOT / ".awos" / "subagents").glob("*.md")}
    for info in metrics.list():
        assert info.label and info.description.endswith("."), info.name
        assert info.owner in specialists, info.name
        assert info.grains == () or info.data_until is not None, info.name


@pytest.mark.integration
def test_the_small_compiler_agrees(metrics: Metrics, small: SmallCompiler) -> None:
    known = [info for info in metrics.list() if small.knows(info.name)]
    assert len(known) >= len(REFERENCES)
    for info in known:
        for grain in (None, *info.grains):
            found = ask(metrics, info.name, grain)
            assert_same(found, small.compute(info.name, grain, info.data_until), f"{info.name} by {grain}")


@pytest.mark.integration
def test_every_dimension_of_every_metric_groups(metrics: Metrics) -> None:
    for info in metrics.list():
        grain = info.grains[-1] if info.grains else None
        query = MetricQuery(metrics=(info.name,), group_by=info.dimensions[:5], grain=grain, limit=5)
        names = [column.name for column in metrics.query(query).columns]
        assert names == [*(["date"] if grain else []), *info.dimensions[:5], info.name]


def test_an_unknown_metric_is_never_answered_by_another(metrics: Metrics) -> None:
    with pytest.raises(
        MetricError, match="^there is no metric 'load'; near: loads, .*; `data-stack metrics list` shows"
    ):
        metrics.describe("load")
    with pytest.raises(MetricError, match="^there is no metric 'zzzqqq'; `data-stack metrics list` shows all$"):
        metrics.query(MetricQuery(metrics=("zzzqqq",)))


def test_unknown_dimensions_grains_and_columns_name_those_that_there_are(metrics: Metrics) -> None:
    for given, sentence in (
        ({"group_by": ["sources"]}, "^loads has no dimension 'sources'; near: source"),
        ({"where": [{"dimension": "zz", "values": ["a"]}]}, "^loads has no dimension 'zz'; there are: source, state"),
        ({"order_by": ["-trips"]}, "^the answer has no column 'trips' to order by; there are: loads"),
    ):
        with pytest.raises(MetricError, match=sentence):
            metrics.query(MetricQuery.model_validate({"metrics": ["loads"], **given}))


def test_a_value_of_another_kind_is_refused_without_the_database_s_message(metrics: Metrics, fetch: Fetch) -> None:
    query = MetricQuery(metrics=("loads",), where=(MetricFilter(dimension="source", operator="<", values=(5,)),))
    with pytest.raises(MetricError, match="^a filter compares a dimension with a value of another kind: source < 5$"):
        metrics.query(query)


def test_threads_get_the_answers_that_one_gets(metrics: Metrics) -> None:
    queries = [MetricQuery(metrics=(name,), grain=grain) for name in REFERENCES for grain in ("day", "month", "year")]
    expected = [metrics.query(query).rows for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: metrics.query(query).rows, queries * 3)) == expected * 3


def test_a_new_publication_and_a_rollback_are_seen_at_once(own: Settings) -> None:
    run, query = steps.Run.begin(own, new_id(), "test"), MetricQuery(metrics=("loads",))
    manifest_file = semantic_manifest_file(own)
    with open_metrics(own) as metrics:
        before = metrics.query(query)
        run.ops.record_load("test", LoadRecord("added", new_id(), 1, 1, 0, 0))
        manifest = json.loads(manifest_file.read_text())
        manifest["metrics"] = []
        manifest_file.write_text(json.dumps(manifest))
        steps.publish(run)
        after = metrics.query(query)
        assert after.rows[0][0] == before.rows[0][0] + 1
        assert after.publication_id != before.publication_id
        assert {info.name for info in metrics.list()} == set(REFERENCES)
        rollback(own, run.ops, run.locks, None, "test")
        assert metrics.query(query) == before
        assert len(metrics.list()) >= len(REFERENCES)


def test_the_totals_are_published_as_sql_and_roll_back(own: Settings, fetch: Fetch) -> None:
    sql = "select metric, shape, sql from ops.metric_totals order by metric"
    before = fetch(sql)
    with open_metrics(own) as metrics:
        assert [name for name, *_ in before] == [info.name for info in metrics.list() if not info.needs_grain]
        expected = metrics.query(MetricQuery(metrics=("loads",)))
    semantic_manifest_file(own).unlink()
    run = steps.Run.begin(own, new_id(), "test")
    steps.publish(run)
    assert [name for name, *_ in _fetch_from(own, sql)] == sorted(REFERENCES)
    rollback(own, run.ops, run.locks, None, "test")
    assert _fetch_from(own, sql) == before
    # what is published answers, whoever asks
    own.warehouse_file.chmod(0o644)
    with duckdb.connect(str(own.warehouse_file)) as db:
        db.execute("update ops.metric_totals set sql = 'select 7 as loads where $start < $end' where metric = 'loads'")
    with open_metrics(own) as metrics:
        assert metrics.query(MetricQuery(metrics=("loads",))).rows == ((7,),) != expected.rows


def _fetch_from(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with open_warehouse(settings.warehouse_file) as db:
        return db.execute(sql).fetchall()


def test_the_manifest_of_the_tests_of_pages_is_that_of_dbt(metric_settings: Settings) -> None:
    written = semantic_manifest_file(metric_settings).read_text()
    assert flow.compile_totals(*complete_manifest(project_manifest())) == flow.compile_totals(
        *complete_manifest(written)
    )


def test_a_publication_without_definitions_says_so(own: Settings) -> None:
    own.warehouse_file.chmod(0o644)
    with duckdb.connect(str(own.warehouse_file)) as db:
        db.execute("drop table ops.semantic_manifest")
    with pytest.raises(TerminalError, match="was made by an earlier version and has no metrics; `data-stack run`"):
        Metrics(own)


def test_a_build_of_an_earlier_version_is_published_with_the_metrics_of_the_run_records(own: Settings) -> None:
    semantic_manifest_file(own).unlink()
    steps.publish(steps.Run.begin(own, new_id(), "test"))
    with open_metrics(own) as metrics:
        assert {info.name for info in metrics.list()} == set(REFERENCES)
        assert metrics.query(MetricQuery(metrics=("loads",))).rows[0][0] > 0


def test_the_same_definitions_have_the_same_hash(metric_settings: Settings) -> None:
    text = semantic_manifest_file(metric_settings).read_text()
    assert complete_manifest(text) == complete_manifest(json.dumps(json.loads(text), indent=1))
    assert complete_manifest(text)[1] != complete_manifest("")[1]


@pytest.mark.integration
def test_sql_that_is_kept_needs_no_metricflow(
    metric_settings: Settings, metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from data_stack.metrics import flow, door; from data_stack.metrics.query import MetricQuery;"
        "from data_stack.settings import Settings; from pathlib import Path;"
        f"flow._cache_folder = lambda: Path({str(tmp_path)!r});"
        f"metrics = door.Metrics(Settings.load(data_dir=Path({str(metric_settings.data_dir)!r})));"
        "query = MetricQuery(metrics=('loads',), grain='year', order_by=('-date',));"
        "metrics.list(); print(metrics.query(query).rows[0][1]);"
        "print('metricflow' in sys.modules)"
    )
    expected = str(metrics.query(MetricQuery(metrics=("loads",), grain="year", order_by=("-date",))).rows[0][1])
    assert _run(code) == [expected, "True"]
    assert len(list(tmp_path.rglob("*.sql"))) == 1
    assert _run(code) == [expected, "False"]


def test_what_metricflow_refuses_names_no_raw_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_cache_folder", lambda: tmp_path)
    shape = flow.Shape(("loads",), ("load__sources",), None, None, ())
    with pytest.raises(MetricError, match="^loads cannot be grouped and filtered like this; ask for less$") as caught:
        flow.compile_shape(*complete_manifest(""), shape)
    assert caught.value.__suppress_context__
    assert list(tmp_path.rglob("*.sql")) == []


def test_an_image_without_metricflow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_cache_folder", lambda: tmp_path)
    monkeypatch.setitem(sys.modules, "metricflow_semantics.errors.error_classes", None)
    with pytest.raises(TerminalError, match="is not installed here; `uv sync --group metrics` does"):
        flow.compile_shape(*complete_manifest(""), flow.Shape(("loads",), (), None, None, ()))


def test_only_the_last_manifests_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_cache_folder", lambda: tmp_path)
    shape = flow.Shape(("loads",), (), None, None, ())
    for number in range(7):
        manifest, _ = complete_manifest("")
        flow.compile_shape(manifest, f"{number}", shape)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4", "5", "6"]


def test_a_full_folder_keeps_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(flow, "_KEPT_SHAPES", 2)
    manifest, manifest_hash = complete_manifest("")
    for name in ("loads", "read_rows", "loaded_rows"):
        assert name in flow.compile_shape(manifest, manifest_hash, flow.Shape((name,), (), None, None, ()))
    assert len(list(tmp_path.rglob("*.sql"))) == 2


def _run(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
