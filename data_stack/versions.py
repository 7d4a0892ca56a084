"""Versions of rows: a load overwrites nothing, and what it replaces goes once it has passed its gate.

A load replaces the earlier rows that have the same values as one of its own in the columns `Source.replaces`, for
example the month of a file. Until it passes, both versions are in the raw file: staging reads what passed, and the gate
sees the raw file as it would be if the load passed. The order of loads is that in which they finished.

The caller holds the lock of the raw file: shared to read, exclusive to remove rows.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.raw import change_raw, query_raw
from data_stack.registry import Source
from data_stack.settings import Settings

LOAD_ID = "_dlt_load_id"

_COLUMNS = """
select table_name, list(column_name)
from duckdb_columns()
where database_name = current_database() and schema_name = 'raw' and not starts_with(table_name, '_dlt')
group by table_name
order by table_name
"""
FINISHED_LOADS = "select load_id, rowid as position from {catalog}raw._dlt_loads where status = 0"
"""Select of the loads that have arrived, in the order in which they did."""
_FINISHED = FINISHED_LOADS.format(catalog="")


def match_columns(names: Collection[str], left: str, right: str) -> str:
    """The SQL condition that two tables have the same values in columns, null included.

    Args:
        names: The columns, such as those of `Source.replaces`.
        left: Alias of one table.
        right: Alias of the other.
    """
    return " and ".join(f"{left}.{name} is not distinct from {right}.{name}" for name in names)


def find_loads_with_rows(settings: Settings, source: Source) -> set[str]:
    """Loads of which a raw file still has rows that a load can replace; none if there is no file.

    Args:
        settings: Whose raw file is read; one of an earlier version has other columns until it is upgraded.
        source: The source.
    """
    loads = " union ".join(f"select {LOAD_ID} from raw.{table}" for table in _find_versioned_tables(settings, source))
    return {load_id for (load_id,) in query_raw(settings, source, loads)} if loads else set()


def _find_versioned_tables(settings: Settings, source: Source) -> list[str]:
    """Tables of a raw file whose rows a load replaces: those that have every column of `Source.replaces`."""
    return _choose_tables(dict(query_raw(settings, source, _COLUMNS)), [LOAD_ID, *source.replaces])


def remove_replaced_rows(settings: Settings, source: Source, passed: Collection[str]) -> int:
    """Remove what loads that passed have replaced, whether it passed or not; repeating it changes nothing.

    Args:
        settings: Whose raw file is changed.
        source: The source; the caller holds its lock.
        passed: The loads that passed.

    Returns:
        How many rows were removed.
    """
    tables = _find_versioned_tables(settings, source)
    if not _has_replaced_rows(settings, source, tables, passed):
        return 0
    with change_raw(settings, source) as db:
        _find_newest(db, source, tables, passed)
        removed = sum(_delete_replaced(db, source, table) for table in tables)
        _delete_orphans(db, tables, _choose_tables(dict(db.execute(_COLUMNS).fetchall()), [LOAD_ID, "batch"]))
    return removed


def _has_replaced_rows(settings: Settings, source: Source, tables: Collection[str], passed: Collection[str]) -> bool:
    # one load, as after most runs: there is nothing to compare
    if len(find_loads_with_rows(settings, source)) < 2:
        return False
    replaced = " union all ".join(
        f"select 1 from raw.{table} as old, finished, newest where {_is_replaced(source)}" for table in tables
    )
    named = f"with finished as ({_FINISHED}), newest as ({_select_newest(source, tables)})"
    return bool(query_raw(settings, source, f"{named} {replaced} limit 1", [sorted(passed)]))


def _find_newest(
    db: duckdb.DuckDBPyConnection, source: Source, tables: Collection[str], passed: Collection[str]
) -> None:
    """Make temporary tables of the order of loads, and of the latest load that passed for what loads replace."""
    db.execute(f"create temp table finished as {_FINISHED}")
    db.execute(f"create temp table newest as {_select_newest(source, tables)}", [sorted(passed)])


def _select_newest(source: Source, tables: Collection[str]) -> str:
    """The latest load that passed for what loads replace; the loads that passed are its parameter."""
    return (
        f"select {_list(source.replaces)}, max(position) as position"
        f" from ({_select_values(source, tables)}) join finished on load_id = {LOAD_ID}"
        f" where list_contains(?, {LOAD_ID}) group by all"
    )


def find_replaced_loads(settings: Settings, source: Source, load_id: str) -> list[str]:
    """Earlier loads with rows that a load would replace.

    Args:
        settings: Whose raw file is read.
        source: The source; the caller holds its lock.
        load_id: The load.
    """
    tables = _find_versioned_tables(settings, source)
    if not tables:
        return []
    values = _select_values(source, tables)
    found = query_raw(
        settings,
        source,
        f"with finished as ({_FINISHED}), versions as ({values})"
        f" select distinct earlier.{LOAD_ID} from versions as this"
        f" join versions as earlier on {match_columns(source.replaces, 'earlier', 'this')}"
        f" join finished as a on a.load_id = earlier.{LOAD_ID} join finished as b on b.load_id = this.{LOAD_ID}"
        f" where this.{LOAD_ID} = ? and a.position < b.position",
        [load_id],
    )
    return [earlier for (earlier,) in found]


@contextmanager
def open_as_if_passed(
    settings: Settings, source: Source, load_id: str, passed: Collection[str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the raw file as it would be if a load passed: views in the schema `raw`, of the present tables.

    Args:
        settings: Whose raw file is read, and the memory that reading may use.
        source: The source; the caller holds its lock.
        load_id: The load.
        passed: The loads that passed.

    Yields:
        A connection that has only these views.
    """
    with connect_duckdb(memory_limit=settings.duckdb_memory_limit) as db:
        db.execute(f"attach '{settings.raw_file(source.name)}' as stored (read_only)")
        db.execute("use stored")
        columns = dict(db.execute(_COLUMNS).fetchall())
        db.execute("use memory")
        db.execute("create schema raw")
        versioned = _choose_tables(columns, [LOAD_ID, *source.replaces])
        db.execute("create table passed as select unnest(?::varchar[]) as load_id", [sorted({*passed} - {load_id})])
        values = _select_values(source, versioned, "stored.")
        names = _list(source.replaces)
        db.execute(f"create table replaced as select distinct {names} from ({values}) where {LOAD_ID} = ?", [load_id])
        for table in _choose_tables(columns, [LOAD_ID]):
            kept = f"{LOAD_ID} in (select load_id from memory.passed)"
            if table in versioned:
                replaced = (
                    f"select 1 from memory.replaced where {match_columns(source.replaces, 'earlier', 'replaced')}"
                )
                kept += f" and not exists ({replaced})"
            db.execute(
                f"create view raw.{table} as select * from stored.raw.{table} where {LOAD_ID} = '{load_id}'"
                f" union all select * from stored.raw.{table} as earlier where {kept}"
            )
        yield db


