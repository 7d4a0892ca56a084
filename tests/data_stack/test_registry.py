"""The registry is light, and names its sources."""

import subprocess
import sys

import pytest

from data_stack.errors import UsageError
from data_stack.registry import get_source, source_names

HEAVY = ("dlt", "dbt", "great_expectations", "pandas", "polars", "pyarrow", "duckdb", "airflow")


def test_the_registry_imports_nothing_heavy() -> None:
    code = f"import sys, data_stack.registry; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_command_line_shows_its_help_without_what_takes_long_to_import() -> None:
    slow = (*HEAVY, "pydantic", "structlog")
    code = f"import sys, orchestration.cli; print([name for name in {slow} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_an_unknown_source_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=f"no source 'no-source'; the registry knows {', '.join(source_names()) or 'none'}"
    ):
        get_source("no-source")
