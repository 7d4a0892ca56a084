"""Plants faults in a copy of the tree and asks which of them conformance, ruff and dbt find: `docs/conformance.md`.

The large libraries are imported once; a process is forked per fault, which imports the copy's own modules. It runs the
layers whose facts can depend on the changed file. `--source NAME` takes the faults of one source, `--only TEXT` those
whose name or layer contains a text.
"""

import argparse
import importlib
import json
import logging
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutations
from mutations import Mutation

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = (
    *(".git", ".venv", ".venv-agents", ".tools", ".cache", ".mypy_cache", "__pycache__"),
    *("data", "notebooks", "*.duckdb"),
)
ALL = ("reader", "suite", "dbt", "dag", "page", "sample", "settings", "tests", "docs")
LIBRARIES = (
    "dbt.cli.main",
    "dbt.adapters.duckdb.connections",
    "great_expectations.expectations",
    "pandas",
    "plotly.graph_objects",
    "polars",
    "pyarrow",
    "sqlglot",
    "streamlit",
)
# the layers whose facts come from files below a path; everything else concerns all of them
LAYERS_OF = {
    "airflow/": ("dag",),
    "data_quality/": ("suite", "tests"),
    "dbt/": ("dbt", "page", "tests"),
    "streamlit_app/": ("page",),
    "dlt_pipeline/sample/": ("sample",),
    "tests/dlt_pipeline": ("reader",),
    "tests/sources/": ("tests",),
    ".env.example": ("settings",),
    "docker-compose.yml": ("settings",),
    "docs/": ("settings", "docs"),
    "docs/sources.md": ("docs",),
    "dlt_pipeline/": ("reader", "suite", "dbt", "settings"),
}


@dataclass(frozen=True)
class Outcome:
    """What found a fault.

    Attributes:
        mutation: The fault.
        findings: New findings of conformance, the first one first.
        is_in_ruff: Whether ruff fails.
        is_in_dbt: Whether dbt cannot parse or compile the project.
    """

    mutation: Mutation
    findings: tuple[str, ...]
    is_in_ruff: bool
    is_in_dbt: bool


