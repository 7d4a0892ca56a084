"""What the upstream AWOS installer leaves of the scaffold.

`install` does what it does to a project that has the files already: migrations below its version, then its own
commands, templates and scripts over ours, and its wrappers where there is none.
"""

import shutil

import pytest
from agents_support import Tree, files_of, run

from data_stack.settings import PROJECT_ROOT

UPSTREAM_VERSION = 2
COMMANDS = ("product", "roadmap", "architecture", "hire", "spec", "tech", "tasks", "implement", "verify", "linear")
SPEC_SCRIPT = ".awos/scripts/create-spec-directory.sh"
UPSTREAM = "upstream's own text\n"


def install(tree: Tree) -> None:
    """Lay upstream's files out over ours."""
    _migrate(tree)
    for name in COMMANDS:
        tree.write(f".awos/commands/{name}.md", UPSTREAM)
        wrapper = f".claude/commands/awos/{name}.md"
        if not (tree / wrapper).exists():
            tree.write(wrapper, UPSTREAM)
    for template in (tree / ".awos/templates").glob("*.md"):
        template.write_text(UPSTREAM)
    tree.write(SPEC_SCRIPT, UPSTREAM)


def _migrate(tree: Tree) -> None:
    mark = tree / ".awos/.migration-version"
    version = int(mark.read_text()) if mark.exists() else 0
    if version < 1:
        (tree / ".claude/agents/domain-experts").mkdir(parents=True)
        for agent in (tree / ".claude/agents").glob("*.md"):
            agent.rename(agent.parent / "domain-experts" / agent.name)
    if version < 2:
        shutil.rmtree(tree / ".awos/subagents", ignore_errors=True)
    mark.write_text(str(max(version, UPSTREAM_VERSION)))


def contents(tree: Tree) -> dict[str, bytes]:
    return {path: (tree / path).read_bytes() for path in files_of(tree.root)}


def is_replaced(path: str) -> bool:
    return path == SPEC_SCRIPT or path.startswith((".awos/commands/", ".awos/templates/"))


def test_everything_but_the_core_files_stays_as_it_is(tree: Tree) -> None:
    before = contents(tree)
    install(tree)
    after = contents(tree)
    changed = {path for path, text in before.items() if after.get(path) != text and path != ".awos/.migration-version"}
    assert changed and all(is_replaced(path) for path in changed), changed
    assert int(tree.read(".awos/.migration-version")) == UPSTREAM_VERSION


@pytest.mark.parametrize(
    "glob",
    [
        ".awos/subagents/*.md",
        ".claude/agents/*.md",
        ".claude/commands/awos/*.md",
        ".awos/house-rules.md",
        ".awos/scripts/*.py",
        ".awos/scripts/lint_agents.sh",
        ".awos/scripts/docs_check/*",
        "**/CLAUDE.md",
        "context/**/*.md",
    ],
)
def test_what_is_ours_stays(tree: Tree, glob: str) -> None:
    before = {path: path.read_bytes() for path in tree.root.glob(glob) if path.is_file()}
    assert before
    install(tree)
    assert {path: path.read_bytes() if path.exists() else None for path in before} == before


def test_the_wrappers_bring_our_rules_to_upstreams_commands(tree: Tree) -> None:
    install(tree)
    wrappers = sorted((tree / ".claude/commands/awos").glob("*.md"))
    ours = [path for path in wrappers if path.read_text() != UPSTREAM]
    assert {path.stem for path in ours} == set(COMMANDS) - {"linear"}
    assert (tree / ".awos/house-rules.md").is_file()
    for path in ours:
        lines = path.read_text().splitlines()
        assert tree.read(f".awos/commands/{path.stem}.md") == UPSTREAM
        assert lines.index("@.awos/house-rules.md") < lines.index(f"@.awos/commands/{path.stem}.md")
        assert "house rules win" in path.read_text()


def test_the_agents_are_still_those_of_their_sources(tree: Tree) -> None:
    install(tree)
    python = PROJECT_ROOT / ".venv/bin/python"
    done = run(python, tree / ".awos/scripts/render_agents.py", "--check", folder=tree.root)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_mark_the_agents_would_be_lost(tree: Tree) -> None:
    """The reason for `.awos/.migration-version`, and the proof that the tests above can fail."""
    agents = {path.name for path in (tree / ".claude/agents").glob("*.md")}
    tree.delete(".awos/.migration-version")
    install(tree)
    assert agents
    assert not (tree / ".awos/subagents").exists()
    assert list((tree / ".claude/agents").glob("*.md")) == []
    assert {path.name for path in (tree / ".claude/agents/domain-experts").glob("*.md")} == agents


def test_a_mark_of_the_first_migration_is_not_enough(tree: Tree) -> None:
    tree.write(".awos/.migration-version", "1\n")
    install(tree)
    assert not (tree / ".awos/subagents").exists()
    assert list((tree / ".claude/agents").glob("*.md"))


def test_the_mark_holds_the_version_and_nothing_else() -> None:
    assert (PROJECT_ROOT / ".awos/.migration-version").read_text().strip() == str(UPSTREAM_VERSION)
