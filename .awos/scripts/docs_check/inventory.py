"""What there is to be named: make targets, commands, settings, tables with their columns, agents, runtime files."""

import importlib
import re
import sqlite3
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from docs_check.repository import Repository, glob_to_regex

BUILT_IN_AGENTS = frozenset({"general-purpose"})
SUBAGENTS = ".awos/subagents/"
_TARGET = re.compile(r"^([a-z][\w-]*):(?!=)", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# what dlt adds to every raw table, and its own tables
DLT_COLUMNS = frozenset({"_dlt_load_id", "_dlt_id"})
DLT_TABLES = {
    "_dlt_loads": frozenset({"load_id", "schema_name", "status", "inserted_at", "schema_version_hash"}),
    "_dlt_version": frozenset[str](),
    "_dlt_pipeline_state": frozenset[str](),
}
# files below DATA_DIR that no property of the settings names, and what lies beside the checkout; never in git
RUNTIME_DATA = ("gx/**", "demo/**", "build/**", "ops/**", "raw/**", "landing/**", "snapshots/**")
RUNTIME_BARE = ("dbt.log", "ops.sqlite", "settings.local.json")
RUNTIME_ROOT = (".env", ".venv/**", ".venv-agents/**", ".tools/**", ".git/**", "dbt/target/**", "dbt/logs/**")


class Inventory:
    """Everything that a document may name.

    Args:
        repository: The working copy. The packages are those that Python finds; the script puts the copy's own first.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @cached_property
    def targets(self) -> frozenset[str]:
        """Targets of the Makefile."""
        return frozenset(_TARGET.findall(self._repository.text("Makefile") or ""))

    @cached_property
    def cli(self) -> Any:
        """The group of all `data-stack` commands."""
        typer = importlib.import_module("typer.main")
        return typer.get_command(importlib.import_module("data_stack.cli.app").app)

    @cached_property
    def sources(self) -> list[Any]:
        """Entries of the source registry."""
        return list(importlib.import_module("data_stack.registry").SOURCES)

    @cached_property
    def settings(self) -> frozenset[str]:
        """Environment variables of the settings classes."""
        base = importlib.import_module("data_stack.settings").BaseStackSettings
        for source in self.sources:
            source.ingestion()
        return frozenset(name for kind in _subclasses(base) for name in kind.variables())

    @cached_property
    def agents(self) -> frozenset[str]:
        """Names of the specialists, and of those that Claude Code brings."""
        paths = self._repository.under(SUBAGENTS + "*.md")
        return BUILT_IN_AGENTS | {Path(path).stem for path in paths}

    @cached_property
    def models(self) -> dict[str, tuple[str, frozenset[str]]]:
        """Schema and columns of each dbt model, by its name."""
        found: dict[str, tuple[str, frozenset[str]]] = {}
        for path in self._repository.under("dbt/models/**/*.yml"):
            content = yaml.load(self._repository.text(path) or "", _LOADER) or {}  # noqa: S506 - a safe loader
            for model in content.get("models", []):
                columns = frozenset(column["name"] for column in model.get("columns", []))
                found[model["name"]] = (Path(path).parent.name, columns)
        return found

    @cached_property
    def tables(self) -> dict[str, dict[str, frozenset[str]]]:
        """Columns of every table, by schema and table."""
        known: dict[str, dict[str, frozenset[str]]] = {
            "raw": self._raw(),
            "ops": self._ops(),
            "gate": {
                "passed_loads": frozenset({"source", "load_id"}),
                "personal_columns": frozenset({"table_name", "column_name", "data_type", "is_published"}),
            },
        }
        for name, (schema, columns) in self.models.items():
            known.setdefault(schema, {})[name] = columns
        return known

    def _raw(self) -> dict[str, frozenset[str]]:
        tables = dict(DLT_TABLES)
        for source in self.sources:
            for table in source.ingestion().TABLES:
                earlier = tables.get(table.name, DLT_COLUMNS)
                tables[table.name] = earlier | set(table.schema.names)
        return tables

    def _ops(self) -> dict[str, frozenset[str]]:
        ops = importlib.import_module("data_stack.ops")
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(ops.SCHEMA)
            tables = {
                table: frozenset(row[1] for row in db.execute(f"pragma table_info({table})")) for table in ops.TABLES
            }
        return {**tables, "publication": frozenset({"publication_id"})}

    @cached_property
    def _runtime(self) -> frozenset[str]:
        settings = importlib.import_module("data_stack.settings").Settings(data_dir=Path("/data"))
        properties = (name for name, value in vars(type(settings)).items() if isinstance(value, property))
        paths = [getattr(settings, name) for name in properties]
        paths += [settings.raw_file("*"), settings.landing_dir("*"), settings.dlt_state_dir("*")]
        return frozenset(path.relative_to("/data").as_posix() for path in paths)

    def is_runtime(self, path: str) -> bool:
        """Whether a path, with its placeholders as `*`, is one that only a run makes.

        Args:
            path: Relative to the repository, or below `DATA_DIR`.
        """
        if any(_covers(glob, path) for glob in RUNTIME_ROOT) or path in RUNTIME_BARE:
            return True
        for prefix in ("DATA_DIR", "$DATA_DIR", "data"):
            if path == prefix or path.startswith(prefix + "/"):
                return self._is_data(path[len(prefix) + 1 :])
        # `docs/` without a prefix is the repository's own folder
        return not path.startswith("docs") and self._is_data(path)

    def _is_data(self, path: str) -> bool:
        if path in {"", "**", "*"}:
            return True
        known = (*RUNTIME_DATA, *self._runtime, *(f"{name}/**" for name in self._runtime))
        return any(_covers(glob, path) for glob in known)


def _covers(glob: str, path: str) -> bool:
    """Whether a path is one of a glob, or the folder that the glob is about."""
    return path == glob.removesuffix("/**") or glob_to_regex(glob).fullmatch(path) is not None


def _subclasses(kind: type) -> set[Any]:
    below = set(kind.__subclasses__())
    return below.union(*(_subclasses(child) for child in below))
