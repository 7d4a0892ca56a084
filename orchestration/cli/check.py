"""`data-stack conformance` and `data-stack check`: whether the layers of a source agree, and whether they work."""

import json
from typing import Annotated

import typer

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, get_source, source_names
from orchestration.cli.console import console

SourceNames = Annotated[
    list[str] | None, typer.Argument(metavar="[SOURCE]...", help=f"Of {', '.join(source_names())}; without any, all.")
]
Layers = Annotated[list[str] | None, typer.Option("--layer", help="Check only this layer; can be repeated.")]


def conformance(
    sources: SourceNames = None,
    layer: Layers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Compare the layers of every source: reader, suite, dbt, DAG, page, sample, settings, tests, documents."""
    from scaffold.conformance import LAYERS, check_conformance

    chosen = tuple(get_source(name) for name in sources) if sources else SOURCES
    report = check_conformance(chosen, layer or LAYERS)
    if as_json:
        console.print_json(json.dumps(report.as_json()))
    else:
        for finding in report.findings:
            for line in finding.format_lines():
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        for place in report.open_places:
            console.print(
                f"open: {place.path}:{place.line}: {place.text}", markup=False, highlight=False, soft_wrap=True
            )
        names = ", ".join(source.name for source in chosen) or "no source"
        console.print(f"{len(report.findings)} findings in {', '.join(report.layers)} of {names}, {report.seconds} s")
    if report.findings:
        raise TerminalError(f"the layers do not agree in {len(report.findings)} places; fix them, the first one first")


def check_source(
    source_name: Annotated[str, typer.Argument(metavar="SOURCE", help=f"One of {', '.join(source_names())}.")],
) -> None:
    """Check one source: conformance, its tests, and two runs on its sample in a data folder of its own."""
    from orchestration.source_check import check_layers

    source, failed = get_source(source_name), []
    for outcome in check_layers(source):
        state = "failed" if outcome.problems else "ok"
        console.print(f"{outcome.layer:<12} {outcome.seconds:5.1f} s  {state}", highlight=False)
        for line in outcome.problems:
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
        if outcome.problems:
            failed.append(outcome.layer)
    if failed:
        raise TerminalError(f"{source.name} failed in {', '.join(failed)}; each line above says what to do")
