"""The project that made the build file: dbt compares the present project with it, and only what differs is rebuilt."""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.ops import new_id
from data_stack.settings import Settings

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import ManifestNode

_HASH_FILE = "project_hash"
_FILLED_IN_PLACE = ("incremental", "seed")


@dataclass(frozen=True)
class BuiltProject:
    """The project of the last build that succeeded.

    Attributes:
        folder: Contains dbt's manifest of it.
        shared_inputs: What `hash_shared_inputs` returned for it.
        project_hash: What `hash_project` returned for it; empty where that is not recorded.
        unfinished: Unique ids of what a later build, which did not succeed, may have built from another version.
    """

    folder: Path
    shared_inputs: str
    project_hash: str
    unfinished: frozenset[str]


def read_built_project(db: duckdb.DuckDBPyConnection, settings: Settings) -> BuiltProject | None:
    """The project that made this build file; None if no build of it has succeeded.

    Args:
        db: The build file, open for writing.
        settings: Where the manifests are.
    """
    # an earlier version kept a hash of the folder, which does not say what has changed
    db.execute("drop table if exists gate.built_with")
    db.execute("create table if not exists gate.built_project (state_id varchar, shared_inputs varchar)")
    db.execute("create table if not exists gate.unfinished_nodes (unique_id varchar)")
    found = db.execute("select state_id, shared_inputs from gate.built_project").fetchone()
    unfinished = db.execute("select unique_id from gate.unfinished_nodes").fetchall()
    if not found:
        return None
    folder = _state_dir(settings) / found[0]
    hash_file = folder / _HASH_FILE
    project_hash = hash_file.read_text() if hash_file.exists() else ""
    return BuiltProject(folder, found[1], project_hash, frozenset(name for (name,) in unfinished))


def forget_changed_nodes(settings: Settings, manifest: "Manifest", changed: Collection[str] | None) -> None:
    """Record what the next build changes, and drop the tables that it fills from nothing.

    It is forgotten before the build and remembered after its success, so that what a failed build leaves behind is
    never taken for the version before it.

    Args:
        settings: Whose build file is used.
        manifest: The present project.
        changed: Unique ids of what has changed since the last build; None if the whole project is built from nothing.
    """
    if changed is not None and not changed:
        return
    with connect_duckdb(settings.build_file) as db:
        db.begin()
        if changed is None:
            db.execute("delete from gate.built_project")
        else:
            db.executemany("insert into gate.unfinished_nodes values (?)", [[name] for name in changed])
            _drop_tables(db, find_nodes_to_refill(manifest, changed))
        db.commit()


def find_nodes_to_refill(manifest: "Manifest", changed: Iterable[str]) -> list["ManifestNode"]:
    """The incremental models and seeds among what has changed: dbt would keep their rows or columns.

    A model whose history cannot be rebuilt says `full_refresh: false` and is left alone, as `--full-refresh` leaves it.
    """
    nodes = [manifest.nodes[name] for name in sorted(changed) if name in manifest.nodes]
    return [
        node
        for node in nodes
        if node.config.materialized in _FILLED_IN_PLACE and getattr(node.config, "full_refresh", None) is not False
    ]


def remember_project(settings: Settings, manifest_file: Path, shared_inputs: str, project_hash: str = "") -> None:
    """Keep the manifest of a build that succeeded, for the next comparison.

    The build file names the manifest that belongs to it, so a kill at any moment leaves either the earlier pair or
    this one.

    Args:
        settings: Whose build file is used.
        manifest_file: dbt's manifest of that build.
        shared_inputs: What `hash_shared_inputs` returned for that build.
        project_hash: What `hash_project` returned for it; without it, dbt compares the manifests.
    """
    state_id = new_id()
    folder = _state_dir(settings) / state_id
    folder.mkdir(parents=True)
    shutil.copyfile(manifest_file, folder / "manifest.json")
    (folder / _HASH_FILE).write_text(project_hash)
    with connect_duckdb(settings.build_file) as db:
        db.begin()
        db.execute("delete from gate.built_project")
        db.execute("insert into gate.built_project values (?, ?)", [state_id, shared_inputs])
        db.execute("delete from gate.unfinished_nodes")
        db.commit()
    for other in _state_dir(settings).iterdir():
        if other != folder:
            shutil.rmtree(other)


def remember_project_hash(built: BuiltProject, project_hash: str) -> None:
    """Note that the project with this hash is the one that was built, so that dbt need not compare them again.

    Args:
        built: The project of the last build.
        project_hash: What `hash_project` returned for a project without any difference to it.
    """
    (built.folder / _HASH_FILE).write_text(project_hash)


def hash_shared_inputs(manifest: "Manifest", project_file: Path) -> str:
    """Hash of what every model can depend on without dbt's comparison seeing it.

    These are the values of vars (dbt 1.11 knows `state_modified_compare_vars` but does not read it) and the macros that
    dbt calls by their names, such as `generate_schema_name` or an incremental strategy: no model depends on them.

    Args:
        manifest: The present project.
        project_file: Its `dbt_project.yml`.
    """
    from dbt.clients.yaml_helper import load_yaml_text

    variables = (load_yaml_text(project_file.read_text()) or {}).get("vars")
    macros = {name: manifest.macros[name].macro_sql for name in _find_macros_called_by_dbt(manifest)}
    return hashlib.sha256(json.dumps([variables, macros], sort_keys=True, default=str).encode()).hexdigest()


def _find_macros_called_by_dbt(manifest: "Manifest") -> set[str]:
    """The project's macros that no node calls, and those that they call."""
    own = {
        name: macro.name
        for name, macro in manifest.macros.items()
        if macro.package_name == manifest.metadata.project_name
    }
    of_nodes = follow_calls(manifest, (name for node in manifest.nodes.values() for name in node.depends_on.macros))
    # an implementation that `adapter.dispatch` does not choose is for another engine
    implementations = {name for name in own if own[name].partition("__")[2] in own.values()}
    uncalled = own.keys() - of_nodes - implementations
    return follow_calls(manifest, uncalled) & own.keys()


def follow_calls(manifest: "Manifest", names: Iterable[str]) -> set[str]:
    """Unique ids of macros, and of all that they call.

    Args:
        manifest: The project.
        names: Unique ids of the first ones.
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in manifest.macros and name not in found:
            found.add(name)
            waiting.extend(manifest.macros[name].depends_on.macros)
    return found


def _drop_tables(db: duckdb.DuckDBPyConnection, nodes: Iterable["ManifestNode"]) -> None:
    tables = db.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
    ).fetchall()
    for node in nodes:
        # dbt itself replaces a view that becomes a table
        if (node.schema, node.alias) in tables:
            db.execute(f'drop table "{node.schema}"."{node.alias}"')


def _state_dir(settings: Settings) -> Path:
    return settings.build_dir / "dbt" / "state"
