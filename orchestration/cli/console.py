"""What the command line prints: progress while it works, tables at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from data_stack.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBars
    from rich.progress import TaskID

# a pipe has no width of its own, and rich would fold tables to 80 columns
_PIPE_COLUMNS = 160


def _console(stderr: bool) -> Console:
    made = Console(stderr=stderr, soft_wrap=True, highlight=False)
    if not made.is_terminal:
        made.width = _PIPE_COLUMNS
    return made


console = _console(stderr=False)
errors = _console(stderr=True)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Bars on a terminal; elsewhere one line per task, when it begins."""
    if not console.is_terminal:
        yield _print_lines()
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}"))
    with ProgressBars(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        yield _update_bars(bars)


def _update_bars(bars: "ProgressBars") -> Progress:
    tasks: dict[str, TaskID] = {}

    def advance(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return advance


def _print_lines() -> Progress:
    begun: set[str] = set()

    def advance(what: str, done: int, total: int | None) -> None:
        if what not in begun:
            begun.add(what)
            console.print(f"  {what}")

    return advance


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[str] = ()) -> None:
    """Print a table; nothing where there are no rows.

    Args:
        title: Above it.
        columns: Headers.
        rows: Cells; None is shown as a dash, integers with thousands separators.
        numbers: Columns that are right-aligned.
    """
    if not rows:
        return
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def format_size(size: int | None) -> str:
    """Bytes for people: `1.9 MB`; a dash where the size is unknown."""
    if size is None:
        return "-"
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def format_path(path: Path) -> str:
    """A path as it can be typed in the project's folder."""
    from data_stack.settings import PROJECT_ROOT

    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
