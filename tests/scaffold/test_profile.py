"""What a profile says of files whose contents are known."""

import json
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import duckdb
import pytest

from data_stack.errors import TerminalError
from data_stack.settings import Settings
from scaffold.profile.drift import compare_profiles
from scaffold.profile.model import Profile
from scaffold.profile.read import profile_file

Read = Callable[[str, str | bytes], Profile]


@pytest.fixture
def read(tmp_path: Path, settings: Settings) -> Read:
    """Writes a file of this name and content, and profiles it."""

    def profile(name: str, content: str | bytes) -> Profile:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return profile_file(str(path), settings)

    return profile


def types(profile: Profile) -> dict[str, str]:
    return {column.name: column.type for column in profile.columns}


def rows(count: int, make: Callable[[int], str], header: str) -> str:
    return "\n".join([header, *(make(number) for number in range(count))]) + "\n"


def test_types_follow_the_values_and_ids_stay_text(read: Read) -> None:
    profile = read(
        "rides.csv",
        "ride;zip;station_id;long;number;price;weight;is_open;day;at;uid\n"
        "007;10001;1;1234567890123456;5;1.50;1.255;yes;2024-01-01;2024-01-01 10:00;1\n"
        "008;10001;2;1234567890123456;5;2;3;no;2024-01-02;2024-01-01T11:00:00;2\n"
        "009;10001;1;1234567890123456;6;NA;2;no;2024-01-03;2024-01-02 10:00;3\n",
    )

    assert types(profile) == {
        "ride": "text",
        "zip": "text",
        "station_id": "text",
        "long": "text",
        "number": "integer",
        "price": "decimal",
        "weight": "double",
        "is_open": "boolean",
        "day": "date",
        "at": "timestamp",
        "uid": "text",
    }
    assert profile.details == {"delimiter": ";", "has_header": True, "encoding": "utf-8"}
    price = profile.get_column("price")
    assert (price.minimum, price.maximum, price.placeholders, price.nulls) == (1.5, 2.0, 1, 0)


def test_counts_nulls_blanks_and_values_that_do_not_parse(read: Read) -> None:
    cells = {0: "", 1: '"   "', 2: "n. a."}
    profile = read("a.csv", rows(1000, lambda n: f"{cells.get(n, n % 7)},{n}", "distance,line"))

    distance = profile.get_column("distance")
    assert (distance.type, distance.nulls, distance.blanks, distance.unparsable) == ("integer", 1, 1, 1)
    assert (distance.minimum, distance.maximum, distance.negatives, distance.distinct) == (0, 6, 0, 8)
    assert distance.shares["integer"] == pytest.approx(997 / 998, abs=1e-6)


def test_quotes_a_byte_order_mark_and_broken_lines(read: Read) -> None:
    profile = read("a.csv", b"\xef\xbb\xbf" + b'kind,size\n"a, b",1\nbroken\n"say ""x""",2\n"a\nb",3\n')

    assert (profile.rows, profile.rejected_lines) == (3, 1)
    assert [top.value for top in profile.get_column("kind").top or []] == ["a\nb", "a, b", 'say "x"']


def test_a_first_line_of_values_is_no_header(read: Read) -> None:
    profile = read("a.csv", "north,1\nsouth,2\n")

    assert (profile.rows, profile.details["has_header"]) == (2, False)
    assert [column.name for column in profile.columns] == ["column1", "column2"]


def test_latin_1_is_read(read: Read) -> None:
    profile = read("a.csv", "place_name,n\nCafé,1\nCafé,2\n".encode("latin-1"))

    assert [top.value for top in profile.get_column("place_name").top or []] == ["Café"]


def test_keys_are_single_columns_or_pairs_and_duplicates_are_counted(read: Read) -> None:
    single = read("a.csv", rows(50, lambda n: f"{n % 5},R{n}", "kind,ride_id"))
    pair = read("b.csv", rows(50, lambda n: f"{n % 5},{n // 5},{n % 2}", "kind,number,flag"))
    repeated = read("c.csv", rows(50, lambda n: f"{n % 5},{n % 5}", "kind,number"))

    assert (single.keys, single.duplicates) == ((("ride_id",),), 0)
    assert (pair.keys, pair.duplicates) == ((("kind", "number"),), 0)
    assert (repeated.keys, repeated.duplicates) == ((), 45)