def find_mutations() -> dict[str, tuple[Mutation, ...]]:
    """The faults of each source that has some, by the name of its file in `mutations/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(mutations.__path__))
    return {name: importlib.import_module(f"mutations.{name}").MUTATIONS for name in names}


def import_libraries() -> None:
    """Import what every fork needs, without any module of the project."""
    importlib.import_module("airflow.sdk")
    # Airflow has just switched on the messages of all libraries
    logging.disable(logging.WARNING)
    for name in LIBRARIES:
        importlib.import_module(name)


def run_conformance(root: Path, layers: Sequence[str]) -> dict[str, Any]:
    """The findings of the tree below `root`, in a fork."""
    answer = root.parent / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _answer(root, layers, answer)
    os.waitpid(child, 0)
    if not answer.exists():
        return {"findings": ["conformance ended with an error"]}
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _answer(root: Path, layers: Sequence[str], answer: Path) -> None:
    """Run conformance of the copy in this process, write what it found, and end the process."""
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(root))
        os.chdir(root)
        os.environ |= {"CONFORMANCE_IN_PROCESS": "1", "AIRFLOW_HOME": str(root.parent / "airflow")}
        from scaffold.conformance import check_conformance

        findings = [
            f"{one.file}: {one.message} [{one.specialist}]" for one in check_conformance(layers=layers).findings
        ]
        answer.write_text(json.dumps({"findings": findings}))
    except BaseException as error:
        answer.write_text(json.dumps({"findings": [f"stopped: {type(error).__name__}: {error}"]}))
    finally:
        os._exit(0)


def plant(root: Path, mutation: Mutation) -> str | None:
    """Plant a fault.

    Returns:
        The file's text before it.

    Raises:
        SystemExit: The text is not in the file.
    """
    path = root / mutation.file
    before = path.read_text()
    if not mutation.old:
        path.unlink()
    elif mutation.old not in before:
        raise SystemExit(f"{mutation.file} does not contain {mutation.old!r}; correct the fault {mutation.name!r}")
    else:
        path.write_text(before.replace(mutation.old, mutation.new, 1))
    return before


def choose_layers(file: str) -> Sequence[str]:
    """The layers whose facts can depend on a file."""
    found = [layers for prefix, layers in LAYERS_OF.items() if file.startswith(prefix)]
    return found[0] if found else ALL


def fails_in_ruff(root: Path) -> bool:
    """Whether ruff reports something in the tree."""
    command = [sys.executable, "-m", "ruff", "check", "-q", "--no-cache", "."]
    return subprocess.run(command, cwd=root, capture_output=True).returncode != 0


def try_mutation(root: Path, mutation: Mutation, clean: set[str]) -> Outcome:
    """Plant one fault, see what finds it, and take it out again."""
    before = plant(root, mutation)
    try:
        found = run_conformance(root, choose_layers(mutation.file))["findings"]
        has_lint = fails_in_ruff(root)
    finally:
        (root / mutation.file).write_text(before or "")
    new = tuple(one for one in found if one not in clean)
    return Outcome(mutation, new, has_lint, any("dbt/dbt_project.yml" in one for one in new))


def describe(outcomes: dict[str, list[Outcome]], false_findings: int, seconds: float) -> Iterable[str]:
    """The document, line by line."""
    yield "# What conformance finds\n"
    yield "Written by `benchmarks/conformance_mutations.py`, which plants one fault after the other in a copy of the"
    yield "tree and runs `data-stack conformance`. The checks were written with the source bike in view; weather was"
    yield "held out. ruff and dbt (`parse` and `compile`) ran on the same faults.\n"
    yield f"Findings in the tree without a fault: {false_findings}. Processor time: {seconds:.0f} s.\n"
    for name, tried in outcomes.items():
        found, total = sum(bool(one.findings) for one in tried), len(tried)
        yield f"## {name}: {found} of {total} ({found / total:.0%})\n"
        yield from describe_layers(tried)
        for one in tried:
            if not one.findings:
                yield f"- not found: {one.mutation.layer}, {one.mutation.name}"
        yield ""


def describe_layers(tried: Iterable[Outcome]) -> Iterable[str]:
    """A table with a row per layer."""
    by_layer = defaultdict(list)
    for one in tried:
        by_layer[one.mutation.layer].append(one)
    yield "| layer | faults | conformance | ruff | dbt |"
    yield "|---|---|---|---|---|"
    for layer, of_layer in by_layer.items():
        counts = (
            sum(map(bool, (one.findings for one in of_layer))),
            *(sum(getattr(one, attribute) for one in of_layer) for attribute in ("is_in_ruff", "is_in_dbt")),
        )
        yield f"| {layer} | {len(of_layer)} | " + " | ".join(map(str, counts)) + " |"
    yield ""


def main() -> None:
    """Try all faults and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="", help="faults of this source; writes no document")
    only_help = "faults whose layer or name contains this; can be given several times; writes no document"
    parser.add_argument("--only", action="append", default=[], help=only_help)
    chosen, only = vars(parser.parse_args()).values()
    # without this tree's modules: those of the copy are checked
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]
    import_libraries()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        root = Path(folder) / "tree"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        # the marks of copied sources are looked for in what git would track
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        if fails_in_ruff(root):
            raise SystemExit("ruff fails in the tree without a fault; run `make lint` first")
        began = time.time()
        clean = run_conformance(root, ALL)["findings"]
        print(f"without a fault: {len(clean)} findings in {time.time() - began:.0f} s", *clean, sep="\n  ", flush=True)
        outcomes: dict[str, list[Outcome]] = {}
        for name, planted in find_mutations().items():
            for mutation in planted:
                called = f"{mutation.layer} {mutation.name}"
                if chosen in ("", name) and (not only or any(text in called for text in only)):
                    outcome = try_mutation(root, mutation, set(clean))
                    outcomes.setdefault(name, []).append(outcome)
                    first = outcome.findings[0] if outcome.findings else "NOT FOUND"
                    print(f"{name} {mutation.layer}, {mutation.name}: {first}", flush=True)
    if not only and not chosen:
        used = os.times()
        seconds = used.user + used.system + used.children_user + used.children_system
        (ROOT / "docs" / "conformance.md").write_text(
            "\n".join(describe(outcomes, len(clean), seconds)).rstrip() + "\n"
        )


if __name__ == "__main__":
    main()
