"""The parsed project is kept beside the project: it serves every data folder, and never another project."""

from pathlib import Path

import pytest

from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, _target_dir, parse_project
from dbt_runner.parsed import hash_project, have_unit_tests_passed, keep_parsed_project, remember_unit_tests


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the parsed projects, which the test has for itself."""
    monkeypatch.setattr("dbt_runner.parsed.PROJECT_ROOT", tmp_path)
    return tmp_path / ".cache" / "dbt"


@pytest.mark.integration
def test_another_data_folder_is_not_parsed_again(kept: Path, tmp_path: Path) -> None:
    first, second = (Settings.load(data_dir=tmp_path / name) for name in ("first", "second"))
    parsed = parse_project(first)
    assert len(list(kept.iterdir())) == 1
    read = parse_project(second)
    assert not _target_dir(second).exists()
    assert read.nodes.keys() == parsed.nodes.keys()
    assert read.unit_tests.keys() == parsed.unit_tests.keys()
    assert {name: node.raw_code for name, node in read.nodes.items()} == {
        name: node.raw_code for name, node in parsed.nodes.items()
    }
    # a file that was not written completely only costs time
    (truncated,) = kept.iterdir()
    truncated.write_bytes(truncated.read_bytes()[:1000])
    assert parse_project(second).nodes.keys() == parsed.nodes.keys()
    assert _target_dir(second).exists()


def test_any_difference_gives_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "one.sql"
    model.write_text("select 1")
    hashes = [hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"})]
    assert hashes == [hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"})]
    hashes.append(hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike weather"}))
    model.write_text("select 2")
    hashes.append(hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"}))
    model.rename(model.with_name("two.sql"))
    hashes.append(hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"}))
    monkeypatch.setenv("DBT_TARGET", "other")
    hashes.append(hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"}))
    assert len(set(hashes)) == len(hashes)
    # what dbt writes when it is started by hand
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_text("{}")
    assert hash_project(tmp_path, {"DATA_STACK_SOURCES": "bike"}) == hashes[-1]


def test_the_proof_of_unit_tests_is_of_one_version(kept: Path) -> None:
    remember_unit_tests("first")
    assert have_unit_tests_passed("first")
    assert not have_unit_tests_passed("second")
    keep_parsed_project("first", Path(__file__))
    for number in range(5):
        remember_unit_tests(f"later_{number}")
    # the oldest makes room, and leaves the parsed project
    assert not have_unit_tests_passed("first")
    assert have_unit_tests_passed("later_0")
    assert (kept / "first.msgpack").exists()


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed_file = tmp_path / "parsed"
    parsed_file.write_text("parsed")
    monkeypatch.setattr("dbt_runner.parsed.PROJECT_ROOT", parsed_file)
    keep_parsed_project("hash", parsed_file)
    assert [path.name for path in tmp_path.iterdir()] == ["parsed"]


def test_only_the_latest_projects_are_kept(kept: Path, tmp_path: Path) -> None:
    parsed_file = tmp_path / "parsed"
    parsed_file.write_text("parsed")
    for number in range(7):
        keep_parsed_project(str(number), parsed_file)
    assert len(list(kept.iterdir())) == 5
    assert (kept / "6.msgpack").exists()


def test_the_profile_alone_reads_the_paths() -> None:
    """A variable that a model reads must be part of the hash, as `_describe_sources` is."""
    files = [path for path in DBT_DIR.rglob("*") if path.suffix in (".sql", ".yml") and path.name != "profiles.yml"]
    texts = " ".join(path.read_text() for path in files)
    assert "DATA_STACK_SOURCES" in texts
    assert not [name for name in ("BUILD_FILE", "ATTACH", "MEMORY_LIMIT") if f"DATA_STACK_{name}" in texts]
