"""`data-stack lake`: what is in the lake, writing what is missing, removing what nobody needs."""

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_stack.registry import SOURCES, source_names
from orchestration.cli.console import console, format_size, print_table

if TYPE_CHECKING:
    from data_stack.lake.lake import Lake
    from data_stack.ops import Ops

app = typer.Typer(
    help="Parquet files of the loads that passed, in a folder or a bucket (LAKE_URL).", no_args_is_help=True
)

_COLUMNS = ("source", "manifest", "written (UTC)", "loads", "loads to write", "files", "rows", "size")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """Show the current manifest of each source, and what has passed and is not in it."""
    from data_stack.ops import Ops
    from data_stack.settings import Settings
    from orchestration.steps import require_lake

    settings = Settings.load()
    lake, ops = require_lake(settings), Ops.existing(settings)
    names = sorted({*source_names(), *lake.list_sources()})
    found = [_describe_source(lake, ops, name) for name in names]
    if as_json:
        sys.stdout.write(json.dumps({"lake": lake.root, "sources": found}, indent=2) + "\n")
        return
    console.print(f"lake {lake.root}", markup=False)
    rows = [[*(row | {"size_bytes": format_size(row["size_bytes"])}).values()] for row in found]
    print_table("sources", _COLUMNS, rows, numbers=_COLUMNS[3:])


def _describe_source(lake: "Lake", ops: "Ops | None", name: str) -> dict[str, Any]:
    current = lake.read_current(name)
    manifest = current.manifest if current else None
    written = {load.load_id for load in manifest.loads} if manifest else set()
    files = manifest.files if manifest else []
    return {
        "source": name if name in source_names() else f"{name} (not registered)",
        "manifest": manifest and manifest.manifest_id,
        "written_at_utc": manifest and manifest.written_at_utc,
        "loads": len(written),
        "loads_to_write": len(ops.passed_loads(name) - written) if ops else 0,
        "files": len(files),
        "rows": sum(file.rows for file in files),
        "size_bytes": sum(file.size_bytes for file in files),
    }


@app.command()
def sync(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Replace what another platform has written, or this one earlier.")
    ] = False,
) -> None:
    """Write what has passed and is not in the lake; every run does so before it builds."""
    from orchestration import steps
    from orchestration.cli.runs import recorded

    with recorded("lake sync", SOURCES) as context:
        for report in steps.sync_lake(context, SOURCES, take_over):
            console.print(f"{report.source_name}: {report.summary()}", markup=False)


@app.command()
def register() -> None:
    """Make the tables of the lake known to Spark; every build there does so, and it brings them back."""
    from data_stack.settings import Settings
    from dbt_runner.spark import register_lake

    registered = register_lake(Settings.load())
    for name in registered:
        console.print(name, markup=False)
    console.print(f"{len(registered)} tables registered; the others had the current manifest already")


@app.command()
def vacuum(
    older_than: Annotated[
        int, typer.Option("--older-than", min=0, metavar="DAYS", help="Keep what was replaced in the last DAYS.")
    ] = 7,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
) -> None:
    """Remove files that neither the current state nor a publication that can be returned to names."""
    from orchestration import steps
    from orchestration.cli.runs import recorded

    with recorded("lake vacuum", []) as context:
        reports = steps.vacuum_lake(context, timedelta(days=older_than), dry_run)
    verb = "would be removed" if dry_run else "removed"
    for report in reports:
        for file in report.removed if dry_run else ():
            console.print(f"  {file.path}", markup=False)
        size = format_size(report.size_bytes)
        console.print(f"{report.source_name}: {len(report.removed)} files ({size}) {verb}, {report.kept} kept")
