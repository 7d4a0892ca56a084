"""Writes `docs/benchmarks.md` from the figures: what was measured, its target, and by how much a target is missed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.speed.runs import STEPS
from data_stack.settings import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs" / "benchmarks.md"
TRIED = Path(__file__).with_name("tried.md")
"""What was tried where a target is missed: the only part of the document that somebody writes."""

RATIO_TARGETS = {1_000_000: 3.0, 4_000_000: 2.5, 40_000_000: 3.0}
"""Seconds of a run without start-up, divided by those of the floor, by the number of rides."""

_MEGABYTE = 1_000_000
_METHOD = """\
- Each round runs, in new processes and new folders: the start-up, the floor, the platform. The figures are medians of
  the rounds. Seconds elapse; processor time is of all processes that a command starts, user and system.
- Start-up is a whole run on {start_up_rides:,} rides, and is subtracted from the platform's time, but nothing is from
  the floor's. The platform loads rides and weather and publishes all tables; the other sources are empty.
- The floor is `benchmarks/speed/floor.py`, DuckDB SQL written by hand for these files: it unzips, reads the CSVs with
  their types, keeps the raw rows, checks the keys and makes fct_trips, dim_stations, the coverage and four marts.
  Every round compares all their values, row by row, with the published ones; a difference is an error.
- Rides are generated (`benchmarks/speed/rides.py`) in the shape of the provider's zips of New York: several CSVs per
  zip, up to 3.4 million rides per month. `data-stack sample serve` answers on loopback; its time is not counted.
- Written is what all processes gave to the kernel's `write`, which includes temporary files, pipes and the download;
  disk is the data folder after the run. Both are compared with the bytes of the CSVs.
