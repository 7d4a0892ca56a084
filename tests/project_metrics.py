"""The project's metrics as a semantic manifest without dbt, whose parse takes seconds, for tests that publish rows."""

import json
import re
from functools import cache
from typing import Any

from data_stack.settings import PROJECT_ROOT
from scaffold.metric_reference import read_definitions

_WINDOW = re.compile(r"(\d+) (\w+?)s?")


@cache
def project_manifest() -> str:
    """What dbt writes beside a build, as far as MetricFlow reads it; `tests/dbt/test_metrics.py` compares both."""
    content = read_definitions(PROJECT_ROOT)
    for model in content["semantic_models"]:
        model["node_relation"] = _relation(model["node_relation"]["alias"])
    for metric in content["metrics"]:
        params = metric["type_params"]
        for part in [metric, params.get("measure"), params.get("numerator"), *params["metrics"]]:
            if part and isinstance(part.get("filter"), str):
                part["filter"] = {"where_filters": [{"where_sql_template": part["filter"]}]}
        window = params.get("cumulative_type_params", {}).get("window")
        if window:
            count, grain = _WINDOW.fullmatch(window).groups()
            params["cumulative_type_params"]["window"] = {"count": int(count), "granularity": grain}
    spine = {
        "node_relation": _relation("dim_dates"),
        "primary_column": {"name": "date_local", "time_granularity": "day"},
        "custom_granularities": [],
    }
    return json.dumps(
        content | {"project_configuration": {"time_spine_table_configurations": [], "time_spines": [spine]}}
    )


def _relation(table: str) -> dict[str, Any]:
    schema = next((PROJECT_ROOT / "dbt" / "models").glob(f"*/{table}.sql")).parent.name
    name = f'"warehouse"."{schema}"."{table}"'
    return {"alias": table, "schema_name": schema, "database": "warehouse", "relation_name": name}
