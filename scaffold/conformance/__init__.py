"""Whether all layers of every source agree: the checks, and the run of them."""

import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from data_stack.errors import UsageError
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT
from scaffold.conformance.findings import Finding, OpenPlace, Report

LAYERS = ("reader", "suite", "dbt", "dag", "page", "sample", "settings", "tests", "docs")

_MARK = re.compile(r"ADAPT\((\w+)\)")
_SKIPPED = {".git", ".venv", ".venv-agents", ".cache", ".tools", "data", "target", "node_modules", "__pycache__"}
_TEXTS = {".py", ".sql", ".yml", ".yaml", ".md", ".csv", ".json", ".toml", ".ipynb", ".example", ".sh"}


def check_conformance(sources: tuple[Source, ...] = SOURCES, layers: Collection[str] = LAYERS) -> Report:
    """Compare the layers of sources with each other.

    Args:
        sources: Sources to check; findings about others are left out.
        layers: Names of `LAYERS`.

    Raises:
        UsageError: There is no such layer.
    """
    from scaffold.conformance.facts import read_facts
    from scaffold.conformance.findings import complete_finding

    unknown = sorted(set(layers) - set(LAYERS))
    if unknown:
        raise UsageError(f"there is no layer {unknown[0]!r}; the layers are {', '.join(LAYERS)}")
    began = time.perf_counter()
    facts = read_facts(sources, layers)
    names = [source.name for source in sources]
    found = [
        complete_finding(finding)
        for layer, check in _find_checks().items()
        if layer in layers
        for finding in check(facts)
        if finding.concerns(names)
    ]
    findings = tuple(dict.fromkeys(found))
    return Report(tuple(layers), findings, tuple(find_open_places(names)), round(time.perf_counter() - began, 1))


def _find_checks() -> dict[str, Callable[..., Iterator[Finding]]]:
    from scaffold.conformance import check_places
    from scaffold.conformance.check_project import check_project
    from scaffold.conformance.check_reader import check_reader
    from scaffold.conformance.check_sample import check_sample
    from scaffold.conformance.check_suite import check_suite

    checks = (
        check_reader,
        check_suite,
        check_project,
        check_places.check_dag,
        check_places.check_pages,
        check_sample,
        check_places.check_settings,
        check_places.check_tests,
        check_places.check_docs,
    )
    return dict(zip(LAYERS, checks, strict=True))


def find_open_places(source_names: Collection[str], root: Path = PROJECT_ROOT) -> Iterator[OpenPlace]:
    """Places that are marked `ADAPT(<source>)`, in the order of their files.

    Args:
        source_names: Sources whose places are listed.
        root: The project's folder.
    """
    for path in sorted(_list_texts(root)):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found = _MARK.search(line)
            if found and found[1] in source_names:
                yield OpenPlace(found[1], path.relative_to(root).as_posix(), number, line.strip())


def _list_texts(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in _SKIPPED:
            yield from _list_texts(path)
        elif path.is_file() and path.suffix in _TEXTS:
            yield path
