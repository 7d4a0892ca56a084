"""A copy of each living source passes the checks, its own tests and two runs on its sample."""

from pathlib import Path

import pytest
from repository_copy import copy_repository, run_command, run_in
from small_repository import run_git

from data_stack.registry import source_names

GENERATED = {".env.example", "docker-compose.yml", "docs/settings.md"}


@pytest.mark.slow
@pytest.mark.parametrize("like", source_names())
def test_a_copy_passes_all_checks_at_once(tmp_path: Path, like: str) -> None:
    root = copy_repository(tmp_path)
    run_command(root, "new-source", "taxi", "--like", like)
    changed = {line[3:] for line in run_git(root, "status", "--porcelain").splitlines() if line[:2] == " M"}
    assert changed <= GENERATED
    added = [path for path in run_git(root, "ls-files", "-o", "--exclude-standard").splitlines() if path != ".venv"]
    run_in(root, "ruff", "check", ".")
    run_in(root, "ruff", "format", "--check", ".")
    run_in(root, "mypy")
    run_in(root, "sqlfluff", "lint", *(path for path in added if path.endswith(".sql")))
    run_in(root, "scaffold.reference", "--check")
    tests = [path for path in added if path.startswith("tests/") and Path(path).name.startswith("test_")]
    run_in(root, "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests)
    again = run_command(root, "new-source", "taxi", "--like", like)
    assert "nothing was changed" in again


@pytest.mark.slow
def test_all_sources_can_be_removed_and_the_platform_stays_green(tmp_path: Path) -> None:
    root = copy_repository(tmp_path)
    for name in source_names():
        run_command(root, "remove-source", name, "--yes")
        run_git(root, "add", "-A", "--", ".", ":!.venv")
        run_git(root, "commit", "-q", "-m", f"Remove {name}")
    run_in(root, "ruff", "check", ".")
    run_in(root, "mypy")
    run_command(root, "--help")
    run_command(root, "status")
