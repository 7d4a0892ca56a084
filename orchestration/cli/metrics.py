"""`data-stack metrics`: what can be asked, what it means, and the answer as a table, JSON, CSV or SQL."""

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_stack.errors import UsageError
from orchestration.cli.console import errors, print_table

if TYPE_CHECKING:
    from data_stack.metrics.query import MetricColumn, MetricInfo, MetricQuery, MetricResult

app = typer.Typer(help="Ask for metrics: what there is, what one means, and its values.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_FILTER = re.compile(r"\s*(\w+)\s*(!=|<=|>=|=|<|>|\bnot\s+in\b|\bin\b)\s*(.*?)\s*", re.IGNORECASE)
_GRAIN = "date__"


@app.command("list")
def list_metrics(as_json: AsJson = False) -> None:
    """Show all metrics with unit, dimensions and the last complete day."""
    from data_stack.metrics.door import open_metrics
    from data_stack.settings import Settings

    with open_metrics(Settings.load()) as metrics:
        found = metrics.list()
    if as_json:
        _print_json([info.model_dump(mode="json") for info in found])
        return
    rows = [[info.name, info.unit, ", ".join(info.dimensions), _finest(info), info.data_until] for info in found]
    print_table("metrics", ["metric", "unit", "dimensions", "finest grain", "data until"], rows)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME", help="A metric.")], as_json: AsJson = False) -> None:
    """Show what a metric means, and what can be asked of it."""
    from data_stack.metrics.door import open_metrics
    from data_stack.settings import Settings

    with open_metrics(Settings.load()) as metrics:
        info = metrics.describe(name)
    if as_json:
        _print_json(info.model_dump(mode="json"))
        return
    values = {key: ", ".join(value) if isinstance(value, tuple) else value for key, value in info}
    print_table(info.label, ["", "value"], [[key.replace("_", " "), value or None] for key, value in values.items()])


@app.command()
def query(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One or more metrics.")],
    by: Annotated[
        list[str] | None, typer.Option("--by", help="A dimension, or date__day, date__week, date__month, ...")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help='A filter: "member_casual = member", "weekday in 6, 7"; several all hold.'),
    ] = None,
    from_day: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    to_day: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")] = None,
    order: Annotated[
        list[str] | None, typer.Option("--order", help="A column of the answer; with a minus, the largest first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 1000,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_sql: Annotated[bool, typer.Option("--sql", help="Print the SQL that gives the answer.")] = False,
) -> None:
    """Answer a question from the published data; without dates, of all complete days."""
    from data_stack.metrics.door import open_metrics
    from data_stack.settings import Settings

    if as_json + as_csv + as_sql > 1:
        raise UsageError("choose one of --json, --csv and --sql")
    question = _read_query(names, by or [], where or [], (from_day, to_day), order or [], limit)
    with open_metrics(Settings.load()) as metrics:
        result = metrics.query(question)
    if as_json:
        _print_json(result.model_dump(mode="json"))
    elif as_csv:
        _print_csv(result)
    elif as_sql:
        sys.stdout.write(f"{result.sql}\n")
    else:
        _print_result(result)


def _read_query(
    names: Sequence[str],
    by: Sequence[str],
    where: Sequence[str],
    period: tuple[datetime | None, datetime | None],
    order: Sequence[str],
    limit: int,
) -> "MetricQuery":
    from pydantic import ValidationError

    from data_stack.metrics.query import MetricQuery

    grains = [name.removeprefix(_GRAIN) for name in by if name.startswith(_GRAIN)]
    if len(grains) > 1:
        raise UsageError(f"an answer has one grain, and --by asks for {' and '.join(grains)}")
    start, end = (day.date() if day else None for day in period)
    given: dict[str, Any] = {
        "metrics": names,
        "group_by": [name for name in by if not name.startswith(_GRAIN)],
        "grain": grains[0] if grains else None,
        "start": start,
        "end": end,
        "where": [_read_filter(text) for text in where],
        "order_by": order,
        "limit": limit,
    }
    try:
        return MetricQuery.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        raise UsageError(f"{place or 'the question'}: {first['msg'].removeprefix('Value error, ')}") from None


def _read_filter(text: str) -> dict[str, Any]:
    found = _FILTER.fullmatch(text)
    if not found or not found[3]:
        raise UsageError(f'--where {text!r} is no filter; write one like "member_casual = member" or "weekday in 6, 7"')
    operator = " ".join(found[2].lower().split())
    # texts: the database compares them as the dimension's type, and an identifier such as 0042 stays what it is
    values = found[3].split(",") if operator in ("in", "not in") else [found[3]]
    return {"dimension": found[1], "operator": operator, "values": [value.strip().strip("'\"") for value in values]}


def _print_result(result: "MetricResult") -> None:
    titles = [_title(column) for column in result.columns]
    numbers = [title for title, column in zip(titles, result.columns, strict=True) if column.role == "metric"]
    rows = [[_format(value) for value in row] for row in result.rows]
    print_table(", ".join(result.query.metrics), titles, rows, numbers)
    for line in _list_notes(result):
        errors.print(line, markup=False)


def _list_notes(result: "MetricResult") -> Iterator[str]:
    yield from result.notes
    until = f"complete days until {result.data_until}, " if result.data_until else ""
    yield f"{until}publication {result.publication_id}"


def _title(column: "MetricColumn") -> str:
    return f"{column.name} ({column.unit})" if column.unit and column.unit != column.name else column.name


def _format(value: Any) -> Any:
    """Numbers with four decimals at most; integers get their separators from the table."""
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _finest(info: "MetricInfo") -> str | None:
    return info.grains[0] if info.grains else None


def _print_csv(result: "MetricResult") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    writer.writerows(result.rows)


def _print_json(found: object) -> None:
    sys.stdout.write(f"{json.dumps(found, indent=2, ensure_ascii=False)}\n")