- Peak memory is that of the largest process.
"""


@dataclass(frozen=True)
class Target:
    """A figure with its limit.

    Attributes:
        name: What was measured.
        value: The figure.
        limit: The highest value, or the lowest if `is_minimum`.
        unit: Written behind both.
        is_minimum: The value must not be lower.
    """

    name: str
    value: float
    limit: float
    unit: str = ""
    is_minimum: bool = False

    @property
    def result(self) -> str:
        """Whether it is reached, and otherwise by how much not."""
        over = self.limit / self.value if self.is_minimum else self.value / self.limit
        return "reached" if over <= 1 else f"missed by {over - 1:.0%}"


def write_document(results: dict[str, Any], file: Path = DOCUMENT) -> None:
    """Write the document.

    Args:
        results: See `results.read_results`.
        file: The document.
    """
    file.write_text("\n".join(_list_lines(results)).rstrip() + "\n")


def compute_ratio(size: dict[str, Any], figure: str = "wall_seconds") -> float:
    """The platform's time without start-up, divided by that of the floor.

    Args:
        size: The figures of a size.
        figure: `wall_seconds` or `cpu_seconds`.
    """
    return float((size["platform"][figure] - size["start_up"][figure]) / size["floor"][figure])


def _list_lines(results: dict[str, Any]) -> Iterator[str]:
    sizes = [results["sizes"][rides] for rides in sorted(results["sizes"], key=int)]
    yield "# Speed\n"
    yield "Written by `make bench`, which measures whole runs against a floor of hand-written SQL on the same files."
    yield 'Other sizes: `make bench SIZES="4000000 40000000"`; the figures of all of them are kept in'
    yield "`benchmarks/speed/results.json`. A year of 40 million rides needs 40 GB of disk and half an hour.\n"
    yield from _list_targets(results, sizes)
    if sizes:
        yield from _describe_ratios(sizes)
        yield from _describe_steps(sizes)
        yield from _describe_space(sizes)
        yield from _describe_growth(sizes)
    if "others" in results:
        yield from _describe_others(results["others"])
    yield from _describe_method(results, sizes)


def _list_targets(results: dict[str, Any], sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Targets\n"
    yield from format_table(
        ("what", "measured", "target", "result"),
        [
            (
                one.name,
                f"{one.value:.2f}{one.unit}",
                f"{'at least ' * one.is_minimum}{one.limit:g}{one.unit}",
                one.result,
            )
            for one in _find_targets(results, sizes)
        ],
    )
    if TRIED.exists():
        yield TRIED.read_text()


def _find_targets(results: dict[str, Any], sizes: list[dict[str, Any]]) -> Iterator[Target]:
    for size in sizes:
        if limit := RATIO_TARGETS.get(size["rides"]):
            name = f"{size['rides']:,} rides,"
            yield Target(f"{name} time against the floor", compute_ratio(size), limit)
            yield Target(f"{name} processor time against the floor", compute_ratio(size, "cpu_seconds"), limit)
            yield Target(f"{name} a run with nothing new", size["nothing_new"]["wall_seconds"], 3, " s")
    start_up = _choose_start_up(sizes)["start_up"]
    yield Target("a first run of 1,000 rides", start_up["wall_seconds"], 6, " s")
    for size in sizes[-1:]:
        yield from _find_absolute_targets(size)
    for small, large in pairwise(sizes):
        name = f"processor time per ride, {large['rides']:,} rides against {small['rides']:,}"
        yield Target(name, _time_per_ride(large) / _time_per_ride(small), 1)
    yield from _find_other_targets(results)
    yield from _compare_others(results.get("others", {}))


def _choose_start_up(sizes: list[dict[str, Any]]) -> dict[str, Any]:
    """The size with most rounds, as each round measures the start-up as well."""
    return max(sizes, key=lambda size: int(size["rounds"]))


def _find_absolute_targets(size: dict[str, Any]) -> Iterator[Target]:
    """Targets of the largest size."""
    rides = f"{size['rides']:,} rides"
    yield Target(f"{rides}, peak memory", size["platform"]["peak_bytes"] / 2**30, 4, " GB")
    yield Target(f"{rides}, disk against the CSVs", size["disk_bytes"] / size["csv_bytes"], 4)
    yield Target(f"{rides}, `data-stack status`", size["status"]["wall_seconds"], 1, " s")


def _find_other_targets(results: dict[str, Any]) -> Iterator[Target]:
    if "help" in results:
        yield Target("`data-stack --help`", results["help"]["wall_seconds"], 0.3, " s")
    if added := results.get("added_month"):
        ratio = added["added"]["wall_seconds"] / added["alone"]["wall_seconds"]
        yield Target(f"a month added to eleven ({added['rides']:,} rides), against it alone", ratio, 1.3)


def _compare_others(others: dict[str, Any]) -> Iterator[Target]:
    for other in others.get("tools", ()):
        if "error" not in other:
            limit = 50 if other["name"].startswith("dlt") else 10
            times = compute_rows_per_second(others["platform"]) / compute_rows_per_second(other)
            yield Target(f"rows per second against {other['name']}", times, limit, " x", is_minimum=True)


def _time_per_ride(size: dict[str, Any]) -> float:
    """Processor time without start-up: of the elapsed time, imports that wait for a small load hide a part."""
    seconds = size["platform"]["cpu_seconds"] - size["start_up"]["cpu_seconds"]
    return float(seconds / size["rides"])


def compute_rows_per_second(tool: dict[str, Any]) -> float:
    """Rows per second of processor time without start-up.

    Args:
        tool: Figures of a load of many rows and of one of few.
    """
    return float(tool["rows"] / max(tool["load"]["cpu_seconds"] - tool["start_up"]["cpu_seconds"], 0.01))


def _describe_ratios(sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Whole runs against the floor\n"
    yield from format_table(
        ("rides", "months", "rounds", "start-up s", "platform s", "floor s", "ratio", "ratio of processor time"),
        [
            (
                f"{size['rides']:,}",
                size["months"],
                size["rounds"],
                *(f"{size[name]['wall_seconds']:.1f}" for name in ("start_up", "platform", "floor")),
                f"{compute_ratio(size):.2f}",
                f"{compute_ratio(size, 'cpu_seconds'):.2f}",
            )
            for size in sizes
        ],
    )
    yield from _draw_plot(sizes)


def _draw_plot(sizes: list[dict[str, Any]]) -> Iterator[str]:
    """A bar for each size, which the hosts of repositories draw from this text."""
    ratios = [round(compute_ratio(size), 2) for size in sizes]
    targets = [RATIO_TARGETS.get(size["rides"], 3.0) for size in sizes]
    names = ", ".join(f'"{size["rides"]:,}"' for size in sizes)
    yield "```mermaid"
    yield "xychart-beta"
    yield '  title "Time of the platform without start-up, divided by that of the floor; the line is the target"'
    yield f'  x-axis "rides" [{names}]'
    yield f'  y-axis "ratio" 0 --> {max(*ratios, *targets) * 1.1:.1f}'
    yield f"  bar [{', '.join(map(str, ratios))}]"
    yield f"  line [{', '.join(map(str, targets))}]"
    yield "```\n"


def _describe_steps(sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Where the time goes\n"
    yield "Seconds by step, from the run records, and their share of the whole run. The rest is imports and locks.\n"
    # figures that were kept are sorted, new ones are not
    names = [name for name in STEPS.values() if name in sizes[0]["steps"]]
    chosen = _choose_start_up(sizes)
    rows = [("first run of 1,000", chosen["start_up_steps"], chosen["start_up"]["wall_seconds"])]
    rows += [(f"{size['rides']:,}", size["steps"], size["platform"]["wall_seconds"]) for size in sizes]
    yield from format_table(
        ("rides", *names, "rest"),
        [
            (
                label,
                *(_format_share(seconds, whole) for seconds in (*map(steps.get, names), whole - sum(steps.values()))),
            )
            for label, steps, whole in rows
        ],
    )


def _format_share(seconds: float, whole: float) -> str:
    return f"{seconds:.1f} ({seconds / whole:.0%})"


def _describe_space(sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Memory and disk\n"
    headers = ("rides", "CSV MB", "peak MB", "of the floor", "disk / CSV", "written / CSV", "of the floor")
    yield from format_table(
        headers,
        [
            (
                f"{size['rides']:,}",
                f"{size['csv_bytes'] / _MEGABYTE:,.0f}",
                *(f"{size[name]['peak_bytes'] / _MEGABYTE:,.0f}" for name in ("platform", "floor")),
                f"{size['disk_bytes'] / size['csv_bytes']:.1f}",
                *(f"{size[name]['written_bytes'] / size['csv_bytes']:.1f}" for name in ("platform", "floor")),
            )
            for size in sizes
        ],
    )


def _describe_growth(sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Growth\n"
    yield (
        "Microseconds of processor time per ride, the platform without start-up, and of elapsed time per ride of the\n"
        "whole run; constant means that time grows with the rides.\n"
    )
    yield from format_table(
        ("rides", "platform", "floor", "whole run, elapsed", "a run with nothing new, s"),
        [
            (
                f"{size['rides']:,}",
                f"{_time_per_ride(size) * 1e6:.1f}",
                f"{size['floor']['cpu_seconds'] / size['rides'] * 1e6:.1f}",
                f"{size['platform']['wall_seconds'] / size['rides'] * 1e6:.1f}",
                f"{size['nothing_new']['wall_seconds']:.1f}",
            )
            for size in sizes
        ],
    )


def _describe_others(others: dict[str, Any]) -> Iterator[str]:
    yield "## Other ways to load the same file\n"
    yield f"One CSV of {others['rows']:,} rides into a DuckDB file. Rows per second of processor time, without start-up"
    yield "(a load of 100 rides). The platform's load is `data-stack ingest bike`, with landing and accounting.\n"
    tools = [others["platform"], *others["tools"]]
    rate = compute_rows_per_second(others["platform"])
    headers = ("way", "version", "start-up s", "load s", "rows loaded", "rows per second", "the platform is")
    yield from format_table(headers, [_format_tool(tool, rate) for tool in tools if "error" not in tool])
    for tool in tools:
        if "error" in tool:
            yield f'- {tool["name"]} ({tool["version"]}) does not run here: "{tool["error"]}"'
    yield ""


def _format_tool(tool: dict[str, Any], rate: float) -> tuple[str, ...]:
    """A row of the table; `rate` is the platform's rows per second."""
    return (
        tool["name"],
        tool["version"],
        f"{tool['start_up']['wall_seconds']:.1f}",
        f"{tool['load']['wall_seconds']:.1f}",
        f"{tool['rows']:,}",
        f"{compute_rows_per_second(tool):,.0f}",
        f"{rate / compute_rows_per_second(tool):.1f} x",
    )


def _describe_method(results: dict[str, Any], sizes: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Method\n"
    yield _METHOD.format(start_up_rides=1_000)
    yield "## Machine and versions\n"
    measured = {f"{size['rides']:,} rides": size for size in sizes}
    measured |= {name: results[key] for key, name in _OTHER_PARTS.items() if key in results}
    yield from format_table(
        ("measured", "day", "machine", "load before", "versions"),
        [
            (name, *(part["on"][key] for key in ("day", "machine", "load", "versions")))
            for name, part in measured.items()
        ],
    )


_OTHER_PARTS = {"added_month": "a month added", "help": "`data-stack --help`", "others": "other ways"}


def format_table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """A table in Markdown, followed by an empty line.

    Args:
        headers: Names of the columns.
        rows: As many values each.
    """
    yield f"| {' | '.join(headers)} |"
    yield f"|{'---|' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""
