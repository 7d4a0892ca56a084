"""Compares the tables of core and marts in two published files, row by row. Runs on the host, for `spark.sh`."""

import sys
from pathlib import Path

import duckdb
from parity import compare_builds, find_keys

from data_stack.settings import Settings
from dbt_runner.build import parse_project

one, other = (Path(argument) for argument in sys.argv[1:])
keys = find_keys(parse_project(Settings.load()))
with duckdb.connect(str(one), read_only=True) as db:
    rows = {table: db.execute(f"select count(*) from {table}").fetchone()[0] for table in keys}  # type: ignore[index]
found = compare_builds(one, other, keys)
sys.stdout.write(f"{len(keys)} tables with {sum(rows.values()):,} rows: {found or 'no difference'}\n")
sys.exit(bool(found))
