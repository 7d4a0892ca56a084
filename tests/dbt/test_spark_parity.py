"""The same models on Spark: a cluster with two workers, started from nothing, builds what DuckDB builds, row by row.

Both read the golden data, which show every rule, from the same lake.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt_support import built_tables, rows
from parity import compare_builds, find_keys
from ports import find_free_port

from data_stack.errors import TerminalError, TransientError, UsageError
from data_stack.lake.lake import open_lake, read_manifest
from data_stack.lake.write import sync_source
from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.publications import Publication, find_publication
from data_stack.publish import build_marker, publish
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner.build import TransformReport, _invoke_dbt, parse_project, transform
from dbt_runner.cluster.layout import Layout, find_layout
from dbt_runner.cluster.processes import find_processes, start_cluster, stop_cluster
from dbt_runner.spark import connect_spark, register_lake
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


@pytest.fixture(scope="module")
def built(golden: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkBuild]:
    """The golden data, built by Spark; they are few rows, so nothing is compiled for speed."""
    if not SOURCES:
        pytest.skip("no source is registered, so there are no rows to compare")
    folder = tmp_path_factory.mktemp("spark") / "data"
    shutil.copytree(golden.ops_dir, folder / "ops")
    lake = {"lake_url": str(folder / "lake")}
    settings = Settings.load(data_dir=folder, engine="spark", **lake, **find_ports())
    write_lake(golden.model_copy(update=lake))
    layout = find_layout(settings, is_for_few_rows=True)
    try:
        start_cluster(layout)
        with pytest.MonkeyPatch.context() as patch:
            # they take as long again, and the golden data show the same rules
            patch.setattr("dbt_runner.build.have_unit_tests_passed", lambda project_hash: True)
            built_models = transform(settings, Ops(settings), "test")
        yield SparkBuild(layout, settings, built_models)
    finally:
        stop_cluster(layout)
        assert list(find_processes(layout)) == []
        assert layout.mark not in subprocess.run(["ps", "-ewwo", "command="], capture_output=True, text=True).stdout


def find_ports() -> dict[str, int]:
    """Free ports by the names of their settings."""
    return {"spark_port": find_free_port(), "spark_master_port": find_free_port()}


def write_lake(settings: Settings) -> None:
    """Write what has passed into the lake."""
    lake = open_lake(settings)
    assert lake
    for source in SOURCES:
        sync_source(lake, settings, Ops(settings), source)


def test_spark_builds_the_rows_of_duckdb(golden: Settings, built: SparkBuild) -> None:
    keys = find_keys(parse_project(golden))
    assert sorted(keys) == built_tables(golden.build_file)
    assert all(rows(golden, f"select 1 from {table} limit 1") for table in keys), "a table without rows proves nothing"
    assert compare_builds(golden.build_file, built.settings.build_file, keys) == {}


def test_data_tests_pass_on_spark(built: SparkBuild) -> None:
    nodes = list(parse_project(built.settings).nodes.values())
    assert built.report.warnings == []
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
    fetch_tables(planted, manifest)
    found = compare_builds(golden.build_file, planted.build_file, {table: key})
    assert re.fullmatch(r"\d+ values of first_hour_utc", found[table])


def test_large_fact_stays_on_spark_and_status_names_it(
    golden: Settings, built: SparkBuild, capsys: pytest.CaptureFixture[str]
) -> None:
    few = built.settings.model_copy(update={"spark_fetch_rows_max": 1})
    manifest = parse_project(few)
    large = {
        f"{node.config.schema}.{node.name}"
        for node in manifest.nodes.values()
        if node.config.materialized == "incremental"
    }
    fetch_tables(few, manifest)
    try:
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
    finally:
        fetch_tables(built.settings, manifest)


def test_lost_worker_and_lost_metastore_lose_nothing(golden: Settings, built: SparkBuild) -> None:
    manifest = parse_project(built.settings)
    keys = {name: key for name, key in find_keys(manifest).items() if name == "core.dim_dates"}
    # with its executor, as if the machine had gone
    os.killpg(dict(find_processes(built.layout))["worker-1"], signal.SIGKILL)
    run_model(built.settings, "core.dim_dates", manifest)
    fetch_tables(built.settings, manifest)
    assert compare_builds(golden.build_file, built.settings.build_file, keys) == {}

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


def run_model(settings: Settings, table: str, manifest: Manifest) -> None:
    """Build a table on Spark again."""
    select = ["--select", table.partition(".")[2], "--full-refresh", "--no-write-json"]
    assert _invoke_dbt(settings, ["run", *select], manifest=manifest).success


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
