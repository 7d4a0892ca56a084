"""Whether all layers of every source agree: the checks, and the run of them."""

import time
from collections.abc import Callable, Collection, Iterator

from data_stack.errors import UsageError
from data_stack.registry import SOURCES, Source
from scaffold.conformance.findings import Finding, Report
from scaffold.places import find_adapt_marks

LAYERS = ("reader", "suite", "dbt", "dag", "page", "sample", "settings", "tests", "docs")


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
    return Report(
        tuple(layers),
        findings,
        tuple(mark for name in names for mark in find_adapt_marks(source_name=name)),
        round(time.perf_counter() - began, 1),
    )


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
