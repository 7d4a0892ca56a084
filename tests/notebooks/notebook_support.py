"""Helpers for the tests of the notebooks: a published year of the sample, executed notebooks and their outputs."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from data_stack.ops import new_id
from data_stack.publish import build_marker
from data_stack.registry import source_names
from data_stack.settings import PROJECT_ROOT, Settings
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec, generate
from orchestration import steps
from orchestration.cli.app import execute as run_command

FOLDER = PROJECT_ROOT / "notebooks"
# processor time of a whole notebook; a machine that is busy with something else takes longer, and is not at fault
CPU_SECONDS = 30
# a cell that takes so long hangs
CELL_SECONDS = 300
Answers = dict[str, dict[str, Any]]
Edit = Callable[[duckdb.DuckDBPyConnection], None]
Publish = Callable[..., Settings]
"""The fixture `published`."""


def publish_year(
    folder: Path, sources: list[str] | None = None, prepare: Callable[[dict[str, str]], None] | None = None
) -> Path:
    """Publish a year of the sample, at a fifth of the demo's rides.

    Args:
        folder: Where the sample and the data folder are written.
        sources: What is loaded; None for all.
        prepare: Changes the sample; it gets the environment variables with which the sources read it.

    Returns:
        The published file.
    """
    provider_files = generate(folder / "sample", SampleSpec(rides_per_day=60))
    with pytest.MonkeyPatch.context() as patch, SampleProvider.of_sample(provider_files) as provider:
        if prepare:
            prepare(provider.environment)
        patch.setenv("DATA_DIR", str(folder / "data"))
        for name, value in provider.environment.items():
            patch.setenv(name, value)
        days = ["--from", "2024-01-01", "--to", "2024-12-31"]
        assert run_command(["run", "--sources", ",".join(sources or source_names()), *days]) == 0
    return folder / "data" / "warehouse.duckdb"


def publish_tables(settings: Settings, sql: str) -> Path:
    """Publish tables that a test makes.

    Args:
        settings: Where to.
        sql: Creates tables in `core` and `marts`, and inserts into `gate.personal_columns`.

    Returns:
        The published file.
    """
    settings.build_dir.mkdir(parents=True)
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema core; create schema marts; create schema gate")
        marks = "table_name varchar, column_name varchar, is_published boolean"
        db.execute(f"create table gate.personal_columns ({marks}); {sql}")
    build_marker(settings).touch()
    steps.publish(steps.Run.begin(settings, new_id(), "test"), unpin=False)
    return settings.warehouse_file


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return found


def sections(name: str) -> list[list[dict[str, Any]]]:
    """Cells by section, without those above the first one."""
    found: list[list[dict[str, Any]]] = []
    for cell in cells(name):
        if cell["cell_type"] == "markdown" and cell["source"][0].startswith("## "):
            found.append([])
        if found:
            found[-1].append(cell)
    return found


def execute(name: str, show_personal: bool = False) -> Any:
    """The notebook with its outputs."""
    # imported here because it takes two seconds, which the fast tests do not need
    from html_reports import execute_notebook

    return execute_notebook(FOLDER / f"{name}.ipynb", show_personal, cell_seconds=CELL_SECONDS)


def count_cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended, such as the kernel of a notebook."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def answers(name: str) -> tuple[Answers, float]:
    """What a notebook answers, by section, and its seconds of processor time."""
    started = count_cpu_seconds()
    executed = execute(name)
    seconds = count_cpu_seconds() - started
    found: Answers = {}
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            title = cell.source.split("\n")[0].lstrip("# ")
        for output in cell.get("outputs", []):
            assert output.output_type == "display_data", f"{title}: {output}"
            if "answer" in output.metadata:
                found[title] = dict(output.metadata["answer"])
    return found, seconds


def ask(settings: Settings, sql: str) -> tuple[Any, ...]:
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as db:
        row = db.execute(sql).fetchone()
    assert row is not None
    return row


def read_outputs(name: str, show_personal: bool = False) -> tuple[str, list[float]]:
    """Everything that a notebook shows as text, and the numbers of its charts, which plotly keeps in binary form."""
    texts: list[str] = []
    numbers: list[float] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict) and "bdata" in value:
            numbers.extend(np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).astype(float).tolist())
        elif isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                collect(part)
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, int | float):
            numbers.append(value)

    collect(
        [
            [output.data, output.metadata]
            for cell in execute(name, show_personal).cells
            for output in cell.get("outputs", [])
        ]
    )
    return "\n".join(texts), numbers


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / "html_reports.py", *arguments],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
