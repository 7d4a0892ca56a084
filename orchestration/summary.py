"""What a run did, read from the run records; the command line prints it, and the DAG writes it to its log."""

import json
from dataclasses import dataclass
from typing import Any

from data_quality.runner import GateReport
from data_stack.ops import ExpectationRecord, Ops
from data_stack.publications import Pin, Publication, find_pin, find_publication
from orchestration.steps import Run

_INGESTED = """
select
    steps.source,
    steps.status,
    coalesce(loads.rows_read, 0) as rows_read,
    coalesce(loads.rows_loaded, 0) as rows_loaded,
    coalesce(loads.rows_rejected, 0) as rows_rejected,
    coalesce(loads.rows_repeated, 0) as rows_repeated
from steps
left join loads on steps.run_id = loads.run_id and steps.source = loads.source
where steps.run_id = ? and steps.step = 'ingest'
order by steps.rowid
"""
# a task that Airflow retries evaluates a load again: the last evaluation counts
_VALIDATIONS = """
select *
from validations
where run_id = ? and evaluated_at_utc = (
    select max(later.evaluated_at_utc)
    from validations as later
    where
        later.run_id = validations.run_id
        and later.source = validations.source
        and later.load_id = validations.load_id
)
order by rowid
"""
_STEPS = "select step, source, status, seconds, rows, detail from steps where run_id = ? order by rowid"


@dataclass(frozen=True)
class RunSummary:
    """What is known of a run, whether it has ended or failed.

    Attributes:
        ingested: By ingested source: its status, and the rows of its new load.
        gates: The outcome of each load that was validated.
        steps: Steps that have ended, with seconds, rows and detail.
        publication: What readers see; None where nothing is published.
        pin: The rollback that is in force.
    """

    ingested: list[dict[str, Any]]
    gates: list[GateReport]
    steps: list[dict[str, Any]]
    publication: Publication | None
    pin: Pin | None

    def format_lines(self) -> list[str]:
        """The steps that succeeded and what readers see, in lines for a log."""
        lines = [
            f"{' '.join(filter(None, (step['step'], step['source'])))}: {step['detail'] or 'done'}"
            f" ({step['seconds']:.1f} s)"
            for step in self.steps
            if step["status"] == "succeeded"
        ]
        if self.publication:
            lines.append(f"readers see publication {self.publication.publication_id}")
            lines += [
                f"{state.source.name}: {state.rows:,} rows through {state.data_through or 'no day'}"
                for state in self.publication.sources
            ]
        return lines


def summarize_run(run: Run) -> RunSummary:
    """What the run records and the published file say of a run.

    Args:
        run: The run.
    """
    publication = find_publication(run.settings.warehouse_file)
    return RunSummary(
        ingested=run.ops.query(_INGESTED, [run.run_id]),
        gates=_read_gates(run.ops, run.run_id),
        steps=run.ops.query(_STEPS, [run.run_id]),
        publication=publication,
        pin=find_pin(run.ops, publication),
    )


def _read_gates(ops: Ops, run_id: str) -> list[GateReport]:
    outcomes: dict[tuple[str, str], list[ExpectationRecord]] = {}
    for row in ops.query(_VALIDATIONS, [run_id]):
        outcome = ExpectationRecord(
            expectation=row["expectation"],
            column=row["column_name"],
            severity=row["severity"],
            success=bool(row["success"]),
            checked=row["checked"],
            unexpected=row["unexpected"],
            example_keys=json.loads(row["example_keys"]),
            observed=row["observed"],
            reason=row["reason"],
        )
        outcomes.setdefault((row["source"], row["load_id"]), []).append(outcome)
    return [GateReport.of_outcomes(*load, found) for load, found in outcomes.items()]
