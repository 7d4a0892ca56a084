"""The way of dlt's first tutorial: a dict per row, `dlt_dicts.py CSV TARGET`."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import dlt


def read_trips(path: str) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV.

    Args:
        path: The file.
    """
    with Path(path).open(newline="") as file:
        yield from csv.DictReader(file)


def main() -> None:
    """Load the CSV into a DuckDB file."""
    source, target = sys.argv[1:]
    with TemporaryDirectory() as folder:
        destination = dlt.destinations.duckdb(target)
        pipeline = dlt.pipeline("trips", pipelines_dir=folder, destination=destination, dataset_name="main")
        pipeline.run(dlt.resource(read_trips(source), name="trips", write_disposition="append"))


if __name__ == "__main__":
    main()
