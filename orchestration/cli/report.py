"""The tables of the command line, and the state that `status` shows."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from data_quality.runner import GateReport
from data_stack.duck import connect_duckdb
from data_stack.errors import LockHeldError, TerminalError, UsageError
from data_stack.held_back import find_held_back, find_lake_faults
from data_stack.loads import find_pending_loads
from data_stack.locks import Locks
from data_stack.ops import LoadState, Ops
from data_stack.publications import Publication, find_pin, find_publication, list_snapshots
from data_stack.raw import has_tables
from data_stack.redaction import HIDDEN
from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT, Settings
from data_stack.window import Window
from orchestration.cli.console import console, format_path, format_size, print_table
from orchestration.steps import PublishReport, Run
from orchestration.summary import RunSummary

if TYPE_CHECKING:
    from dlt_pipeline.reader import Plan

_REJECTS = "select batch, source_line, reason from raw.rejects order by 1, 2 limit ?"


def print_run(run: Run, summary: RunSummary, window: Window | None, warnings: Sequence[str]) -> None:
    """What a run did: rows by source, gates, what is published, seconds by step, and what to run next.

    Args:
        run: The run.
        summary: What its records say.
        window: The days that it loaded.
        warnings: Of the build: one line each.
    """
    print_ingested(summary)
    print_gates(summary.gates)
    print_gate_failures(summary.gates)
    for line in warnings:
        console.print(line, markup=False)
    _print_published("Published", summary)
    _print_steps(summary)
    if summary.pin:
        console.print(PublishReport(summary.pin.publication_id, is_pinned=True).pin_message)
    if window:
        console.print(f"window     {window}")
    console.print(f"warehouse  {format_path(run.settings.warehouse_file)}")
    console.print(f"next       {_format_command(run.settings, 'status')}")
    for ingested in summary.ingested[:1]:
        command = _format_command(run.settings, f"peek {ingested['source']}")
        console.print(f"           {command}")
    console.print(f"           {_format_command(run.settings, 'docs')}")


def print_failed_run(summary: RunSummary) -> None:
    """What a run did before it failed, and what readers still see; the error that follows says what to do."""
    if summary.steps:
        print_ingested(summary)
        print_gates(summary.gates)
        _print_published("Still published", summary)
        _print_steps(summary)


def _print_published(title: str, summary: RunSummary) -> None:
    sources = summary.publication.sources if summary.publication else ()
    rows = [[state.source.name, state.rows, state.data_through] for state in sources]
    print_table(title, ["source", "rows", "data through"], rows, numbers=["rows"])


def print_ingested(summary: RunSummary) -> None:
    """Rows of the new loads, by source."""
    counts = ("read", "loaded", "rejected", "repeated")
    rows = [[row["source"], row["status"], *(row[f"rows_{count}"] for count in counts)] for row in summary.ingested]
    numbers = ["rows read", "loaded", "rejected", "duplicates"]
    print_table("Ingested", ["source", "status", *numbers], rows, numbers=numbers)


def print_gates(gates: Sequence[GateReport]) -> None:
    """One row per load that was validated."""
    rows = [
        [gate.source_name, gate.load_id, "passed" if gate.passed else "failed", gate.checked, len(gate.failures)]
        for gate in gates
    ]
    numbers = ["expectations", "failed"]
    print_table("Gates", ["source", "load", "gate", *numbers], rows, numbers=numbers)


def print_gate_failures(gates: Sequence[GateReport]) -> None:
    """One line per failed expectation, or that there was no pending load."""
    if not gates:
        console.print("gates      no load is pending")
    for gate in gates:
        for line in gate.format_failures():
            console.print(line, markup=False)


def _print_steps(summary: RunSummary) -> None:
    rows = [
        [step["step"], step["source"] or "", step["status"], f"{step['seconds']:.1f}", step["rows"], step["detail"]]
        for step in summary.steps
    ]
    rows.append(["total", "", "", f"{sum(step['seconds'] for step in summary.steps):.1f}", None, None])
    columns = ["step", "source", "status", "seconds", "rows", "detail"]
    print_table("Steps", columns, rows, numbers=["seconds", "rows"])


def print_plans(window: Window | None, plans: "Mapping[str, Plan[Any]]") -> None:
    """What a run would fetch."""
    console.print(f"window {window}; nothing is fetched" if window else "nothing is fetched")
    rows = [
        [name, item.what, format_size(item.size_bytes), item.skip or "would be fetched"]
        for name, plan in plans.items()
        for item in plan.planned
    ]
    print_table("Plan", ["source", "file or request", "size", "state"], rows, numbers=["size"])
    for name, plan in plans.items():
        if plan.note:
            console.print(f"{name}: {plan.note}")


def gather_status(settings: Settings, ops: Ops) -> dict[str, Any]:
    """The state of a data folder: publication, runs, what is held back, pending and accepted loads, snapshots."""
    ops.mark_interrupted_runs()
    loads = {(load["source"], load["load_id"]): load for load in ops.query("select * from loads")}
    undecided = {"state": LoadState.PENDING, "rows_loaded": None, "loaded_at_utc": None}
    return {
        "publication": _describe_publication(ops, find_publication(settings.warehouse_file)),
        "runs": [
            {key: run[key] for key in ("run_id", "command", "status", "started_at_utc", "finished_at_utc", "error")}
            for run in ops.last_runs(5)
        ],
        "last_loads": ops.last_good_loads(),
        "waiting_loads": [
            {"source": source.name, "load_id": load_id}
            | {key: loads.get((source.name, load_id), undecided)[key] for key in undecided}
            for source in SOURCES
            for load_id in _list_pending_loads(settings, ops, source)
        ],
        "accepted_loads": [
            {key: load[key] for key in ("source", "load_id", "reason", "decided_by", "decided_at_utc")}
            for load in ops.accepted_loads()
        ],
        "awaited": [
            {"source": source.name, "from": f"{window.start}", "to": f"{window.end}"}
            for source in SOURCES
            for window in ops.awaited_windows(source.name)
        ],
        "held_back": [vars(held) for held in find_held_back(ops.query)],
        "lake_faults": [
            {key: vars(fault)[key] for key in ("source_name", "since_utc", "reason")}
            for fault in (find_lake_faults(ops.query) if settings.lake_url else ())
        ],
        "snapshots": list_snapshots(settings, ops),
    }


def _describe_publication(ops: Ops, publication: Publication | None) -> dict[str, Any] | None:
    if publication is None:
        return None
    pin = find_pin(ops, publication)
    return {
        "publication_id": publication.publication_id,
        "run_id": publication.run_id,
        "published_at_utc": f"{publication.published_at_utc}",
        "tables": publication.tables,
        "left_tables": publication.left_tables,
        "sources": {
            state.source.name: {
                "rows": state.rows,
                "data_through": state.data_through and f"{state.data_through}",
                "origin": state.origin,
            }
            for state in publication.sources
        },
        "pinned_at_utc": pin and f"{pin.pinned_at_utc}",
        "pin_reason": pin and pin.reason,
        "interrupted_rollback_to": pin.publication_id if pin and not pin.is_complete else None,
    }


def _list_pending_loads(settings: Settings, ops: Ops, source: Source) -> list[str]:
    try:
        with Locks(settings, "status").hold(source.lock, shared=True):
            return find_pending_loads(settings, ops, source)
    except (TerminalError, LockHeldError):
        # a load is being written, or was interrupted: only what is recorded can be shown
        return [load["load_id"] for load in ops.open_loads(source.name)]


def print_status(settings: Settings, found: dict[str, Any]) -> None:
    """Show what `gather_status` found."""
    _print_publication(settings, found)
    runs = [
        [run["run_id"], run["command"], run["status"], run["started_at_utc"][:19], (run["error"] or "").split("\n")[0]]
        for run in found["runs"]
    ]
    print_table("Last runs", ["run", "command", "status", "started (UTC)", "error"], runs)
    held = [[held[key] for key in ("source_name", "since_utc", "load_id", "reason")] for held in found["held_back"]]
    print_table("Held back", ["source", "since (UTC)", "load", "why"], held)
    faults = [[fault[key] for key in ("source_name", "since_utc", "reason")] for fault in found["lake_faults"]]
    print_table("Not in the lake; the next run writes it", ["source", "since (UTC)", "why"], faults)
    awaited = [[days[key] for key in ("source", "from", "to")] for days in found["awaited"]]
    print_table("Not published yet; scheduled runs ask again", ["source", "from", "to"], awaited)
    waiting = [[load[key] for key in ("source", "load_id", "state", "rows_loaded")] for load in found["waiting_loads"]]
    print_table("Loads that have not passed", ["source", "load", "state", "rows"], waiting, numbers=["rows"])
    accepted = [
        [load[key] for key in ("source", "load_id", "decided_by", "reason")] for load in found["accepted_loads"]
    ]
    print_table("Loads accepted manually", ["source", "load", "by", "reason"], accepted)
    console.print(f"snapshots   {', '.join(found['snapshots']) or 'none'}")


def _print_publication(settings: Settings, found: dict[str, Any]) -> None:
    publication = found["publication"]
    if publication is None:
        command = "rollback" if found["snapshots"] else "run"
        folder = format_path(settings.data_dir)
        console.print(f"nothing is published in {folder}; `{_format_command(settings, command)}` publishes")
        return
    pin = f", pinned: {publication['pin_reason']}" if publication["pinned_at_utc"] else ""
    console.print(f"publication {publication['publication_id']} of {publication['published_at_utc'][:19]} UTC{pin}")
    if publication["interrupted_rollback_to"]:
        console.print(
            f"rollback    to {publication['interrupted_rollback_to']} was interrupted; the next run completes it, "
            f"`{_format_command(settings, 'publish')}` cancels it"
        )
    console.print(f"warehouse   {format_path(settings.warehouse_file)}")
    if publication["left_tables"]:
        console.print(f"on Spark    {', '.join(publication['left_tables'])}; too large for the warehouse")
    rows = [
        [name, of["rows"], of["origin"], of["data_through"], (found["last_loads"].get(name) or "-")[:19]]
        for name, of in publication["sources"].items()
    ]
    print_table("Sources", ["source", "rows", "origin", "data through", "loaded at (UTC)"], rows, numbers=["rows"])


def print_peek(settings: Settings, source: Source, limit: int) -> None:
    """Rows of the raw tables with personal columns hidden, and rejects without their text."""
    from dlt_pipeline.reader import find_reader

    if not has_tables(settings, source):
        raise TerminalError(f"{source.name} was never loaded here; `data-stack ingest {source.name}` loads it")
    with connect_duckdb(settings.raw_file(source.name), read_only=True) as db:
        for table in (table.name for table in find_reader(source.name).tables if table.name != "rejects"):
            _print_rows(db, source, table, limit)
        rejects = db.execute(_REJECTS, [limit]).fetchall()
        ((total,),) = db.execute("select count(*) from raw.rejects").fetchall()
    cut = f", the first {len(rejects)} shown, --rows N shows more" if len(rejects) < total else ""
    console.print(f"[bold]raw.rejects[/bold]: {total:,} rows, raw text hidden{cut}")
    for file, line, reason in rejects:
        console.print(f"  {file} line {line}: {reason}", markup=False)


def _print_rows(db: duckdb.DuckDBPyConnection, source: Source, table: str, limit: int) -> None:
    ((total,),) = db.execute(f"select count(*) from raw.{table}").fetchall()
    console.print(f"[bold]raw.{table}[/bold]: {total:,} rows")
    cursor = db.execute(f"select * from raw.{table} limit ?", [limit])
    columns = [column[0] for column in cursor.description or []]
    for number, row in enumerate(cursor.fetchall(), 1):
        pairs = (
            f"{name}={HIDDEN if name in source.personal_columns else value}"
            for name, value in zip(columns, row, strict=True)
        )
        console.print(f"  {number}. " + "  ".join(pairs), markup=False)


def _format_command(settings: Settings, arguments: str) -> str:
    """A command for this data folder, as it can be typed in the project's folder."""
    is_default = settings.data_dir == PROJECT_ROOT / "data"
    prefix = "" if is_default else f"DATA_DIR={shlex.quote(format_path(settings.data_dir))} "
    return f"{prefix}.venv/bin/data-stack {arguments}"


def make_runnable(text: str) -> str:
    """A message whose commands can be pasted into a shell: a remedy must not reach another data folder.

    Args:
        text: Names commands as `data-stack ...`, as all errors do.
    """
    try:
        settings = Settings.load()
    except UsageError:
        return text
    return text.replace("`data-stack ", f"`{_format_command(settings, '')}")
