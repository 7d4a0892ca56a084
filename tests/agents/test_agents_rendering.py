"""Rendered agents: what Claude Code reads, the same in every run, and refused where a source is not strict."""

from pathlib import Path

import pytest
import yaml
from agents_support import Tree, run

from data_stack.settings import PROJECT_ROOT

PYTHON = PROJECT_ROOT / ".venv/bin/python"
GOOD = """---
name: tides
description: "Reads tides. Use it for water: never for wine."
tools:
  - Read
  - Bash
owns:
  - dlt_pipeline/**
  - tides/** (planned)
check: make check-dlt
reads: [CLAUDE.md]
---

You read tides.

## Steps

1. Look.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".awos/subagents").mkdir(parents=True)
    (tmp_path / ".awos/subagents/tides.md").write_text(GOOD)
    return tmp_path


def render(folder: Path, *options: str) -> tuple[int, str]:
    done = run(PYTHON, PROJECT_ROOT / ".awos/scripts/render_agents.py", *options, folder, folder=folder)
    return done.returncode, done.stderr


def test_the_rendered_agent_is_what_claude_code_reads(folder: Path) -> None:
    assert render(folder) == (0, "")
    text = (folder / ".claude/agents/tides.md").read_text()
    _, matter, body = text.split("---\n", 2)
    assert yaml.safe_load(matter) == {
        "name": "tides",
        "description": "Reads tides. Use it for water: never for wine.",
        "tools": "Read, Bash",
    }
    assert matter.count("\n") == 3
    first, rest = body.strip().split("\n", 1)
    assert first.startswith("<!-- ") and ".awos/subagents/tides.md" in first
    assert rest.strip() == (
        "You read tides.\n\n## Steps\n\n1. Look.\n\n"
        "## Files you own\n\n- `dlt_pipeline/**`\n- `tides/**` (planned)\n\n"
        "## Read first\n\n- `CLAUDE.md`\n\n"
        "## Your check command\n\n```bash\nmake check-dlt\n```"
    )


def test_rendering_again_changes_nothing(tree: Tree) -> None:
    first = {path.name: path.read_bytes() for path in (tree / ".claude/agents").glob("*.md")}
    for path in (tree / ".claude/agents").glob("*.md"):
        path.unlink()
    assert render(tree.root) == (0, "")
    assert {path.name: path.read_bytes() for path in (tree / ".claude/agents").glob("*.md")} == first
    written = {path.name: path.stat().st_mtime_ns for path in (tree / ".claude/agents").glob("*.md")}
    assert render(tree.root) == (0, "")
    assert {path.name: path.stat().st_mtime_ns for path in (tree / ".claude/agents").glob("*.md")} == written


def test_check_names_every_file_that_differs_and_writes_nothing(folder: Path) -> None:
    agents = folder / ".claude/agents"
    (folder / ".awos/subagents/waves.md").write_text(GOOD.replace("name: tides", "name: waves"))
    render(folder)
    (agents / "tides.md").unlink()
    (agents / "waves.md").write_text("changed by hand")
    (agents / "stray.md").write_text("without a source")
    code, said = render(folder, "--check")
    assert code == 1
    assert said.splitlines() == [
        ".claude/agents/stray.md:1: has no source .awos/subagents/stray.md; add it or delete the file",
        ".claude/agents/tides.md:1: is not rendered; run `make agents`",
        ".claude/agents/waves.md:1: differs from .awos/subagents/waves.md; change the source and run `make agents`",
    ]
    assert not (agents / "tides.md").exists()
    assert (agents / "waves.md").read_text() == "changed by hand"


def test_rendering_leaves_an_agent_without_source_and_says_so(folder: Path) -> None:
    (folder / ".claude/agents").mkdir(parents=True)
    (folder / ".claude/agents/stray.md").write_text("without a source")
    code, said = render(folder)
    assert code == 1 and "stray.md:1: has no source" in said
    assert (folder / ".claude/agents/stray.md").exists()


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('"Reads tides. Use it for water: never for wine."', "a: b", 3, "is not YAML"),
        ("name: tides", "name: waves", 2, "make them equal"),
        ("check: make check-dlt\n", "", 1, "check: Field required"),
        ("check: make check-dlt", "check: ''", 10, "check: String should have at least 1"),
        ("check: make", "colour: red\ncheck: make", 10, "colour: Extra inputs are not permitted"),
        ("reads: [CLAUDE.md]", "reads: CLAUDE.md", 11, "reads: Input should be a valid list"),
        ("reads: [CLAUDE.md]", "reads: [1]", 11, "reads: Input should be a valid string"),
        ("check: make check-dlt", "check: [make]", 10, "check: Input should be a valid string"),
        ("name: tides\n", "name: tides\nname: tides\n", 3, "name is repeated"),
    ],
)
def test_a_source_that_is_not_strict_is_refused(folder: Path, old: str, new: str, line: int, problem: str) -> None:
    assert old in GOOD
    (folder / ".awos/subagents/tides.md").write_text(GOOD.replace(old, new))
    code, said = render(folder)
    assert code == 1
    assert said.startswith(f".awos/subagents/tides.md:{line}: ") and problem in said
    assert not (folder / ".claude/agents/tides.md").exists()


def test_no_source_at_all_is_an_error(tmp_path: Path) -> None:
    code, said = render(tmp_path)
    assert code == 1 and "there is no source of an agent" in said
