"""The published linters find nothing in the repository, and each of them finds what it is run for."""

from agents_support import Tree, needs_linters, run

pytestmark = needs_linters


def test_the_repository_is_clean_and_they_are_quiet(tree: Tree) -> None:
    assert tree.lint() == (0, "")


def test_each_linter_finds_what_it_knows(tree: Tree) -> None:
    agent = "---\nname: Bad Name\ntools: Reed\n---\n\nText.\n"
    tree.write(".claude/agents/bad.md", agent)
    tree.write(".claude/settings.json", '{"hoks": {}}\n')
    code, said = tree.lint()
    assert code == 1
    for linter, problem in (
        ("agnix", "Unknown tool 'Reed'"),
        ("skillsaw", "Missing 'description'"),
        ("skilllint", "FM010"),
        ("check-jsonschema", "'hoks' was unexpected"),
    ):
        assert f"{linter} found:" in said and problem in said, said


def test_a_warning_of_skilllint_fails(tree: Tree) -> None:
    """A colon without quotes: skilllint warns and ends with 0, Claude Code cannot read the file."""
    tree.replace(".claude/commands/awos/spec.md", 'description: "', 'description: a: b "')
    assert tree.lint()[0] == 1


def test_a_missing_environment_is_named(tree: Tree) -> None:
    done = run(".awos/scripts/lint_agents.sh", "no-such-folder", folder=tree.root)
    assert done.returncode == 2
    assert "no-such-folder/bin/agnix is missing; `make docs-check` installs it" in done.stderr
