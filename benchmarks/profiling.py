"""Measure the seconds and the memory that `data-stack profile` takes for 1 million rows of 20 columns (Parquet).

`.venv/bin/python benchmarks/profiling.py` prints both, for a new process without its imports. The target is under 6 s
and under 500 MB.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

ROWS = 1_000_000
# ids, times, texts of few and of many values, measures, money, a text that is nearly always a number
COLUMNS = """
    lpad(i::varchar, 10, '0') as ride_id,
    md5(i::varchar) as hash_id,
    timestamp '2024-01-01' + interval 1 second * ((i * 31) % 31536000) as started_at,
    timestamp '2024-01-01 00:10' + interval 1 second * ((i * 31) % 31536000) as ended_at,
    date '2024-01-01' + (i % 365)::int as day,
    ['classic', 'electric', 'docked'][i % 3 + 1] as kind,
    concat('Station ', hash(i) % 1500) as start_station_name,
    concat('S', hash(i + 1) % 1500) as start_station_id,
    40 + (hash(i) % 100000) / 100000 as start_latitude,
    -74 + (hash(i + 2) % 100000) / 100000 as start_longitude,
    40 + (hash(i + 3) % 100000) / 100000 as end_latitude,
    case when i % 20 > 0 then -74 + (hash(i + 4) % 100000) / 100000 end as end_longitude,
    (hash(i) % 5000)::int as duration_seconds,
    (hash(i + 5) % 10000) / 100 as price,
    case when i % 1000 = 0 then 'n. a.' else (i % 977)::varchar end as distance,
    i % 2 = 0 as is_member,
    concat('user', hash(i) % 400000, '@example.com') as email,
    strftime(timestamp '2024-01-01' + interval 1 minute * (i % 500000), '%Y-%m-%dT%H:%M:%SZ') as updated_at,
    uuid() as session,
    repeat('text ', (i % 12)::int) as description
"""
MEASURE = """
import json, resource, sys, time
from data_stack.settings import Settings
from scaffold.profile.read import profile_file
import duckdb, requests
began, cpu = time.perf_counter(), time.process_time()
profile = profile_file(sys.argv[1], Settings.load())
print(json.dumps({
    "rows": profile.rows,
    "columns": len(profile.columns),
    "seconds": round(time.perf_counter() - began, 2),
    "cpu_seconds": round(time.process_time() - cpu, 2),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
}))
"""


def main() -> None:
    """Write the file, profile it once, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        duckdb.sql(f"copy (select {COLUMNS} from range({ROWS}) as rows(i)) to '{file}' (format parquet)")
        size = file.stat().st_size >> 20
        done = subprocess.run([sys.executable, "-c", MEASURE, str(file)], stdout=subprocess.PIPE, text=True, check=True)
    print(json.dumps({"file_mb": size} | json.loads(done.stdout)))


if __name__ == "__main__":
    main()
