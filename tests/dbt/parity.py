"""Compares two builds, one by each engine, row by row on the keys of their tables."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
from dbt.contracts.graph.manifest import Manifest

FLOAT_TOLERANCE = 1e-9


def find_keys(manifest: Manifest) -> dict[str, list[str]]:
    """The key of every table of core and marts: the columns that a test says are unique together."""
    keys = {}
    for test in manifest.nodes.values():
        metadata = getattr(test, "test_metadata", None)
        if metadata is None or metadata.name not in ("unique", "unique_combination"):
            continue
        node = manifest.nodes[test.attached_node]
        if node.config.schema in ("core", "marts"):
            keys[f"{node.config.schema}.{node.name}"] = metadata.kwargs.get("columns") or [
                metadata.kwargs["column_name"]
            ]
    return keys


def compare_builds(one: Path, other: Path, keys: Mapping[str, list[str]]) -> dict[str, str]:
    """What differs, by table; empty if the builds are equal. Decimals are exact, floats have a tolerance.

    Args:
        one: A build file.
        other: Another one.
        keys: Columns of the key by table.
    """
    with duckdb.connect() as db:
        db.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        found = {table: _compare(db, table, key) for table, key in keys.items()}
    return {table: different for table, different in found.items() if different}


def _compare(db: duckdb.DuckDBPyConnection, table: str, key: list[str]) -> str:
    columns, others = (db.execute(f"describe {build}.{table}").fetchall() for build in ("one", "other"))
    if [column[:2] for column in columns] != [column[:2] for column in others]:
        return "other columns"
    on = " and ".join(f"l.{name} is not distinct from r.{name}" for name in key)
    counts = {
        "rows only in one": "count(*) filter (where r.present is null)",
        "rows only in the other": "count(*) filter (where l.present is null)",
        **{f"values of {name}": f"count(*) filter ({_differs(name, kind)})" for name, kind, *_ in columns},
    }
    row = db.execute(
        f"select {', '.join(counts.values())} from (select *, true as present from one.{table}) as l"
        f" full join (select *, true as present from other.{table}) as r on {on}"
    ).fetchone()
    return ", ".join(f"{count} {name}" for name, count in zip(counts, row or (), strict=True) if count)


def _differs(name: str, kind: str) -> str:
    is_equal = f"l.{name} is not distinct from r.{name}"
    if kind == "DOUBLE":
        is_equal += f" or coalesce(abs(l.{name} - r.{name}) <= {FLOAT_TOLERANCE} * greatest(1, abs(l.{name})), false)"
    return f"where l.present and r.present and not ({is_equal})"
