"""The suite against the reader and the registry: keys, nulls, ranges, volume, and the columns of every frame."""

from collections.abc import Iterator

from data_stack.registry import Source
from scaffold.conformance.facts import Facts
from scaffold.conformance.findings import Finding
from scaffold.conformance.suites import Expectation, SuiteCheck, SuiteFacts

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"

_TEXT = ("VARCHAR", "STRING")


def check_suite(facts: Facts) -> Iterator[Finding]:
    """Every source has a suite that fits its raw tables."""
    for source in facts.sources:
        if "suites" in facts.problems:
            yield _finding(source, f"the suites cannot be read: {facts.problems['suites']}")
            continue
        suite = facts.suites[source.name]
        if suite.problem:
            yield _finding(source, f"there is no suite: {suite.problem}")
            continue
        for check in suite.checks:
            yield from _check_frame(source, check)
        yield from _check_key(source, suite)
        yield from _check_kinds(source, suite)
        yield from _check_personal(source, suite)


def _finding(source: Source, message: str) -> Finding:
    return Finding("suite", (source.name,), f"data_quality/suites/{source.name}.py", message)


def _check_frame(source: Source, check: SuiteCheck) -> Iterator[Finding]:
    """The SQL can be bound on the raw tables, and has what its expectations are about."""
    if check.problem:
        yield _finding(source, f"the SQL of the check {check.name} does not fit the raw tables: {check.problem}")
        return
    if "key" not in check.columns or not _is_text(check, "key"):
        yield _finding(source, f"the frame {check.name} has no text column key, by which reports name a row")
    for expectation in check.expectations:
        if expectation.column not in check.columns:
            yield _finding(
                source,
                f"{expectation.kind} of {check.name} is about {expectation.column}, which its SQL does not select",
            )
        elif not _fits(check, expectation):
            kind = check.columns[expectation.column]
            yield _finding(
                source, f"{expectation.kind} of {check.name}.{expectation.column} does not fit its type, {kind}"
            )
    for column in sorted(set(check.observed) - set(check.columns)):
        yield _finding(source, f"{check.name} observes {column}, which its SQL does not select")


def _is_text(check: SuiteCheck, column: str) -> bool:
    return check.columns[column] in _TEXT


def _fits(check: SuiteCheck, expectation: Expectation) -> bool:
    """Whether a range is about numbers and times, and a set about values of the column's kind."""
    is_text = _is_text(check, expectation.column)
    if expectation.kind == BETWEEN:
        return not is_text
    if expectation.kind == IN_SET:
        return is_text == all(isinstance(value, str) for value in expectation.arguments["value_set"])
    return True


def _check_key(source: Source, suite: SuiteFacts) -> Iterator[Finding]:
    """The registry's key is never null and never twice, or a load could not be replaced."""
    expectations = [made for check in suite.checks for made in check.expectations]
    critical = [made for made in expectations if made.severity == "critical" and made.mostly == 1]
    if not any(made.kind == NOT_NULL and made.column == source.key for made in critical):
        yield _finding(source, f"no critical {NOT_NULL} is about the key {source.key}; add it to the check of rows")
    is_once = [made for made in critical if made.column.startswith("copies") and made.arguments.get("max_value") == 1]
    if not is_once:
        yield _finding(
            source, f"no critical expectation says that {source.key} is there once; add copies_... with max_value=1"
        )


def _check_kinds(source: Source, suite: SuiteFacts) -> Iterator[Finding]:
    """There is a range, and a metric of volume."""
    rows = [made for check in suite.checks for made in check.expectations if check.name == "rows"]
    if not rows:
        yield _finding(source, "there is no check of rows, which sees every row of a load")
    if not any(made.kind == BETWEEN and not made.column.startswith("copies") for made in rows):
        yield _finding(source, f"the check of rows has no {BETWEEN}: no value has a range")
    metrics = [check for check in suite.checks if check.name not in ("rows", "shares")]
    if not any(made.kind == BETWEEN for check in metrics for made in check.expectations):
        yield _finding(source, "no metric has a range, so nothing sees an empty or a truncated load")


def _check_personal(source: Source, suite: SuiteFacts) -> Iterator[Finding]:
    for check in suite.checks:
        for column in sorted(set(check.observed) & source.personal_columns):
            yield _finding(
                source, f"{check.name} observes {column}, a personal column, whose values must not be recorded"
            )


def check_cases(source: Source, suite: SuiteFacts) -> Iterator[Finding]:
    """The cases of the tests and the expectations of the suite are the same."""
    file = f"tests/sources/{source.name}/cases.py"
    if suite.cases_problem:
        yield Finding("tests", (source.name,), file, f"the cases cannot be read: {suite.cases_problem}")
        return
    made = {(one.kind, one.column, one.severity) for check in suite.checks for one in check.expectations}
    for kind, column, severity in sorted(set(suite.cases) - made):
        yield Finding(
            "suite",
            (source.name,),
            f"data_quality/suites/{source.name}.py",
            f"the {severity} {kind} of {column} is missing, and a case expects it to fail; restore it",
        )
    for kind, column, severity in sorted(made - set(suite.cases)):
        yield Finding("tests", (source.name,), file, f"no case makes the {severity} {kind} of {column} fail; add one")
