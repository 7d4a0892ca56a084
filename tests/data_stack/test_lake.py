"""The lake: exactly the rows that staging reads, whatever is corrected, reset, killed or written by two at once."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from lake_bucket import HIDDEN, serve_bucket
from raw_builder import pass_loads
from source_parts import find_part
from test_versions import DAYS, RawFile

from data_stack.errors import LakeUnavailableError, TerminalError, TransientError, UsageError
from data_stack.lake import write
from data_stack.lake.lake import Lake, connect_lake, current_file, files_of, open_lake, read_manifest, select_table
from data_stack.lake.manifest import Manifest
from data_stack.lake.vacuum import vacuum_source
from data_stack.lake.write import SyncReport, sync_source
from data_stack.loads import settle_loads
from data_stack.ops import LoadState, Ops
from data_stack.registry import get_source, source_names
from data_stack.settings import Settings
from dlt_pipeline.downloads import Downloads
from dlt_pipeline.landing import Answer, Landing

NOW = timedelta()


@pytest.fixture(scope="module")
def bucket_variables() -> Iterator[dict[str, str]]:
    with serve_bucket() as variables:
        yield variables


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.integration)])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables of an empty lake."""
    if request.param == "folder":
        return {"LAKE_URL": str(tmp_path / "lake")}
    found: dict[str, str] = request.getfixturevalue("bucket_variables")
    return found | {"LAKE_URL": f"{found['LAKE_URL']}/{tmp_path.name}"}


