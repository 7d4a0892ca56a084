"""Validates the loads that have not passed yet, and records the outcomes.

Great Expectations and the suites take seconds to import, so they are imported only when there is a load to validate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from data_stack.loads import find_pending_loads, settle_loads
from data_stack.ops import ExpectationRecord, LoadState, Ops
from data_stack.registry import Source
from data_stack.settings import Settings
from data_stack.versions import find_replaced_loads, open_as_if_passed

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

    @property
    def reason(self) -> str:
        """Why the gate decided as it did: the headline, and the first critical failure if there is one."""
        return self.headline if self.passed else f"{self.headline}; {self.format_failures()[0]}"

    def format_failures(self) -> list[str]:
        """One line per failure: source, severity, expectation, column, counts, example keys, observed range, reason."""
        lines = []
        for failure in self.failures:
            examples = f", for example {', '.join(failure.example_keys)}" if failure.example_keys else ""
            observed = f" (observed: {failure.observed})" if failure.observed else ""
            lines.append(
                f"{self.source_name}: {failure.severity}: {failure.expectation} on {failure.column}:"
                f" {failure.unexpected} of {failure.checked} fail{examples}{observed}. {failure.reason}"
            )
        return lines

    def _count(self, severity: str) -> int:
        return sum(failure.severity == severity for failure in self.failures)


def validate(
    settings: Settings, ops: Ops, run_id: str, source: Source, batch_rows: int = BATCH_ROWS
) -> list[GateReport]:
    """Run a source's suite on every load that has neither passed nor been accepted.

    Every outcome is recorded in `ops`, and the load becomes `passed` or `failed`. What a load that passed replaces is
    removed, and a load whose rows have all been replaced becomes `superseded`. A load that failed before is evaluated
    again, so a failed gate fails again until the data is fixed or the load accepted.

    Args:
        settings: Whose raw file is read, and changed where a load passed; the caller holds its lock.
        ops: Where outcomes and states are recorded.
        run_id: The run that they belong to.
        source: The source.
        batch_rows: Rows of a load that are in memory at once.

    Returns:
        One report per load, in the order of evaluation; empty if nothing was pending. The caller turns a failure into
        an error, with `format_gate_failures`.

    Raises:
        TerminalError: A load was interrupted and has to be finished first.
    """
    settle_loads(settings, ops, source)
    reports = []
    for load_id in _order_loads(settings, ops, source):
        # a load that passed a moment ago may have replaced the rest of this one
        if load_id in find_pending_loads(settings, ops, source):
            reports.append(_validate_load(settings, ops, run_id, source, load_id, batch_rows))
            settle_loads(settings, ops, source)
    return reports


def _order_loads(settings: Settings, ops: Ops, source: Source) -> list[str]:
    """Pending loads, oldest first, but after the later ones that replace some of their rows.

    Those rows no longer count once the later load has passed: what is left of the earlier load may be good.
    """
    pending = find_pending_loads(settings, ops, source)
    replaced = {earlier for load_id in pending for earlier in find_replaced_loads(settings, source, load_id)}
    return [load for load in pending if load not in replaced] + [load for load in reversed(pending) if load in replaced]


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


def _validate_load(
    settings: Settings, ops: Ops, run_id: str, source: Source, load_id: str, batch_rows: int
) -> GateReport:
    from data_quality.check import find_suite
    from data_quality.evaluate import open_evaluator

    passed = ops.passed_loads(source.name)
    with open_as_if_passed(settings, source, load_id, passed) as db:
        tallies = open_evaluator(batch_rows).evaluate(db, find_suite(source.name), load_id)
    outcomes = [tally.create_record() for tally in tallies]
    report = GateReport.of_outcomes(source.name, load_id, outcomes)
    ops.record_validations(run_id, source.name, load_id, outcomes)
    ops.decide_load(source.name, load_id, LoadState.PASSED if report.passed else LoadState.FAILED, report.reason)
    return report