def _choose_tables(columns: dict[str, list[str]], wanted: Collection[str]) -> list[str]:
    return [table for table, names in columns.items() if set(wanted) <= set(names)]


def _select_values(source: Source, tables: Collection[str], catalog: str = "") -> str:
    """The values of `Source.replaces` that each load has, in any table: a day without rows is in `coverage` only."""
    names = _list((*source.replaces, LOAD_ID))
    return " union ".join(f"select {names} from {catalog}raw.{table}" for table in tables)


def _is_replaced(source: Source) -> str:
    """The condition that a row `old` is of an earlier load than the one that replaces it."""
    same = match_columns(source.replaces, "old", "newest")
    return f"finished.load_id = old.{LOAD_ID} and {same} and finished.position < newest.position"


def _delete_replaced(db: duckdb.DuckDBPyConnection, source: Source, table: str) -> int:
    deleted = db.execute(
        f"delete from raw.{table} as old using finished, newest where {_is_replaced(source)}"
    ).fetchone()
    return int(deleted[0]) if deleted else 0


def _delete_orphans(db: duckdb.DuckDBPyConnection, versioned: Collection[str], with_batch: Collection[str]) -> None:
    """Delete what belongs to versions of batches that are gone, for example their rejects."""
    owners = [table for table in versioned if table in with_batch]
    for table in set(with_batch) - set(owners):
        present = " union ".join(f"select batch, {LOAD_ID} from raw.{owner}" for owner in owners)
        db.execute(
            f"delete from raw.{table} as orphan where not exists (select 1 from ({present}) as owner"
            f" where owner.batch = orphan.batch and owner.{LOAD_ID} = orphan.{LOAD_ID})"
        )


def _list(names: Collection[str]) -> str:
    return ", ".join(names)
