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
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
RIDES = 200_000
HEADER = (
    "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,"
    "end_station_name,end_station_id,start_lat,start_lng,end_lat,end_lng,member_casual"
)
# runs in a process of its own, so that its peak memory is that of one ingest
INGEST = """
import json, resource, sys, time
from datetime import date
from pathlib import Path
import dlt
from data_stack.locks import Locks
from data_stack.logs import configure_logs
from data_stack.ops import Ops
from data_stack.progress import ignore_progress
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.load import ingest
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.weather import SampleWeather
import os
configure_logs("WARNING")  # standard output is for the figures
settings = Settings.load()
with SampleProvider(Path(sys.argv[1]), SampleWeather(1)) as provider:
    os.environ["BIKE_BASE_URL"] = provider.bike_base_url
    begin = time.perf_counter()
    window = Window(date(2024, 1, 1), date(2024, 1, 31))
    locks = Locks(settings.locks_dir, "bench")
    ingest(get_source("bike"), settings, Ops(settings.ops_dir), "bench", window, ignore_progress, locks)
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
    folder.mkdir()
    start = datetime(2024, 1, 1)
    step = timedelta(days=31) / rides
    with zipfile.ZipFile(folder / "JC-202401-citibike-tripdata.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("JC-202401-citibike-tripdata.csv", "w") as member:
            member.write(f"{HEADER}\n".encode())
            for number in range(rides):
                begin = start + step * number
                times = f'"{begin:%Y-%m-%d %H:%M:%S}","{begin + timedelta(minutes=9):%Y-%m-%d %H:%M:%S}"'
                places = '"Morris Canal","JC072","Oakland Ave","JC022",40.7123,-74.0385,40.7376,-74.0525'
                member.write(f'"{number:016X}","classic_bike",{times},{places},"member"\n'.encode())
    return folder


def ingest_apart(bucket: Path, data_dir: Path) -> dict[str, float]:
    """Ingest a bucket in a process of its own; seconds and peak memory in MB."""
    environment = os.environ | {"DATA_DIR": str(data_dir), "BIKE_SYSTEM": "jc"}
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(bucket)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
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
