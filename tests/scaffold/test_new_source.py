"""A source copied under another name: names, marks, nothing overwritten, and a second call that changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_repository import list_repository, make_repository

from data_stack.errors import UsageError
from data_stack.settings import Settings
from scaffold.new_source import create_source, plan_source
from scaffold.ownership import find_owned_files
from scaffold.places import PLACES, describe_places, find_adapt_marks, find_place
from scaffold.profile.model import Profile
from scaffold.profile.read import profile_file
from scaffold.remove_source import plan_removal, remove_source
from scaffold.renaming import Renaming, make_camel
from scaffold.wrapping import wrap_long_lines

NEW_NAMES = {
    "dbt/macros/tram.sql": "dbt/macros/taxi.sql",
    "dbt/models/core/fct_voyages.sql": "dbt/models/core/fct_taxi_voyages.sql",
    "dbt/models/core/fct_voyages_unit_tests.yml": "dbt/models/core/fct_taxi_voyages_unit_tests.yml",
    "dbt/models/exposures/page_stations.yml": "dbt/models/exposures/page_taxi_stations.yml",
    "dbt/models/marts/mart_kinds.sql": "dbt/models/marts/mart_taxi_kinds.sql",
    "dbt/models/staging/_tram__sources.yml": "dbt/models/staging/_taxi__sources.yml",
    "dbt/models/staging/stg_tram__rides.sql": "dbt/models/staging/stg_taxi__rides.sql",
    "dbt/seeds/kinds.csv": "dbt/seeds/taxi_kinds.csv",
    "dbt/tests/assert_kinds_add_up.sql": "dbt/tests/assert_taxi_kinds_add_up.sql",
    "dlt_pipeline/tram_csv.py": "dlt_pipeline/taxi_csv.py",
    "dlt_pipeline/sample/stations.py": "dlt_pipeline/sample/taxi_stations.py",
    "streamlit_app/queries/stations.py": "streamlit_app/queries/taxi_stations.py",
    "tests/sources/tram/2024.bin": "tests/sources/taxi/2024.bin",
    "tests/sources/tram/provider.py": "tests/sources/taxi/provider.py",
    "tests/streamlit_app/test_app_stations.py": "tests/streamlit_app/test_app_taxi_stations.py",
}


SAMPLE = "trip_id,started_at,fare\nA1,2024-03-01 10:00:00,12.50\nA2,2024-03-01 11:00:00,7.25\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path)


def test_files_get_the_new_name_after_the_prefix_of_their_layer(root: Path) -> None:
    targets = plan_source("taxi", "tram", root).targets
    assert {old: targets[old] for old in NEW_NAMES} == NEW_NAMES
    assert set(targets) == {path for path in find_owned_files("tram", root) if "notebook" not in path}


def test_a_dry_run_writes_nothing(root: Path) -> None:
    before = list_repository(root)
    marks = plan_source("taxi", "tram", root).marks
    assert list_repository(root) == before
    assert ("data_stack/sources/taxi.py", 3) in [(mark.path, mark.line) for mark in marks]


def test_only_new_files_are_written_and_what_they_define_has_new_names(root: Path) -> None:
    before = list_repository(root)
    create_source("taxi", "tram", root)
    after = list_repository(root)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {
        *plan_source("taxi", "tram", root).targets.values(),
        "scaffold/generated/taxi.json",
    }
    assert (
        (root / "dbt/models/marts/mart_taxi_kinds.sql")
        .read_text()
        .endswith(
            "select kind from {{ ref('fct_taxi_voyages') }} cross join {{ ref('dim_dates') }}"
            "\ninner join {{ ref('taxi_kinds') }} using (kind)\n"
        )
    )
    staging = (root / "dbt/models/staging/stg_taxi__rides.sql").read_text()
    assert "{{ taxi_ride_kind('kind') }} as kind from {{ source('taxi', 'rides') }}" in staging
    assert "{% macro taxi_ride_kind(kind) %}" in (root / "dbt/macros/taxi.sql").read_text()
    reader = (root / "dlt_pipeline/taxi.py").read_text()
    assert 'TAXI_TYPES = ("electric_tram", "cargo_taxi")' in reader
    assert "class TaxiReader" in reader and "from dlt_pipeline.taxi_csv import parse_ride" in reader
    assert "rides of citytram zips" in reader and "the taxi provider lists no file" in reader


def test_the_entry_has_a_title_of_its_own_and_the_words_of_the_provider(root: Path) -> None:
    create_source("taxi", "tram", root)
    entry = (root / "data_stack/sources/taxi.py").read_text()
    assert entry.startswith('"""The entry of Taxi in the registry."""\n\n# ADAPT(taxi): title, table, key')
    assert '    "taxi",\n    "Taxi",' in entry
    assert 'provider_words=("City Tram", "electric_tram")' in entry


def test_a_page_gets_its_own_name_and_title(root: Path) -> None:
    create_source("taxi", "tram", root)
    page = (root / "streamlit_app/app_pages/taxi_stations.py").read_text()
    assert 'title="Taxi stations"' in page
    assert "from streamlit_app.queries import taxi_stations as queries" in page
    test = (root / "tests/streamlit_app/test_app_taxi_stations.py").read_text()
    assert 'open_page("taxi_stations"), queries.TABLE) == ("Taxi stations", 1, 2)' in test
    assert "from streamlit_app.app_pages.taxi_stations import PAGE" in test
    assert "label: Taxi stations" in (root / "dbt/models/exposures/page_taxi_stations.yml").read_text()


def test_a_page_goes_on_to_show_metrics_that_are_not_copied(root: Path) -> None:
    test = root / "tests/dbt/test_tram_metrics.py"
    test.parent.mkdir(parents=True, exist_ok=True)
    test.write_text("REFERENCES = {}\n")
    create_source("taxi", "tram", root)
    assert not (root / "dbt/metrics/taxi.yml").exists()
    assert not test.with_name("test_taxi_metrics.py").exists(), "it tests the metrics of the original"
    copied = (root / "dbt/models/exposures/page_taxi_stations.yml").read_text()
    assert "name: page_taxi_stations" in copied and "metric('late_tram_rides')" in copied


def test_a_module_with_a_common_word_as_its_name_keeps_its_name_in_the_code(root: Path) -> None:
    create_source("taxi", "tram", root)
    sample = (root / "dlt_pipeline/sample/taxi.py").read_text()
    assert "from dlt_pipeline.sample import taxi_stations as stations" in sample and "IDS = stations.IDS" in sample


def test_a_second_call_changes_nothing(root: Path) -> None:
    create_source("taxi", "tram", root)
    before = list_repository(root)
    again = create_source("taxi", "tram", root)
    assert again.is_unchanged and again.marks
    assert list_repository(root) == before


def test_a_copy_that_was_adapted_is_not_overwritten(root: Path) -> None:
    create_source("taxi", "tram", root)
    reader = root / "dlt_pipeline" / "taxi.py"
    reader.write_text("# adapted\n")
    (root / "dlt_pipeline" / "taxi_csv.py").unlink()
    before = list_repository(root)
    with pytest.raises(UsageError, match=r"1 files exist with other content: dlt_pipeline/taxi\.py; nothing was"):
        create_source("taxi", "tram", root)
    assert list_repository(root) == before


def test_an_unrelated_file_in_the_way_is_named_and_nothing_is_written(root: Path) -> None:
    (root / "dbt/models/core/fct_taxi_voyages.sql").write_text("select 1 as mine\n")
    before = list_repository(root)
    with pytest.raises(UsageError, match="fct_taxi_voyages.sql"):
        create_source("taxi", "tram", root)
    assert list_repository(root) == before


def test_a_copy_can_be_copied(root: Path) -> None:
    create_source("taxi", "tram", root)
    create_source("ferry", "taxi", root)
    assert 'FERRY_TYPES = ("electric_tram", "cargo_ferry")' in (root / "dlt_pipeline/ferry.py").read_text()
    assert (root / "dbt/models/core/fct_ferry_voyages.sql").is_file()
    assert [mark for mark in find_adapt_marks(root, "ferry") if "taxi" in mark.text] == []


def test_a_name_that_contains_the_copied_one_is_changed_once(root: Path) -> None:
    create_source("city_tram", "tram", root)
    reader = (root / "dlt_pipeline/city_tram.py").read_text()
    assert "class CityTramReader" in reader and "CITY_TRAM_TYPES" in reader and "city_city" not in reader
    assert "NAME" in (root / "dlt_pipeline/tram_night.py").read_text()
    assert create_source("city_tram", "tram", root).is_unchanged


def test_a_source_with_a_longer_name_is_another_source(root: Path) -> None:
    create_source("tram_tours", "tram", root)
    assert "dlt_pipeline/tram_tours.py" not in find_owned_files("tram", root)
    assert "dlt_pipeline/tram_tours_csv.py" in find_owned_files("tram_tours", root)
    assert create_source("tram_tours", "tram", root).is_unchanged


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Taxi", "is no name of a source"),
        ("taxi-cab", "is no name of a source"),
        ("2taxi", "is no name of a source"),
        ("taxi__cab", "is no name of a source"),
        ("tides", "there is a source 'tides' already"),
        ("lambda", "reserved word"),
        ("select", "reserved word"),
        ("order", "reserved word"),
        ("http", "a module or schema"),
        ("gate", "a module or schema"),
        ("sample", "a module or schema"),
        ("joint", "tests/test_joint.py would be files of the new source"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(root: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_source(name, "tram", root)


def test_a_source_that_does_not_exist_cannot_be_copied(root: Path) -> None:
    with pytest.raises(UsageError, match="choose one of tides, tram, tram_night"):
        create_source("taxi", "ship", root)


def test_every_copied_file_that_has_comments_has_one_mark(root: Path) -> None:
    done = create_source("taxi", "tram", root)
    copied = {path for path in done.targets.values() if not path.endswith((".csv", ".bin"))}
    assert sorted(copied) == sorted(mark.path for mark in find_adapt_marks(root, "taxi"))
    assert find_adapt_marks(root) == find_adapt_marks(root, "taxi")
    assert find_adapt_marks(root, "tram") == []


def test_the_copies_compile_and_are_formatted(root: Path) -> None:
    done = create_source("taxi", "tram", root)
    paths = [path for path in done.targets.values() if path.endswith(".py")]
    for command in (["check"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *paths], cwd=root, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout


def test_the_record_has_a_hash_of_every_file(root: Path) -> None:
    done = create_source("taxi", "tram", root)
    record = json.loads((root / "scaffold/generated/taxi.json").read_text())
    assert (record["name"], record["like"]) == ("taxi", "tram")
    assert sorted(record["files"]) == sorted(done.targets.values())


def test_every_place_has_files_and_is_in_the_document() -> None:
    text = describe_places()
    for place in PLACES:
        assert f"| {place.layer} | " in text
    assert find_place("tests/dlt_pipeline/test_taxi.py", "taxi") == next(one for one in PLACES if one.layer == "tests")
    assert find_place("Makefile", "taxi") is None


def test_words_are_changed_as_parts_and_not_inside_other_words() -> None:
    names = Renaming("tram", "cargo_tram_2", {"fct_voyages": "fct_x_voyages"}, {"electric_tram", "Citi Tram"})
    text = (
        "tram trams citytram TRAM_URL SampleTram Trammer raw-tram electric_trams electric_tram Citi Tram fct_voyages "
        "fct_voyages_x"
    )
    assert names.rename_text(text) == (
        "cargo_tram_2 trams citytram CARGO_TRAM_2_URL SampleCargoTram2 Trammer raw-cargo_tram_2 electric_trams "
        "electric_tram"
        " Citi Tram fct_x_voyages fct_voyages_x"
    )
    assert make_camel("cargo_tram_2") == "CargoTram2"


def test_long_lines_are_broken_without_changing_the_code() -> None:
    words = " ".join(["word"] * 30)
    text = (
        f'"""{words}"""\n\n# {words}\nLONG = "{words}"\nNAME = "x"\nFORMATTED = [f"{words} {{NAME}} end"]\n'
        f'SQL = """\nselect {words}\n"""\nGAPLESS = "{"x" * 130}"\n'
    )
    wrapped = wrap_long_lines(text)
    lines = [line for line in wrapped.splitlines() if "noqa" not in line]
    assert max(len(line) for line in lines) <= 120 and wrapped.count("noqa: E501") == 1
    before, after = dict[str, object](), dict[str, object]()
    exec(text, before)
    exec(wrapped, after)
    for name in ("LONG", "FORMATTED", "GAPLESS"):
        assert after[name] == before[name]
    assert " ".join(str(after["SQL"]).split()) == " ".join(str(before["SQL"]).split())


@pytest.fixture
def sample(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The profile of a provider's small file."""
    file = tmp_path_factory.mktemp("provider") / "trips.csv"
    file.write_text(SAMPLE)
    return profile_file(str(file), Settings.load())


