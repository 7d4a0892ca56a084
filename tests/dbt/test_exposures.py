"""Each page and each notebook is an exposure that depends on exactly the tables and the metrics that it reads."""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_stack.settings import PROJECT_ROOT
from dbt_runner.build import DBT_DIR

APP = PROJECT_ROOT / "streamlit_app"
READERS = {
    **{f"page_{path.stem}": path for path in (APP / "app_pages").glob("*.py") if path.stem != "__init__"},
    **{f"{path.stem}_home": path for path in (APP / "home_cards").glob("*.py") if path.stem != "__init__"},
    **{f"notebook_{path.stem}": path for path in (PROJECT_ROOT / "notebooks").glob("*.ipynb")},
}
EXPOSURES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in (DBT_DIR / "models" / "exposures").glob("*.yml")
}


def find_tables(text: str) -> set[str]:
    """The tables of core and marts that a text names, without their schema."""
    return set(re.findall(r"\b(?:core|marts)\.(\w+)", text))


def find_page_tables(page: str, queries: Path = APP / "queries") -> set[str]:
    """The tables in the queries that a page uses, of all that a folder of queries has.

    Args:
        page: Python code of the page.
        queries: The folder with the modules of queries.
    """
    tree = ast.parse(page)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules = {
        name.asname or name.name: name.name
        for node in imports
        if node.module == "streamlit_app.queries"
        for name in node.names
    }
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found = find_tables(page)
    for alias, module in modules.items():
        used = [node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == alias]
        found |= find_tables(_read_used((queries / f"{module}.py").read_text(), used))
    return found


def _read_used(code: str, names: Iterable[str]) -> str:
    """The code of a module that defines the names, with what that code uses itself."""
    definitions: dict[str, ast.AST] = {}
    for statement in ast.parse(code).body:
        definitions |= _find_definitions(statement)
    unread, used = list(names), dict[str, str]()
    while unread:
        name = unread.pop()
        if name in definitions and name not in used:
            used[name] = ast.unparse(definitions[name])
            unread += [node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name)]
    return "\n".join(used.values())


def _find_definitions(statement: ast.stmt) -> dict[str, ast.AST]:
    """What a statement at the top of a module defines; each name of a tuple has a value of its own."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name: statement}
    if not isinstance(statement, ast.Assign):
        return {}
    target = statement.targets[0]
    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
        return {ast.unparse(name): value for name, value in zip(target.elts, statement.value.elts, strict=True)}
    return {ast.unparse(target): statement.value}


def find_notebook_tables(notebook: str) -> set[str]:
    """The tables in the code of a notebook; its text may name others."""
    cells = json.loads(notebook)["cells"]
    return find_tables("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))


def find_page_metrics(page: str) -> set[str]:
    """The metrics in the constants of a page whose names end with FIGURES, as `figures.py` asks for."""
    assigned = [node for node in ast.parse(page).body if isinstance(node, ast.Assign)]
    figures = [node.value for node in assigned if ast.unparse(node.targets[0]).endswith("FIGURES")]
    return {name for value in figures for name in ast.literal_eval(value)}


def find_read_tables(path: Path) -> set[str]:
    find = find_page_tables if path.suffix == ".py" else find_notebook_tables
    return find(path.read_text())


@pytest.mark.parametrize("name", sorted(READERS))
def test_exposure_depends_on_what_is_read(name: str) -> None:
    assert name in EXPOSURES, f"add dbt/models/exposures/{name}.yml, like that of another page or notebook"
    (exposure,) = EXPOSURES[name]["exposures"]
    declared = re.findall(r"ref\('(\w+)'\)", " ".join(exposure.get("depends_on", [])))
    assert declared == sorted(find_read_tables(READERS[name])), f"correct depends_on in exposures/{name}.yml"
    metrics = re.findall(r"metric\('(\w+)'\)", " ".join(exposure.get("depends_on", [])))
    shown = find_page_metrics(READERS[name].read_text()) if READERS[name].suffix == ".py" else set[str]()
    assert metrics == sorted(shown), f"correct the metrics of depends_on in exposures/{name}.yml"
    assert exposure["name"] == name
    assert f"`{READERS[name].relative_to(PROJECT_ROOT)}`" in exposure["description"]


def test_every_exposure_is_a_page_or_a_notebook() -> None:
    assert EXPOSURES.keys() <= READERS.keys(), "remove the exposure of a page or notebook that is gone"


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """A folder with one module of queries, of which one uses a constant."""
    (tmp_path / "visits.py").write_text(
        'TOTALS = "select * from marts.mart_visits"\n\n\n'
        "def get_totals(warehouse):\n    return warehouse.query(TOTALS)\n\n\n"
        'def get_visits(warehouse):\n    return warehouse.query("select * from core.fct_visits")\n'
    )
    return tmp_path


PAGE = "from streamlit_app.queries import visits\n\nvisits.get_totals(None)\n"


def test_only_queries_that_the_page_uses_count(queries: Path) -> None:
    assert find_page_tables(PAGE, queries) == {"mart_visits"}


def test_query_that_is_added_to_a_page_is_found(queries: Path) -> None:
    assert find_page_tables(f"{PAGE}visits.get_visits(None)\n", queries) == {"mart_visits", "fct_visits"}


def test_metrics_of_a_page_are_those_of_its_constants() -> None:
    page = 'CASH_FIGURES = ("income", "net")\nFIGURES = ("trips",)\nOTHERS = ("spending",)\nFIGURES_MAX = 3\n'
    assert find_page_metrics(page) == {"income", "net", "trips"}


@pytest.mark.parametrize("name", sorted(name for name, path in READERS.items() if path.suffix == ".py"))
def test_a_page_asks_for_no_metric_beside_its_constants(name: str) -> None:
    calls = [node for node in ast.walk(ast.parse(READERS[name].read_text())) if isinstance(node, ast.Call)]
    asked = [node.args[1] for node in calls if ast.unparse(node.func) in ("fetch_figures", "find_last_day")]
    assert all(re.fullmatch(r"\w*FIGURES(\[\d\])?", ast.unparse(argument)) for argument in asked)
