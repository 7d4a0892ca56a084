"""Validates the loads that have not passed yet and records what came out.

Great Expectations and the suites take seconds to import, so they are imported once there is a load to validate.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from data_stack.gate import pending_loads, present_loads
from data_stack.ops import UNDECIDED, ExpectationRecord, Ops
from data_stack.registry import Source
from data_stack.settings import Settings

if TYPE_CHECKING:
    from data_quality.evaluate import Evaluator, Tally

BATCH_ROWS = 500_000


@dataclass(frozen=True)
class GateReport:
    """What the suite said about one load.

    Attributes:
        source: Name of the source.
        load_id: dlt's load identifier.
        checked: Number of expectations evaluated.
        failures: Those that failed, critical ones first.
    """

    source: str
    load_id: str
    checked: int
    failures: list[ExpectationRecord] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no critical expectation failed; a failed warning does not stop a load."""
        return not self.critical

    @property
    def critical(self) -> list[ExpectationRecord]:
        """The failures that stop the load."""
        return [failure for failure in self.failures if failure.severity == "critical"]

    @property
    def headline(self) -> str:
        """The load and its counts in one sentence."""
        critical, warnings = len(self.critical), len(self.failures) - len(self.critical)
        state = "passed" if self.passed else "did not pass"
        counts = f"{self.checked} expectations, failed: {critical} critical, {warnings} warning"
        return f"{self.source}: load {self.load_id} {state} ({counts})"

    def sentences(self) -> list[str]:
        """A line a failure: source, severity, expectation, column, counts, example keys, reason."""
        return [_sentence(self.source, failure) for failure in self.failures]


def validate(
    settings: Settings, ops: Ops, run_id: str, sources: Sequence[Source], batch_rows: int = BATCH_ROWS
) -> list[GateReport]:
    """Run each source's suite on every load that has neither passed nor been accepted.

    Every outcome goes to `ops`, the load becomes `passed` or `failed`, and Data Docs are built once at the end. A load
    that failed before is evaluated again, so a red gate stays red until its data is mended or accepted. A load whose
    rows have all been replaced becomes `superseded`. The caller holds the locks of the raw files.

    Args:
        settings: Whose raw files are read.
        ops: Where outcomes and states go.
        run_id: The run they belong to.
        sources: Sources to validate.
        batch_rows: Rows of a load that are in memory at once.

    Returns:
        One report a load, in the order of `sources`; empty if nothing was pending. It is the caller who turns a failure
        into an error: see `explain`.

    Raises:
        TerminalError: A load was interrupted and has to be finished first.
    """
    for source in sources:
        _supersede(settings, ops, source)
    todo = [(source, load_id) for source in sources for load_id in pending_loads(settings, ops, source)]
    if not todo:
        return []
    from data_quality.data_docs import DataDocs
    from data_quality.evaluate import Evaluator

    docs = DataDocs(settings)
    evaluator = Evaluator(docs.context, batch_rows)
    reports = []
    for source, load_id in todo:
        tallies = _evaluate(settings, evaluator, source, load_id)
        reports.append(_decide(ops, run_id, source, load_id, [tally.record() for tally in tallies]))
        docs.store(run_id, source, load_id, tallies)
    docs.build()
    return reports


def explain(reports: Sequence[GateReport]) -> str:
    """Words for people: every load with its failures, and for loads that did not pass what to do.

    Args:
        reports: What `validate` returned.
    """
    return "\n".join(line for report in reports for line in _explain_one(report))


def _explain_one(report: GateReport) -> list[str]:
    lines = [report.headline, *(f"  {sentence}" for sentence in report.sentences())]
    if not report.passed:
        lines.append(
            "  mend the data and load it again, with the days that it was loaded with, or let the load through with"
            f' `data-stack accept {report.load_id} --reason "..."`'
        )
    return lines


def _sentence(source: str, failure: ExpectationRecord) -> str:
    examples = f", for example {', '.join(failure.example_keys)}" if failure.example_keys else ""
    return (
        f"{source}: {failure.severity}: {failure.expectation} on {failure.column}:"
        f" {failure.unexpected} of {failure.checked} fail{examples}. {failure.reason}"
    )


def _supersede(settings: Settings, ops: Ops, source: Source) -> None:
    present = set(present_loads(settings, source))
    marks = ", ".join("?" * len(UNDECIDED))
    known = ops.query(f"select load_id from loads where source = ? and state in ({marks})", [source.name, *UNDECIDED])
    for row in known:
        if row["load_id"] not in present:
            ops.decide_load(source.name, row["load_id"], "superseded", "later loads replaced all of its rows")


def _evaluate(settings: Settings, evaluator: Evaluator, source: Source, load_id: str) -> list[Tally]:
    with closing(duckdb.connect(str(settings.raw_file(source.name)), read_only=True)) as db:
        db.execute(f"set memory_limit = '{settings.duckdb_memory_limit}'")
        return evaluator.evaluate(db, source.suite().CHECKS, load_id)


def _decide(ops: Ops, run_id: str, source: Source, load_id: str, outcomes: list[ExpectationRecord]) -> GateReport:
    failures = sorted((outcome for outcome in outcomes if not outcome.success), key=lambda outcome: outcome.severity)
    report = GateReport(source.name, load_id, len(outcomes), failures)
    ops.record_validations(run_id, source.name, load_id, outcomes)
    ops.decide_load(source.name, load_id, "passed" if report.passed else "failed", report.headline)
    return report
