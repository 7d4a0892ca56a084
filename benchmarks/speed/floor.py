"""The floor: what somebody who knows the data writes by hand in DuckDB SQL to get the same tables from the same zips.

`floor.py BUCKET WEATHER TARGET` unzips, reads all CSVs with their types, keeps the raw rows, checks the keys, and makes
the tables of the rides as the platform publishes them. It knows what the platform has to find out: the format, that no
text needs trimming, no ride is in two files and no row unreadable, and on which days the clocks change. It has no
landing, no rejects, no gate, no versions, no tests, no snapshots and no publication that readers can keep open.
"""

import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copyfileobj

import duckdb

SQL = Path(__file__).with_name("floor.sql")
WEATHER_CODES = Path(__file__).parents[2] / "dbt" / "seeds" / "weather_codes.csv"
# a median holds its values in memory, and cannot spill them
MEMORY_LIMIT = "4GB"
THREADS = 2


def main() -> None:
    """Make the file, and fail if a key is missing or occurs twice."""
    bucket, weather, target = map(Path, sys.argv[1:])
    with duckdb.connect(str(target), config={"threads": THREADS, "memory_limit": MEMORY_LIMIT}) as db:
        db.execute("set enable_progress_bar = false; set preserve_insertion_order = false")
        db.execute(f"set temp_directory = '{target}.tmp'")
        months = load_raw(db, bucket)
        check_keys(db)
        for name, value in describe_year(months[0]).items():
            db.execute(f"set variable {name} = ?", [value])
        db.execute("set variable months = ?", [months])
        db.execute("set variable weather = ?", [str(weather)])
        db.execute("set variable weather_codes = ?", [str(WEATHER_CODES)])
        db.execute(SQL.read_text())


def load_raw(db: duckdb.DuckDBPyConnection, bucket: Path) -> list[date]:
    """Load all zips, one after the other, and return their months."""
    db.execute(
        "create schema raw; create table raw.trips (ride_id varchar, rideable_type varchar, started_at timestamp,"
        " ended_at timestamp, start_station_name varchar, start_station_id varchar, end_station_name varchar,"
        " end_station_id varchar, start_lat double, start_lng double, end_lat double, end_lng double,"
        " member_casual varchar, source_file varchar)"
    )
    paths = sorted(bucket.glob("*.zip"))
    for path in paths:
        with tempfile.TemporaryDirectory(dir=bucket.parent) as folder:
            columns = db.execute("select * from raw.trips limit 0").description[:-1]
            types = {name: str(kind) for name, kind, *_ in columns}
            db.execute(
                "insert into raw.trips select *, ? from read_csv(?, header = true, delim = ',', quote = '\"',"
                f" auto_detect = false, columns = {types})",
                [path.name, unzip(path, Path(folder))],
            )
    return [datetime.strptime(path.name[:6], "%Y%m").date() for path in paths]


def unzip(path: Path, folder: Path) -> list[str]:
    """Unzip the CSVs side by side and return their paths."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]

    def copy(name: str) -> str:
        with zipfile.ZipFile(path) as own, own.open(name) as member, (folder / name).open("wb") as file:
            copyfileobj(member, file, 1 << 20)
        return str(folder / name)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(copy, names))


def check_keys(db: duckdb.DuckDBPyConnection) -> None:
    """Fail if a ride has no id, or the same as another one."""
    row = db.execute("select count(*), count(ride_id), count(distinct ride_id) from raw.trips").fetchone()
    rides, ids, distinct = row or (0, 0, 0)
    if not rides == ids == distinct:
        raise SystemExit(f"of {rides} rides, {rides - ids} have no id and {ids - distinct} the id of another ride")


def describe_year(month: date) -> dict[str, datetime]:
    """The local times between which New York has daylight saving time in the year of a month."""
    return {"spring": find_sunday(month.year, 3, 8), "autumn": find_sunday(month.year, 11, 1)}


def find_sunday(year: int, month: int, day: int) -> datetime:
    """Two o'clock on the first Sunday not before a day."""
    first = datetime(year, month, day, 2)
    return first + timedelta(days=6 - first.weekday())


if __name__ == "__main__":
    main()
