"""`data-stack lineage` and `data-stack impact`: how the data flows, and what a change touches."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.console import console, print_table

if TYPE_CHECKING:
    from scaffold.impact import Impact
    from scaffold.lineage import Node

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
# of people, not of programs: the names of all tests are in the JSON
_SHOWN = 20


@app.command()
def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NODE", help="A source, raw table, model, metric, page, notebook or file; `page home` is exact."
        ),
    ],
    up: Annotated[bool, typer.Option("--up", help="Only what its data comes from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what its data reaches.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where the data of a node comes from and what it reaches, with files, DAG task and owner."""
    from data_stack.settings import Settings
    from scaffold.lineage import read_lineage

    graph = read_lineage(Settings.load())
    shown = {"up": up or not down, "down": down or not up}
    if as_json:
        _print_json(graph.describe(name, **shown))
        return
    for part, nodes in graph.find_around(name, **shown).items():
        _print_nodes(name if part == "nodes" else f"{part} of {name}", nodes)


@app.command()
def impact(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Changed files; without them, the git diff.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Commit to compare with; the branch point of main otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a change touches, and the fewest recorded tests that cover it; `make test-changed` runs them."""
    from data_stack.settings import Settings
    from scaffold.impact import find_impact

    found = find_impact(Settings.load(), files or [], base)
    if as_json:
        _print_json(found.describe())
    else:
        _print_impact(found)


def _print_nodes(title: str, nodes: "list[Node]") -> None:
    rows = [[node.kind, node.name, ", ".join(node.files[:1]), node.task, node.owner] for node in nodes]
    print_table(title, ["kind", "name", "file", "DAG task", "owner"], rows)


def _print_impact(found: "Impact") -> None:
    from scaffold.changed_tests import describe_tests

    parts = {
        "files": found.files,
        "sources": found.sources,
        "models": found.list_names("model", "seed"),
        "dbt tests": [f"{len(found.list_names('test'))} tests and unit tests"],
        "metrics": found.list_names("metric"),
        "pages": found.list_names("page"),
        "notebooks": found.list_names("notebook"),
        "documents": found.documents,
        "owners": found.owners,
    }
    print_table("impact", ["touches", "names"], [[part, ", ".join(names) or None] for part, names in parts.items()])
    if not found.tests.recorded:
        console.print("no record yet: `make test-record` records what each test uses")
    for line in [*sorted(found.tests.selected)[:_SHOWN], *describe_tests(found.tests)]:
        console.print(line, markup=False)


def _print_json(found: object) -> None:
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n")
