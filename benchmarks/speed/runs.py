"""Runs of the platform and of the floor on one provider's files, each in new processes and a folder of its own."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.speed.processes import DATA_STACK, Usage, count_bytes, measure_command
from benchmarks.speed.rides import Provider
from data_stack.record_store import FILE
from data_stack.settings import PROJECT_ROOT, folder_variables
from data_stack.window import Window

FLOOR = Path(__file__).with_name("floor.py")
STEPS = {"ingest": "ingest", "validate": "gate", "transform": "transform", "publish": "publish"}
"""Names of the steps in the run records, and in the tables of this comparison."""


@dataclass(frozen=True)
class PlatformRun:
    """A whole run of the platform.

    Attributes:
        usage: What its processes used.
        steps: Seconds by step, in the order of `STEPS`.
        disk_bytes: What the data folder has after it.
    """

    usage: Usage
    steps: dict[str, float]
    disk_bytes: int


class Served:
    """The files of a provider on loopback, answered by a process of its own.

    Args:
        environment: The variables with which the platform asks it.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, data_dir: Path, window: Window) -> PlatformRun:
        """Run the whole pipeline for rides and weather, and measure it.

        Args:
            data_dir: The data folder; an empty one, or one with earlier loads.
            window: Days to load.
        """
        command = [DATA_STACK, "run", "--sources", "bike,weather", "--from", str(window.start), "--to", str(window.end)]
        usage = measure_command(command, self.environment | folder_variables(data_dir))
        return PlatformRun(usage, read_steps(data_dir), count_bytes(data_dir))


@contextmanager
def serve(provider: Provider) -> Iterator[Served]:
    """Serve a provider's files as live data while the block runs.

    Args:
        provider: The files.
    """
    stored = [f"bike={provider.folder}", f"weather={provider.weather}"]
    command = [DATA_STACK, "sample", "serve", *(word for one in stored for word in ("--stored", one))]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            variables = dict(_read_variables(process))
            # the first listing hashes all zips, which no run should wait for
            requests.get(variables["BIKE_BASE_URL"], timeout=600).raise_for_status()
            yield Served(variables | {"BIKE_SYSTEM": "nyc"})
        finally:
            process.terminate()


def _read_variables(process: "subprocess.Popen[str]") -> Iterator[tuple[str, str]]:
    for line in process.stdout or ():
        if line.startswith("serving"):
            return
        name, _, value = line.rstrip().partition("=")
        yield name, value
    raise RuntimeError("`data-stack sample serve` ended before it served; run it by hand to see why")


def read_steps(data_dir: Path) -> dict[str, float]:
    """Seconds by step of the last run, added over the sources.

    Args:
        data_dir: The data folder of the run.
    """
    with closing(sqlite3.connect(data_dir / "ops" / FILE)) as db:
        rows = db.execute(
            "select step, sum(seconds) from steps where run_id = (select run_id from runs order by rowid desc limit 1)"
            " group by step"
        ).fetchall()
    seconds = dict(rows)
    return {name: float(seconds.get(step) or 0) for step, name in STEPS.items()}


def run_floor(provider: Provider, target: Path) -> Usage:
    """Make the tables with the hand-written SQL, and measure it.

    Args:
        provider: The files.
        target: The DuckDB file, which does not exist yet.
    """
    return measure_command([sys.executable, FLOOR, provider.folder, provider.weather, target])
