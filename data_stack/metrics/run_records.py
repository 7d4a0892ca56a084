"""Metrics of the run records, in the form of a semantic manifest.

dbt's semantic models take models only, and the run records are published after dbt has built: a model of them would
always be one run behind. So they are added to dbt's manifest when it is published, on the tables of the schema `ops`.
"""

import hashlib
import json
from typing import Any

_PASSED = "state in ('passed', 'accepted')"
_PUBLISHED_AT = "(select max(published_at_utc) from warehouse.ops.publications)"


def complete_manifest(manifest: str) -> tuple[str, str]:
    """Add the metrics of the run records to dbt's semantic manifest.

    Args:
        manifest: As dbt wrote it; empty where no dbt project was built.

    Returns:
        The manifest of a publication, and its hash.
    """
    content = json.loads(manifest) if manifest else _EMPTY
    complete = json.dumps(
        content
        | {
            "semantic_models": [*content["semantic_models"], _LOADS],
            "metrics": [*content["metrics"], *_METRICS],
        },
        sort_keys=True,
    )
    return complete, hashlib.sha256(complete.encode()).hexdigest()[:32]


def _relation(schema: str, table: str) -> dict[str, str]:
    return {
        "alias": table,
        "schema_name": schema,
        "database": "warehouse",
        "relation_name": f'"warehouse"."{schema}"."{table}"',
    }


_EMPTY: dict[str, Any] = {
    "semantic_models": [],
    "metrics": [],
    # MetricFlow asks for the days also where no metric needs them
    "project_configuration": {
        "time_spine_table_configurations": [],
        "time_spines": [
            {
                "node_relation": _relation("core", "dim_dates"),
                "primary_column": {"name": "date_local", "time_granularity": "day"},
                "custom_granularities": [],
            }
        ],
    },
    "saved_queries": [],
}


def _sum(name: str, expression: str, aggregation: str = "sum") -> dict[str, str]:
    return {"name": name, "agg": aggregation, "expr": expression}


_LOADS: dict[str, Any] = {
    "name": "run_records_loads",
    "description": "Loads of the sources, as the run records were when they were published.",
    "node_relation": _relation("ops", "loads"),
    "defaults": {"agg_time_dimension": "loaded_on"},
    "primary_entity": "load",
    "entities": [],
    "dimensions": [
        {
            "name": "loaded_on",
            "type": "time",
            "expr": "cast(loaded_at_utc as date)",
            "type_params": {"time_granularity": "day"},
        },
        {"name": "source", "type": "categorical", "label": "Source"},
        {"name": "state", "type": "categorical", "label": "State of the load"},
    ],
    "measures": [
        _sum("loads_count", "1"),
        _sum("loads_read", "rows_read"),
        _sum("loads_loaded", "rows_loaded"),
        _sum("loads_rejected", "rows_rejected"),
        _sum("loads_duplicates", "rows_repeated"),
        _sum(
            "loads_hours_ago",
            f"case when {_PASSED} and rows_loaded > 0"
            f" then date_diff('second', loaded_at_utc, {_PUBLISHED_AT}) / 3600.0 end",
            "min",
        ),
    ],
    "config": {"meta": {}},
}


def _metric(name: str, label: str, description: str, unit: str, kind: str, **params: Any) -> dict[str, Any]:
    meta = {"unit": unit, "owner": "data-quality"}
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": kind,
        "type_params": params,
        "config": {"meta": meta},
    }


_METRICS = (
    _metric("loads", "Loads", "Loads of the sources, whatever the gate decided.", "loads", "simple",
            measure={"name": "loads_count"}),
    _metric("read_rows", "Rows read", "Rows that providers sent: loaded, rejected and duplicate.", "rows", "simple",
            measure={"name": "loads_read"}),
    _metric("loaded_rows", "Rows loaded", "Rows that were loaded into raw files.", "rows", "simple",
            measure={"name": "loads_loaded"}),
    _metric("rejected_rows", "Rejected rows", "Rows that could not be read, and are kept beside the loaded ones.",
            "rows", "simple", measure={"name": "loads_rejected"}),
    _metric("duplicate_rows", "Duplicate rows", "Rows that a load had more than once.", "rows", "simple",
            measure={"name": "loads_duplicates"}),
    _metric("reject_share", "Share of rejected rows", "Rejected rows divided by the rows read, 0 to 1.", "share",
            "ratio", numerator={"name": "rejected_rows"}, denominator={"name": "read_rows"}),
    _metric("load_age", "Age of the latest load",
            "Hours from the latest load that brought rows and passed, to the publication.", "hours", "simple",
            measure={"name": "loads_hours_ago"}),
)  # fmt: skip
