"""The whole pipeline through the command line, against providers on loopback."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from parsed_project import skip_unit_tests
from providers import Serve
from real_files import REAL_FILES, needs_real_files
from sources.bike.provider import month_of_rides, ride, write_zip
from sources.transactions.provider import bank_row, write_export
from warehouse_rows import count_rows, query_warehouse

from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse
from dlt_pipeline.sample.bike import month_rides
from dlt_pipeline.sample.provider import Fault, SampleProvider
from dlt_pipeline.sample.spec import SampleSpec, generate
from orchestration.cli.app import execute

KEY = "JC-202401-citibike-tripdata.csv.zip"
JANUARY = ["--from", "2024-01-01", "--to", "2024-01-31"]

pytestmark = pytest.mark.usefixtures("parsed_settings")


def everything(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every published table of core and marts; the load's own id is not compared."""
    with open_warehouse(settings.warehouse_file) as db:
        tables = db.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema in ('core', 'marts')"
        ).fetchall()
        return {name: db.execute(f"select * from {name} order by all").fetchall() for (name,) in sorted(tables)}


@pytest.fixture
def january(
    settings: Settings, bucket: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SampleProvider:
    """A month of every source, as the provider serves it; builds leave out the unit tests."""
    skip_unit_tests(settings)
    write_zip(bucket, KEY, month_of_rides(date(2024, 1, 1), 310))
    exports = write_export(
        tmp_path / "exports", "a.csv", [bank_row(f"2024-01-{day:02}", "Shop", "2.50") for day in range(1, 31)]
    )
    monkeypatch.setenv("TRANSACTIONS_PATH", str(exports))
    return serve()


def list_downloads(provider: SampleProvider) -> list[str]:
    """Paths of files and of the weather archive that were asked for; a listing is none."""
    return [request.path for request in provider.requests if request.path.endswith((".zip", "/archive"))]


def test_a_run_publishes_and_a_second_one_changes_no_row(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", *JANUARY]) == 0
    printed = capsys.readouterr().out
    for words in ("Ingested", "Gates", "Published", "Steps", str(settings.warehouse_file), "status"):
        assert words in printed
    assert query_warehouse(settings, "select count(*), count(distinct ride_id) from core.fct_trips") == [(310, 310)]
    assert query_warehouse(settings, "select sum(trips) from marts.mart_demand_daily") == [(310,)]
    assert query_warehouse(settings, "select month::varchar, amount from marts.mart_spending_monthly") == [
        ("2024-01-01", 75)
    ]
    assert [name for name, rows in count_rows(settings).items() if not rows] == []
    origins = {name: described["origin"] for name, described in status(capsys)["publication"]["sources"].items()}
    assert (origins["bike"], origins["weather"], origins["transactions"]) == ("sample", "sample", "live")
    first = everything(settings)
    january.requests.clear()
    assert execute(["run", *JANUARY]) == 0
    assert everything(settings) == first
    assert list_downloads(january) == []


@pytest.mark.usefixtures("without_data_tests")
def test_corrupted_rows_are_held_back_until_they_are_accepted(
    settings: Settings, bucket: Path, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", *JANUARY]) == 0
    published = everything(settings)
    rides = month_of_rides(date(2024, 1, 1), 310)
    rides[100:107] = [ride(101 + n, "2024-01-10 12:00:00", "2024-01-10 09:00:00") for n in range(7)]
    write_zip(bucket, KEY, rides)
    assert execute(["run", *JANUARY]) == 1
    error = capsys.readouterr().err
    for words in ("critical", "is_end_before_start", f"{101:016X}", "7 of 310", "accept"):
        assert words in error
    assert "critical: expect_column_values_to_be_between on end_before_start_share: 1 of 1 fail" in error
    assert everything(settings) == published
    assert execute(["validate", "bike"]) == 1
    assert execute(["transform"]) == 0
    assert execute(["publish"]) == 0
    assert everything(settings) == published, "what passed before is built and published again"

    (load,) = waiting(capsys)
    assert execute(["accept", load, "--reason", "the clock of one dock"]) == 0
    assert status(capsys)["held_back"] == []
    assert execute(["run", *JANUARY]) == 0
    assert query_warehouse(settings, "select count(*) from core.fct_trips where is_end_before_start") == [(7,)]
    assert query_warehouse(settings, f"select state, reason from ops.loads where load_id = '{load}'") == [
        ("accepted", "the clock of one dock")
    ]
    (accepted,) = status(capsys)["accepted_loads"]
    assert (accepted["load_id"], accepted["reason"]) == (load, "the clock of one dock")


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert execute(["status", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def waiting(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [load["load_id"] for load in status(capsys)["waiting_loads"]]


@pytest.mark.usefixtures("without_data_tests")
def test_without_dates_the_latest_month_is_loaded(settings: Settings, bucket: Path, january: SampleProvider) -> None:
    write_zip(bucket, "JC-202402-citibike-tripdata.csv.zip", month_of_rides(date(2024, 2, 1), 290, first=1000))
    assert execute(["run", "--sources", "bike,weather"]) == 0
    assert query_warehouse(settings, "select min(started_at_local)::date::varchar, count(*) from core.fct_trips") == [
        ("2024-02-01", 290)
    ]


def test_a_dry_run_says_what_would_be_fetched_and_fetches_nothing(
    settings: Settings, bucket: Path, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", *JANUARY, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    size = (bucket / KEY).stat().st_size
    for words in (KEY, f"{size / 1000:.1f} kB", "archive 2024-01-01..2024-02-01", "a.csv", "would be fetched"):
        assert words in printed
    assert list_downloads(january) == []
    assert not settings.raw_dir.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--from", "2024-01-01"], "--from and --to go together"),
        (["run", "--from", "2024-02-01", "--to", "2024-01-01"], "ends before that"),
        (["run", "--from", "January", "--to", "2024-01-01"], "January"),
        (["run", "--sources", "no-source"], "there is no source 'no-source'"),
        (["ingest"], "SOURCE"),
        (["peek", "no-source"], "there is no source 'no-source'"),
        (["accept", "1.5", "--reason", " "], "--reason must say why"),
        (["accept", "1.5", "--reason", "x"], "there is no load '1.5'"),
        (["rollback"], "no snapshot before"),
        (["fly"], "fly"),
        (["sample", "serve"], "--folder"),
        (["peek", "bike", "--rows", "-1"], "--rows"),
    ],
)
def test_wrong_usage_is_two_and_a_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(words) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["publish"], "there is no complete build to publish; run `"),
        (["peek", "bike"], "bike was never loaded here; `"),
        (["docs"], "there is no build"),
    ],
)
def test_what_cannot_be_done_yet_is_one_and_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(words) == 1
    assert sentence in capsys.readouterr().err


def test_a_second_run_at_once_is_refused_and_told_who_runs(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys, time; from orchestration import steps; from data_stack.settings import Settings\n"
        "run = steps.Run.begin(Settings.load(), '2024-first', 'run')\n"
        "with steps.hold_everything(run): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert execute(["run", *JANUARY]) == 1
            error = capsys.readouterr().err
            assert f"in use by run 2024-first (pid {holder.pid} on " in error
        finally:
            holder.kill()


def test_status_does_not_open_a_raw_file_that_is_being_written(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["ingest", "bike", *JANUARY]) == 0
    code = (
        "import sys, time, duckdb; from data_stack.locks import Locks; from data_stack.settings import Settings\n"
        "settings = Settings.load()\n"
        "with Locks(settings, 'ingest').hold('raw-bike'), duckdb.connect(str(settings.raw_file('bike'))):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "held\n"
            assert len(waiting(capsys)) == 1
            assert execute(["run", *JANUARY, "--dry-run"]) == 1
            assert "raw-bike is in use by ingest" in capsys.readouterr().err
        finally:
            writer.kill()


@pytest.mark.slow
@pytest.mark.usefixtures("without_data_tests")
def test_rollback_pins_and_runs_say_so(
    settings: Settings, bucket: Path, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", *JANUARY]) == 0
    write_zip(bucket, KEY, month_of_rides(date(2024, 1, 1), 320))
    assert execute(["run", *JANUARY]) == 0
    assert execute(["rollback", "--reason", "looks wrong"]) == 0
    assert query_warehouse(settings, "select count(*) from core.fct_trips") == [(310,)]
    capsys.readouterr()
    assert execute(["run", *JANUARY]) == 0
    assert "is pinned by a rollback, so nothing was published" in capsys.readouterr().out
    assert execute(["status"]) == 0
    assert "pinned: looks wrong" in capsys.readouterr().out
    assert execute(["publish"]) == 0
    assert query_warehouse(settings, "select count(*) from core.fct_trips") == [(320,)]


def test_peek_shows_neither_personal_values_nor_raw_text(
    settings: Settings, tmp_path: Path, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [bank_row("2024-01-05", "Grandma Secret", "77.31") for _ in range(150)] + ["2024-01-05,Broken Secret"]
    write_export(tmp_path / "exports", "a.csv", lines)
    assert execute(["ingest", "transactions"]) == 0
    capsys.readouterr()
    assert execute(["peek", "transactions"]) == 0
    printed = capsys.readouterr().out
    assert "raw.transactions: 150 rows" in printed
    assert "13 columns expected" in printed
    assert "Secret" not in printed
    assert "77.31" not in printed
    assert "date=2024-01-05" in printed


@pytest.mark.usefixtures("without_data_tests")
def test_no_row_content_leaves_the_raw_file_and_the_marts(
    settings: Settings, tmp_path: Path, january: SampleProvider
) -> None:
    lines = [bank_row("2024-01-05", "Plain Name", "5", note="zebra-note", tags="zebra-tag") for _ in range(150)]
    write_export(tmp_path / "exports", "a.csv", [*lines, "2024-01-05,zebra-broken"])
    assert execute(["run", "--sources", "transactions"]) == 0
    raw_file = settings.raw_file("transactions")
    rows = {settings.dlt_state_dir("transactions"), settings.landing_dir("transactions") / "objects"}
    leaks = [
        path for path in settings.data_dir.rglob("*")
        if path.is_file() and path != raw_file and rows.isdisjoint(path.parents) and b"zebra" in path.read_bytes()
    ]  # fmt: skip
    assert leaks == []


@pytest.mark.slow
@pytest.mark.usefixtures("without_data_tests")
def test_rows_do_not_vanish_from_a_publication_unless_they_were_reset(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["transform"]) == 0
    assert execute(["publish"]) == 1
    assert "every source is empty, so there is nothing to publish" in capsys.readouterr().err
    assert execute(["run", *JANUARY]) == 0
    settings.raw_file("bike").unlink()
    assert execute(["transform"]) == 0
    capsys.readouterr()
    assert execute(["publish"]) == 1
    error = capsys.readouterr().err
    assert "bike: the publication has 310 rows, the new one would have none" in error
    assert f"`DATA_DIR={settings.data_dir} .venv/bin/data-stack ingest bike`" in error
    assert query_warehouse(settings, "select count(*) from core.fct_trips") == [(310,)]
    assert execute(["ingest", "bike", *JANUARY]) == 0
    assert execute(["reset", "transactions", "--yes"]) == 0
    assert execute(["run", *JANUARY, "--sources", "bike"]) == 0
    assert query_warehouse(settings, "select count(*) from core.fct_transactions") == [(0,)]
    assert query_warehouse(settings, "select count(*) from core.fct_trips") == [(310,)]


@pytest.mark.slow
def test_a_load_accepted_with_an_unknown_type_is_published(
    settings: Settings, tmp_path: Path, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [bank_row("2024-01-05", "Shop", "5"), bank_row("2024-01-06", "Fee", "1", type="fee", status="void")]
    write_export(tmp_path / "exports", "a.csv", lines)
    run = ["run", *JANUARY, "--sources", "transactions"]
    assert execute(run) == 1
    (load,) = waiting(capsys)
    assert execute(["accept", load, "--reason", "a fee is a fee"]) == 0
    assert execute(run) == 0
    assert "dbt warns: accepted_values_fct_transactions_type" in capsys.readouterr().out
    assert query_warehouse(settings, "select type, status from core.fct_transactions order by 1") == [
        ("fee", "void"),
        ("regular", "posted"),
    ]
    assert query_warehouse(settings, "select sum(amount) from marts.mart_spending_monthly") == [(5,)]


def test_transactions_alone_need_no_provider(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    january.faults = lambda *_: Fault.status(500)
    assert execute(["ingest", "transactions"]) == 0
    monkeypatch.setenv("TRANSACTIONS_PATH", "/nowhere")
    assert execute(["ingest", "transactions"]) == 1
    assert "TRANSACTIONS_PATH=/nowhere matches no CSV file" in capsys.readouterr().err


@pytest.mark.slow
def test_docs_are_built_with_lineage(
    settings: Settings, january: SampleProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", *JANUARY]) == 0
    capsys.readouterr()
    assert execute(["docs"]) == 0
    dbt_docs, data_docs = (Path(line) for line in capsys.readouterr().out.split())
    assert "mart_weather_effect" in dbt_docs.read_text(encoding="utf-8")
    assert "bike" in data_docs.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[SampleSpec, Path]:
    spec = SampleSpec(first_month=date(2024, 10, 1), last_month=date(2024, 11, 1), rides_per_day=40)
    return spec, generate(tmp_path_factory.mktemp("sample") / "provider", spec)


@pytest.mark.slow
def test_the_sample_arrives_whole_across_the_clock_change(
    settings: Settings, sample: tuple[SampleSpec, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ride has its true UTC times, but for those of the repeated hour, whose wall clock does not tell."""
    spec, folder = sample
    with SampleProvider.of_sample(folder) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        assert execute(["run", "--from", "2024-10-01", "--to", "2024-11-30"]) == 0
    for month in spec.months:
        truth = month_rides(spec, month)
        with open_warehouse(settings.warehouse_file) as db:
            compared = db.execute(
                "select count(*), count(*) filter (t.is_in_clock_change),"
                " count(*) filter (t.started_at_utc = g.started_at_utc and t.ended_at_utc = g.ended_at_utc),"
                " count(*) filter (t.is_in_clock_change and t.started_at_utc > g.started_at_utc)"
                " from truth g left join core.fct_trips t using (ride_id)"
            ).fetchall()
        ((rides, in_change, right, late),) = compared
        assert rides == len(truth)
        assert right >= rides - in_change
        assert (in_change > 0, late) == (month.month == 11, 0)


@pytest.mark.slow
@needs_real_files
def test_the_real_files_agree_with_a_query_on_the_csvs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import zipfile

    answer = REAL_FILES / "open_meteo" / "archive_2024-01-01_2024-04-01.json"
    with SampleProvider.of_stored({"bike": REAL_FILES / "citibike", "weather": answer}) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        assert execute(["run", "--from", "2024-01-01", "--to", "2024-03-31", "--sources", "bike,weather"]) == 0
    for path in (REAL_FILES / "citibike").glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extract(next(name for name in archive.namelist() if not name.startswith("__MACOSX")), tmp_path)
    assert query_warehouse(settings, "select count(*) from core.fct_trips") == [(171_855,)]
    with duckdb.connect() as db:
        direct = db.execute(
            f"""
            select started_at::date, count(*), count(*) filter (member_casual = 'member'),
                count(*) filter (member_casual = 'casual'),
                round(avg(epoch_ms(timezone('America/New_York', ended_at)
                    - timezone('America/New_York', started_at))) / 60000, 3)
            from read_csv('{tmp_path}/*.csv', types = {{'start_station_id': 'varchar', 'end_station_id': 'varchar'}})
            group by 1 order by 1
            """
        ).fetchall()
    published = query_warehouse(
        settings,
        "select date_local, trips, member_trips, casual_trips, round(avg_duration_minutes, 3)"
        " from marts.mart_demand_daily where is_complete order by 1",
    )
    assert len(published) == 91
    assert [row[:4] for row in published] == [row[:4] for row in direct]
    assert [float(row[4]) for row in published] == pytest.approx([row[4] for row in direct], abs=0.002)
    assert query_warehouse(
        settings, "select count(*) from marts.mart_demand_daily where temperature_c_mean is null"
    ) == [(0,)]
