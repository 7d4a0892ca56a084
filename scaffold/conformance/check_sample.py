"""The sample against the settings: it serves every source, and points its settings at what is served."""

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from data_stack.registry import Source
from scaffold.conformance.facts import Facts, has_file
from scaffold.conformance.findings import Finding

_RIDES_PER_DAY = 20


def check_sample(facts: Facts) -> Iterator[Finding]:
    """Every source has a sample, with tests."""
    from dlt_pipeline.sample.source import find_sample

    for source in facts.sources:
        test = f"tests/dlt_pipeline/sample/test_sample_{source.name}.py"
        if not has_file(test):
            yield Finding("sample", (source.name,), test, "the tests of the sample are missing")
        try:
            sample = find_sample(source.name)
        except Exception as error:
            yield _finding(source, f"there is no sample: {type(error).__name__}: {error}")
            continue
        if source.name in facts.readers:
            yield from _check_variables(source, sample, facts.readers[source.name].settings_class.variables())


def _finding(source: Source, message: str) -> Finding:
    return Finding("sample", (source.name,), f"dlt_pipeline/sample/{source.name}.py", message)


def _check_variables(source: Source, sample: Any, variables: list[str]) -> Iterator[Finding]:
    """Where the source asks or looks, it finds the sample, and never the live provider."""
    urls = [name for name in variables if name.endswith("_URL")]
    for name in urls:
        if sample.url_variable != name:
            yield _finding(source, f"url_variable is not {name}, so the demo would ask the live provider")
    if sample.url_variable and sample.url_variable not in urls:
        yield _finding(source, f"url_variable is {sample.url_variable}, which is no setting of the source")
    paths = [name for name in variables if name.endswith(("_PATH", "_DIR", "_FILE"))]
    if paths:
        yield from _check_paths(source, sample, paths)


def _check_paths(source: Source, sample: Any, paths: list[str]) -> Iterator[Finding]:
    from dlt_pipeline.sample.spec import SampleSpec

    month = date(2024, 1, 1)
    spec = SampleSpec(first_month=month, last_month=month, rides_per_day=_RIDES_PER_DAY)
    with tempfile.TemporaryDirectory(prefix="data-stack-") as parent:
        folder = Path(parent) / source.name
        try:
            sample.write_files(folder, spec)
            stated = sample.of_sample(folder, spec).list_variables()
        except Exception as error:
            yield _finding(source, f"cannot write its files: {type(error).__name__}: {error}")
            return
        for name in paths:
            if not Path(stated.get(name, "/")).is_relative_to(folder.resolve()):
                yield _finding(source, f"list_variables() does not point {name} at the files of the sample")
