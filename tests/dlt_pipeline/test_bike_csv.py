"""The CSV formats of the bike provider, row by row."""

import io
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.bike.provider import NEW_HEADER, OLD_HEADER, OLD_TITLE_HEADER, quoted, ride

from data_stack.errors import TerminalError
from dlt_pipeline.bike_csv import Batch, _parse_times, read_member

OLD_RIDE = (
    '"634","2016-12-01 00:00:04","2016-12-01 00:10:39","3209","Brunswick St","40.7241765","-74.0506564",'
    '"3206","Hilltop","40.7311689","-74.0575736","24599","Subscriber","1988","1"'
)


def read(text: str | bytes, batch_rows: int = 100_000) -> Batch:
    content = text.encode() if isinstance(text, str) else text
    batches = list(read_member(io.BytesIO(content), "file.zip", "member.csv", batch_rows))
    rows = [row for batch in batches for row in batch.trips.to_pylist()]
    rejects = [reject for batch in batches for reject in batch.rejects]
    return Batch(rows, rejects, sum(batch.rows_read for batch in batches))


def test_new_format_keeps_ids_as_text_and_milliseconds() -> None:
    line = ride(
        1, "2024-06-01 00:12:33.123", "2024-06-01 00:20:00.007", start_station_id="5329.10", end_station_id="0042"
    )
    (trip,) = read(f"{NEW_HEADER}\n{line}\n").trips
    assert trip["ride_id"] == "0000000000000001"
    assert trip["start_station_id"] == "5329.10"
    assert trip["end_station_id"] == "0042"
    assert trip["started_at_local"] == datetime(2024, 6, 1, 0, 12, 33, 123000)
    assert trip["ended_at_local"] == datetime(2024, 6, 1, 0, 20, 0, 7000)
    assert (trip["start_latitude"], trip["end_longitude"]) == (40.7123, -74.0525)
    assert (trip["batch"], trip["source_member"], trip["source_line"]) == ("file.zip", "member.csv", 2)


@pytest.mark.parametrize("header", [OLD_HEADER, OLD_TITLE_HEADER])
def test_old_format_in_both_spellings_is_mapped_to_one_schema(header: str) -> None:
    (trip,) = read(f"{header}\n{OLD_RIDE}\n").trips
    assert trip["started_at_local"] == datetime(2016, 12, 1, 0, 0, 4)
    assert (trip["start_station_id"], trip["start_station_name"]) == ("3209", "Brunswick St")
    assert (trip["end_latitude"], trip["member_casual"], trip["rideable_type"]) == (40.7311689, "member", None)


def test_derived_ids_are_the_same_in_both_spellings_and_differ_between_bikes() -> None:
    other_bike = OLD_RIDE.replace("24599", "24600")
    first = read(f"{OLD_HEADER}\n{OLD_RIDE}\n{other_bike}\n").trips
    second = read(f"{OLD_TITLE_HEADER}\n{OLD_RIDE.replace('2016-12-01 00:', '12/1/2016 00:')}\n").trips
    assert first[0]["ride_id"] == second[0]["ride_id"] != first[1]["ride_id"]
    assert len(first[0]["ride_id"]) == 32


def test_null_as_text_is_null() -> None:
    line = OLD_RIDE.replace('"3206","Hilltop","40.7311689","-74.0575736"', '"NULL","NULL","NULL","NULL"')
    (trip,) = read(f"{OLD_HEADER}\n{line}\n").trips
    assert (trip["end_station_id"], trip["end_station_name"], trip["end_latitude"]) == (None, None, None)


def test_customer_is_casual_and_an_unknown_user_type_is_null() -> None:
    lines = [OLD_RIDE.replace("Subscriber", "Customer"), OLD_RIDE.replace('"Subscriber"', '""')]
    trips = read("\n".join([OLD_HEADER, *lines])).trips
    assert [trip["member_casual"] for trip in trips] == ["casual", None]


