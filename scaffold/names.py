"""Which names a new source can have."""

import keyword
import re
from pathlib import PurePosixPath

import duckdb

from data_stack.errors import UsageError
from scaffold.ownership import OwnershipFinder
from scaffold.tree import SOURCES_FOLDER, Tree

_FORM = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# modules with these names would be hidden by the files of a source, or the other way round
_MODULE_FOLDERS = (
    "dlt_pipeline/",
    "data_quality/",
    "data_stack/",
    "streamlit_app/",
    "serving/",
    "orchestration/",
    "scaffold/",
)
# what dbt and the raw files already call so
_TAKEN = {"raw", "gate", "core", "marts", "staging", "intermediate", "seeds", "ops", "dbt", "build", "main", "sources"}


def check_name(tree: Tree, name: str) -> None:
    """Check that a new source can have a name.

    Args:
        tree: The repository.
        name: The name.

    Raises:
        UsageError: It cannot; says why and what to do.
    """
    if not _FORM.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a source; use lower case letters, digits and single underscores")
    if f"{SOURCES_FOLDER}/{name}.py" in tree.files:
        raise UsageError(f"there is a source {name!r} already, {SOURCES_FOLDER}/{name}.py; choose another name")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _find_reserved_words():
        raise UsageError(f"{name!r} is a reserved word of Python or SQL; choose another name, for example {name}_feed")
    if name in _TAKEN or name in _find_modules(tree):
        raise UsageError(f"a module or schema of the platform is called {name!r}; choose another name")
    _check_claims(tree, name)


def _check_claims(tree: Tree, name: str) -> None:
    """Refuse a name that would make existing files those of the new source."""
    finder = OwnershipFinder(tree)
    names = [*tree.source_names, name]
    claimed = [path for path in tree.files if finder.find_named_by(path, names) == name]
    if claimed:
        raise UsageError(
            f"with the name {name!r}, {', '.join(claimed[:3])} would be files of the new source; choose another name"
        )


def _find_modules(tree: Tree) -> set[str]:
    names: set[str] = set()
    for path in tree.list_files("", ".py"):
        if path.startswith(_MODULE_FOLDERS):
            names |= set(PurePosixPath(path).with_suffix("").parts)
    return names


def _find_reserved_words() -> set[str]:
    with duckdb.connect() as db:
        sql = "select keyword_name from duckdb_keywords() where keyword_category != 'unreserved'"
        return {name for (name,) in db.execute(sql).fetchall()}