def test_a_sample_is_drafted_and_the_copies_point_to_the_drafts(root: Path, sample: Profile) -> None:
    (root / "context/spec/007-trams").mkdir(parents=True)
    before = list_repository(root)
    done = create_source("taxi", "tram", root, sample)
    folder = "context/spec/008-taxi/drafts"
    assert done.drafts == [
        f"{folder}/{file}"
        for file in ("schema.py.txt", "suite.py.txt", "sources.yml.txt", "staging.sql.txt", "staging.yml.txt")
    ]
    assert '("started_at", TIMESTAMP)' in (root / folder / "schema.py.txt").read_text()
    assert 'key=("trip_id",)' in (root / folder / "schema.py.txt").read_text()
    reader = (root / "dlt_pipeline/taxi.py").read_text()
    assert f"# ADAPT(taxi): compare with the draft from the sample, {folder}/schema.py.txt\n# ADAPT(taxi): " in reader
    assert ("dlt_pipeline/taxi.py", 3) in [(mark.path, mark.line) for mark in done.marks if folder in mark.text]
    assert create_source("taxi", "tram", root, sample).is_unchanged
    assert create_source("taxi", "tram", root).is_unchanged
    remove_source(plan_removal("taxi", root), root)
    assert list_repository(root) == before


def test_drafts_go_where_the_specification_is(root: Path, sample: Profile) -> None:
    spec = root / "context/spec/003-city-taxi/functional-spec.md"
    spec.parent.mkdir(parents=True)
    spec.write_text("# City taxi\n")
    done = create_source("city_taxi", "tram", root, sample)
    assert {Path(path).parent for path in done.drafts} == {Path("context/spec/003-city-taxi/drafts")}
    remove_source(plan_removal("city_taxi", root), root)
    assert [path.name for path in spec.parent.iterdir()] == ["functional-spec.md"]


def test_tests_that_used_the_name_before_stay_and_later_ones_go(root: Path) -> None:
    old, new = root / "tests/scaffold/test_names.py", root / "tests/test_fares.py"
    old.parent.mkdir(parents=True)
    old.write_text('NAME = "taxi"\n')
    create_source("taxi", "tram", root)
    assert plan_removal("taxi", root).edited == []
    new.write_text('NAME = "taxi"\n')
    assert create_source("taxi", "tram", root).is_unchanged
    assert plan_removal("taxi", root).edited == ["tests/test_fares.py"]
    remove_source(plan_removal("taxi", root), root, force=True)
    assert old.exists() and not new.exists()
