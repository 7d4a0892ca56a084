"""Who reads published tables: pages, cards of the start page and notebooks, each with its files and its exposure."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from scaffold.dbt_files import DbtFiles
from scaffold.tree import Tree

PAGES = "streamlit_app/app_pages/"
_TABLE = re.compile(r"\b(?:core|marts)\.(\w+)")


@dataclass(frozen=True)
class TableReader:
    """Something that shows published tables.

    Attributes:
        name: Its name, such as that of the page in the URL.
        kind: `page`, `card` or `notebook`.
        code: Its files that read tables.
        files: All its files: its code, its test and its exposure.
        tables: Models that it reads, itself or through metrics.
    """

    name: str
    kind: str
    code: tuple[str, ...]
    files: tuple[str, ...]
    tables: frozenset[str]


def find_table_readers(tree: Tree, dbt: DbtFiles) -> list[TableReader]:
    """Find the pages, cards and notebooks of a repository.

    Args:
        tree: The repository.
        dbt: Its dbt project.
    """
    readers = [
        _make_reader(tree, dbt, "page", stem, f"page_{stem}", (path, f"streamlit_app/queries/{stem}.py"), f"app_{stem}")
        for path, stem in _list_stems(tree, PAGES, ".py")
    ]
    readers += [
        _make_reader(
            tree,
            dbt,
            "card",
            f"{stem}_home",
            f"{stem}_home",
            (path, f"streamlit_app/queries/{stem}_home.py"),
            f"{stem}_home",
        )
        for path, stem in _list_stems(tree, "streamlit_app/home_cards/", ".py")
    ]
    readers += [
        _make_reader(tree, dbt, "notebook", stem, f"notebook_{stem}", (path,), f"notebook_{stem}")
        for path, stem in _list_stems(tree, "notebooks/", ".ipynb")
    ]
    return readers


def _list_stems(tree: Tree, folder: str, suffix: str) -> list[tuple[str, str]]:
    stems = [(path, PurePosixPath(path).stem) for path in tree.list_files(folder, suffix)]
    return [(path, stem) for path, stem in stems if stem != "__init__"]


def _make_reader(
    tree: Tree, dbt: DbtFiles, kind: str, name: str, exposure: str, code: tuple[str, ...], test: str
) -> TableReader:
    folder = "notebooks" if kind == "notebook" else "streamlit_app"
    exposures = {
        path: described for path, described in dbt.described.items() if list(described.exposures) == [exposure]
    }
    existing = [path for path in code if path in tree.files]
    tests = [path for path in (f"tests/{folder}/test_{test}.py",) if path in tree.files]
    tables = {table for path in existing for table in _TABLE.findall(tree.read(path)) if table in dbt.nodes}
    # key figures come from metrics, whose tables only the exposure tells
    tables |= {table for described in exposures.values() for table in described.exposures[exposure]} & dbt.nodes.keys()
    return TableReader(name, kind, tuple(existing), (*existing, *tests, *exposures), frozenset(tables))
