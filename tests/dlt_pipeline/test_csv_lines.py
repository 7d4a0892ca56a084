"""Blocks of lines are split at once exactly as they are line by line."""

import io
import time
from collections.abc import Iterator
from itertools import islice

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dlt_pipeline.csv_lines import (
    LINE,
    _find_plain_lines,
    find_lines,
    map_in_threads,
    read_blocks,
    split_block,
    split_lines,
)

COLUMNS = ["a", "b", "c"]

# what readers of CSV, of text and of numbers disagree about
odd = st.sampled_from(
    '" "" """ , \r \n \r\n \r\r\n \x00 \ufeff \x1a \x0b \x0c \x1c \x85 \u2028 \t \xa0 NULL null # \\ é 😀'.split(" ")
)
text = st.lists(st.one_of(odd, st.text(st.characters(codec="utf-8"), max_size=4)), max_size=4).map("".join)
bare = text.map(lambda value: value.translate({ord(mark): None for mark in '",\r\n'}))
field = st.one_of(bare, bare.map('"{}"'.format), text.map('"{}"'.format), text)
line = st.lists(field, min_size=1, max_size=4).map(",".join)
plain = st.lists(st.one_of(bare, bare.map('"{}"'.format)), min_size=3, max_size=3).map(",".join)
ends = st.sampled_from(["\n", "\r\n", "\n\n", "\r\r\n", "\r"])
file = st.lists(st.tuples(st.one_of(plain, plain, line), ends).map("".join)).map(lambda lines: "".join(lines).encode())
damaged = st.tuples(file, st.binary(max_size=3), st.integers(0, 200)).map(
    lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
)


@given(st.one_of(file, damaged, st.binary(max_size=60)), st.sampled_from([1, 7, 1000]))
@settings(max_examples=300)
@example(b'"a","b","c"\n' * 3, 1000)
@example(b'a,b,c\r\n"x ""y""",b,c\r\n1,2,3\r\n', 1000)
@example(b"\xef\xbb\xbfa,b,c\n\xef\xbb\xbfa,b,c", 1000)
@example(b",,\n,,", 1000)
@example(b"a,b," + b"c" * 140_000 + b"\nd,e,f\n", 1000)
def test_any_bytes_are_split_at_once_as_they_are_line_by_line(content: bytes, block_bytes: int) -> None:
    first = 2
    records, reasons = [], {}
    for block in read_blocks(io.BytesIO(content), block_bytes):
        split = split_block(block, COLUMNS, first)
        records.append(split.records)
        reasons |= split.reasons
        first += block.count(b"\n")
    expected = split_lines(enumerate(io.BytesIO(content), 2), COLUMNS)
    if records:
        assert_frame_equal(pl.concat(records), expected.records)
    assert expected.records.height == sum(frame.height for frame in records)
    assert reasons == expected.reasons


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_quoted_quotation_mark_leaves_the_other_lines_to_the_fast_way(end: str) -> None:
    block = end.join(['"a","b","c"', '"say ""hi""","b","c"', "1,2,3", ""]).encode()
    lines = find_lines(block.replace(b"\r\n", b"\n"))
    assert _find_plain_lines(lines, 3).to_list() == [True, False, True]
    split = split_block(block, COLUMNS, 2)
    assert split.records["a"].to_list() == ["a", 'say "hi"', "1"]
    assert split.records[LINE].to_list() == [2, 3, 4]


def test_items_are_taken_few_ahead_and_their_results_come_in_order() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    def sleep_and_square(number: int) -> int:
        time.sleep(0.003 if number % 3 == 0 else 0)
        return number * number

    results = map_in_threads(sleep_and_square, items())
    first = [next(results) for _ in range(10)]
    assert len(taken) < 20, "all items would be in memory"
    assert [*first, *results] == [number * number for number in range(50)]


def test_an_error_comes_after_the_results_before_it() -> None:
    def fail_at_seven(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number

    results = map_in_threads(fail_at_seven, range(50))
    assert list(islice(results, 7)) == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(results)
