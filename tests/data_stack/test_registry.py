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
    imported = f"print([name for name in {slow} if name in sys.modules], file=sys.stderr)"
    code = f"import sys\nfrom orchestration.cli import main\ntry: main(['--help'])\nfinally: {imported}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "metrics" in done.stdout
    assert done.stderr.strip() == "[]"


def test_an_unknown_source_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=f"no source 'no-source'; the registry knows {', '.join(source_names()) or 'none'}"
    ):
        get_source("no-source")
