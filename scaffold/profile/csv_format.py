"""How a CSV is written: delimiter, header and encoding.

DuckDB's own detection guesses from a sample and gives up quotes on one odd line, so its answer changes with one row.
"""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mode

from data_stack.errors import TerminalError

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 18
_SAMPLE_LINES = 200
_VALUE = re.compile(r"[-+]?[\d.,:/\sTZ%$€-]*\d[\d.,:/\sTZ%$€-]*|true|false|null|.*@.*\..*", re.IGNORECASE)


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV is written.

    Attributes:
        delimiter: Between two fields.
        has_header: Whether the first line has the names of the columns.
        encoding: utf-8 or latin-1, as DuckDB calls it.
        columns: Names; `column1` and so on without a header.
    """

    delimiter: str
    has_header: bool
    encoding: str
    columns: tuple[str, ...]


def sniff_csv(path: Path, shown: str) -> CsvFormat:
    """Find out how a CSV is written.

    Args:
        path: The file.
        shown: Its name in messages.

    Raises:
        TerminalError: It is binary, or has no line.
    """
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
    if b"\x00" in start:
        raise TerminalError(
            f"{shown} is not text (UTF-16, or another format); save it as UTF-8 CSV, or give it the right ending"
        )
    encoding = "utf-8" if _is_utf8(path) else "latin-1"
    sample = start.removeprefix(codecs.BOM_UTF8).decode(encoding, errors="ignore")
    if not sample.strip():
        raise TerminalError(f"{shown} has no lines; fetch it again or give another file")
    delimiter = _find_delimiter(sample)
    first = next(row for row in _parse_lines(sample, delimiter) if row)
    has_header = _is_header(first)
    columns = _name_columns(first if has_header else [""] * len(first))
    return CsvFormat(delimiter, has_header, encoding, tuple(columns))


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_SAMPLE_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _find_delimiter(sample: str) -> str:
    """The delimiter that splits most lines into the same number of fields, and into the most fields."""

    def rate(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in _parse_lines(sample, delimiter) if row]
        usual = mode(widths)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)

    return max(_DELIMITERS, key=rate)


def _parse_lines(sample: str, delimiter: str) -> list[list[str]]:
    # the sample can end inside a quoted field, which would be longer than the limit of the csv module
    with io.StringIO(sample, newline="") as text:
        try:
            return list(islice(csv.reader(text, delimiter=delimiter), _SAMPLE_LINES))
        except csv.Error:
            return [line.split(delimiter) for line in sample.splitlines()[:_SAMPLE_LINES]]


def _is_header(first: list[str]) -> bool:
    """Whether the cells of the first line are names: different from each other, and no numbers, dates or emails."""
    cells = [cell.strip() for cell in first if cell.strip()]
    has_values = any(_VALUE.fullmatch(cell) for cell in cells if not re.fullmatch(r"(19|20)\d\d", cell))
    return bool(cells) and len(set(cells)) == len(cells) and not has_values


def _name_columns(cells: list[str]) -> list[str]:
    """Names that differ from each other also without regard to case, as DuckDB wants them."""
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column{number}"
        is_taken = name.lower() in {taken.lower() for taken in names}
        names.append(f"{name}_{number}" if is_taken else name)
    return names
