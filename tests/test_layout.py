"""The house: folders that share a name with a package, and what is never in git."""

import subprocess

from data_stack.settings import PROJECT_ROOT


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
    assert [path for path in tracked() if path.endswith(suffixes) or path.startswith("data/")] == []
