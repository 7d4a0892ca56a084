"""What the dbt project says of the tables that are published: descriptions, grain, lineage, whose data they have."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_stack.registry import SOURCES
from data_stack.tables import TableDescription

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import ModelNode

_PUBLISHED = ("core", "marts")
_STORED = ("table", "incremental")
# every table with days reads the calendar, whose days come from all sources: it would give each table all of them
_CALENDAR = "dim_dates"
_GRAIN = re.compile(r"one row per (.+?)(?:[.:;]|, with|, from| that | with at least|$)", re.IGNORECASE | re.DOTALL)


def describe_project(manifest: "Manifest") -> list[TableDescription]:
    """The tables of `core` and `marts`.

    Args:
        manifest: The parsed project.
    """
    models = {name: node for name, node in manifest.nodes.items() if node.resource_type == "model"}
    published = {name: node for name, node in models.items() if is_published(node)}
    return [_describe(manifest, models, name) for name in sorted(published, key=lambda name: published[name].name)]


def is_published(node: "ModelNode") -> bool:
    """Whether a model is a table that readers get.

    Args:
        node: The model.
    """
    return node.config.schema in _PUBLISHED and node.config.materialized in _STORED


def _describe(manifest: "Manifest", models: "dict[str, ModelNode]", unique_id: str) -> TableDescription:
    node = models[unique_id]
    sources = [source for source in SOURCES if source.name in set(_find_sources(manifest, models, unique_id))]
    description = " ".join(node.description.split())
    grain = _GRAIN.match(description)
    return TableDescription(
        table_name=f"{node.config.schema}.{node.name}",
        description=description,
        grain=f"one row per {grain[1]}" if grain else "",
        sources=tuple(source.name for source in sources),
        upstream=tuple(sorted(set(_find_published(models, unique_id)))),
        is_personal=node.name != _CALENDAR and any(source.personal_columns for source in sources),
        columns={column.name: " ".join(column.description.split()) for column in node.columns.values()},
    )


def _find_published(models: "dict[str, ModelNode]", unique_id: str) -> Iterator[str]:
    """The nearest published tables upstream."""
    for name in models[unique_id].depends_on.nodes:
        if name in models and is_published(models[name]):
            yield f"{models[name].config.schema}.{models[name].name}"
        elif name in models:
            yield from _find_published(models, name)


def _find_sources(manifest: "Manifest", models: "dict[str, ModelNode]", unique_id: str) -> Iterator[str]:
    """Names of the sources whose data reaches a model, through the calendar only if that is the model."""
    for name in models[unique_id].depends_on.nodes:
        if name in manifest.sources:
            yield manifest.sources[name].source_name
        elif name in models and models[name].name != _CALENDAR:
            yield from _find_sources(manifest, models, name)
    yield models[unique_id].config.meta.get("source", "")
