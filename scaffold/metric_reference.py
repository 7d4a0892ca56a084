"""The list of metrics as a document, from the files in `dbt/metrics` alone: parsing with dbt takes seconds."""

import json
from pathlib import Path
from typing import Any

import yaml

from data_stack.metrics.catalog import Catalog, Metric
from data_stack.metrics.run_records import complete_manifest

_HEAD = """\
# Metrics

Written by `make generate` from `dbt/metrics/`. `data-stack metrics query NAME --by DIMENSION --by date__month` answers
from the published data. Days and months that are not complete are left out, so a number is that of the marts. The
definitions are published with the data, and a rollback returns to both. Only what is listed here can be asked for.

- **Period**: `--from` and `--to`, both included; without them all complete days. A metric whose finest grain is the
  month refuses a period that cuts one. A change on the period before compares whole periods only.
- **Nothing loaded** is an answer without rows and says so; it is never a row of nulls or zeros.
- **Units**: a share is between 0 and 1.

| metric | what it is | unit | dimensions | grains | owner |
|---|---|---|---|---|---|"""
_ALL_GRAINS = "day to year"


def render_metrics(root: Path) -> str:
    """The document of all metrics.

    Args:
        root: The checkout.
    """
    found = read_catalog(root).metrics.values()
    return "\n".join([_HEAD, *map(_render_metric, found), ""])


def read_catalog(root: Path) -> Catalog:
    """The metrics that the files define, and those of the run records.

    Args:
        root: The checkout.
    """
    manifest, _ = complete_manifest(json.dumps(read_definitions(root)))
    return Catalog(manifest)


def read_definitions(root: Path) -> dict[str, Any]:
    """The files as dbt writes them into a semantic manifest, as far as the catalog reads it.

    Args:
        root: The checkout.
    """
    content: dict[str, Any] = {"semantic_models": [], "metrics": [], "project_configuration": {}, "saved_queries": []}
    for path in sorted((root / "dbt" / "metrics").glob("*.yml")):
        given = yaml.safe_load(path.read_text()) or {}
        content["semantic_models"] += [_read_model(model) for model in given.get("semantic_models") or []]
        content["metrics"] += [_read_metric(metric) for metric in given.get("metrics") or []]
    return content


def _render_metric(metric: Metric) -> str:
    dimensions = ", ".join(f"`{name}`" for name in metric.dimensions)
    grains = _ALL_GRAINS if len(metric.grains) == 5 else ", ".join(metric.grains)
    if metric.needs_grain:
        grains = f"{grains}; one is needed"
    cells = [f"`{metric.name}`", metric.description, metric.unit, dimensions, grains, metric.owner]
    return f"| {' | '.join(cells)} |"


def _read_model(model: dict[str, Any]) -> dict[str, Any]:
    """A semantic model as dbt writes it into the manifest, as far as the catalog reads it."""
    table = model["model"].split("'")[1]
    return {"entities": [], "measures": [], **model, "node_relation": {"schema_name": "", "alias": table}}


def _read_metric(metric: dict[str, Any]) -> dict[str, Any]:
    params = dict(metric["type_params"])
    for part in ("measure", "numerator", "denominator"):
        if isinstance(params.get(part), str):
            params[part] = {"name": params[part]}
    params["metrics"] = [_read_input(entry) for entry in params.get("metrics") or []]
    return metric | {"type_params": params}


def _read_input(entry: dict[str, Any]) -> dict[str, Any]:
    window = entry.get("offset_window")
    if window is None:
        return entry
    count, unit = window.split()
    return entry | {"offset_window": {"count": int(count), "granularity": unit.removesuffix("s")}}