def test_a_nested_document_is_read_at_its_longest_list(read: Read) -> None:
    stations = [{"station_id": f"0{n}", "at": {"lat": 40.5 + n}, "last_reported": 1_700_000_000 + n} for n in range(3)]
    profile = read("a.json", json.dumps({"ttl": 5, "data": {"regions": [{"a": 1}], "stations": stations}}))

    assert profile.details == {"layout": "list", "path": "data.stations"}
    assert types(profile) == {"station_id": "text", "at.lat": "double", "last_reported": "integer"}
    reported = profile.get_column("last_reported")
    assert reported.time_format == "epoch seconds"
    assert reported.zone and reported.zone.kind == "utc"


def test_lines_arrays_and_columns_of_json(read: Read) -> None:
    lines = read("a.jsonl", '{"id": "01", "n": 1}\n{"id": "02", "n": 2.5}\nbroken\n')
    array = read("b.json", '[{"id": "01", "tags": [1]}, {"id": "02"}]')
    columns = read("c.json", '{"hourly": {"time": ["2024-01-01T00:00", "2024-01-01T01:00"], "rain": [0, 0.5]}}')

    assert (lines.rows, lines.rejected_lines, types(lines)) == (2, 1, {"id": "text", "n": "double"})
    assert (array.rows, array.get_column("tags").nulls, array.details["path"]) == (2, 1, "(the document)")
    assert (columns.details["path"], types(columns)) == ("hourly", {"time": "timestamp", "rain": "double"})


def test_a_geojson_has_properties_geometry_type_and_box(read: Read) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"zone": n},
            "geometry": {"type": "Polygon", "coordinates": [[[n, 1], [2, n]]]},
        }
        for n in (-74, 3)
    ]
    profile = read("a.geojson", json.dumps({"type": "FeatureCollection", "features": features}))

    assert (profile.format, profile.rows) == ("geojson", 2)
    assert profile.details["bounding_box"] == [-74, -74, 3, 3]
    assert [top.value for top in profile.get_column("geometry_type").top or []] == ["Polygon"]


def test_a_zip_of_several_files_is_one_relation(tmp_path: Path, settings: Settings) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../a.csv", "ride_id,n\nA,1\n")
        archive.writestr("b.csv", "ride_id,n\nB,2\n")
        archive.writestr("__MACOSX/._b.csv", "junk")
        archive.writestr("readme.pdf", "junk")

    profile = profile_file(str(tmp_path / "a.zip"), settings)

    assert (profile.files, profile.rows, profile.keys[0]) == (2, 2, ("ride_id",))
    assert not (tmp_path.parent / "a.csv").exists()


def test_parquet_keeps_its_types(tmp_path: Path, settings: Settings) -> None:
    duckdb.sql(
        "copy (select i as ride_id, i * 0.01 as fare, timestamptz '2024-01-01 00:00:00+00' + interval 1 hour * i as at,"
        " date '2024-01-01' + i::int as day, [i] as list, uuid() as session from range(300) t(i))"
        f" to '{tmp_path}/a.parquet'"
    )

    profile = profile_file(str(tmp_path / "a.parquet"), settings)

    assert types(profile) == {
        "ride_id": "text",
        "fare": "decimal",
        "at": "timestamp",
        "day": "date",
        "list": "nested",
        "session": "text",
    }
    zone = profile.get_column("at").zone
    assert zone and zone.kind == "aware"


def test_a_large_file_is_sampled_for_types_and_exact_for_keys(tmp_path: Path, settings: Settings) -> None:
    duckdb.sql(
        "copy (select concat('R', i) as ride_id, case when i = 150000 then 'x@y.example' else 'text' end as words,"
        " case when i % 1000 = 0 then 'n. a.' else (i % 977)::varchar end as distance from range(300000) t(i))"
        f" to '{tmp_path}/a.parquet'"
    )

    profile = profile_file(str(tmp_path / "a.parquet"), settings)

    distance = profile.get_column("distance")
    assert (distance.type, distance.unparsable, distance.maximum) == ("integer", 300, 976)
    assert profile.keys == (("ride_id",),)
    assert profile.get_column("words").is_personal


def hours(zone: str, per_hour: int) -> str:
    """Local times of every hour of a year."""
    first = datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC"))
    times = [(first + timedelta(hours=n)).astimezone(ZoneInfo(zone)) for n in range(8760)]
    return "at\n" + "".join(f"{time:%Y-%m-%d %H:%M:%S}\n" * per_hour for time in times)


