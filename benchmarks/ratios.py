"""What the platform costs, as ratios within one run: absolute seconds say more about the machine than about the code.

`make benchmark` prints a table. Rides are generated; nothing is fetched.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from data_stack.settings import PROJECT_ROOT, folder_variables
from dlt_pipeline.sample.bike import BikeSample
from dlt_pipeline.sample.provider import SampleProvider

sys.path.append(str(PROJECT_ROOT / "tests"))
from sources.bike.provider import month_of_rides, write_zip

RIDES = 200_000
KEY = "JC-202401-citibike-tripdata.csv.zip"
# runs in a process of its own, so that its peak memory is that of one ingest
INGEST = """
import json, resource, time
import dlt
from data_stack.logs import configure_logs
from data_stack.settings import Settings
from ingestion import load
configure_logs("WARNING")  # standard output is for the figures
begin = time.perf_counter()
load(Settings.load(), "bike")
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        small, large = (write_bucket(root / str(rides), rides) for rides in (RIDES, 4 * RIDES))
        one, four = ingest_apart(small, root / "one"), ingest_apart(large, root / "four")
        floor = _seconds(lambda: _read_with_duckdb(small, root / "floor.duckdb"))
        raw_file = root / "four" / "raw" / "bike.duckdb"
        copy = _seconds(lambda: shutil.copyfile(raw_file, root / "copy.duckdb"))
        rewrite = _seconds(lambda: _rewrite(raw_file, root / "rewrite.duckdb"))
    print(f"{RIDES:,} rides: ingest {one['seconds']:.1f} s ({RIDES / one['seconds']:,.0f} rides/s)")
    print(f"ingest / plain DuckDB read of the same CSV:      {one['seconds'] / floor:.1f} x")
    print(f"seconds, four times the rides / once:            {four['seconds'] / one['seconds']:.2f} x")
    print(f"peak memory, four times the rides / once:        {four['peak_mb'] / one['peak_mb']:.2f} x")
    print(f"peak memory of the large ingest:                 {four['peak_mb']:.0f} MB")
    print(f"COPY FROM DATABASE / copy of the file (publish): {rewrite / copy:.1f} x")


def write_bucket(folder: Path, rides: int) -> Path:
    """A bucket with one January of `rides` rides."""
    write_zip(folder, KEY, month_of_rides(date(2024, 1, 1), rides))
    return folder


def ingest_apart(bucket: Path, data_dir: Path) -> dict[str, float]:
    """Ingest a bucket in a process of its own; seconds and peak memory in MB."""
    own = {**folder_variables(data_dir), "PYTHONPATH": str(PROJECT_ROOT / "tests")}
    with SampleProvider([BikeSample(bucket, system="jc")]) as provider:
        environment = os.environ | own | provider.environment
        command = [sys.executable, "-c", INGEST]
        done = subprocess.run(command, env=environment, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _read_with_duckdb(bucket: Path, target: Path) -> None:
    """The floor: unzip, and let DuckDB read the CSV into a table."""
    with zipfile.ZipFile(next(bucket.glob("*.zip"))) as archive:
        csv = archive.extract(archive.namelist()[0], bucket)
    with duckdb.connect(str(target), config={"threads": 2}) as db:
        db.execute(f"create table trips as from read_csv('{csv}', types = {{'start_station_id': 'varchar'}})")


def _rewrite(source: Path, target: Path) -> None:
    with duckdb.connect(str(target), config={"threads": 2}) as db:
        db.execute(f"attach '{source}' as source (read_only)")
        db.execute("create table trips as from source.raw.trips")


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
