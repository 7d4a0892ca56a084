"""The registry is light, complete, and names files that exist."""

import subprocess
import sys

import pytest

from data_stack.errors import UsageError
from data_stack.registry import SOURCES, Source, get_source, source_names
from data_stack.settings import PROJECT_ROOT
from dlt_pipeline.reader import find_reader

HEAVY = ("dlt", "dbt", "great_expectations", "pandas", "polars", "pyarrow", "duckdb", "airflow")


def test_the_registry_imports_nothing_heavy() -> None:
    code = f"import sys, data_stack.registry; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_command_line_starts_without_dlt_dbt_and_great_expectations() -> None:
    code = f"import sys, orchestration.cli; print([name for name in {HEAVY[:5]} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


# one test a layer, each part of that layer's check: a source that has only its reader is green in the first
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def missing(*owned: str) -> list[str]:
    return [path for path in owned if not list(PROJECT_ROOT.glob(path))]


@every_source
def test_a_source_has_a_reader(source: Source) -> None:
    name = source.name
    owned = (f"dlt_pipeline/{name}.py", f"dlt_pipeline/sample/{name}.py", f"tests/dlt_pipeline/test_{name}.py")
    assert missing(*owned) == []
    reader = find_reader(name)
    assert reader.tables[0].name == source.table
    assert source.key in reader.tables[0].schema.names
    assert source.personal_columns <= set(reader.tables[0].schema.names)


@every_source
def test_a_source_has_a_suite(source: Source) -> None:
    assert missing(f"data_quality/suites/{source.name}.py") == []


@every_source
def test_a_source_has_models(source: Source) -> None:
    staging = "dbt/models/staging"
    assert missing(f"{staging}/_{source.name}__sources.yml", f"{staging}/stg_{source.name}__*.sql") == []


def test_an_unknown_source_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=f"no source 'no-source'; the registry knows {', '.join(source_names()) or 'none'}"
    ):
        get_source("no-source")
