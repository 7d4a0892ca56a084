"""The lines of a CSV as fields: at once where that is proven to give what `csv.reader` gives, the others line by line.

A record is one physical line, so an unmatched quotation mark affects only its own line.
"""

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from dlt_pipeline.stage import RejectedRowError

T = TypeVar("T")
R = TypeVar("R")

BLOCK_BYTES = 8_000_000
LINE = "source_line"
# each holds a block and what is read from it
_THREADS = min(4, os.cpu_count() or 1)

# All readers of CSV agree on a line of such fields: no quotation mark but one at each end of a field, and no character
# that one of them takes for the end of a line or of a text, or for the mark at the beginning of a file.
_PLAIN_FIELD = r'(?:"[^"\r\n\x00\x{FEFF}]*"|[^",\r\n\x00\x{FEFF}]*)'
# `csv.reader` refuses longer fields
_PLAIN_BYTES_MAX = csv.field_size_limit()


@dataclass(frozen=True)
class Lines:
    """The lines of a block that are not empty: records and reasons.

    Attributes:
        records: Columns of text, as they stand in the file without quotation marks, and `source_line`.
        reasons: By its number, why a line is no record.
    """

    records: pl.DataFrame
    reasons: dict[int, str]


def read_blocks(stream: IO[bytes], block_bytes: int) -> Iterator[bytes]:
    """Read complete lines, about so many bytes at a time."""
    while block := stream.read(block_bytes):
        yield block if block.endswith(b"\n") else block + stream.readline()


def map_in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Like `map`, in the same order, but some items ahead: the next block is unzipped while others are split.

    Args:
        function: Called in threads; it pays where the work is done without Python's lock, as in Polars.
        items: Taken when a thread is free, so few of them are in memory.

    Raises:
        Exception: What the function or the items raised, after the results before it.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                if len(waiting) > _THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


def split_block(block: bytes, columns: list[str], first_line: int) -> Lines:
    """Split the lines of a block; the same as `split_lines` gives, but faster.

    Args:
        block: Complete lines.
        columns: Names of the columns.
        first_line: Number of the first line.
    """
    block = _drop_returns(block)
    lines = find_lines(block)
    numbers = pl.Series(LINE, np.arange(first_line, first_line + len(lines)))
    is_plain = _find_plain_lines(lines, len(columns))
    plain_block = block if is_plain.all() else b"".join(lines.filter(is_plain))
    records = _read_plain_lines(plain_block, columns)
    if records.height != is_plain.sum():
        return split_lines(zip(numbers, lines, strict=True), columns)
    records = records.with_columns(numbers.filter(is_plain))
    if records.height == len(lines):
        return Lines(records, {})
    others = split_lines(zip(numbers.filter(~is_plain), lines.filter(~is_plain), strict=True), columns)
    return Lines(pl.concat([records, others.records]).sort(LINE), others.reasons)


def _drop_returns(block: bytes) -> bytes:
    """What `block.replace(b"\\r\\n", b"\\n")` gives, without Python's lock and in less time."""
    characters = np.frombuffer(block, np.uint8)
    is_return = characters == ord("\r")
    if not is_return.any():
        return block
    is_return[:-1] &= characters[1:] == ord("\n")
    # the last one has no end of line after it
    is_return[-1:] = False
    kept: bytes = characters[~is_return].tobytes()
    return kept


def find_lines(block: bytes) -> pl.Series:
    """The lines of a block, as bytes with their ends."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    last = [] if block.endswith(b"\n") else [len(block)]
    offsets = np.concatenate([[0], ends, last]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block)]
    return pl.Series("line", pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers))


def split_lines(lines: Iterable[tuple[int, bytes]], columns: list[str]) -> Lines:
    """Split lines one by one with `csv.reader`, which says what is right.

    Args:
        lines: Numbers and bytes.
        columns: Names of the columns.
    """
    records: list[tuple[object, ...]] = []
    reasons: dict[int, str] = {}
    for number, line in lines:
        if stripped := line.rstrip(b"\r\n"):
            try:
                records.append((*_split_line(stripped, len(columns)), number))
            except RejectedRowError as error:
                reasons[number] = str(error)
    schema = dict.fromkeys(columns, pl.String) | {LINE: pl.Int64}
    return Lines(pl.DataFrame(records, schema, orient="row"), reasons)


def _find_plain_lines(lines: pl.Series, column_count: int) -> pl.Series:
    """Whether every reader of CSV would split a line alike, and into the right number of columns."""
    line = rf"\A{_PLAIN_FIELD}(?:,{_PLAIN_FIELD}){{{column_count - 1}}}\n?\z"
    is_regular = _decode_lines(lines).str.contains(line)
    return is_regular.fill_null(False) & (lines.bin.size() <= _PLAIN_BYTES_MAX)


def _decode_lines(lines: pl.Series) -> pl.Series:
    """The lines as text, null where they are not valid UTF-8."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([_decode_line(line) for line in lines], dtype=pl.String)


def _decode_line(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _read_plain_lines(lines: bytes, columns: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.String)
    if not lines:
        return pl.DataFrame(schema=schema)
    return pl.read_csv(lines, has_header=False, schema=schema, empty_string_is_null=False)


def _split_line(line: bytes, column_count: int) -> list[str]:
    try:
        record = next(csv.reader((line.decode("utf-8"),), strict=True))
    except UnicodeDecodeError:
        raise RejectedRowError("not valid UTF-8") from None
    except csv.Error:
        raise RejectedRowError("quotation marks do not match") from None
    if len(record) != column_count:
        raise RejectedRowError(f"{column_count} columns expected")
    return record
