"""Reads the suites, and what the tests know about them, as JSON; in a process of its own, as the import takes seconds.

Run as `python -m scaffold.conformance.suites SOURCE...`.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_stack.settings import PROJECT_ROOT
from scaffold.conformance.processes import MARK

if TYPE_CHECKING:
    from data_quality.check import Check


@dataclass(frozen=True)
class Expectation:
    """An expectation of a suite; `arguments` are those of its class, such as `max_value`."""

    kind: str
    column: str
    severity: str
    mostly: float = 1
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SuiteCheck:
    """A check of a suite.

    Attributes:
        name: Its name.
        columns: Columns of its frame with their types, bound on empty raw tables.
        problem: Why its SQL cannot be bound; empty if it can.
        observed: Columns whose range is recorded.
        expectations: What it expects.
    """

    name: str
    columns: dict[str, str]
    problem: str
    observed: list[str]
    expectations: list[Expectation]


@dataclass(frozen=True)
class SuiteFacts:
    """What is known about the suite of a source.

    Attributes:
        problem: Why there is no suite; empty if there is one.
        checks: Its checks.
        cases: Expectations that the cases of its tests make fail, as kind, column and severity.
        cases_problem: Why there are no cases; empty if there are.
    """

    problem: str
    checks: list[SuiteCheck]
    cases: list[tuple[str, str, str]]
    cases_problem: str

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "SuiteFacts":
        """The facts that the other process wrote."""
        checks = [
            SuiteCheck(**check | {"expectations": [Expectation(**made) for made in check["expectations"]]})
            for check in found["checks"]
        ]
        return cls(found["problem"], checks, [tuple(case) for case in found["cases"]], found["cases_problem"])


def read(source_names: Sequence[str]) -> dict[str, Any]:
    """The facts about the suites of sources, by source."""
    return {name: read_suite(name) for name in source_names}


def read_suite(source_name: str) -> dict[str, Any]:
    """The facts about the suite of one source, as JSON; a problem is one of them."""
    from data_quality.check import find_suite

    found: dict[str, Any] = {"problem": "", "checks": [], "cases": [], "cases_problem": ""}
    try:
        found["checks"] = [_read_check(source_name, check) for check in find_suite(source_name)]
    except Exception as error:
        found["problem"] = f"{type(error).__name__}: {error}"
    try:
        found["cases"] = _read_cases(source_name)
    except Exception as error:
        found["cases_problem"] = f"{type(error).__name__}: {error}"
    return found


def _read_check(source_name: str, check: "Check") -> dict[str, Any]:
    columns, problem = _bind(source_name, check.sql)
    return {
        "name": check.name,
        "columns": columns,
        "problem": problem,
        "observed": sorted(check.observed),
        "expectations": [_read_expectation(expectation) for expectation in check.expectations],
    }


def _read_expectation(expectation: Any) -> dict[str, Any]:
    names = ("min_value", "max_value", "value_set", "regex")
    arguments = {name: getattr(expectation, name, None) for name in names}
    return {
        "kind": expectation.expectation_type,
        "column": expectation.column,
        "severity": expectation.severity.value,
        "mostly": float(expectation.mostly),
        "arguments": {name: value for name, value in arguments.items() if value is not None},
    }


def _bind(source_name: str, sql: str) -> tuple[dict[str, str], str]:
    """Columns and types of a frame on empty raw tables, and why it cannot be bound."""
    import duckdb

    from dlt_pipeline.reader import find_reader
    from scaffold.conformance.raw_tables import create_empty_tables

    with duckdb.connect() as db:
        create_empty_tables(db, find_reader(source_name).tables)
        try:
            frame = db.execute(sql, {"load_id": "1"})
        except duckdb.Error as error:
            return {}, str(error).splitlines()[0]
        return {name: str(kind) for name, kind, *_ in frame.description or []}, ""


def _read_cases(source_name: str) -> list[tuple[str, str, str]]:
    folder = str(PROJECT_ROOT / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    cases = importlib.import_module(f"sources.{source_name}.cases").CASES
    return sorted({(made.expectation, made.column, made.severity) for case in cases for made in case.failures})


if __name__ == "__main__":
    print(MARK + json.dumps(read(sys.argv[1:]), default=str))
