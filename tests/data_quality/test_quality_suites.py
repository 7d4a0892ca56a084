"""Every expectation of every suite is proven able to fail: each case corrupts one thing in a clean raw file.

The cases of a source are in `sources/<name>/cases.py`.
"""

from collections.abc import Callable, Iterator

import pytest
from gate_cases import ANY, Case
from source_parts import find_part, find_parts

from data_quality.check import find_suite
from data_stack.ops import ExpectationRecord
from data_stack.registry import get_source, source_names

Evaluate = Callable[[str], list[ExpectationRecord]]
Dirty = Callable[[str, str], None]


def list_cases() -> Iterator[object]:
    for source_name, part in find_parts("cases").items():
        for case in part.CASES:
            yield pytest.param(source_name, case, id=f"{source_name}: {case.name}")


@pytest.mark.parametrize("source_name", source_names())
def test_clean_data_fails_no_expectation(source_name: str, dirty: Dirty, evaluate: Evaluate) -> None:
    dirty(source_name, "")
    outcomes = evaluate(source_name)
    assert [outcome for outcome in outcomes if not outcome.success] == []
    unchecked = {outcome.column for outcome in outcomes if not outcome.checked}
    shares = {e.column for check in find_suite(source_name) if check.name == "shares" for e in check.expectations}
    assert unchecked == shares, "a share is null while no row is odd"


@pytest.mark.parametrize(("source_name", "case"), list_cases())
def test_a_corruption_fails_its_expectations_and_no_others(
    source_name: str, case: Case, dirty: Dirty, evaluate: Evaluate
) -> None:
    dirty(source_name, case.sql)
    failed = {(o.expectation, o.column, o.severity): o for o in evaluate(source_name) if not o.success}
    assert set(failed) == {(f.expectation, f.column, f.severity) for f in case.failures}
    for expected in case.failures:
        outcome = failed[expected.expectation, expected.column, expected.severity]
        if expected.unexpected is not ANY:
            assert outcome.unexpected == expected.unexpected
        if expected.keys is not ANY:
            assert tuple(outcome.example_keys) == expected.keys
        assert outcome.reason


@pytest.mark.parametrize("source_name", source_names())
def test_every_expectation_has_a_case_a_severity_and_a_reason(source_name: str) -> None:
    expectations = [e for check in find_suite(source_name) for e in check.expectations]
    named = [(e.expectation_type, e.column, e.severity.value) for e in expectations]
    proven = {
        (f.expectation, f.column, f.severity) for case in find_part(source_name, "cases").CASES for f in case.failures
    }
    assert proven == set(named)
    assert len(named) == len(set(named)), "reports and Data Docs identify an expectation by type, column and severity"
    assert all(len(e.meta["reason"]) > 10 for e in expectations)


@pytest.mark.parametrize("source_name", source_names())
def test_no_observed_column_is_personal(source_name: str) -> None:
    observed = {column for check in find_suite(source_name) for column in check.observed}
    assert observed.isdisjoint(get_source(source_name).personal_columns)
