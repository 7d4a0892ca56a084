"""Builds the same rides with DuckDB and with Spark from one lake, and compares every table of both.

`make benchmark-engines RIDES="1000000 10000000"` generates rides as `make bench` does, loads them once, and measures
`data-stack transform` of each engine from nothing, with all data tests and without unit tests. Spark is that of
`make spark`: a master, two workers and a Thrift server on this machine. Prints a line per size, and exits with 1 if a
value differs.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.speed.comparison import START_UP_RIDES, get_provider
from benchmarks.speed.processes import DATA_STACK, Usage, count_bytes, measure_command
from benchmarks.speed.rides import choose_months, get_default_folder
from benchmarks.speed.runs import serve
from data_stack.settings import PROJECT_ROOT, Settings, folder_variables
from dbt_runner.build import parse_project
from dbt_runner.cluster.layout import find_layout
from dbt_runner.cluster.processes import find_processes

# the comparison is that of the tests
sys.path[:0] = [str(PROJECT_ROOT / "tests"), str(PROJECT_ROOT / "tests" / "dbt")]
from parity import compare_builds, find_keys  # noqa: E402
from ports import find_free_port  # noqa: E402

DEFAULT_RIDES = "1000000"


@dataclass(frozen=True)
class Cluster:
    """What the processes of Spark used.

    Attributes:
        start_seconds: Until the Thrift server answered.
        cpu_seconds: Processor time of all of them, from their start.
        peak_bytes: The most memory of each, added.
        disk_bytes: The folder with the tables, logs and temporary files.
    """

    start_seconds: float
    cpu_seconds: float
    peak_bytes: int
    disk_bytes: int


def main() -> None:
    """Measure the sizes that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rides", default=DEFAULT_RIDES, help="numbers of rides")
    parser.add_argument("--folder", type=Path, default=get_default_folder(), help="generated files and builds")
    parser.add_argument("--spark-memory", default="1g", help="memory of each worker and of the Thrift server")
    options = parser.parse_args()
    # the first build of a version runs the unit tests
    compare_engines(options.folder, START_UP_RIDES, options.spark_memory)
    for rides in options.rides.split():
        compare_engines(options.folder, int(rides), options.spark_memory)


def compare_engines(folder: Path, rides: int, spark_memory: str) -> None:
    """Build a number of rides with both engines, compare their tables, and print what both used.

    Args:
        folder: Where files are written; those of the provider stay there.
        rides: How many.
        spark_memory: See `SPARK_MEMORY`.

    Raises:
        SystemExit: A table differs.
    """
    data = folder / "engines"
    shutil.rmtree(data, ignore_errors=True)
    variables = folder_variables(data) | {
        "LAKE_URL": str(data / "lake"),
        "SPARK_PORT": str(find_free_port()),
        "SPARK_MASTER_PORT": str(find_free_port()),
        "SPARK_MEMORY": spark_memory,
        "SPARK_FETCH_ROWS_MAX": str(10 * rides),
    }
    load_rides(folder, data, rides, variables)
    settings = Settings.load().model_copy(update={"data_dir": data})
    shutil.rmtree(settings.build_dir)
    duckdb = measure_command([DATA_STACK, "transform"], variables)
    built = settings.build_file.replace(data / "built_by_duckdb.duckdb")
    spark, cluster = build_on_spark(settings, variables)
    differences = compare_builds(built, settings.build_file, find_keys(parse_project(settings)))
    print_figures(rides, duckdb, spark, cluster, count_bytes(data / "lake"))
    if differences:
        raise SystemExit(f"{rides:,} rides: the engines have made other tables: {differences}")
    shutil.rmtree(data)


def load_rides(folder: Path, data: Path, rides: int, variables: Mapping[str, str]) -> None:
    """Ingest generated rides and weather, and write them to the lake, by a run of the whole pipeline."""
    months = 1 if rides == START_UP_RIDES else choose_months(rides)
    provider = get_provider(folder, rides, months, print)
    with serve(provider) as served:
        served.environment.update(variables)
        served.run(data, provider.window)


def build_on_spark(settings: Settings, variables: Mapping[str, str]) -> tuple[Usage, Cluster]:
    """Build from nothing on Spark, and measure the command and the cluster."""
    with run_spark(settings, variables) as seconds:
        usage = measure_command([DATA_STACK, "transform"], dict(variables) | {"ENGINE": "spark"})
        processes = list(_list_processes(settings))
        times = [process.cpu_times() for process in processes]
        cluster = Cluster(
            start_seconds=seconds,
            cpu_seconds=sum(spent.user + spent.system + spent.children_user + spent.children_system for spent in times),
            peak_bytes=sum(_read_peak(process.pid) for process in processes),
            disk_bytes=count_bytes(settings.spark_dir),
        )
    return usage, cluster


@contextmanager
def run_spark(settings: Settings, variables: Mapping[str, str]) -> Iterator[float]:
    """Run Spark as `make spark` does while the block runs; gives the seconds of its start."""
    command = [sys.executable, "-m", "dbt_runner.cluster"]
    environment = {**folder_variables(settings.data_dir), **variables}
    began = time.perf_counter()
    measure_command([*command, "up"], environment)
    try:
        yield time.perf_counter() - began
    finally:
        measure_command([*command, "down"], environment)


def _list_processes(settings: Settings) -> Iterator[psutil.Process]:
    for _, pid in find_processes(find_layout(settings)):
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)


def _read_peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def print_figures(rides: int, duckdb: Usage, spark: Usage, cluster: Cluster, lake_bytes: int) -> None:
    """Print what both engines used for a number of rides."""
    print(
        f"{rides:,} rides, {lake_bytes / 1e9:.2f} GB in the lake; all tables are equal unless said below\n"
        f"  DuckDB: {duckdb.wall_seconds:.0f} s, {duckdb.cpu_seconds:.0f} s of processor time, at most"
        f" {duckdb.peak_bytes / 1e9:.1f} GB of memory\n"
        f"  Spark: {spark.wall_seconds:.0f} s, {spark.cpu_seconds + cluster.cpu_seconds:.0f} s of processor time"
        f" ({spark.cpu_seconds:.0f} s of it dbt and the way back), at most {cluster.peak_bytes / 1e9:.1f} GB of memory"
        f" of Spark and {spark.peak_bytes / 1e9:.1f} GB of dbt, {cluster.disk_bytes / 1e9:.1f} GB of disk; started in"
        f" {cluster.start_seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
