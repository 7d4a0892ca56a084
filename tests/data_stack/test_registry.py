"""The registry is light, complete, and names files that exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_stack.errors import UsageError
from data_stack.registry import SOURCES, get_source
from data_stack.settings import PROJECT_ROOT

HEAVY = ("dlt", "dbt", "great_expectations", "pandas", "polars", "pyarrow", "duckdb", "airflow")


def test_the_registry_imports_nothing_heavy() -> None:
    code = f"import sys, data_stack.registry; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_command_line_starts_without_dlt_dbt_and_great_expectations() -> None:
    code = f"import sys, data_stack.cli; print([name for name in {HEAVY[:5]} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_owns_its_files(source) -> None:
    owned = [
        f"dlt_pipeline/{source.name}.py",
        f"dlt_pipeline/sample/{source.name}.py",
        f"data_quality/suites/{source.name}.py",
        f"tests/dlt_pipeline/test_{source.name}.py",
        f"dbt/models/staging/_{source.name}__sources.yml",
    ]
    assert [path for path in owned if not (PROJECT_ROOT / path).exists()] == []
    assert list(Path(PROJECT_ROOT / "dbt/models/staging").glob(f"stg_{source.name}__*.sql"))
    module = source.ingestion()
    assert module.SOURCE.name == source.name
    assert module.TABLES[0].name == source.table
    assert source.key in module.TABLES[0].schema.names
    assert source.personal_columns <= set(module.TABLES[0].schema.names)


def test_an_unknown_source_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no source 'bikes'; the registry knows bike, weather, transactions"):
        get_source("bikes")