@pytest.fixture
def raw(variables: dict[str, str], clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> RawFile:
    """An empty raw file of a platform with a lake."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return RawFile(Settings.load())


only_in_folders = pytest.mark.parametrize("variables", ["folder"], indirect=True)


def lake_of(raw: RawFile) -> Lake:
    lake = open_lake(raw.settings)
    assert lake
    return lake


def sync(raw: RawFile, lake: Lake | None = None, take_over: bool = False) -> SyncReport:
    settle_loads(raw.settings, raw.ops, DAYS)
    return sync_source(lake or lake_of(raw), raw.settings, raw.ops, DAYS, take_over)


def manifest_of(raw: RawFile) -> Manifest:
    manifest = read_manifest(raw.settings, "days")
    assert manifest
    return manifest


def rows_of(raw: RawFile, table: str = "visits", manifest: Manifest | None = None) -> list[tuple[object, ...]]:
    lake = lake_of(raw)
    with connect_lake(raw.settings, lake) as db:
        return db.execute(f"{select_table(lake, manifest or manifest_of(raw), table)} order by all").fetchall()


def visits(raw: RawFile, manifest: Manifest | None = None) -> list[object]:
    return [row[0] for row in rows_of(raw, "visits", manifest)]


def check_files(raw: RawFile, manifest: Manifest) -> None:
    """Every file that a manifest names is there as it says."""
    store = lake_of(raw).store
    for file in manifest.files:
        found = store.read(file.path)
        assert found
        assert (hashlib.sha256(found[0]).hexdigest(), len(found[0])) == (file.sha256, file.size_bytes)


def test_the_lake_has_the_rows_of_loads_that_passed(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a", "b"], 2: ["c"]}, LoadState.PASSED, rejects=1)
    raw.add("2.0", {3: ["pending"]}, LoadState.PENDING)
    raw.add("3.0", {3: ["failed"]}, LoadState.FAILED)
    raw.add("4.0", {4: ["d"]}, LoadState.ACCEPTED)
    report = sync(raw)
    manifest = manifest_of(raw)
    passed = "_dlt_load_id in ('1.0', '4.0') order by all"
    for table in ("visits", "coverage"):
        assert rows_of(raw, table) == raw.rows(f"select * from raw.{table} where {passed}")
    assert rows_of(raw, "_dlt_loads") == [("1.0", 0), ("4.0", 0)]
    assert [(load.load_id, load.batches) for load in manifest.loads] == [
        ("1.0", ("1.0 day 1", "1.0 day 2")),
        ("4.0", ("4.0 day 4",)),
    ]
    assert manifest.tables.keys() == {"_dlt_loads", "coverage", "visits"}
    assert manifest.tables["visits"].columns == {
        "id": "VARCHAR",
        "day": "INTEGER",
        "batch": "VARCHAR",
        "_dlt_load_id": "VARCHAR",
    }
    assert (report.files, report.rows, report.manifest_id) == (6, 4 + 3 + 2, manifest.manifest_id)
    check_files(raw, manifest)


@only_in_folders
def test_a_load_that_is_written_twice_is_the_same_files(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    # two threads write it, in several row groups
    raw.rows("insert into raw.visits select n::varchar, 1, '1.0 day 1', '1.0' from range(130_000) as r(n)")
    raw.add("2.0", {3: ["d"]}, LoadState.PASSED)
    assert sync(raw).files == 6
    first, tag = manifest_of(raw), lake_of(raw).read_current("days")
    again = sync(raw)
    assert (again.has_changed, again.files, again.manifest_id) == (False, 0, first.manifest_id)
    assert lake_of(raw).read_current("days") == tag
    # as if the first writer had been killed before its manifest
    lake_of(raw).store.delete([current_file("days")])
    assert sync(raw).files == 6
    second = manifest_of(raw)
    assert second.manifest_id != first.manifest_id
    assert (second.loads, second.tables) == (first.loads, first.tables)
    check_files(raw, first)


@only_in_folders
def test_a_correction_replaces_the_rows_and_the_earlier_manifest_keeps_its_own(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a", "b"], 2: ["c"]}, LoadState.PASSED)
    sync(raw)
    first = manifest_of(raw)
    raw.add("2.0", {1: ["x"]}, LoadState.PENDING)
    assert not sync(raw).has_changed
    raw.ops.decide_load("days", "2.0", LoadState.PASSED)
    sync(raw)
    second = manifest_of(raw)
    assert visits(raw) == ["c", "x"]
    assert [load.batches for load in second.loads] == [("1.0 day 2",), ("2.0 day 1",)]
    assert second.previous == first.manifest_id
    assert visits(raw, first) == ["a", "b", "c"]
    check_files(raw, first)


@pytest.mark.parametrize("source_name", source_names())
def test_the_types_of_every_source_survive(source_name: str, settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"lake_url": str(tmp_path / "lake")})
    find_part(source_name, "clean").build(settings)
    pass_loads(settings, [source_name])
    lake = open_lake(settings)
    assert lake
    sync_source(lake, settings, Ops(settings), get_source(source_name))
    manifest = read_manifest(settings, source_name)
    assert manifest
    assert manifest.tables[get_source(source_name).table].rows > 0
    with connect_lake(settings, lake) as db:
        db.execute(f"attach '{settings.raw_file(source_name)}' as stored (read_only)")
        for table, described in manifest.tables.items():
            lake_rows, raw_rows = select_table(lake, manifest, table), f"select * from stored.raw.{table}"
            types = {row[0]: row[1] for row in db.execute(f"describe {lake_rows}").fetchall()}
            assert (
                types == described.columns == {row[0]: row[1] for row in db.execute(f"describe {raw_rows}").fetchall()}
            )
            for one, other in ((lake_rows, raw_rows), (raw_rows, lake_rows)):
                assert db.execute(f"({one}) except all ({other})").fetchall() == []


@only_in_folders
def test_a_corrected_batch_of_a_large_load_rewrites_no_other(raw: RawFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SPLIT_ROWS", 3)
    raw.add("1.0", {1: ["a", "b"], 2: ["c", "d"], 3: ["e", "f"]}, LoadState.PASSED)
    sync(raw)
    before = {file.batches: file.path for file in manifest_of(raw).tables["visits"].files}
    assert before.keys() == {("1.0 day 1",), ("1.0 day 2",), ("1.0 day 3",)}
    raw.add("2.0", {2: ["x"]}, LoadState.PASSED)
    sync(raw)
    after = {file.batches: file.path for file in manifest_of(raw).tables["visits"].files}
    kept = {batches: path for batches, path in before.items() if batches != ("1.0 day 2",)}
    assert kept.items() < after.items()
    assert after.keys() - kept.keys() == {("2.0 day 2",)}
    assert visits(raw) == ["a", "b", "e", "f", "x"]


@only_in_folders
def test_a_source_that_is_reset_leaves_the_lake(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    sync(raw)
    columns = manifest_of(raw).tables["visits"].columns
    raw.settings.raw_file("days").unlink()
    raw.ops.supersede_loads("days")
    assert sync(raw).has_changed
    assert manifest_of(raw).loads == ()
    assert manifest_of(raw).tables["visits"].columns == columns
    assert files_of(lake_of(raw), manifest_of(raw), "visits") == []
    assert rows_of(raw) == []
    assert not sync(raw).has_changed


def test_a_writer_that_was_overtaken_writes_again(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    raw.add("2.0", {2: ["b"]}, LoadState.PENDING)
    slow = lake_of(raw)
    write_bytes, overtaken = slow.store.write, []

    def overtake(path: str, content: bytes) -> None:
        """Between the files of the slow writer and its swap, a load passes and another writer is done."""
        write_bytes(path, content)
        if not overtaken:
            overtaken.append(path)
            raw.ops.decide_load("days", "2.0", LoadState.PASSED)
            assert sync(raw).has_changed

    slow.store.write = overtake  # type: ignore[method-assign]
    # the other one has written all that there is
    assert not sync(raw, slow).has_changed
    assert visits(raw) == ["a", "b"]
    assert slow.store.read(overtaken[0]), "what lost stays until vacuum"
    assert manifest_of(raw).previous is None


@only_in_folders
def test_a_writer_that_is_always_overtaken_gives_up(raw: RawFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_ATTEMPTS", 2)
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    slow = lake_of(raw)
    swap = slow.store.swap

    def lose(path: str, content: bytes, seen: str | None) -> bool:
        assert sync(raw).has_changed
        raw.add(f"{len(raw.ops.passed_loads('days')) + 1}.0", {1: ["a"]}, LoadState.PASSED)
        return swap(path, content, seen)

    slow.store.swap = lose  # type: ignore[method-assign]
    with pytest.raises(TransientError, match=r"days: another process replaced the manifest in .* 2 times"):
        sync(raw, slow)
    assert visits(raw) == ["a"]


def test_only_what_was_read_is_swapped(raw: RawFile) -> None:
    store = lake_of(raw).store
    assert store.read("a/b.json") is None
    assert store.swap("a/b.json", b"1", None)
    assert not store.swap("a/b.json", b"2", None)
    found = store.read("a/b.json")
    assert found
    assert found[0] == b"1"
    assert store.swap("a/b.json", b"2", found[1])
    assert not store.swap("a/b.json", b"3", found[1])
    assert [file.path for file in store.list("a")] == ["a/b.json"]
    store.delete(["a/b.json", "a/gone.json"])
    assert list(store.list()) == []


@only_in_folders
def test_the_lake_of_another_platform_is_not_replaced(raw: RawFile, tmp_path: Path) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    sync(raw)
    other = RawFile(raw.settings.model_copy(update={"data_dir": tmp_path / "other"}))
    other.add("7.0", {1: ["x"]}, LoadState.PASSED)
    with pytest.raises(TerminalError, match=r"1 loads that the run records do not know, such as 1\.0.*--take-over"):
        sync(other)
    assert visits(raw) == ["a"]
    sync(other, take_over=True)
    assert visits(raw) == ["x"]


def test_vacuum_keeps_what_a_kept_manifest_names(raw: RawFile) -> None:
    lake = lake_of(raw)
    raw.add("1.0", {1: ["a", "b"], 2: ["c"]}, LoadState.PASSED)
    sync(raw)
    first = manifest_of(raw)
    raw.add("2.0", {1: ["x"]}, LoadState.PASSED)
    sync(raw)
    lake.store.write("days/visits/9.0/killed/part-00000.parquet", b"of a writer that was killed")
    assert vacuum_source(lake, "days", NOW).removed == [], "all files are young"
    week = timedelta(days=7)
    (orphan,) = vacuum_source(lake, "days", week, is_dry_run=True, grace=NOW).removed
    assert vacuum_source(lake, "days", week, grace=NOW).removed == [orphan]
    assert vacuum_source(lake, "days", NOW, {first.manifest_id}, grace=NOW).removed == []
    assert visits(raw, first) == ["a", "b", "c"]

    removed = {file.path for file in vacuum_source(lake, "days", NOW, {"of another lake"}, grace=NOW).removed}
    named = {file.path for file in manifest_of(raw).files}
    manifest_file = f"days/_manifests/{first.manifest_id}.json"
    assert removed == {file.path for file in first.files if file.path not in named} | {manifest_file}
    assert {file.path for file in lake.store.list("days")}.isdisjoint(removed)
    assert visits(raw) == ["c", "x"]
    check_files(raw, manifest_of(raw))
    assert vacuum_source(lake, "days", NOW, grace=NOW).removed == []
    assert not sync(raw).has_changed


def landed_load(raw: RawFile, load_id: str, contents: Sequence[bytes]) -> Landing:
    """A load that was made from these bytes."""
    landing = Landing(raw.settings, "days")
    for content in contents:
        landing.fetch(f"file of {load_id}", "GET a file", Answer(content, "live").write_to)
    landing.record_load(load_id, [load_id], datetime(2024, 1, 1))
    raw.add(load_id, {1: [load_id]}, LoadState.PENDING)
    return landing


def downloads_of(raw: RawFile) -> Downloads:
    return Downloads(lake_of(raw), "days")


def test_downloads_are_copied_once_and_restored_where_the_landing_is_gone(raw: RawFile) -> None:
    first = landed_load(raw, "1.0", [b"one", b"two"])
    landed_load(raw, "2.0", [b"two", b"three"])
    assert [downloads_of(raw).copy(first, raw.ops), downloads_of(raw).copy(first, raw.ops)] == [3, 0]
    kept = {path.relative_to(raw.settings.landing_dir("days")) for path in first.locate("x").parents[1].glob("*/*")}
    stored = {file.path.removeprefix("_downloads/days/") for file in lake_of(raw).store.list()}
    assert stored == {f"{path}" for path in kept} | {"current.json", "loads/1.0.json", "loads/2.0.json"}
    entries, loads = first.entries(), first.loads()
    shutil.rmtree(raw.settings.landing_dir("days"))
    landing = Landing(raw.settings, "days", is_replay=True)
    assert downloads_of(raw).list_loads() == ["1.0", "2.0"]
    downloads_of(raw).restore(landing, ["1.0", "2.0"])
    assert (landing.entries(), landing.loads()) == (entries, loads)
    assert landing.missing(sha256 for load in loads for sha256 in load.sha256) == []
    # what was brought back is used: the latest bytes of a name
    landing.replay_only(loads[1].sha256)
    assert landing.fetch("file of 2.0", "", lambda _: None).path.read_bytes() == b"three"


def test_a_damaged_download_is_refused(raw: RawFile) -> None:
    landing = landed_load(raw, "1.0", [b"one"])
    downloads_of(raw).copy(landing, raw.ops)
    (sha256,) = landing.loads()[0].sha256
    lake_of(raw).store.write(f"_downloads/days/objects/{sha256[:2]}/{sha256}", b"two")
    landing.locate(sha256).write_bytes(b"damaged here as well")
    with pytest.raises(TerminalError, match=rf"days: .*/{sha256} is damaged, as its SHA-256 is not its name"):
        downloads_of(raw).restore(landing, ["1.0"])
    assert landing.missing([sha256]) == [sha256]
    lake_of(raw).store.delete([f"_downloads/days/objects/{sha256[:2]}/{sha256}"])
    downloads_of(raw).restore(landing, ["1.0"])
    assert landing.missing([sha256]) == [sha256], "nothing is there to restore, and the replay says so"


@only_in_folders
def test_an_upload_that_is_killed_or_arrives_damaged_leaves_nothing_that_counts(
    raw: RawFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = landed_load(raw, "1.0", [b"one", b"two"])
    path = f"_downloads/days/objects/{landing.used[0][:2]}/{landing.used[0]}"

    def die_half_way(_: Path, target: Path) -> None:
        target.write_bytes(b"o")
        raise KeyboardInterrupt

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", die_half_way)
        with pytest.raises(KeyboardInterrupt):
            downloads_of(raw).copy(landing, raw.ops)
        assert lake_of(raw).store.find_size(path) is None
        patched.setattr(shutil, "copyfile", lambda _, target: target.write_bytes(b"eno"))
        with pytest.raises(LakeUnavailableError, match="arrived with other bytes"):
            downloads_of(raw).copy(landing, raw.ops)
    assert lake_of(raw).store.find_size(path) is None
    # killed between the bytes and the load
    downloads = downloads_of(raw)
    monkeypatch.setattr(downloads._store, "write", die)
    with pytest.raises(KeyboardInterrupt):
        downloads.copy(landing, raw.ops)
    assert downloads_of(raw).list_loads() == []
    assert downloads_of(raw).copy(landing, raw.ops) == 0, "the bytes are there already"
    assert downloads_of(raw).list_loads() == ["1.0"]


@only_in_folders
def test_downloads_of_another_platform_and_of_a_source_that_is_reset_stay(raw: RawFile, tmp_path: Path) -> None:
    landing = landed_load(raw, "1.0", [b"one"])
    downloads_of(raw).copy(landing, raw.ops)
    raw.ops.supersede_loads("days")
    assert downloads_of(raw).copy(landing, raw.ops) == 0
    assert downloads_of(raw).list_loads() == ["1.0"]
    other = RawFile(raw.settings.model_copy(update={"data_dir": tmp_path / "other"}))
    landing = landed_load(other, "7.0", [b"seven"])
    with pytest.raises(TerminalError, match=r"1 loads that the run records do not know, such as 1\.0"):
        downloads_of(other).copy(landing, other.ops)
    assert downloads_of(other).copy(landing, other.ops, take_over=True) == 1
    assert downloads_of(raw).list_loads() == ["7.0"]


@only_in_folders
def test_a_load_or_list_of_downloads_that_leads_elsewhere_is_refused(raw: RawFile) -> None:
    landing = landed_load(raw, "1.0", [b"one"])
    downloads_of(raw).copy(landing, raw.ops)
    store, file = lake_of(raw).store, "_downloads/days/loads/1.0.json"
    found = store.read(file)
    assert found
    for content in (found[0].replace(landing.used[0].encode(), b"../" * 21 + b"a"), b"{}", b"not JSON"):
        store.write(file, content)
        with pytest.raises(TerminalError, match=r"loads/1\.0\.json is damaged"):
            downloads_of(raw).restore(landing, ["1.0"])
    store.write("_downloads/days/current.json", b'{"loads": ["../1.0"]}')
    with pytest.raises(TerminalError, match=r"current\.json is damaged: it must list loads"):
        downloads_of(raw).list_loads()


@pytest.mark.slow
@only_in_folders
def test_a_kill_at_any_moment_leaves_the_earlier_or_the_later_state(raw: RawFile, tmp_path: Path) -> None:
    raw.add("1.0", {1: ["a", "b"], 2: ["c"]}, LoadState.PASSED)
    sync(raw)
    folder = tmp_path / "killed"
    folder.mkdir()
    Path(lake_of(raw).root).rename(folder / "before")
    raw.add("2.0", {1: ["x"]}, LoadState.PASSED)
    settle_loads(raw.settings, raw.ops, DAYS)
    script = Path(__file__).with_name("killed_sync.py")
    path = os.pathsep.join([str(script.parent), str(script.parent.parent)])
    done = subprocess.run(
        [sys.executable, str(script), str(raw.settings.data_dir), str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    # before and after five files, the manifest and current.json, of which only the last moment has the later state
    moments = int(done.stdout)
    assert moments == 2 * 7
    for moment in range(moments):
        raw.settings = raw.settings.model_copy(update={"lake_url": str(folder / str(moment))})
        assert visits(raw) == (["c", "x"] if moment == moments - 1 else ["a", "b", "c"])
        check_files(raw, manifest_of(raw))
        sync(raw)
        assert visits(raw) == ["c", "x"]
        check_files(raw, manifest_of(raw))


@only_in_folders
def test_a_manifest_that_leads_out_of_the_lake_is_refused(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    sync(raw)
    (file,) = (Path(lake_of(raw).root) / "days" / "_manifests").glob("2*.json")
    manifest = json.loads(file.read_text())
    for path in ("../../etc/passwd", "/etc/passwd", "days/a'.parquet", "s3://other/a.parquet"):
        manifest["tables"]["visits"]["files"][0]["path"] = path
        file.write_text(json.dumps(manifest))
        with pytest.raises(TerminalError, match=r"tables\.visits\.files\.0\.path: .* a path within the lake"):
            read_manifest(raw.settings, "days")
    file.unlink()
    with pytest.raises(TerminalError, match=r"manifest .* is missing from the lake; remove .*current\.json"):
        sync(raw)
    (file.parent / "current.json").write_text("{}")
    with pytest.raises(TerminalError, match=r"current\.json is damaged"):
        sync(raw)


@only_in_folders
def test_a_folder_that_is_made_is_for_its_owner_only(raw: RawFile) -> None:
    raw.add("1.0", {1: ["a"]}, LoadState.PASSED)
    sync(raw)
    assert Path(lake_of(raw).root).stat().st_mode & 0o777 == 0o700


@only_in_folders
def test_there_is_no_lake_without_its_setting(raw: RawFile) -> None:
    settings = raw.settings.model_copy(update={"lake_url": None})
    assert open_lake(settings) is None
    assert read_manifest(settings, "days") is None


@pytest.mark.parametrize("url", ["s3://hunter2@bucket/lake", "gs://bucket/hunter2", "s3://bucket/a?key=hunter2"])
def test_a_url_with_credentials_is_refused_and_not_quoted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", url)
    with pytest.raises(UsageError, match="setting LAKE_URL: .* without credentials") as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)


def test_without_the_client_the_error_says_how_to_install_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(TerminalError, match="`make setup-lake` installs it"):
        open_lake(settings.model_copy(update={"lake_url": "s3://lake"}))


@pytest.mark.integration
def test_no_error_of_a_bucket_has_a_credential(
    bucket_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in bucket_variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTP_ATTEMPTS", "1")
    cases = {
        "the bucket of s3://nowhere/a does not exist": {"lake_url": "s3://nowhere/a"},
        r"the lake at s3://lake/tests does not answer as it should \(GenericError\)": {
            "aws_endpoint_url": "http://127.0.0.1:9"
        },
    }
    for message, changes in cases.items():
        lake = open_lake(Settings.load(**changes))
        assert lake
        with pytest.raises((TerminalError, LakeUnavailableError), match=message) as caught:
            lake.store.write("a", b"")
        assert HIDDEN not in str(caught.value) and "key-of-a-test" not in str(caught.value)
        assert caught.value.__suppress_context__
    assert HIDDEN not in repr(Settings.load())


def test_downloads_need_a_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_DOWNLOADS", "true")
    with pytest.raises(UsageError, match="setting LAKE_DOWNLOADS: .* needs LAKE_URL"):
        Settings.load()
