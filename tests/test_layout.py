"""The house: folders that share a name with a package, and what is never in git."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator

from data_stack.settings import PROJECT_ROOT

_PYPROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = _PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def tracked() -> list[str]:
    return subprocess.run(
        ["git", "ls-files"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout.split()


def test_folders_named_like_packages_have_no_init() -> None:
    for name in ("airflow", "dbt", "tests"):
        assert not (PROJECT_ROOT / name / "__init__.py").exists()
        assert not (PROJECT_ROOT / f"{name}.py").exists()


def test_the_real_packages_are_imported_from_the_root() -> None:
    import dbt.cli.main

    assert "site-packages" in (dbt.cli.main.__file__ or "")


def test_nothing_generated_or_secret_is_in_git() -> None:
    suffixes = (".duckdb", ".wal", ".log", ".pyc", ".sqlite", ".zip", ".csv", "secrets.toml", "/.env")
    found = {path for path in tracked() if path.endswith(suffixes) or path.startswith("data/")}
    # a seed is a fixed list, written by hand
    assert [path for path in found if not path.startswith("dbt/seeds/")] == []


def typed_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names and types of the parameters of every function and the fields of every class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield node.arg, ast.unparse(node.annotation)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, ast.unparse(node.annotation)


def test_source_is_one_class_and_a_name_is_called_a_name() -> None:
    other = (".awos/", "benchmarks/", "tests/")
    paths = [path for path in tracked() if path.endswith(".py") and not path.startswith(other)]
    types: dict[str, dict[str, set[str]]] = {"source": {}, "source_name": {}}
    classes = []
    for path in paths:
        tree = ast.parse((PROJECT_ROOT / path).read_text(encoding="utf-8"))
        classes += [path for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Source"]
        for name, kind in typed_names(tree):
            types.get(name, {}).setdefault(kind, set()).add(path)
    assert classes == ["data_stack/source.py"]
    assert set(types["source"]) == {"Source"}, types["source"]
    assert all("Source" not in kind for kind in types["source_name"]), types["source_name"]


def test_only_one_place_opens_duckdb() -> None:
    """Elsewhere DuckDB would draw a progress bar on standard output."""
    opened = [
        str(path.relative_to(PROJECT_ROOT))
        for module in set(PACKAGES) - {"scaffold"}
        for path in (PROJECT_ROOT / module).rglob("*.py")
        if "duckdb.connect(s" in path.read_text() or "duckdb.connect()" in path.read_text()
    ]
    assert opened == ["data_stack/duck.py"]
