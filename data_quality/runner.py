"""Validates the loads that have not passed yet, and records the outcomes.

Great Expectations and the suites take seconds to import, so they are imported only when there is a load to validate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from data_stack.loads import find_pending_loads, find_present_loads
from data_stack.ops import ExpectationRecord, LoadState, Ops
from data_stack.registry import Source
from data_stack.settings import Settings

if TYPE_CHECKING:
    from data_quality.evaluate import Evaluator

BATCH_ROWS = 500_000


@dataclass(frozen=True)
class GateReport:
    """The outcome of the suite on one load.

    Attributes:
        source_name: The source.
        load_id: dlt's load identifier.
        checked: Number of expectations evaluated.
        failures: The expectations that failed, critical ones first.
    """

    source_name: str
    load_id: str
    checked: int
    failures: list[ExpectationRecord] = field(default_factory=list)

    @classmethod
    def of_outcomes(cls, source_name: str, load_id: str, outcomes: Sequence[ExpectationRecord]) -> GateReport:
        """The report of a load, from the outcome of every expectation of its suite."""
        failures = sorted(
            (outcome for outcome in outcomes if not outcome.success), key=lambda outcome: outcome.severity
        )
        return cls(source_name, load_id, len(outcomes), failures)

    @property
    def passed(self) -> bool:
        """Whether no critical expectation failed; a failed warning does not stop a load."""
        return not self._count("critical")

    @property
    def headline(self) -> str:
        """The load and its counts in one sentence."""
        state = "passed" if self.passed else "failed its checks"
        counts = (
            f"{self.checked} expectations, failed: {self._count('critical')} critical, {self._count('warning')} warning"
        )
        return f"{self.source_name}: load {self.load_id} {state} ({counts})"

    def format_failures(self) -> list[str]:
        """One line per failure: source, severity, expectation, column, counts, example keys, reason."""
        lines = []
        for failure in self.failures:
            examples = f", for example {', '.join(failure.example_keys)}" if failure.example_keys else ""
            lines.append(
                f"{self.source_name}: {failure.severity}: {failure.expectation} on {failure.column}:"
                f" {failure.unexpected} of {failure.checked} fail{examples}. {failure.reason}"
            )
        return lines

    def _count(self, severity: str) -> int:
        return sum(failure.severity == severity for failure in self.failures)


def validate(
    settings: Settings, ops: Ops, run_id: str, sources: Sequence[Source], batch_rows: int = BATCH_ROWS
) -> list[GateReport]:
    """Run each source's suite on every load that has neither passed nor been accepted.

    Every outcome is recorded in `ops`, and the load becomes `passed` or `failed`. A load that failed before is
    evaluated again, so a failed gate fails again until the data is fixed or the load accepted. A load whose rows have
    all been replaced becomes `superseded`. The caller holds the locks of the raw files.

    Args:
        settings: Whose raw files are read.
        ops: Where outcomes and states are recorded.
        run_id: The run that they belong to.
        sources: Sources to validate.
        batch_rows: Rows of a load that are in memory at once.

    Returns:
        One report per load, in the order of `sources`; empty if nothing was pending. The caller turns a failure into an
        error, with `format_gate_failures`.

    Raises:
        TerminalError: A load was interrupted and has to be finished first.
    """
    for source in sources:
        _mark_superseded_loads(settings, ops, source)
    todo = [(source, load_id) for source in sources for load_id in find_pending_loads(settings, ops, source)]
    if not todo:
        return []
    from data_quality.evaluate import Evaluator

    evaluator = Evaluator(batch_rows)
    return [_validate_load(settings, ops, run_id, evaluator, source, load_id) for source, load_id in todo]


def format_gate_failures(reports: Sequence[GateReport]) -> str:
    """Every load with its failures, and what to do about those that failed.

    Args:
        reports: What `validate` returned.
    """
    lines = []
    for report in reports:
        lines += [report.headline, *(f"  {line}" for line in report.format_failures())]
        if not report.passed:
            lines.append(
                "  fix the data and load it again, with the same days, or accept the load with"
                f' `data-stack accept {report.load_id} --reason "..."`'
            )
    return "\n".join(lines)


def _mark_superseded_loads(settings: Settings, ops: Ops, source: Source) -> None:
    present = find_present_loads(settings, source)
    for load in ops.open_loads(source.name):
        if load["load_id"] not in present:
            reason = "later loads replaced all of its rows"
            ops.decide_load(source.name, load["load_id"], LoadState.SUPERSEDED, reason)


def _validate_load(
    settings: Settings, ops: Ops, run_id: str, evaluator: Evaluator, source: Source, load_id: str
) -> GateReport:
    from data_quality.check import find_suite

    with duckdb.connect(str(settings.raw_file(source.name)), read_only=True) as db:
        db.execute(f"set memory_limit = '{settings.duckdb_memory_limit}'")
        tallies = evaluator.evaluate(db, find_suite(source.name), load_id)
    outcomes = [tally.create_record() for tally in tallies]
    report = GateReport.of_outcomes(source.name, load_id, outcomes)
    ops.record_validations(run_id, source.name, load_id, outcomes)
    ops.decide_load(source.name, load_id, LoadState.PASSED if report.passed else LoadState.FAILED, report.headline)
    return report
