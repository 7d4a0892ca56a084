"""The sample against the settings: it serves every source, and points it at loopback."""

from collections.abc import Iterator

from scaffold.conformance.facts import Facts, has_file
from scaffold.conformance.findings import Finding


def check_sample(facts: Facts) -> Iterator[Finding]:
    """Every source has a sample, with tests."""
    for source in facts.sources:
        file = f"dlt_pipeline/sample/{source.name}.py"
        if not has_file(file):
            yield Finding("sample", (source.name,), file, "the sample of the source is missing")
        test = f"tests/dlt_pipeline/sample/test_sample_{source.name}.py"
        if not has_file(test):
            yield Finding("sample", (source.name,), test, "the tests of the sample are missing")