@pytest.mark.parametrize(
    ("zone", "kind", "found"),
    [
        ("America/New_York", "local", "America/New_York"),
        ("Europe/Berlin", "local", "Europe/Berlin"),
        ("Europe/London", "local", "Europe/London"),
        ("Australia/Sydney", "local", "Australia/Sydney"),
        ("UTC", "unknown", None),
        ("Asia/Tokyo", "unknown", None),
    ],
)
def test_daylight_saving_time_tells_the_zone(read: Read, zone: str, kind: str, found: str | None) -> None:
    guess = read("a.csv", hours(zone, 1)).get_column("at").zone

    assert guess and guess.kind == kind
    assert (found in guess.zones) if found else guess.zones == ()
    assert "Europe/Athens" not in guess.zones


def test_offsets_names_and_other_formats_of_times(read: Read) -> None:
    profile = read(
        "a.csv",
        "a,b_utc,c,d\n"
        "2024-01-01T10:00:00+01:00,2024-01-01 10:00,13/02/2024,01/31/2024 02:30:00 PM\n"
        "2024-01-01T11:00:00Z,2024-01-01 11:00,01/02/2024,02/01/2024 02:30:00 PM\n",
    )

    kinds = [column.zone.kind if column.zone else None for column in profile.columns]
    assert kinds == ["aware", "utc", None, "unknown"]
    assert [column.time_format for column in profile.columns] == [None, None, "%d/%m/%Y", "%m/%d/%Y %I:%M:%S %p"]
    assert (profile.get_column("c").minimum, profile.get_column("c").maximum) == ("2024-02-01", "2024-02-13")


def test_drift_names_what_differs(read: Read) -> None:
    before = read("a.csv", rows(100, lambda n: f"k{n % 3},{n // 2},{n // 2},x,2024-01-01", "kind,size,count,gone,day"))
    after = read("b.csv", rows(100, lambda n: f"k{n % 4},{n // 2 - 20},a{n},,2004-01-01", "kind,size,count,new,day"))

    drift = {column.name: column for column in compare_profiles(before, after).columns}

    assert drift["kind"].findings == ("new values: k3",)
    assert drift["size"].findings == ("40 negative values; there were none", "least value -20 is below 0")
    assert drift["count"].verdict == "another type: the reader rejects or misreads values"
    assert (drift["gone"].change, drift["new"].change) == ("removed", "added")
    assert drift["day"].findings[0] == "least value 2004-01-01 is below 2024-01-01"


def encrypt(path: Path) -> None:
    """Set the flag of encryption in both headers of a zip's only member."""
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv is empty (0 bytes); fetch it again"),
        ("a.csv", b"  \n", "a.csv has no lines"),
        ("a.csv", b"a,b\n", "a.csv has columns but no rows"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "a.csv is not text"),
        ("a.xlsx", b"CANARY", "a.xlsx has an unknown format"),
        ("a.json", b'{"a": CANARY', "a.json cannot be read as json at line 1"),
        ("a.json", b"[1, 2]", "a.json contains no objects"),
        ("a.parquet", b"PAR1CANARY", "a.parquet cannot be read as parquet"),
        ("a.zip", b"PK\x03\x04CANARY", "a.zip is no complete zip file"),
    ],
)
def test_what_cannot_be_read_is_explained(read: Read, name: str, content: bytes, message: str) -> None:
    with pytest.raises(TerminalError) as raised:
        read(name, content)

    assert str(raised.value).startswith(message)
    assert "CANARY" not in str(raised.value)


def test_a_zip_with_a_password_or_with_other_columns_is_explained(tmp_path: Path, settings: Settings) -> None:
    protected, mixed = tmp_path / "a.zip", tmp_path / "b.zip"
    with zipfile.ZipFile(protected, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
    encrypt(protected)
    with zipfile.ZipFile(mixed, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
        archive.writestr("b.csv", "a,c\n1,2\n")

    with pytest.raises(TerminalError, match="protected by a password; unpack it yourself"):
        profile_file(str(protected), settings)
    with pytest.raises(TerminalError, match=r"have different columns \(b, c\)"):
        profile_file(str(mixed), settings)


def test_a_missing_file_is_explained(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"nothing\.csv does not exist"):
        profile_file(str(tmp_path / "nothing.csv"), settings)


def test_a_url_is_fetched(settings: Settings) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'[{"id": "01"}, {"id": "02"}]'
            self.send_response(200 if self.path.startswith("/rows") else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        profile = profile_file(f"{base}/rows?key=secret", settings)
        with pytest.raises(TerminalError, match="answered 404"):
            profile_file(f"{base}/nothing", settings)
        server.shutdown()

    assert (profile.rows, profile.keys) == (2, (("id",),))
    assert "secret" not in profile.origin