GOOD = ride(7, "2024-01-02 08:00:00")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("<<<<<<< HEAD", "13 columns expected"),
        (quoted(["a", "b"]), "13 columns expected"),
        (
            ride(2, "2024-01-02 08:00:00").replace("2024-01-02 08:00:00", "17:25.0"),
            "started_at is missing or unreadable",
        ),
        (
            ride(2, "2024-01-02 08:00:00").replace("2024-01-02 08:00:00", "1/2/24 8:00"),
            "started_at is missing or unreadable",
        ),
        (ride(2, "2024-01-02 08:00:00", "45:01.9"), "ended_at is missing or unreadable"),
        (ride(2, "2024-01-02 08:00:00", ride_id=""), "ride_id is missing or unreadable"),
        (ride(2, "2024-01-02 08:00:00", start_lat="forty"), "start_lat is not a number"),
        (ride(2, "2024-01-02 08:00:00", end_lng="nan"), "end_lng is not a number"),
        (ride(2, "2024-01-02 08:00:00")[:-1], "quotation marks do not match"),
        (ride(2, "2024-01-02 08:00:00").replace('"Morris Canal"', '"Morris "Canal"'), "quotation marks do not match"),
    ],
)
def test_a_rejected_row_does_not_affect_its_neighbours(line: str, reason: str) -> None:
    batch = read("\n".join([NEW_HEADER, ride(1, "2024-01-01 08:00:00"), line, GOOD]))
    assert [trip["ride_id"] for trip in batch.trips] == [f"{1:016X}", f"{7:016X}"]
    (reject,) = batch.rejects
    assert (reject.reason, reject.source_line, reject.raw_text) == (reason, 3, line)
    assert batch.rows_read == 3


def test_a_row_in_another_encoding_is_a_reject_with_its_bytes_readable() -> None:
    bad = ride(2, "2024-01-02 08:00:00").encode().replace(b"Morris", b"Mon\xe9r")
    batch = read(b"\n".join([NEW_HEADER.encode(), bad, GOOD.encode()]))
    assert len(batch.trips) == 1
    assert batch.rejects[0].reason == "not valid UTF-8"
    assert "Mon\\xe9r" in batch.rejects[0].raw_text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Not found</body></html>",
        ("\n".join([NEW_HEADER, GOOD])).encode("utf-16"),
        NEW_HEADER.replace("ride_id,", "").encode(),
        f"{GOOD}\n{GOOD}\n".encode(),
    ],
)
def test_an_unknown_header_is_an_error_that_names_the_file(content: bytes) -> None:
    with pytest.raises(TerminalError, match=r"member\.csv in file\.zip has an unknown header"):
        read(content)


def test_a_byte_order_mark_and_dos_line_ends_are_understood() -> None:
    batch = read(b"\xef\xbb\xbf" + f"{NEW_HEADER}\r\n{GOOD}\r\n\r\n".encode())
    assert (len(batch.trips), batch.rows_read, batch.rejects) == (1, 1, [])
    assert batch.trips[0]["member_casual"] == "member"


def test_line_numbers_go_on_across_batches() -> None:
    lines = [ride(number, "2024-01-02 08:00:00") for number in range(5)] + ["oops", GOOD]
    batch = read("\n".join([NEW_HEADER, *lines]), batch_rows=2)
    assert [trip["source_line"] for trip in batch.trips] == [2, 3, 4, 5, 6, 8]
    assert batch.rejects[0].source_line == 7


fields = st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=8), min_size=1, max_size=15)


@given(
    st.lists(
        st.one_of(fields.map(quoted), st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=30))
    )
)
def test_every_line_of_any_file_is_a_trip_or_a_reject(lines: list[str]) -> None:
    batch = read("\n".join([NEW_HEADER, *lines, GOOD]))
    filled = [line for line in lines if line]
    assert batch.rows_read == len(filled) + 1 == len(batch.trips) + len(batch.rejects)
    assert batch.trips[-1]["ride_id"] == f"{7:016X}"


@given(
    st.datetimes(datetime(2013, 1, 1), datetime(2030, 1, 1)),
    st.text(
        st.characters(exclude_characters='\r\n"', codec="utf-8", exclude_categories=["Zs", "Cc"]),
        min_size=1,
        max_size=20,
    ),
)
def test_values_are_read_as_they_were_written(moment: datetime, station: str) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    text = moment.isoformat(sep=" ", timespec="milliseconds")
    (trip,) = read("\n".join([NEW_HEADER, ride(3, text, text, start_station_id=station)])).trips
    assert trip["started_at_local"] == moment
    assert trip["start_station_id"] == (None if station == "NULL" else station)


@given(
    st.lists(
        st.from_regex(r"\A20[0-9]{2}-[0-3][0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,4})?\Z"),
        min_size=1,
    )
)
def test_the_fast_formats_read_what_the_careful_one_reads(texts: list[str]) -> None:
    column = pl.Series("started_at", texts)
    careful = column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    found = _parse_times(column)
    assert found.to_list() == careful.set(careful.dt.year() < 2013, None).to_list()
