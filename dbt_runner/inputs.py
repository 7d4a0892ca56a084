"""What a build depends on: while nothing of it has changed since the last build, there is nothing to build."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, TransformReport, list_dbt_variables
from dbt_runner.parsed import hash_project


def hash_inputs(settings: Settings, ops: Ops) -> str:
    """A hash of everything that a build reads: raw files, passed loads, the dbt project, its variables and versions.

    Args:
        settings: Whose raw files; nobody writes them meanwhile.
        ops: Which loads have passed.
    """
    inputs: list[Any] = [version("duckdb"), hash_project(DBT_DIR, list_dbt_variables(settings))]
    for source in SOURCES:
        state = settings.raw_file(source.name).stat()
        inputs.append([source.name, sorted(ops.passed_loads(source.name)), state.st_size, state.st_mtime_ns])
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def read_current_report(marker: Path, inputs: str) -> TransformReport | None:
    """The report of a build that is up to date: what it warned about holds, and nothing is built.

    Args:
        marker: Written by `write_marker` after a build.
        inputs: Hash of what a build would read now.

    Returns:
        None if there is no complete build, or it read something else.
    """
    try:
        stored = json.loads(marker.read_text())
    except (FileNotFoundError, ValueError):
        return None
    if stored["inputs"] != inputs:
        return None
    return TransformReport(
        models=0,
        tests=0,
        unit_tests=0,
        rebuilt=[],
        warnings=stored["warnings"],
        seconds=0,
        full_refresh=False,
        is_current=True,
    )


def write_marker(marker: Path, inputs: str, report: TransformReport) -> None:
    """Say that the build is complete, and what it has read.

    Args:
        marker: Where.
        inputs: Hash of what the build has read.
        report: Of the build.
    """
    marker.write_text(json.dumps({"inputs": inputs, "warnings": report.warnings}))
