"""What a document may name, and the message about what does not exist."""

import importlib
import re
import sqlite3
import tomllib
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import typer
import yaml

from docs_check.repository import Repository

SUBAGENTS = ".awos/subagents/"
_BUILT_IN_AGENTS = ("general-purpose",)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# tables that are not defined in this repository, with their columns
_OTHER_TABLES = {
    "raw._dlt_loads": "load_id schema_name status inserted_at schema_version_hash",
    "raw._dlt_version": "",
    "raw._dlt_pipeline_state": "",
    "gate.built_project": "state_id shared_inputs",
    "gate.passed_loads": "source load_id",
    "gate.personal_columns": "table_name column_name data_type is_published",
    "gate.unfinished_nodes": "unique_id",
    "ops.personal_columns": "table_name column_name data_type",
    "ops.publication": "publication_id",
    "ops.columns": "table_name column_name description",
    "ops.tables": "table_name description grain sources upstream is_personal",
}
# files and folders that only a run or an installation creates
_RUN_FILES = tuple(".env .git .tools .venv .venv-agents dbt/target dbt/logs dbt.log settings.local.json".split())
_DATA_NAMES = ("demo", "landing", "stage", "ops.sqlite")


@dataclass(frozen=True)
class Missing:
    """Something that a document names and that does not exist.

    Attributes:
        kind: What it would be.
        name: What the document calls it.
        existing: Names of this kind; the most similar one is suggested.
    """

    kind: str
    name: str
    existing: Collection[str] = ()

    def __str__(self) -> str:
        similar = get_close_matches(self.name, self.existing, 1)
        remedy = (
            f"did you mean {similar[0]}?" if similar else "correct it, or mark what is not built yet with (planned)"
        )
        return f"there is no {self.kind} {self.name}; {remedy}"


# by text, as tests check many copies of the same files
@cache
def _load_yaml(text: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506 - a safe loader
    return content


class Catalogue:
    """Everything that a document may name, apart from files and words of the code.

    Args:
        repository: The working copy. Its packages must be first on Python's path.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._project = tomllib.loads(repository.texts["pyproject.toml"])
        self.targets = frozenset(re.findall(r"^([a-z][\w-]*):(?!=)", repository.texts["Makefile"], re.MULTILINE))
        self.agents = {Path(path).stem for path in repository.find(f"{SUBAGENTS}*.md")}.union(_BUILT_IN_AGENTS)

    def _import(self, name: str) -> ModuleType:
        """Import a module from whichever package of the project contains it."""
        packages = self._project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        package = next(package for package in packages if f"{package}/{name}.py" in self._repository.paths)
        return importlib.import_module(f"{package}.{name}")

    @cached_property
    def command(self) -> Any:
        """The `data-stack` command, as a click group with its subcommands."""
        script = EntryPoint("data-stack", self._project["project"]["scripts"]["data-stack"], "console_scripts")
        app = next(value for value in script.load().__globals__.values() if isinstance(value, typer.Typer))
        return typer.main.get_command(app)

    @cached_property
    def tables(self) -> dict[str, set[str]]:
        """Columns of every table by `schema.table`, and of every dbt model also by its own name."""
        tables = {name: set(columns.split()) for name, columns in _OTHER_TABLES.items()}
        for name, column in (*self._read_dbt_columns(), *self._read_raw_columns(), *self._read_ops_columns()):
            tables.setdefault(name, set()).add(column)
        return tables

    def _read_dbt_columns(self) -> Iterator[tuple[str, str]]:
        for path in self._repository.find("dbt/models/**/*.yml"):
            content = _load_yaml(self._repository.texts[path])
            for model in content.get("models", []):
                for column in model["columns"]:
                    yield f"{Path(path).parent.name}.{model['name']}", column["name"]
                    yield model["name"], column["name"]

    def _read_raw_columns(self) -> Iterator[tuple[str, str]]:
        for source in self._import("registry").SOURCES:
            for table in self._import("reader").find_reader(source.name).tables:
                yield from (
                    (f"raw.{table.name}", column) for column in ("_dlt_load_id", "_dlt_id", *table.schema.names)
                )

    def _read_ops_columns(self) -> list[tuple[str, str]]:
        query = (
            "select 'ops.' || t.name, c.name from sqlite_schema t, pragma_table_info(t.name) c where t.type = 'table'"
        )
        with closing(sqlite3.connect(":memory:")) as db:
            for statements in self._import("ops_schema").MIGRATIONS:
                for statement in statements:
                    db.execute(statement)
            return db.execute(query).fetchall()

    @cached_property
    def _data_names(self) -> frozenset[str]:
        """Names of files and folders directly below `DATA_DIR`."""
        settings = self._import("settings").Settings(data_dir=Path("/data"))
        properties = [name for name, value in vars(type(settings)).items() if isinstance(value, property)]
        paths = (value for name in properties if isinstance(value := getattr(settings, name), Path))
        return frozenset(_DATA_NAMES).union(path.relative_to("/data").parts[0] for path in paths)

    def is_made_by_run(self, path: str) -> bool:
        """Check whether only a run or an installation creates a file.

        Args:
            path: Relative to the repository or to `DATA_DIR`, with `*` for placeholders.
        """
        below = re.sub(r"^(\$?DATA_DIR|data)(/|$)", "", path)
        first = below.partition("/")[0]
        # `airflow/` without a prefix is the module
        is_data = below != path or first not in self._repository.paths
        is_known = below in ("", "*", "**") or first in self._data_names
        return (is_data and is_known) or any(PurePosixPath(path).is_relative_to(name) for name in _RUN_FILES)
