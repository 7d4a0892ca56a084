"""A copy of a living source passes the checks and two runs on its sample; without any source, the platform runs."""

from pathlib import Path

import pytest
from repository_copy import copy_repository, list_added, run_command, run_in, run_script
from small_repository import run_git

from data_stack.registry import source_names

GENERATED = {".env.example", "docker-compose.yml", "docs/settings.md", "docs/sources.md"}
SAMPLE = ("--from", "2024-01", "--to", "2024-01", "--rides-per-day", "20")


# `benchmarks/new_sources.py` does more with each source: mypy, which takes long without its cache, and the copied tests
@pytest.mark.slow
@pytest.mark.parametrize("like", source_names()[:1])
def test_a_copy_passes_the_checks_and_loads_its_sample_once(tmp_path: Path, like: str) -> None:
    root = copy_repository(tmp_path / "repository")
    run_command(root, "new-source", "taxi", "--like", like)
    changed = {line[3:] for line in run_git(root, "status", "--porcelain").splitlines() if line[:2] == " M"}
    assert changed <= GENERATED
    added = list_added(root)
    run_in(root, "ruff", "check", *added[".py"])
    run_in(root, "ruff", "format", "--check", *added[".py"])
    run_in(root, "sqlfluff", "lint", *added[".sql"])
    run_in(root, "scaffold.reference", "--check")
    demo = ("sample", "demo", *SAMPLE)
    assert " 0 loaded before" in run_command(root, *demo, DATA_DIR=str(tmp_path / "data"))
    second = run_command(root, *demo, DATA_DIR=str(tmp_path / "data"))
    ingested = [line for line in second.splitlines() if "ingest" in line and "rows read" in line]
    assert len(ingested) == len(source_names()) + 1
    # a feed that is polled is asked again, and has nothing new
    assert all(": 0 loaded, " in line for line in ingested)
    run_command(root, "remove-source", "taxi")
    assert run_git(root, "status", "--porcelain") == ""


@pytest.mark.slow
def test_all_sources_can_be_removed_and_the_platform_still_runs(tmp_path: Path) -> None:
    root = copy_repository(tmp_path / "repository")
    for name in source_names():
        run_command(root, "remove-source", name, "--yes")
        run_git(root, "add", "-A")
        run_git(root, "commit", "-q", "-m", f"Remove {name}")
    run_in(root, "ruff", "check", ".")
    run_in(root, "scaffold.reference", "--check")
    run_script(root, ".awos/scripts/check_docs.py")
    said = run_command(root, "run", DATA_DIR=str(tmp_path / "data"))
    assert "nothing to load: no source is registered" in said and "publish" in said
    assert "dim_dates" in run_command(root, "query", "show all tables", DATA_DIR=str(tmp_path / "data"))
