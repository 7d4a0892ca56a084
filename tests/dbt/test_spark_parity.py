"""The same models on Spark: a cluster with two workers, started from nothing, builds what DuckDB builds, row by row.

Both read the golden data, which show every rule, from the same lake.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dbt.cli.main import dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode
from dbt_support import built_tables, make_empty_raw, rows, run_models
from parity import compare_builds, find_keys
from parsed_project import ParsedProject
from ports import find_free_port
from source_parts import find_part

from data_stack.errors import TerminalError, TransientError, UsageError
from data_stack.lake.lake import open_lake, read_manifest
from data_stack.lake.write import sync_source
from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.publications import Publication, find_publication
from data_stack.publish import build_marker, publish
from data_stack.registry import SOURCES, Source
from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, TransformReport, _build_on_spark, parse_project, transform
from dbt_runner.cluster.layout import Layout, find_layout
from dbt_runner.cluster.processes import find_processes, start_cluster, stop_cluster
from dbt_runner.spark import connect_spark, poll_quickly, prepare_spark, register_lake
from dbt_runner.spark_facts import drop_unusable_facts, find_facts, find_written_months, hash_facts
from dbt_runner.spark_tables import fetch_tables
from orchestration.cli import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("java") is None and "CI" not in os.environ,
        reason="Spark needs Java, and there is none in PATH; install openjdk-17-jre-headless",
    ),
]


@dataclass(frozen=True)
class SparkBuild:
    """What Spark has built from the golden data.

    Attributes:
        layout: The cluster.
        settings: Of a data folder with Spark as its engine.
        report: Of the build.
    """

    layout: Layout
    settings: Settings
    report: TransformReport


@dataclass(frozen=True)
class Corrected:
    """What Spark has made of a fact by month: first, after corrections, and once more without new files.

    Attributes:
        corrections: What the tests know about the source.
        fact: The table.
        rebuilt: Facts that the first build made from nothing.
        files: Its files in each of the three builds, with their times.
        written: The months that the second and the third build wrote.
        settings: Whose build file has the table after the corrections.
        on_duckdb: A data folder with the raw files after the corrections, not built.
    """

    corrections: ModuleType
    fact: str
    rebuilt: list[str]
    files: list[dict[str, int]]
    written: list[dict[str, list[str]]]
    settings: Settings
    on_duckdb: Path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A cluster that nothing was built on; it is for few rows, so nothing is compiled for speed."""
    if not SOURCES:
        pytest.skip("no source is registered, so there are no rows to compare")
    folder = tmp_path_factory.mktemp("spark") / "data"
    settings = Settings.load(data_dir=folder, engine="spark", lake_url=str(folder / "lake"), **find_ports())
    layout = find_layout(settings, is_for_few_rows=True)
    try:
        start_cluster(layout)
        yield layout
    finally:
        stop_cluster(layout)
        assert list(find_processes(layout)) == []
        assert layout.mark not in subprocess.run(["ps", "-ewwo", "command="], capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def corrected(cluster: Layout, tmp_path_factory: pytest.TempPathFactory) -> list[Corrected]:
    """Every incremental fact, built by month from files of a lake of its own, in the schemas of the golden build."""
    facts = find_facts(parse_project(cluster.settings))
    return [correct_fact(cluster.settings, fact, tmp_path_factory.mktemp(fact.name)) for fact in facts]


@pytest.fixture(scope="module")
def built(golden: Settings, cluster: Layout, corrected: list[Corrected]) -> SparkBuild:
    """The golden data, built by Spark where other rows, and a fact that is incomplete, were before."""
    settings = cluster.settings
    shutil.copytree(golden.ops_dir, settings.ops_dir)
    write_lake(golden.model_copy(update={"lake_url": settings.lake_url}), SOURCES)
    with pytest.MonkeyPatch.context() as patch:
        # they take as long again, and the golden data show the same rules
        patch.setattr("dbt_runner.build.have_unit_tests_passed", lambda project_hash: True)
        return SparkBuild(cluster, settings, transform(settings, Ops(settings), "test"))


def correct_fact(spark: Settings, fact: ModelNode, folder: Path) -> Corrected:
    """Build a fact from first files, from corrected ones, from the same again, and let another build be killed."""
    corrections = find_part(fact.config.meta["source"], "corrections")
    sources = [source for source in SOURCES if source.name == fact.config.meta["source"]]
    settings = spark.model_copy(update={"data_dir": folder, "lake_url": str(folder / "lake")})
    warehouse = spark.spark_warehouse_dir / f"{fact.schema}.db" / fact.alias
    files, written = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dbt_runner.spark.SOURCES", sources)
        corrections.load_first(settings)
        _, rebuilt = build_fact(settings, sources, corrections.MODELS)
        files.append(list_files(warehouse))
        for correct in (corrections.correct_months, None):
            if correct:
                correct(settings)
            outcome, _ = build_fact(settings, sources, [fact.name])
            files.append(list_files(warehouse))
            written.append(find_written_months(outcome))
        fetch_only(settings, fact)
        on_duckdb = shutil.copytree(folder, folder / "on_duckdb", ignore=shutil.ignore_patterns("build", "lake"))
        corrections.move_ride_to_may(settings)
        kill_build(settings, sources, fact, warehouse / f"partition_month={corrections.UNCHANGED_MONTH}")
    return Corrected(corrections, f"core.{fact.name}", rebuilt, files, written, settings, on_duckdb)


def build_fact(
    settings: Settings, sources: Sequence[Source], models: Sequence[str]
) -> tuple[dbtRunnerResult, list[str]]:
    """Write what has passed into the lake, and build models from it."""
    write_lake(settings, sources)
    prepare_spark(settings, Ops(settings))
    poll_quickly()
    manifest = parse_project(settings)
    versions = hash_facts(manifest, DBT_DIR / "dbt_project.yml")
    rebuilt = drop_unusable_facts(settings, manifest, versions)
    arguments = ["run", "--no-write-json", "--select", *models]
    return _build_on_spark(settings, manifest, arguments, versions), rebuilt


def kill_build(settings: Settings, sources: Sequence[Source], fact: ModelNode, month: Path) -> None:
    """End a build after it has written, before it has said so, and lose a month that it was just moving in place."""
    from dbt.adapters.spark import connections

    connection = connections.PyhiveConnectionWrapper
    execute = connection.execute

    def end_after_writing(self: Any, sql: str, bindings: Any = None) -> None:
        if "partitionOverwriteMode = static" in sql:
            raise RuntimeError("killed")
        execute(self, sql, bindings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "execute", end_after_writing)
        outcome, rebuilt = build_fact(settings, sources, [fact.name])
    assert rebuilt == []
    assert "killed" in outcome.result[0].message
    shutil.rmtree(month)


def list_files(warehouse: Path) -> dict[str, int]:
    """The data files of a table by month, and when they were written."""
    return {str(path.relative_to(warehouse)): path.stat().st_mtime_ns for path in warehouse.glob("*/*.parquet")}


def fetch_only(settings: Settings, *nodes: ModelNode) -> None:
    """Write a build file with the tables of some models only."""
    manifest = parse_project(settings)
    manifest.nodes = {node.unique_id: node for node in nodes}
    fetch_tables(settings, manifest)


def find_ports() -> dict[str, int]:
    """Free ports by the names of their settings."""
    return {"spark_port": find_free_port(), "spark_master_port": find_free_port()}


def write_lake(settings: Settings, sources: Sequence[Source]) -> None:
    """Write what has passed into the lake."""
    lake = open_lake(settings)
    assert lake
    for source in sources:
        sync_source(lake, settings, Ops(settings), source)


def test_spark_builds_the_rows_of_duckdb(golden: Settings, built: SparkBuild) -> None:
    keys = find_keys(parse_project(golden))
    assert sorted(keys) == built_tables(golden.build_file)
    assert all(rows(golden, f"select 1 from {table} limit 1") for table in keys), "a table without rows proves nothing"
    assert compare_builds(golden.build_file, built.settings.build_file, keys) == {}


def test_corrected_months_are_written_and_no_others(corrected: list[Corrected]) -> None:
    for fact in corrected:
        first, then, _ = fact.files
        name = fact.fact.partition(".")[2]
        assert fact.rebuilt == [name]
        assert fact.written[0] == {name: fact.corrections.CORRECTED_MONTHS}
        months = {path.partition("=")[2].partition("/")[0] for path in first.keys() & then.keys()}
        assert months == {fact.corrections.UNCHANGED_MONTH}, "and these files are the same"
        assert all(first[path] == then[path] for path in first.keys() & then.keys())
        assert any(fact.corrections.EMPTIED_MONTH in path for path in first)
        assert not any(fact.corrections.EMPTIED_MONTH in path for path in then)


def test_build_without_new_files_writes_no_month(corrected: list[Corrected]) -> None:
    for fact in corrected:
        assert fact.written[1] == {fact.fact.partition(".")[2]: []}
        assert fact.files[2] == fact.files[1] != {}


def test_corrected_months_have_the_rows_of_duckdb(corrected: list[Corrected], project: ParsedProject) -> None:
    for fact in corrected:
        settings = project.use(fact.on_duckdb)
        make_empty_raw(settings)
        run_models(settings, "--select", *fact.corrections.MODELS)
        key = find_keys(parse_project(settings))[fact.fact]
        assert compare_builds(settings.build_file, fact.settings.build_file, {fact.fact: key}) == {}


def test_data_tests_pass_on_spark(built: SparkBuild) -> None:
    nodes = list(parse_project(built.settings).nodes.values())
    assert built.report.warnings == []
    # of a fact that a killed build had left
    assert built.report.rebuilt == [fact.name for fact in find_facts(parse_project(built.settings))]
    assert built.report.models == sum(node.resource_type == "model" for node in nodes)
    assert built.report.tests == sum(node.resource_type == "test" for node in nodes) > 0


def test_what_is_personal_is_published_alike(golden: Settings, built: SparkBuild) -> None:
    query = "select * from gate.personal_columns order by all"
    assert rows(built.settings, query) == rows(golden, query)
    assert publish_build(built.settings).left_tables == []


def test_wrong_macro_is_found(golden: Settings, built: SparkBuild) -> None:
    manifest = parse_project(built.settings)
    table, key = next((name, key) for name, key in find_keys(manifest).items() if name == "core.dim_dates")
    macro = manifest.macros["macro.data_stack.spark__latest_utc"]
    right = macro.macro_sql
    # of a midnight that occurs twice or not, Spark's own choice is the earlier one
    macro.macro_sql = right.replace("'UTC', cast(", "'UTC', interval 1 second + cast(")
    assert macro.macro_sql != right
    run_model(built.settings, table, manifest)

    planted = built.settings.model_copy(update={"data_dir": built.settings.data_dir / "planted"})
    fetch_only(planted, find_model(manifest, table))
    found = compare_builds(golden.build_file, planted.build_file, {table: key})
    assert re.fullmatch(r"\d+ values of first_hour_utc", found[table])


def test_large_fact_stays_on_spark_and_status_names_it(
    golden: Settings, built: SparkBuild, capsys: pytest.CaptureFixture[str]
) -> None:
    few = built.settings.model_copy(update={"spark_fetch_rows_max": 1, "data_dir": built.settings.data_dir / "few"})
    shutil.copytree(built.settings.ops_dir, few.ops_dir)
    manifest = parse_project(few)
    large = {
        f"{node.config.schema}.{node.name}"
        for node in manifest.nodes.values()
        if node.config.materialized == "incremental"
    }
    fetch_tables(few, manifest)
    publication = publish_build(few)
    assert set(built_tables(golden.build_file)) - set(publication.tables) == large
    described = {state.source.fact: state for state in publication.sources}
    for table in large & set(described):
        ((count, through),) = rows(golden, f"select count(*), max({described[table].source.day}) from {table}")
        assert (described[table].rows, described[table].data_through) == (count, through)
    assert set(publication.left_tables) == large & set(described)
    report.print_status(few, report.gather_status(few, Ops(few)))
    shown = capsys.readouterr().out
    assert all(table in shown for table in publication.left_tables)


def test_lost_worker_and_lost_metastore_lose_nothing(golden: Settings, built: SparkBuild) -> None:
    manifest = parse_project(built.settings)
    keys = {name: key for name, key in find_keys(manifest).items() if name == "core.dim_dates"}
    # with its executor, as if the machine had gone
    os.killpg(dict(find_processes(built.layout))["worker-1"], signal.SIGKILL)
    node = find_model(manifest, "core.dim_dates")
    with connect_spark(built.settings) as spark:
        spark.execute(f"drop table {node.schema}.{node.alias}")
    # what a server that is killed leaves of a table that it has not finished
    leftover = built.settings.spark_warehouse_dir / f"{node.schema}.db" / node.alias / "_temporary" / "part"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("incomplete")
    run_model(built.settings, "core.dim_dates", manifest)
    alone = built.settings.model_copy(update={"data_dir": built.settings.data_dir / "alone"})
    fetch_only(alone, node)
    assert compare_builds(golden.build_file, alone.build_file, keys) == {}

    stop_cluster(built.layout)
    shutil.rmtree(built.layout.folder / "metastore")
    start_cluster(built.layout)
    registered = register_lake(built.settings)
    assert register_lake(built.settings) == [], "nothing has changed"
    with connect_spark(built.settings) as spark:
        for name in registered:
            spark.execute(f"select count(*) from {name}")
            source, table = name.removeprefix(f"{built.settings.spark_schema}_raw_").split(".")
            manifest_of = read_manifest(built.settings, source)
            assert manifest_of
            assert spark.fetchone() == (manifest_of.tables[table].rows,), name


def find_model(manifest: Manifest, table: str) -> ModelNode:
    """The model of a table, which is named with its schema."""
    return next(node for node in manifest.nodes.values() if f"{node.config.schema}.{node.name}" == table)


def run_model(settings: Settings, table: str, manifest: Manifest) -> None:
    """Build a table on Spark again."""
    select = ["--select", table.partition(".")[2], "--no-write-json"]
    assert _build_on_spark(settings, manifest, ["run", *select], {}).success


def publish_build(settings: Settings) -> Publication:
    """Publish what was built, as `data-stack publish` does."""
    build_marker(settings).touch()
    publish(settings, Ops(settings), Locks(settings, "test"), "test")
    publication = find_publication(settings.warehouse_file)
    assert publication
    return publication


def test_refused_statement_is_named_without_its_text(built: SparkBuild) -> None:
    with pytest.raises(TerminalError, match=r"refused a statement \(TABLE_OR_VIEW_NOT_FOUND\)") as raised:
        with connect_spark(built.settings) as spark:
            spark.execute("select 'Jane' from nowhere")
    assert "Jane" not in str(raised.value)


def test_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, spark_port=find_free_port())
    with pytest.raises(TransientError, match=r"Spark does not answer at 127.0.0.1:\d+; start it.*SPARK_PORT"):
        with connect_spark(settings):
            pass


@pytest.mark.parametrize("variable", ["SPARK_PORT", "SPARK_MASTER_PORT"])
def test_used_port_is_named(variable: str, tmp_path: Path) -> None:
    ports = find_ports()
    settings = Settings.load(data_dir=tmp_path, **ports)
    with socket.create_server(("127.0.0.1", ports[variable.lower()])):
        with pytest.raises(UsageError, match=rf"port \d+ on loopback is used by another program.*{variable}"):
            start_cluster(find_layout(settings))
    assert not (tmp_path / "spark").exists()
