"""The tables of the command line, and the state that `status` shows."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.cli.console import console, human_size, print_table, shown
from data_stack.errors import LockHeldError, TerminalError, UsageError
from data_stack.gate import pending_loads
from data_stack.locks import Locks
from data_stack.ops import Ops
from data_stack.publish import snapshots
from data_stack.raw import has_tables
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from data_stack.steps import PublishReport, Run
from data_stack.warehouse import open_warehouse
from data_stack.window import Window

if TYPE_CHECKING:
    from data_quality.runner import GateReport
    from data_stack.transform import TransformReport
    from dlt_pipeline.load import IngestReport
    from dlt_pipeline.source import Plan

_COUNTS = ("read", "loaded", "rejected", "repeated")
_PEEK_REJECTS = "select source_file, source_line, reason from raw.rejects order by 1, 2 limit ?"


@dataclass(frozen=True)
class RunSummary:
    """What a whole run did."""

    run: Run
    window: Window | None
    ingested: "list[IngestReport]"
    validated: "list[GateReport]"
    transformed: "TransformReport"
    published: PublishReport


def print_run(summary: RunSummary) -> None:
    """Rows by source, gates, seconds by step, where the warehouse is and what to run next."""
    print_ingested(summary.ingested)
    print_gates(summary.validated)
    for sentence in summary.transformed.sentences():
        console.print(sentence, markup=False)
    _print_published(summary.run.ops)
    _print_steps(summary.run)
    settings = summary.run.settings
    if summary.published.is_pinned:
        console.print(summary.published.pin_sentence)
    if summary.window:
        console.print(f"window     {summary.window}, New York")
    console.print(f"warehouse  {shown(settings.warehouse_file)}")
    console.print(f"next       {_command(settings, 'status')}")
    console.print(f"           {_command(settings, f'peek {summary.ingested[0].source}')}")
    console.print(f"           {_command(settings, 'docs')}")


def print_ingested(reports: "Sequence[IngestReport]") -> None:
    """Rows of the new files by source, and what there is to say."""
    rows = [
        [report.source, len(report.fetched), report.skipped, *(getattr(report.counts, name) for name in _COUNTS)]
        for report in reports
    ]
    columns = ["source", "fetched", "loaded before", *(f"rows {name}" for name in _COUNTS)]
    print_table("Ingested", columns, rows, numbers=columns[1:])
    for report in reports:
        if report.note:
            console.print(f"{report.source}: {report.note}")


def print_gates(reports: "Sequence[GateReport]") -> None:
    """Gates by load, and the sentences of the warnings."""
    rows = [
        [report.source, report.load_id, "passed" if report.passed else "failed", report.checked, len(report.failures)]
        for report in reports
    ]
    print_table(
        "Gates", ["source", "load", "gate", "expectations", "not met"], rows, numbers=["expectations", "not met"]
    )
    if not rows:
        console.print("gates      no load is waiting for its gate")
    for report in reports:
        for sentence in report.sentences():
            console.print(sentence, markup=False)


def _print_published(ops: Ops) -> None:
    current = ops.current_publication()
    if current:
        rows = [[name, found["rows"], found["data_through"]] for name, found in current["sources"].items()]
        print_table("Published", ["source", "rows", "data through"], rows, numbers=["rows"])


def _print_steps(run: Run) -> None:
    found = run.ops.query(
        "select step, coalesce(source, '') as source, seconds, rows, detail from steps where run_id = ? order by rowid",
        [run.run_id],
    )
    rows = [[row["step"], row["source"], f"{row['seconds']:.1f}", row["rows"], row["detail"]] for row in found]
    rows.append(["total", "", f"{sum(row['seconds'] for row in found):.1f}", None, None])
    print_table("Steps", ["step", "source", "seconds", "rows", "detail"], rows, numbers=["seconds", "rows"])


def print_plans(window: Window | None, plans: "Mapping[str, Plan[Any]]") -> None:
    """What a run would fetch."""
    console.print(f"window {window}, New York; nothing is fetched" if window else "nothing is fetched")
    rows = [
        [name, item.what, human_size(item.size_bytes), item.skip or "would be fetched"]
        for name, plan in plans.items()
        for item in plan.planned
    ]
    print_table("Plan", ["source", "file or request", "size", "state"], rows, numbers=["size"])
    for name, plan in plans.items():
        if plan.note:
            console.print(f"{name}: {plan.note}")


def gather_status(settings: Settings, ops: Ops) -> dict[str, Any]:
    """The state of a data folder: publication, runs, sources, loads that have not passed, snapshots."""
    ops.mark_interrupted_runs()
    pending = [(source.name, load) for source in SOURCES for load in _pending(settings, ops, source)]
    loads = ops.query("select * from loads")
    by_id = {(load["source"], load["load_id"]): load for load in loads}
    undecided = {"state": "pending", "rows_loaded": None, "loaded_at_utc": None}
    return {
        "publication": ops.current_publication(),
        "runs": ops.query(
            "select run_id, command, status, started_at_utc, finished_at_utc, error from runs"
            " order by started_at_utc desc limit 5"
        ),
        "last_loads": {
            load["source"]: load["loaded_at_utc"]
            for load in sorted(loads, key=lambda load: load["loaded_at_utc"])
            if load["rows_loaded"] and load["state"] in ("passed", "accepted")
        },
        "waiting_loads": [
            {"source": source, "load_id": load} | {key: by_id.get((source, load), undecided)[key] for key in undecided}
            for source, load in pending
        ],
        "accepted_loads": [
            {key: load[key] for key in ("source", "load_id", "reason", "decided_by", "decided_at_utc")}
            for load in loads
            if load["state"] == "accepted"
        ],
        "snapshots": snapshots(settings),
    }


def _pending(settings: Settings, ops: Ops, source: Source) -> list[str]:
    try:
        with Locks(settings.locks_dir, "status").hold(source.lock, shared=True):
            return pending_loads(settings, ops, source)
    except (TerminalError, LockHeldError):
        # a load is being written right now, or was interrupted: what is recorded is all there is to show
        rows = ops.query("select load_id from loads where source = ? and state in ('pending', 'failed')", [source.name])
        return [row["load_id"] for row in rows]


def print_status(settings: Settings, found: dict[str, Any]) -> None:
    """Show what `gather_status` found."""
    publication = found["publication"]
    if publication is None:
        console.print(f"nothing is published in {shown(settings.data_dir)}; `{_command(settings, 'run')}` publishes")
    else:
        pin = f", pinned: {publication['pin_reason']}" if publication["pinned_at_utc"] else ""
        console.print(f"publication {publication['publication_id']} of {publication['published_at_utc'][:19]} UTC{pin}")
        missing = (
            "" if settings.warehouse_file.exists() else f" IS MISSING; `{_command(settings, 'run')}` publishes it again"
        )
        console.print(f"warehouse   {shown(settings.warehouse_file)}{missing}")
        rows = [
            [name, of["rows"], of.get("origin"), of["data_through"], (found["last_loads"].get(name) or "-")[:19]]
            for name, of in publication["sources"].items()
        ]
        columns = ["source", "rows", "origin", "data through", "loaded at (UTC)"]
        print_table("Sources", columns, rows, numbers=["rows"])
    runs = [
        [run["run_id"], run["command"], run["status"], run["started_at_utc"][:19], _first_line(run["error"])]
        for run in found["runs"]
    ]
    print_table("Last runs", ["run", "command", "status", "started (UTC)", "error"], runs)
    waiting = [[load[key] for key in ("source", "load_id", "state", "rows_loaded")] for load in found["waiting_loads"]]
    print_table("Loads that have not passed", ["source", "load", "state", "rows"], waiting, numbers=["rows"])
    accepted = [
        [load[key] for key in ("source", "load_id", "decided_by", "reason")] for load in found["accepted_loads"]
    ]
    print_table("Loads let through by hand", ["source", "load", "by", "reason"], accepted)
    console.print(f"snapshots   {', '.join(found['snapshots']) or 'none'}")


def _first_line(text: str | None) -> str | None:
    return text.splitlines()[0] if text else None


def print_peek(settings: Settings, source: Source, limit: int) -> None:
    """Rows of the raw tables, personal columns hidden, and rejects without their text."""
    path = settings.raw_file(source.name)
    if not has_tables(settings, source.name):
        raise TerminalError(f"{source.name} was never loaded here; `data-stack ingest {source.name}` loads it")
    with duckdb.connect(str(path), read_only=True) as db:
        for table in (table.name for table in source.ingestion().TABLES if table.name != "rejects"):
            _print_sample(db, source, table, limit)
        rejects = db.execute(_PEEK_REJECTS, [limit]).fetchall()
        total = db.execute("select count(*) from raw.rejects").fetchone() or (0,)
    cut = f", the first {len(rejects)} shown, --rows N shows more" if len(rejects) < total[0] else ""
    console.print(f"[bold]raw.rejects[/bold]: {total[0]:,} rows, raw text hidden{cut}")
    for file, line, reason in rejects:
        console.print(f"  {file} line {line}: {reason}", markup=False)


def _print_sample(db: duckdb.DuckDBPyConnection, source: Source, table: str, limit: int) -> None:
    cursor = db.execute(f"select * from raw.{table} limit ?", [limit])
    columns = [column[0] for column in cursor.description or []]
    rows = [
        ["(hidden)" if name in source.personal_columns else value for name, value in zip(columns, row, strict=True)]
        for row in cursor.fetchall()
    ]
    total = db.execute(f"select count(*) from raw.{table}").fetchone() or (0,)
    console.print(f"[bold]raw.{table}[/bold]: {total[0]:,} rows")
    for number, row in enumerate(rows, 1):
        pairs = (f"{name}={value}" for name, value in zip(columns, row, strict=True))
        console.print(f"  {number}. " + "  ".join(pairs), markup=False)


def print_query(warehouse: Path, sql: str, limit: int) -> None:
    """Rows of a select on the published warehouse.

    Raises:
        UsageError: DuckDB does not understand it, or it would reach beyond the warehouse.
    """
    with open_warehouse(warehouse) as db:
        db.execute("set enable_external_access = false; set lock_configuration = true")
        try:
            found = db.sql(sql)
            if found is not None:
                found.show(max_rows=limit, max_width=console.width)
        except duckdb.Error as error:
            raise UsageError(f"the warehouse does not answer this: {error}") from error


def _command(settings: Settings, words: str) -> str:
    """A command as it can be typed in the project's folder, for this data folder."""
    prefix = "" if settings.data_dir == PROJECT_ROOT / "data" else f"DATA_DIR={shlex.quote(shown(settings.data_dir))} "
    return f"{prefix}.venv/bin/data-stack {words}"


def runnable(text: str) -> str:
    """A sentence whose commands can be typed as they stand: a remedy must not reach another data folder.

    Args:
        text: Names commands as `data-stack ...`, as all errors do.
    """
    try:
        settings = Settings.load()
    except UsageError:
        return text
    return text.replace("`data-stack ", f"`{_command(settings, '')}")
