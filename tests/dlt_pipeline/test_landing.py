"""The landing: what is kept of a fetch, what a kill or damage leaves, and that a replay reads the same rows."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ingestion import load, read_staged_rows
from providers import Serve
from sources.bike.provider import month_of_rides, write_zip
from sources.transactions.provider import bank_row, write_export
from sources.weather.provider import FixedWeather

from data_stack.errors import TerminalError, TransientError
from data_stack.registry import get_source
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.landing import Answer, Journal, Landed, Landing, Part, describe_get
from dlt_pipeline.reader import Provider, open_reader
from dlt_pipeline.sample.bike import BikeSample
from dlt_pipeline.sample.provider import Fault
from dlt_pipeline.sample.weather import WeatherSample

ZIP = "JC-202401-citibike-tripdata.csv.zip"
WINDOW = Window(date(2024, 1, 1), date(2024, 1, 31))


def give(content: bytes, origin: str | None = "live") -> Callable[[Part], str | None]:
    """A fetch that brings these bytes."""
    return Answer(content, origin).write_to


def refuse(_: Part) -> str | None:
    raise AssertionError("nothing may be fetched")


def fetch(landing: Landing, content: bytes, name: str = "a file") -> Landed:
    return landing.fetch(name, f"GET https://example.org/{name}", give(content))


def count_objects(settings: Settings) -> int:
    return len([path for path in settings.landing_dir("bike").rglob("*") if path.is_file() and len(path.name) == 64])


@pytest.fixture
def landing(settings: Settings) -> Landing:
    return Landing(settings, "bike")


def test_fetched_bytes_are_named_by_their_hash_and_indexed(settings: Settings, landing: Landing) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    landed = landing.fetch("page 1", "GET https://example.org/?page=1", give(b"abc", "sample"))
    # the SHA-256 of "abc" in FIPS 180-2
    hash_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path = settings.data_dir / "landing" / "bike" / "objects" / "ba" / hash_of_abc
    assert path.read_bytes() == b"abc"
    assert landed == Landed(
        "page 1", "GET https://example.org/?page=1", path, hash_of_abc, 3, "sample", landed.fetched_at_utc
    )
    assert before <= landed.fetched_at_utc <= datetime.now(UTC).replace(tzinfo=None)
    assert Landing(settings, "bike").entries() == [landed]
    assert landing.used == [hash_of_abc]


def test_equal_bytes_are_stored_once_and_indexed_each_time(settings: Settings, landing: Landing) -> None:
    for content, name in ((b"one", "a"), (b"one", "b"), (b"one", "a"), (b"two", "a")):
        fetch(landing, content, name)
    assert [(landed.name, landed.path.read_bytes()) for landed in landing.entries()] == [
        ("a", b"one"),
        ("b", b"one"),
        ("a", b"one"),
        ("a", b"two"),
    ]
    assert count_objects(settings) == 2


def test_a_failed_fetch_keeps_nothing_and_a_later_one_everything(settings: Settings, landing: Landing) -> None:
    def fail(part: Part) -> str | None:
        part.write(b"half of it")
        raise TransientError("the connection was interrupted")

    with pytest.raises(TransientError, match="interrupted"):
        landing.fetch("a file", "GET a", fail)
    assert [path for path in settings.landing_dir("bike").rglob("*") if path.is_file()] == []
    assert (landing.entries(), landing.used) == ([], [])
    assert fetch(landing, b"all").path.read_bytes() == b"all"


def test_a_kill_in_the_middle_of_a_fetch_leaves_no_object(settings: Settings, landing: Landing) -> None:
    code = (
        "import os, signal\n"
        "from data_stack.settings import Settings\n"
        "from dlt_pipeline.landing import Landing\n"
        "def die(part):\n"
        "    part.write(b'half of it')\n"
        "    part.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Landing(Settings.load(), 'bike').fetch('a file', 'GET a', die)\n"
    )
    child = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert (count_objects(settings), landing.entries()) == (0, [])
    landed = fetch(landing, b"all")
    assert landed.path.read_bytes() == b"all"
    assert [path.name for path in settings.landing_dir("bike").iterdir() if path.is_file()] == ["index.jsonl"]


def test_an_immutable_request_is_fetched_once(landing: Landing, settings: Settings) -> None:
    first = landing.fetch("v1", "GET a", give(b"one"), is_immutable=True)
    again = Landing(settings, "bike")
    assert again.fetch("v1", "GET a", refuse, is_immutable=True) == first
    assert again.used == [first.sha256]
    # another version, another provider, or a request that may change
    assert again.fetch("v2", "GET a", give(b"two"), is_immutable=True).path.read_bytes() == b"two"
    assert again.fetch("v1", "GET b", give(b"three"), is_immutable=True).path.read_bytes() == b"three"
    assert again.fetch("v1", "GET a", give(b"four")).path.read_bytes() == b"four"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"xne"), Path.unlink], ids=["changed", "gone"])
def test_damaged_bytes_are_fetched_again_and_never_replayed(
    settings: Settings, landing: Landing, damage: Callable[[Path], None]
) -> None:
    landed = landing.fetch("v1", "GET a", give(b"one"), is_immutable=True)
    other = fetch(landing, b"other")
    assert landing.missing([landed.sha256, other.sha256]) == []
    damage(landed.path)
    assert landing.missing([landed.sha256, other.sha256]) == [landed.sha256]
    with pytest.raises(TerminalError, match=rf"bike: the bytes of v1 are gone or damaged.*restore {landed.path}"):
        Landing(settings, "bike", is_replay=True).fetch("v1", "GET a", refuse)
    assert landing.fetch("v1", "GET a", give(b"one"), is_immutable=True).path.read_bytes() == b"one"
    assert landing.missing([landed.sha256]) == []


def test_a_replay_answers_with_the_latest_bytes_or_those_of_one_load(settings: Settings, landing: Landing) -> None:
    first, second = fetch(landing, b"one", "a"), fetch(landing, b"two", "a")
    replay = Landing(settings, "bike", is_replay=True)
    # the provider has moved since
    assert replay.fetch("a", "GET https://example.com/new", refuse) == second
    replay.replay_only([first.sha256])
    assert replay.fetch("a", "GET https://example.com/new", refuse) == first
    assert replay.used == [second.sha256, first.sha256]
    with pytest.raises(TerminalError, match=r"bike: b is not in .*index\.jsonl, so it cannot be replayed.*provider"):
        replay.fetch("b", "GET b", refuse)
    assert len(landing.entries()) == 2


def test_answers_of_a_plan_are_kept_when_its_load_begins(settings: Settings, landing: Landing) -> None:
    for content in (b"one", b"two"):
        assert (
            landing.ask(f"page {content!r}", "GET a", lambda content=content: Answer(content, None)).content == content
        )
    assert not settings.landing_dir("bike").exists()
    landing.keep_answers()
    landing.keep_answers()
    assert [(landed.path.read_bytes(), landed.origin) for landed in landing.entries()] == [
        (b"one", None),
        (b"two", None),
    ]
    assert landing.used == [sha256(b"one").hexdigest(), sha256(b"two").hexdigest()]
    replay = Landing(settings, "bike", is_replay=True)

    def send() -> Answer:
        raise AssertionError("nothing may be sent")

    assert replay.ask("page b'one'", "GET a", send) == Answer(b"one", None)


# -- the journals ---------------------------------------------------------------------------------------------------


def test_loads_are_recorded_with_their_items_and_bytes(settings: Settings, landing: Landing) -> None:
    fetch(landing, b"one")
    landing.record_load("1700.1", [{"month": "2024-01", "is_yearly": False}], datetime(2024, 1, 1))
    fetch(landing, b"two")
    landing.record_load("1700.2", [["2024-01-01", None]], datetime(2024, 1, 2))
    first, second = Landing(settings, "bike").loads()
    hashes = [sha256(content).hexdigest() for content in (b"one", b"two")]
    assert (first.load_id, first.items, first.sha256) == (
        "1700.1",
        [{"month": "2024-01", "is_yearly": False}],
        hashes[:1],
    )
    assert (second.load_id, second.items, second.sha256) == ("1700.2", [["2024-01-01", None]], hashes)
    assert (first.loaded_at_utc, second.loaded_at_utc) == (datetime(2024, 1, 1), datetime(2024, 1, 2))


def test_a_line_that_a_kill_cut_off_does_not_count(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "loads.jsonl")
    entries = [{"load_id": "1", "file": "line\u2028separator"}, {"load_id": "2", "file": "caf\udce9.csv"}]
    for entry in entries:
        journal.append(entry)
    content = journal.path.read_bytes()
    last_line = content.rindex(b"\n", 0, len(content) - 1) + 1
    for size in range(last_line, len(content)):
        journal.path.write_bytes(content[:size])
        assert journal.read() == entries[:1]
        journal.append({"load_id": "3"})
        assert journal.read() == [entries[0], {"load_id": "3"}]
    journal.path.write_bytes(content)
    assert journal.read() == entries


@pytest.mark.parametrize("line", [b'{"load_id": \n', b"[]\n", b"\xff\n", b"\n"])
def test_a_damaged_line_within_a_journal_is_named(tmp_path: Path, line: bytes) -> None:
    journal = Journal(tmp_path / "loads.jsonl")
    journal.path.write_bytes(b'{"load_id": "1"}\n' + line + b'{"load_id": "3"}\n')
    with pytest.raises(TerminalError, match=r"line 2 of .*loads\.jsonl is damaged; restore the file, or delete"):
        journal.read()


# -- retention ------------------------------------------------------------------------------------------------------


def make_older(settings: Settings, days: int, *names: str) -> None:
    """Rewrite the index as if these were fetched so many days ago."""
    index = Journal(settings.landing_dir("bike") / "index.jsonl")
    then = (datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)).isoformat()
    index.replace([entry | ({"fetched_at_utc": then} if entry["name"] in names else {}) for entry in index.read()])


def test_bytes_without_a_use_since_are_pruned(settings: Settings, landing: Landing) -> None:
    for content, name in ((b"old", "old"), (b"again", "again"), (b"again", "again later"), (b"new", "new")):
        fetch(landing, content, name)
    make_older(settings, 31, "old", "again")
    later = Landing(settings, "bike")
    assert later.prune(None) == 0
    assert later.prune(32) == 0
    assert later.prune(30) == 1
    assert [landed.name for landed in later.entries()] == ["again", "again later", "new"]
    assert later.missing(landed.sha256 for landed in later.entries()) == []
    assert count_objects(settings) == 2
    assert later.prune(30) == 0
    with pytest.raises(TerminalError, match=r"old is not in .*LANDING_KEEP_DAYS"):
        Landing(settings, "bike", is_replay=True).fetch("old", "GET old", refuse)


def test_bytes_of_a_recent_load_are_kept_however_old_they_are(settings: Settings, landing: Landing) -> None:
    for name in ("loaded", "used", "unused"):
        landing.fetch(name, "GET a", give(name.encode()), is_immutable=True)
    make_older(settings, 31, "loaded", "used", "unused")
    later = Landing(settings, "bike")
    later.fetch("loaded", "GET a", refuse, is_immutable=True)
    later.record_load("1", [], datetime.now(UTC).replace(tzinfo=None))
    running = Landing(settings, "bike")
    running.fetch("used", "GET a", refuse, is_immutable=True)
    assert running.prune(30) == 1
    assert [landed.name for landed in running.entries()] == ["loaded", "used"]


def test_a_prune_that_was_killed_is_completed_by_the_next(settings: Settings, landing: Landing) -> None:
    old, new = fetch(landing, b"old", "old"), fetch(landing, b"new", "new")
    make_older(settings, 31, "old")
    old.path.unlink()
    assert Landing(settings, "bike").prune(30) == 0
    assert landing.entries() == [new]


@pytest.mark.integration
def test_a_load_prunes_what_the_setting_says(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, ZIP, month_of_rides(date(2024, 1, 1)))
    serve()
    load(settings, "bike")
    (old,) = [landed for landed in Landing(settings, "bike").entries() if landed.name.startswith(ZIP)]
    make_older(settings, 31, old.name)
    loads = settings.landing_dir("bike") / "loads.jsonl"
    loads.write_text(json.dumps(json.loads(loads.read_text()) | {"loaded_at_utc": "2024-01-01T00:00:00"}) + "\n")
    write_zip(bucket, ZIP, month_of_rides(date(2024, 1, 1), 121))
    load(settings.model_copy(update={"landing_keep_days": 30}), "bike")
    names = [landed.name for landed in Landing(settings, "bike").entries()]
    assert old.name not in names
    assert len(names) == 3


# -- what is written about a request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("https://example.org/a%20b", "https://example.org/a%20b"),
        ("https://user:{}@example.org:8443/a".format("s3cret"), "https://example.org:8443/a"),
        ("https://example.org/a?key=s3cret&page=2", "https://example.org/a?key=(hidden)&page=2"),
        ("https://example.org/?apikey=s3cret&api_key=s3cret&max-keys=2", "https://example.org/?apikey=(hidden)&api_key=(hidden)&max-keys=2"),
        ("https://example.org/?X-Amz-Signature=s3cret&X-Amz-Credential=s3cret&X-Amz-Security-Token=s3cret", "https://example.org/?X-Amz-Signature=(hidden)&X-Amz-Credential=(hidden)&X-Amz-Security-Token=(hidden)"),
        ("https://example.org/?sig=s3cret&sv=2020&design=x", "https://example.org/?sig=(hidden)&sv=2020&design=x"),
        ("https://example.org/?empty=&access_token=s3cret#s3cret", "https://example.org/?empty=&access_token=(hidden)"),
        ("https://[s3cret/", "(hidden)"),
    ],
)  # fmt: skip
def test_a_described_request_has_no_secret(url: str, described: str) -> None:
    assert describe_get(url) == f"GET {described}"


def test_parameters_are_part_of_a_described_request() -> None:
    params = {"latitude": 40.7282, "hourly": "rain,snowfall", "appid": "s3cret"}
    assert (
        describe_get("https://example.org/v1?format=json", params)
        == "GET https://example.org/v1?format=json&latitude=40.7282&hourly=rain,snowfall&appid=(hidden)"
    )


# -- the sources ----------------------------------------------------------------------------------------------------


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSACTIONS_PATH", str(tmp_path / "exports"))
    return tmp_path / "exports"


class FirstReading:
    """Rows of a source, staged from its provider, with the items that were read."""

    def __init__(self, settings: Settings, source_name: str) -> None:
        self.source_name = source_name
        reader = open_reader(get_source(source_name), settings)
        self.items = [planned.item for planned in reader.plan(WINDOW).to_fetch()]
        self.rows = read_staged_rows(reader, self.items)
        self.used = reader.landing.used
        self.provider = reader.provider()

    def replay(self, settings: Settings) -> tuple[dict[str, list[tuple[Any, ...]]], Provider, list[str]]:
        """The same items from the landing alone."""
        reader = open_reader(get_source(self.source_name), settings, is_replay=True)
        reader.landing.replay_only(self.used)
        rows = read_staged_rows(reader, self.items)
        return rows, reader.provider(), reader.landing.used


@pytest.mark.integration
def test_bike_is_replayed_without_the_provider(settings: Settings, bucket: Path, serve: Serve) -> None:
    rides = month_of_rides(date(2024, 1, 1))
    write_zip(bucket, ZIP, [*rides, rides[5], "broken"])
    provider = serve()
    first = FirstReading(settings, "bike")
    provider.close()
    rows, replayed_provider, used = first.replay(settings)
    assert len(rows["trips"]) == 120
    assert rows == first.rows
    assert replayed_provider == first.provider == Provider("sample", "jc")
    assert used == first.used[1:]
    listing, content = Landing(settings, "bike").entries()
    assert (listing.name, listing.origin) == ("page 1 of the listing of JC-", "sample")
    assert listing.request == f"GET {provider.get_url('bike')}?list-type=2&prefix=JC-"
    assert content.name == f"{ZIP} with ETag {first.items[0].bucket_object.etag}"
    assert content.request == f"GET {provider.get_url('bike')}/{ZIP}"
    assert content.path.read_bytes() == (bucket / ZIP).read_bytes()


@pytest.mark.integration
def test_a_plan_is_replayed_from_every_page_of_the_listing(settings: Settings, bucket: Path, serve: Serve) -> None:
    for month in range(1, 6):
        write_zip(bucket, ZIP.replace("202401", f"20240{month}"), month_of_rides(date(2024, month, 1)))
    provider = serve(BikeSample(bucket, page_size=2))
    FirstReading(settings, "bike")
    provider.close()
    reader = open_reader(get_source("bike"), settings, is_replay=True)
    planned = reader.plan(Window(date(2024, 1, 1), date(2024, 5, 31)))
    assert [one.what for one in planned.planned] == sorted(path.name for path in bucket.iterdir())


@pytest.mark.integration
def test_weather_is_replayed_without_the_provider(settings: Settings, serve: Serve) -> None:
    weather = FixedWeather({("rain", "2024-01-05T12:00"): None, ("snowfall", "2024-01-06T12:00"): 1.5})
    provider = serve(
        WeatherSample(weather), faults=lambda _path, _query, attempt: Fault.status(500) if attempt == 1 else None
    )
    first = FirstReading(settings, "weather")
    weather.override[("snowfall", "2024-01-06T12:00")] = 2.5
    FirstReading(settings, "weather")
    provider.close()
    rows, replayed_provider, used = first.replay(settings)
    assert len(rows["hours"]) == 768
    assert rows == first.rows
    assert (replayed_provider, used) == (first.provider, first.used)
    landed, corrected = Landing(settings, "weather").entries()
    assert landed.name == corrected.name == "archive 2024-01-01..2024-02-01 of 40.7282,-74.0776"
    assert landed.request == (
        f"GET {provider.get_url('weather')}/v1/archive?latitude=40.7282&longitude=-74.0776&start_date=2024-01-01"
        "&end_date=2024-02-01&hourly=temperature_2m,relative_humidity_2m,apparent_temperature,precipitation,rain,"
        "snowfall,wind_speed_10m,weather_code&timezone=GMT"
    )
    snow = [json.loads(answer.path.read_bytes())["hourly"]["snowfall"][5 * 24 + 12] for answer in (landed, corrected)]
    assert snow == [1.5, 2.5]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_error_of_the_provider_does_not_land(settings: Settings, serve: Serve, status: int) -> None:
    serve(faults=lambda *_: Fault.status(status))
    with pytest.raises((TerminalError, TransientError)):
        FirstReading(settings, "weather")
    assert Landing(settings, "weather").entries() == []


@pytest.mark.integration
def test_a_fetched_version_is_not_fetched_again_after_a_failed_load(
    settings: Settings, bucket: Path, serve: Serve
) -> None:
    write_zip(bucket, ZIP, [*month_of_rides(date(2024, 1, 1)), *["broken"] * 12])
    provider = serve()
    with pytest.raises(TerminalError, match="rejected"):
        load(settings, "bike")
    provider.requests.clear()
    assert load(settings.model_copy(update={"reject_share_max": 0.5}), "bike").counts.loaded == 120
    assert [request.path for request in provider.requests] == ["/bike"]


def test_transactions_are_replayed_without_the_export(settings: Settings, exports: Path) -> None:
    bank_rows = [bank_row("2024-01-05", "Shop", "9.99")] * 2 + [bank_row("2024-01-06", "Rent", "1800")]
    files = [write_export(exports, "a.csv", bank_rows), write_export(exports, "b.csv", bank_rows[:1])]
    (exports / ".data-stack-sample").touch()
    contents = [file.read_bytes() for file in files]
    first = FirstReading(settings, "transactions")
    for path in exports.iterdir():
        path.unlink()
    exports.rmdir()
    rows, replayed_provider, used = first.replay(settings)
    assert len(rows["transactions"]) == 4
    assert rows == first.rows
    assert replayed_provider == first.provider == Provider("sample", "")
    assert used == first.used == [sha256(content).hexdigest() for content in contents]
    assert [landed.request for landed in Landing(settings, "transactions").entries()] == [str(file) for file in files]


def test_an_export_that_changes_after_its_plan_is_refused_and_does_not_land(settings: Settings, exports: Path) -> None:
    path = write_export(exports, "a.csv", [bank_row("2024-01-05", "Shop", "9.99")])
    reader = open_reader(get_source("transactions"), settings)
    items = [planned.item for planned in reader.plan(None).to_fetch()]
    with path.open("a") as file:
        file.write(bank_row("2024-01-06", "Rent", "1800") + "\n")
    with pytest.raises(TransientError, match=r"transactions: .*a\.csv changed while it was being read; run again"):
        read_staged_rows(reader, items)
    assert reader.landing.entries() == []


@pytest.mark.integration
def test_a_plan_and_a_missing_month_write_nothing(settings: Settings, bucket: Path, serve: Serve) -> None:
    write_zip(bucket, ZIP, month_of_rides(date(2024, 1, 1)))
    serve()
    open_reader(get_source("bike"), settings).plan(WINDOW)
    february = open_reader(get_source("bike"), settings).plan(Window(date(2024, 2, 1), date(2024, 2, 2)))
    assert "no file of 2024-02" in february.not_published[0].reason
    assert not settings.data_dir.exists()
