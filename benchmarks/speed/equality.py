"""Whether the floor made the same tables as the platform: a floor that computes less would be no comparison."""

from pathlib import Path

import duckdb

from data_stack.duck import connect_duckdb

TABLES = {
    "core.fct_trips": ("load_id",),
    "core.dim_stations": (),
    "core.fct_bike_coverage_daily": (),
    "marts.mart_demand_daily": (),
    "marts.mart_demand_hourly": (),
    "marts.mart_demand_by_rider_daily": (),
    "marts.mart_station_flow_daily": (),
}
"""The tables that both make, with the columns that the floor cannot have."""


def find_differences(published: Path, floor: Path) -> list[str]:
    """Compare all tables, row by row, in whatever order the rows are.

    Args:
        published: The platform's published file.
        floor: The file of the floor.

    Returns:
        A sentence for each table that differs; empty if the values are equal.
    """
    with connect_duckdb(threads=2, memory_limit="2GB") as db:
        db.execute(f"attach '{published}' as platform (read_only); attach '{floor}' as floor (read_only)")
        return [text for table, left_out in TABLES.items() if (text := _describe_difference(db, table, left_out))]


def _describe_difference(db: duckdb.DuckDBPyConnection, table: str, left_out: tuple[str, ...]) -> str:
    columns, present = (
        {name: kind for name, kind in _list_columns(db, f"{catalog}.{table}") if name not in left_out}
        for catalog in ("platform", "floor")
    )
    if columns != present:
        lists = [", ".join(map(" ".join, named.items())) for named in (columns, present)]
        return f"{table}: the platform has the columns {lists[0]}, the floor {lists[1]}"
    ours, floor = (_summarize_rows(db, f"{catalog}.{table}", list(columns)) for catalog in ("platform", "floor"))
    if ours == floor:
        return ""
    different = [name for name in columns if ours[name] != floor[name]]
    return (
        f"{table}: {ours['rows']:,} rows of the platform, {floor['rows']:,} of the floor; other values in "
        f"{', '.join(different) or 'the combination of columns'}"
    )


def _list_columns(db: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in db.execute(f"describe {table}").fetchall()]


def _summarize_rows(db: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> dict[str, int]:
    """The number of rows, and sums of hashes over each column and over the rows, which depend on no order."""
    # md5 for the row, because the hash of several columns is a weak combination of theirs
    row = ", ".join(f"coalesce(cast({name} as varchar), '\\')" for name in columns)
    sums = ", ".join(f"sum(cast(hash({name}) as hugeint)) as {name}" for name in columns)
    whole = f"sum(cast(md5_number_lower(concat_ws('|', {row})) as hugeint)) as all_columns"
    answer = db.execute(f"select count(*) as rows, {whole}, {sums} from {table}")
    names = [name for name, *_ in answer.description]
    return dict(zip(names, answer.fetchone() or (), strict=True))
