"""Conformance finds what is planted, in its file and for its specialist, and nothing in a clean tree."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic_settings import SettingsConfigDict

from data_stack.registry import SOURCES, Source
from data_stack.settings import BaseStackSettings
from dlt_pipeline.tables import DOUBLE, INTEGER, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable
from scaffold.conformance import check_conformance
from scaffold.conformance.check_models import check_models
from scaffold.conformance.check_places import check_dag, check_settings
from scaffold.conformance.check_reader import check_reader
from scaffold.conformance.check_staging import trace_columns
from scaffold.conformance.check_suite import check_cases, check_suite
from scaffold.conformance.facts import Facts
from scaffold.conformance.findings import Finding, complete_finding
from scaffold.conformance.project import ProjectFacts, read_project
from scaffold.conformance.suites import Expectation, SuiteCheck, SuiteFacts

TIDES = Source(
    "tides",
    "Tides of a harbour",
    "levels",
    "level_id",
    ("batch",),
    "core.fct_tides",
    "date_local",
    personal_columns=frozenset({"note"}),
)
LEVELS = {
    "level_id": TEXT,
    "measured_at_utc": TIMESTAMP,
    "level_m": DOUBLE,
    "note": TEXT,
    "batch": TEXT,
}
NOT_NULL, BETWEEN = "expect_column_values_to_not_be_null", "expect_column_values_to_be_between"
FRAME = {"key": "VARCHAR", "level_id": "VARCHAR", "copies_of_level": "BIGINT", "level_m": "DOUBLE"}


class TidesSettings(BaseStackSettings):
    """Settings of the source that only these tests have."""

    model_config = SettingsConfigDict(env_prefix="TIDES_")
    base_url: str = "http://127.0.0.1:9"


class TidesReader:
    """What conformance reads of a reader."""

    settings_class = TidesSettings

    def __init__(self, columns: dict[str, pa.DataType], key: tuple[str, ...] = ("level_id",)) -> None:
        self.tables = (RawTable("levels", pa.schema(list(columns.items())), key), REJECTS, PROVIDER)


def tides(source: Source = TIDES, reader: TidesReader | None = None) -> Facts:
    return Facts((source,), {"tides": reader or TidesReader(LEVELS)})


def messages(findings: Iterator[Finding], file: str) -> list[str]:
    return [finding.message for finding in findings if finding.file == file]


READER, ENTRY = "dlt_pipeline/tides.py", "data_stack/sources/tides.py"


def test_a_reader_that_fits_its_entry_has_no_findings_but_its_missing_tests() -> None:
    assert [finding.file for finding in check_reader(tides())] == ["tests/dlt_pipeline/test_tides.py"]


@pytest.mark.parametrize(
    ("changed", "file", "named"),
    [
        ({"key": "id"}, READER, "no column id, which is in key"),
        ({"replaces": ("month",)}, READER, "no column month, which is in replaces"),
        ({"personal_columns": frozenset({"name"})}, READER, "no column name, which is in personal_columns"),
        ({"table": "heights"}, READER, "the first of TABLES is levels, and the registry's table is heights"),
        ({"replaces": ()}, ENTRY, "replaces is empty"),
        ({"fact": "fct_tides"}, ENTRY, "write the schema and the table"),
        ({"days_of": "moon"}, ENTRY, "days_of is 'moon'"),
    ],
)
def test_an_entry_that_does_not_fit_the_reader_is_found(changed: dict[str, object], file: str, named: str) -> None:
    found = messages(check_reader(tides(dataclasses.replace(TIDES, **changed))), file)
    assert any(named in message for message in found), found


@pytest.mark.parametrize(
    ("columns", "key", "named"),
    [
        (LEVELS | {"level_id": INTEGER}, ("level_id",), "levels.level_id is int64; ids are TEXT"),
        (LEVELS | {"read_at": TIMESTAMP}, ("level_id",), "levels.read_at does not name its time zone"),
        (LEVELS | {"read_at_utc": pa.timestamp("us", "UTC")}, ("level_id",), "levels.read_at_utc has a time zone"),
        (LEVELS, ("batch",), "the key of levels is batch; it must contain level_id"),
        (LEVELS, ("level_id", "hour"), "the key of levels names hour, which is no column of it"),
        ({name: LEVELS[name] for name in LEVELS if name != "batch"}, ("level_id",), "levels has no column batch"),
    ],
)
def test_a_raw_table_against_the_rules_is_found(
    columns: dict[str, pa.DataType], key: tuple[str, ...], named: str
) -> None:
    found = messages(check_reader(tides(reader=TidesReader(columns, key))), READER)
    assert any(named in message for message in found), found


def test_a_reader_that_cannot_be_imported_is_one_finding() -> None:
    facts = Facts((TIDES,), problems={"tides": "ModuleNotFoundError: no module"})
    assert messages(check_reader(facts), READER) == ["there is no reader: ModuleNotFoundError: no module"]


def suite_of(
    expectations: list[Expectation], frame: dict[str, str] = FRAME, problem: str = "", observed: tuple[str, ...] = ()
) -> SuiteFacts:
    volume = SuiteCheck(
        "days", {"key": "VARCHAR", "levels": "BIGINT"}, "", [], [Expectation(BETWEEN, "levels", "warning")]
    )
    return SuiteFacts("", [SuiteCheck("rows", frame, problem, list(observed), expectations), volume], [], "")


EXPECTATIONS = [
    Expectation(NOT_NULL, "level_id", "critical"),
    Expectation(BETWEEN, "copies_of_level", "critical", arguments={"max_value": 1}),
    Expectation(BETWEEN, "level_m", "critical", arguments={"min_value": -5}),
]


def find_in_suite(suite: SuiteFacts) -> list[str]:
    facts = tides()
    facts.suites["tides"] = suite
    return messages(check_suite(facts), "data_quality/suites/tides.py")


def test_a_suite_with_key_range_and_volume_has_no_findings() -> None:
    assert find_in_suite(suite_of(EXPECTATIONS)) == []


@pytest.mark.parametrize(
    ("suite", "named"),
    [
        (suite_of(EXPECTATIONS[1:]), "no critical expect_column_values_to_not_be_null is about the key level_id"),
        (suite_of([EXPECTATIONS[0], EXPECTATIONS[2]]), "no critical expectation says that level_id is there once"),
        (suite_of(EXPECTATIONS[:2]), "the check of rows has no expect_column_values_to_be_between"),
        (
            suite_of([dataclasses.replace(EXPECTATIONS[0], severity="warning"), *EXPECTATIONS[1:]]),
            "about the key level_id",
        ),
        (suite_of([dataclasses.replace(EXPECTATIONS[0], mostly=0.9), *EXPECTATIONS[1:]]), "about the key level_id"),
        (suite_of(EXPECTATIONS, FRAME | {"level_m": "VARCHAR"}), "rows.level_m does not fit its type, VARCHAR"),
        (
            suite_of(EXPECTATIONS, {"key": "VARCHAR", "level_id": "VARCHAR", "level_m": "DOUBLE"}),
            "about copies_of_level, which",
        ),
        (suite_of(EXPECTATIONS, problem='Binder Error: "levl"'), 'does not fit the raw tables: Binder Error: "levl"'),
        (
            suite_of(EXPECTATIONS, FRAME | {"note": "VARCHAR"}, observed=("note",)),
            "rows observes note, a personal column",
        ),
        (SuiteFacts("", suite_of(EXPECTATIONS).checks[:1], [], ""), "no metric has a range"),
    ],
)
def test_what_a_suite_lacks_is_found(suite: SuiteFacts, named: str) -> None:
    found = find_in_suite(suite)
    assert any(named in message for message in found), found


def test_cases_and_expectations_are_compared_both_ways() -> None:
    suite = suite_of(EXPECTATIONS[:1])
    suite.cases.extend([(BETWEEN, "levels", "warning"), (BETWEEN, "level_m", "critical")])
    found = {finding.file: finding.message for finding in check_cases(TIDES, suite)}
    assert found == {
        "data_quality/suites/tides.py": f"the critical {BETWEEN} of level_m is missing, and a case expects it"
        " to fail; restore it",
        "tests/sources/tides/cases.py": f"no case makes the critical {NOT_NULL} of level_id fail; add one",
    }


TASKS = {
    "choose_window": [],
    "ingest_tides": ["choose_window"],
    "validate_tides": ["choose_window", "ingest_tides"],
    "dbt_build": ["choose_window", "validate_tides"],
    "publish": ["dbt_build"],
    "docs": ["publish"],
    "report_held_back": ["docs"],
}


def find_in_dag(tasks: dict[str, list[str]], rule: str = "all_done_min_one_success") -> list[str]:
    facts = tides()
    made = {name: {"upstream": upstream, "rule": rule, "group": None} for name, upstream in tasks.items()}
    facts.dags = {"airflow/dags/some.py": {"problem": "", "tasks": made}}
    return messages(check_dag(facts), "airflow/dags/some.py")


def test_a_dag_with_every_edge_has_no_findings() -> None:
    assert find_in_dag(TASKS) == []


@pytest.mark.parametrize(("after", "before"), [(after, before) for after, all_of in TASKS.items() for before in all_of])
def test_a_missing_edge_of_the_dag_is_found(after: str, before: str) -> None:
    tasks = TASKS | {after: [name for name in TASKS[after] if name != before]}
    assert f"{after} does not follow {before}; add the edge" in find_in_dag(tasks)


def test_missing_tasks_and_rules_of_the_dag_are_found() -> None:
    without = {name: upstream for name, upstream in TASKS.items() if name != "validate_tides"}
    assert "the tasks validate_tides are missing" in find_in_dag(without)
    assert len(find_in_dag(TASKS, rule="all_success")) == 2


def test_a_setting_that_no_file_lists_is_found_in_each() -> None:
    found = {finding.file: finding.message for finding in check_settings(tides())}
    assert set(found) == {".env.example", "docs/settings.md", "docker-compose.yml"}
    assert all(message.startswith("TIDES_BASE_URL") for message in found.values())


def test_columns_of_a_staging_query_are_traced_to_the_raw_columns() -> None:
    renamed = "select a as x, coalesce(b, c) as y from source"
    sql = f"with source as (select * from t), renamed as ({renamed}) select * from renamed"
    assert trace_columns(sql) == {"x": {"a"}, "y": {"b", "c"}}


def test_a_finding_names_the_owner_and_the_same_file_of_another_source(tmp_path: Path) -> None:
    owners = {
        "dbt/models/staging/stg_tides__levels.sql": "dbt-modeling",
        "streamlit_app/queries/tides.py": "streamlit-viz",
        ".env.example": "nobody",
    }
    for file, specialist in owners.items():
        assert complete_finding(Finding("some", ("tides",), file, "missing")).specialist == specialist
    for source in SOURCES[:1]:
        staged = tmp_path / f"dbt/models/staging/stg_{source.name}__{source.table}.sql"
        staged.parent.mkdir(parents=True)
        staged.touch()
        others = SOURCES[1:]
        for other in others:
            missing = Finding(
                "dbt", (other.name,), f"dbt/models/staging/stg_{other.name}__{other.table}.sql", "missing"
            )
            assert complete_finding(missing, tmp_path).copy_from == staged.relative_to(tmp_path).as_posix()


def test_an_empty_registry_has_no_findings() -> None:
    assert check_conformance((), ("reader", "suite", "sample", "settings", "docs")).findings == ()


@pytest.fixture(scope="module")
def project() -> ProjectFacts:
    """The real dbt project, read once."""
    return read_project()


def find_in_models(project: ProjectFacts, sources: tuple[Source, ...] = SOURCES) -> list[tuple[str, str]]:
    return [(finding.file, finding.message) for finding in check_models(Facts(sources, project=project))]


@pytest.mark.integration
def test_the_models_of_the_clean_tree_have_no_findings(project: ProjectFacts) -> None:
    assert project.problem == ""
    assert find_in_models(project) == []


def rename_column(project: ProjectFacts, unique_id: str) -> str:
    name = list(project.columns[unique_id])[-1]
    columns = project.columns[unique_id]
    project.columns[unique_id] = {("renamed" if one == name else one): kind for one, kind in columns.items()}
    return "renamed, which is not in its contract"


def change_type(project: ProjectFacts, unique_id: str) -> str:
    name = next(iter(project.columns[unique_id]))
    project.columns[unique_id] = project.columns[unique_id] | {name: "BLOB"}
    return f".{name} is BLOB, and the contract says"


def break_sql(project: ProjectFacts, unique_id: str) -> str:
    project.problems[unique_id] = "Binder Error: no column"
    return "does not fit what is upstream: Binder Error: no column"


@pytest.mark.integration
@pytest.mark.parametrize("change", [rename_column, change_type, break_sql])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_fact_that_breaks_its_contract_is_found(
    project: ProjectFacts, source: Source, change: Callable[[ProjectFacts, str], str]
) -> None:
    changed = dataclasses.replace(project, columns=dict(project.columns), problems=dict(project.problems))
    fact = changed.find_table(source.fact)
    named = change(changed, fact.unique_id)
    found = find_in_models(changed)
    stem = f"dbt/models/core/{fact.name}"
    assert any(file in (f"{stem}.yml", f"{stem}.sql") and named in message for file, message in found), found


@pytest.mark.integration
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_fact_or_day_that_no_model_has_is_found(project: ProjectFacts, source: Source) -> None:
    entry = f"data_stack/sources/{source.name}.py"
    renamed = dataclasses.replace(source, fact="core.fct_nothing")
    assert (entry, "fact is core.fct_nothing, and no model builds this table") in find_in_models(project, (renamed,))
    another_day = dataclasses.replace(source, day="nothing")
    assert any(
        file == entry and "has no column nothing" in text for file, text in find_in_models(project, (another_day,))
    )


@pytest.mark.slow
def test_the_clean_tree_has_no_findings() -> None:
    report = check_conformance()
    assert report.findings == ()
