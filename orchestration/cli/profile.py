"""`data-stack profile`: what is in a file or a published table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_stack.errors import UsageError
from orchestration.cli.console import console, format_path, print_table

if TYPE_CHECKING:
    from scaffold.profile.drift import Drift
    from scaffold.profile.model import Profile


def profile(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Path or URL.")] = None,
    table: Annotated[str | None, typer.Option(help="A published table instead, such as core.dim_dates.")] = None,
    compare: Annotated[str | None, typer.Option(metavar="FILE2", help="A later file to compare with.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write profile.json and profile.html.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Show the values of personal columns.")
    ] = False,
) -> None:
    """Profile a Parquet, CSV, JSON or GeoJSON file, a zip of these, or a published table: types, keys, zones, drift."""
    from data_stack.settings import Settings
    from scaffold.profile.drift import compare_profiles
    from scaffold.profile.read import profile_file, profile_table

    if (file is None) == (table is None):
        raise UsageError("give either a file or --table")
    settings = Settings.load()
    if table:
        found = profile_table(table, settings, show_personal)
    else:
        found = profile_file(file or "", settings, show_personal)
    drift = compare_profiles(found, profile_file(compare, settings, show_personal)) if compare else None
    document = json.dumps(found.to_dict() | ({"drift": drift.to_dict()} if drift else {}), indent=2, default=str)
    if out:
        _write(out, found, drift, document)
    if as_json:
        typer.echo(document)
    else:
        print_profile(found, drift)


def _write(folder: Path, found: "Profile", drift: "Drift | None", document: str) -> None:
    from scaffold.profile.page import render_page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.json").write_text(document + "\n", encoding="utf-8")
    (folder / "profile.html").write_text(render_page(found, drift), encoding="utf-8")
    typer.echo(f"written to {format_path(folder / 'profile.html')} and profile.json", err=True)


def print_profile(found: "Profile", drift: "Drift | None" = None) -> None:
    """Print the summary of a profile as tables.

    Args:
        found: The profile.
        drift: How a later file differs from it.
    """
    from scaffold.profile.page import describe_note, describe_values

    keys = ", ".join(" + ".join(key) for key in found.keys) or "none"
    console.print(
        f"{found.origin}: {found.rows:,} rows, {found.duplicates:,} duplicate rows,"
        f" {found.rejected_lines:,} lines that could not be read",
        markup=False,
    )
    details = ", ".join(f"{name} {value!r}" for name, value in found.details.items())
    console.print(f"{found.format} {details}\nkey candidates: {keys}", markup=False)
    rows = [
        (
            column.name,
            column.type,
            column.nulls + column.blanks,
            column.distinct,
            describe_values(column),
            describe_note(column),
        )
        for column in found.columns
    ]
    headers = ("column", "type", "nulls", "distinct", "values", "notes")
    print_table("Columns", headers, [_escape(row) for row in rows], ("nulls", "distinct"))
    if drift:
        changes = [(c.name, c.change, "; ".join(c.findings), c.verdict) for c in drift.columns]
        title = f"Compared with {drift.after}: {drift.rows_before:,} rows became {drift.rows_after:,}"
        print_table(title, ("column", "change", "findings", "verdict"), [_escape(row) for row in changes])


def _escape(row: tuple[str | int, ...]) -> list[str | int]:
    """Cells as they are: a value such as `[red]` is no markup, and no control character reaches the terminal."""
    from rich.markup import escape

    from data_stack.redaction import make_printable

    return [escape(make_printable(cell)) if isinstance(cell, str) else cell for cell in row]
