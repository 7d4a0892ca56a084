"""Measures the platform against the floor, in rounds that alternate, and gives medians.

Every round runs the start-up (a whole run on a thousand rides), the floor and the platform, so that other work on the
machine slows all of them.
"""

import shutil
import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.equality import find_differences
from benchmarks.speed.processes import DATA_STACK, Usage, measure_command
from benchmarks.speed.rides import Provider, choose_months, write_provider
from benchmarks.speed.runs import STEPS, PlatformRun, Served, run_floor, serve
from data_stack.settings import folder_variables
from data_stack.window import Window

Say = Callable[[str], None]

START_UP_RIDES = 1_000
"""Rides of the run that counts as start-up: the fewest with a ride on every day of the month."""


@dataclass(frozen=True)
class Round:
    """One round, every part in new processes.

    Attributes:
        start_up: A whole run of the platform on `START_UP_RIDES`.
        floor: The hand-written SQL.
        platform: The whole run of the platform.
        nothing_new: The same run once more; None if it was left out.
        status: `data-stack status` after it; None if it was left out.
    """

    start_up: PlatformRun
    floor: Usage
    platform: PlatformRun
    nothing_new: PlatformRun | None = None
    status: Usage | None = None


def compare_size(folder: Path, rides: int, rounds: int, say: Say) -> dict[str, Any]:
    """Compare the platform with the floor on a number of rides.

    Args:
        folder: Where files are written; the provider's files stay there for the next call.
        rides: How many, in as many months as the provider would need for them.
        rounds: How often everything is run.
        say: Called with what goes on.

    Returns:
        Figures for the document: medians in seconds and bytes.

    Raises:
        RuntimeError: The floor made other tables than the platform.
    """
    provider = get_provider(folder, rides, choose_months(rides), say)
    small = get_provider(folder, START_UP_RIDES, 1, say)
    with serve(provider) as served, serve(small) as served_small:
        measured = []
        for number in range(1, rounds + 1):
            say(f"{rides:,} rides, round {number} of {rounds}")
            runner = Runner(folder / "round", provider, served, small, served_small)
            measured.append(runner.run_round(is_complete=number == rounds))
    return summarize_rounds(provider, measured)


def get_provider(folder: Path, rides: int, month_count: int, say: Say) -> Provider:
    """The provider's files of a size, written by the first call.

    Args:
        folder: See `compare_size`.
        rides: Rides in all months together.
        month_count: How many months.
        say: Called with what goes on.
    """
    say(f"writing {rides:,} rides in {month_count} months, unless they are there")
    return write_provider(folder / f"{rides}-in-{month_count}", rides, month_count)


@dataclass(frozen=True)
class Runner:
    """Runs one round after the other.

    Attributes:
        folder: What a round writes; it is removed before and after it.
        provider: The files.
        served: The files on loopback.
        small: The files of the start-up.
        served_small: These on loopback.
    """

    folder: Path
    provider: Provider
    served: Served
    small: Provider
    served_small: Served

    def run_round(self, is_complete: bool = False) -> Round:
        """Run everything once, and compare the tables.

        Args:
            is_complete: Run the platform once more with nothing new as well.

        Raises:
            RuntimeError: The floor made other tables than the platform.
        """
        with ExitStack() as stack:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, self.folder)
            start_up = self.served_small.run(self.folder / "small", self.small.window)
            floor = run_floor(self.provider, self.folder / "floor.duckdb")
            platform = self.served.run(self.folder / "data", self.provider.window)
            self._check_tables()
            if not is_complete:
                return Round(start_up, floor, platform)
            nothing_new = self.served.run(self.folder / "data", self.provider.window)
            status = measure_command([DATA_STACK, "status"], folder_variables(self.folder / "data"))
            return Round(start_up, floor, platform, nothing_new, status)

    def _check_tables(self) -> None:
        differences = find_differences(self.folder / "data" / "warehouse.duckdb", self.folder / "floor.duckdb")
        if differences:
            raise RuntimeError("the floor made other tables than the platform:\n" + "\n".join(differences))


def summarize_rounds(provider: Provider, rounds: list[Round]) -> dict[str, Any]:
    """Medians of the rounds, for the document.

    Args:
        provider: The files.
        rounds: At least one; the last one is complete.
    """
    last = rounds[-1]
    return {
        "rides": provider.rides,
        "months": len(provider.months),
        "csv_bytes": provider.csv_bytes,
        "rounds": len(rounds),
        "start_up": take_medians(one.start_up.usage for one in rounds),
        "floor": take_medians(one.floor for one in rounds),
        "platform": take_medians(one.platform.usage for one in rounds),
        "steps": {name: statistics.median(one.platform.steps[name] for one in rounds) for name in STEPS.values()},
        "start_up_steps": {
            name: statistics.median(one.start_up.steps[name] for one in rounds) for name in STEPS.values()
        },
        "disk_bytes": last.platform.disk_bytes,
        "nothing_new": asdict(last.nothing_new.usage) if last.nothing_new else None,
        "status": asdict(last.status) if last.status else None,
    }


def take_medians(usages: Iterable[Usage]) -> dict[str, float]:
    """The median of each figure.

    Args:
        usages: At least one.
    """
    figures = [asdict(usage) for usage in usages]
    return {name: statistics.median(one[name] for one in figures) for name in figures[0]}


def measure_added_month(folder: Path, rides: int, rounds: int, say: Say) -> dict[str, Any]:
    """Add the last of twelve months to eleven that are loaded, and load it alone.

    Args:
        folder: See `compare_size`.
        rides: Rides of all twelve months.
        rounds: How often both are run.
        say: Called with what goes on.
    """
    provider = get_provider(folder, rides, 12, say)
    last = Window.of_month(provider.months[-1])
    with serve(provider) as served:
        data, kept = folder / "round" / "data", folder / "round" / "eleven"
        shutil.rmtree(data.parent, ignore_errors=True)
        say(f"loading eleven months of {rides:,} rides in twelve")
        served.run(data, Window(provider.months[0], Window.of_month(provider.months[-2]).end))
        # the same path in each round, as files of the data folder may name it
        data.rename(kept)
        alone, added = [], []
        for number in range(1, rounds + 1):
            say(f"the twelfth month, round {number} of {rounds}")
            alone.append(_run_from(served, data, None, last))
            added.append(_run_from(served, data, kept, last))
        shutil.rmtree(data.parent)
    return {"rides": rides, "rounds": rounds, "alone": take_medians(alone), "added": take_medians(added)}


def _run_from(served: Served, data: Path, kept: Path | None, window: Window) -> Usage:
    """Run in a copy of a data folder, or in an empty one."""
    if kept:
        shutil.copytree(kept, data, symlinks=True)
    usage = served.run(data, window).usage
    shutil.rmtree(data)
    return usage


def measure_help(rounds: int) -> dict[str, float]:
    """What `data-stack --help` uses.

    Args:
        rounds: How often it is run.
    """
    return take_medians(measure_command([DATA_STACK, "--help"]) for _ in range(rounds))
