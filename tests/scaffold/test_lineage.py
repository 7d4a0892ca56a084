"""The lineage of the living sources, on values."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from data_stack.errors import NotFoundError, UsageError
from data_stack.registry import SOURCES, source_names
from data_stack.settings import PROJECT_ROOT, Settings
from scaffold.changes import list_python_files, name_files
from scaffold.code_graph import CodeGraph
from scaffold.impact import find_documents, find_own_nodes
from scaffold.lineage import Lineage, LineageReader, Node, read_lineage
from scaffold.owners import SUBAGENTS, find_owner


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    return read_lineage(Settings.load(data_dir=tmp_path_factory.mktemp("lineage")))


@pytest.fixture(scope="module")
def graph() -> CodeGraph:
    return CodeGraph.read(list_python_files())


@pytest.mark.integration
def test_a_server_reads_the_lineage_once(lineage: Lineage, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Settings] = []

    def read_slowly(asked: Settings) -> Lineage:
        time.sleep(0.05)
        read.append(asked)
        return lineage

    monkeypatch.setattr("scaffold.lineage.read_lineage", read_slowly)
    reader = LineageReader(settings)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(reader, ["dim_dates"] * 8))
    assert read == [settings]
    assert answers == [lineage.describe("dim_dates")] * 8
    assert [node["name"] for node in answers[0]["nodes"]] == ["dim_dates"]
    with pytest.raises(NotFoundError, match="no node 'dim_date'; similar names are dim_dates"):
        reader("dim_date")


def names(nodes: list[Node], kind: str) -> set[str]:
    return {node.name for node in nodes if node.kind == kind}


@pytest.mark.integration
def test_upstream_of_a_mart_of_one_source(lineage: Lineage) -> None:
    mart = lineage.find_nodes("marts.mart_station_flow_daily")
    upstream = lineage.find_upstream(mart)
    assert names(upstream, "provider") == names(upstream, "reader") == names(upstream, "suite") == {"bike"}
    assert names(upstream, "raw table") == {"bike.trips", "bike.files", "bike.rejects", "bike.provider"}
    assert names(upstream, "model") == {
        "stg_bike__trips",
        "stg_bike__files",
        "int_bike__covered_months",
        "fct_trips",
        "fct_bike_coverage_daily",
        "dim_stations",
    }
    assert lineage.find_sources(mart) == ["bike"]


@pytest.mark.integration
def test_downstream_of_a_source(lineage: Lineage) -> None:
    downstream = lineage.find_downstream(lineage.find_nodes("weather"))
    assert {"stg_weather__hours", "fct_weather_hourly", "dim_dates", "mart_weather_effect"} <= names(
        downstream, "model"
    )
    assert "weather_impact" in names(downstream, "page") & names(downstream, "notebook")
    assert "stations" not in names(downstream, "page")
    assert "fct_trips" not in names(downstream, "model")
    assert "assert_daily_weather_is_not_doubled" in names(downstream, "test")


@pytest.mark.integration
def test_metrics_come_from_their_marts_and_from_metrics(lineage: Lineage) -> None:
    assert names(lineage.find_upstream(lineage.find_nodes("savings_rate")), "metric") == {"income", "net_income"}
    assert lineage.find_sources(lineage.find_nodes("savings_rate")) == ["transactions"]
    assert {"bike", "weather"} <= set(lineage.find_sources(lineage.find_nodes("wet_to_dry_ratio")))
    reached = names(lineage.find_downstream(lineage.find_nodes("mart_cash_flow_monthly")), "metric")
    assert {"income", "savings_rate"} <= reached
    assert "trips" not in reached
    shown = names(lineage.find_downstream(lineage.find_nodes("savings_rate")), "page")
    assert "transactions" in shown and "home" not in shown
    # a raw table of that name comes first
    (trips,) = lineage.find_nodes("metric trips")
    assert (trips.kind, trips.files, trips.owner) == ("metric", ("dbt/metrics/bike.yml",), "dbt-modeling")


@pytest.mark.integration
def test_joint_mart_has_both_sources(lineage: Lineage) -> None:
    assert {"bike", "weather"} <= set(lineage.find_sources(lineage.find_nodes("mart_demand_daily")))


@pytest.mark.integration
def test_source_comes_before_page_and_table_of_its_name(lineage: Lineage) -> None:
    assert [node.kind for node in lineage.find_nodes("transactions")] == ["provider"]
    assert [node.kind for node in lineage.find_nodes("page_transactions")] == ["page"]
    assert [node.name for node in lineage.find_nodes("raw.trips")] == ["bike.trips"]
    assert [node.name for node in lineage.find_nodes("notebooks/bike_eda.ipynb")] == ["bike_eda"]


@pytest.mark.integration
def test_unknown_node_names_similar_ones(lineage: Lineage) -> None:
    with pytest.raises(UsageError, match="no node 'fct_tripz'; similar names are .*fct_trips"):
        lineage.find_nodes("fct_tripz")


@pytest.mark.integration
def test_files_tasks_and_owners(lineage: Lineage) -> None:
    assert all((PROJECT_ROOT / file).is_file() for node in lineage.nodes.values() for file in node.files)
    (trips,) = lineage.find_nodes("fct_trips")
    assert trips.files == ("dbt/models/core/fct_trips.sql", "dbt/models/core/fct_trips.yml")
    assert (trips.layer, trips.task, trips.owner) == ("core", "dbt_build", "dbt-modeling")
    tasks = {f"{step}_{name}" for step in ("ingest", "validate") for name in source_names()}
    assert {node.task for node in lineage.nodes.values()} == {*tasks, "dbt_build", None}
    dag = (PROJECT_ROOT / "airflow" / "dags" / "bike_weather_dag.py").read_text()
    assert 'f"ingest_{source.name}"' in dag and 'f"validate_{source.name}"' in dag and "def dbt_build()" in dag


@pytest.mark.integration
def test_every_source_reaches_a_model(lineage: Lineage) -> None:
    for source in SOURCES:
        downstream = lineage.find_downstream(lineage.find_nodes(source.name))
        assert source.fact.partition(".")[2] in names(downstream, "model")


@pytest.mark.integration
def test_macro_is_of_the_models_that_call_it_also_through_another(lineage: Lineage) -> None:
    users = names(lineage.find_of_file("dbt/macros/time.sql"), "model")
    assert "dim_dates" in users
    # time.sql dispatches to the macros of the engine
    assert users <= names(lineage.find_of_file("dbt/macros/engines/duckdb.sql"), "model")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("file", "sources"),
    [
        ("dlt_pipeline/bike_csv.py", ["bike"]),
        ("data_quality/suites/weather.py", ["weather"]),
        ("dbt/models/marts/mart_station_flow_daily.sql", ["bike"]),
        ("dlt_pipeline/stage.py", source_names()),
        ("LICENSE", []),
    ],
)
def test_change_concerns_the_sources_whose_data_goes_through_it(
    lineage: Lineage, graph: CodeGraph, file: str, sources: list[str]
) -> None:
    own = find_own_nodes(name_files([file]), graph, lineage)
    assert lineage.find_sources(own) == sources


def test_documents_name_the_file_or_are_of_its_module() -> None:
    documents = find_documents(["dlt_pipeline/http.py"])
    assert "dlt_pipeline/CLAUDE.md" in documents
    assert "dbt/CLAUDE.md" not in documents


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("dlt_pipeline/http.py", "dlt-ingestion"),
        ("benchmarks/ratios.py", "dlt-ingestion"),
        # two specialists name it, one of them more exactly
        ("benchmarks/pages.py", "streamlit-viz"),
        ("data_stack/publish.py", None),
    ],
)
def test_owner_is_who_names_the_file_most_exactly(path: str, owner: str | None) -> None:
    assert find_owner(path) == owner


def test_every_pattern_of_an_owner_finds_its_specialist() -> None:
    for definition in sorted(SUBAGENTS.glob("*.md")):
        header = yaml.safe_load(definition.read_text().split("---")[1])
        patterns = [f"{pattern}/*" if pattern.endswith("**") else pattern for pattern in header["owns"]]
        owned = [path for pattern in patterns for path in PROJECT_ROOT.glob(pattern) if path.is_file()]
        assert header["name"] in {find_owner(path.relative_to(PROJECT_ROOT).as_posix()) for path in owned}
