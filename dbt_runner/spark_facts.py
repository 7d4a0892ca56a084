"""Incremental facts on Spark: which of them a build may continue, and what it has written of them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_stack.settings import Settings
from dbt_runner.spark import connect_spark
from dbt_runner.state import follow_calls, hash_shared_inputs

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import ManifestNode, ModelNode

# the name that `macros/engines/spark_facts.sql` writes
_VERSION_PROPERTY = "data_stack.version"
# what a fact's result has as its code, beside the months that were written
_MONTHS = "months"
# what of a node's config says how its rows are made
_CONFIGURED = ("materialized", "incremental_strategy", "file_versions", "unique_key", "month_of", "column_types")


def find_facts(manifest: "Manifest") -> list["ModelNode"]:
    """The incremental models, in the order of their names.

    Args:
        manifest: The parsed project.
    """
    models = (node for node in manifest.nodes.values() if node.resource_type == "model")
    return sorted((node for node in models if node.config.materialized == "incremental"), key=lambda node: node.name)


def hash_facts(manifest: "Manifest", project_file: Path) -> dict[str, str]:
    """What each incremental model is made from: its SQL, config, contract and macros, and those of all upstream.

    Args:
        manifest: The parsed project.
        project_file: Its `dbt_project.yml`.

    Returns:
        A hash by unique id.
    """
    shared = hash_shared_inputs(manifest, project_file)
    return {fact.unique_id: _hash_fact(manifest, fact, shared) for fact in find_facts(manifest)}


def drop_unusable_facts(settings: Settings, manifest: "Manifest", versions: Mapping[str, str]) -> list[str]:
    """Drop each fact that is incomplete or was made from something else, so that the build makes it from nothing.

    Args:
        settings: Which Spark.
        manifest: The parsed project.
        versions: What `hash_facts` returned; without that of a fact, the fact is dropped.

    Returns:
        Names of the facts that the build makes from nothing.
    """
    unusable = []
    with connect_spark(settings) as spark:
        for fact in find_facts(manifest):
            version = _read_version(spark, fact)
            if version is None or version != versions.get(fact.unique_id):
                spark.execute(f"drop table if exists {fact.schema}.{fact.alias}")
                unusable.append(fact.name)
    return unusable


def describe_versions(versions: Mapping[str, str]) -> dict[str, str]:
    """The variable from which a build takes the versions that it writes to the facts.

    Args:
        versions: What `hash_facts` returned.
    """
    return {"DATA_STACK_FACT_VERSIONS": json.dumps(dict(versions))}


def find_written_months(outcome: "dbtRunnerResult") -> dict[str, list[str]]:
    """The months of each continued fact that a build has written, such as 2024-05; none of a fact made from nothing.

    Args:
        outcome: Of the build.
    """
    written = {}
    for result in getattr(outcome.result, "results", []):
        response = getattr(result, "adapter_response", None) or {}
        if response.get("code") == _MONTHS:
            written[result.node.name] = [month for month in response["_message"].split(", ") if month]
    return written


def _read_version(spark: Any, fact: "ModelNode") -> str | None:
    """The version that a complete fact has; None if there is no such table."""
    spark.execute(f"show schemas like '{fact.schema}'")
    if not spark.fetchall():
        return None
    spark.execute(f"show tables in {fact.schema} like '{fact.alias}'")
    if not spark.fetchall():
        return None
    spark.execute(f"show tblproperties {fact.schema}.{fact.alias}")
    return str(dict(spark.fetchall()).get(_VERSION_PROPERTY, ""))


def _hash_fact(manifest: "Manifest", fact: "ModelNode", shared: str) -> str:
    nodes = [manifest.nodes[name] for name in sorted(_find_upstream(manifest, fact.unique_id))]
    macros = follow_calls(manifest, (name for node in nodes for name in node.depends_on.macros))
    parts = [
        shared,
        [_describe_node(node) for node in nodes],
        {name: manifest.macros[name].macro_sql for name in macros},
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _find_upstream(manifest: "Manifest", unique_id: str) -> set[str]:
    """A node, and all models and seeds that it is made from."""
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        name = waiting.pop()
        if name in manifest.nodes and name not in found:
            found.add(name)
            waiting.extend(manifest.nodes[name].depends_on_nodes)
    return found


def _describe_node(node: "ManifestNode") -> list[Any]:
    """What of a node its rows depend on: neither descriptions nor tests."""
    configured = {name: node.config.get(name) for name in _CONFIGURED}
    columns = [(column.name, column.data_type) for column in node.columns.values()]
    return [node.unique_id, node.checksum.checksum, configured, columns]
