"""Which files are a source's: by name, by lineage, by imports; and what cannot live without it."""

from pathlib import Path

import pytest
from small_repository import make_repository, run_git

from data_stack.errors import UsageError
from data_stack.registry import source_names
from data_stack.settings import PROJECT_ROOT
from scaffold.ownership import OwnershipFinder, explain, find_dependents, find_owned_files, has_stem_of
from scaffold.tree import Tree

OWNED_BY_TRAM = """
benchmarks
data_quality/suites/tram.py
data_stack/sources/tram.py
dbt/macros/tram.sql
dbt/models/core/fct_voyages.sql
dbt/models/core/fct_voyages.yml
dbt/models/core/fct_voyages_unit_tests.yml
dbt/models/exposures/tram_home.yml
dbt/models/exposures/page_stations.yml
dbt/models/marts/mart_kinds.sql
dbt/models/staging/_tram__sources.yml
dbt/models/staging/stg_tram__rides.sql
dbt/models/staging/stg_tram__rides.yml
dbt/seeds/kinds.csv
dbt/seeds/kinds.yml
dbt/tests/assert_kinds_add_up.sql
dlt_pipeline/tram.py
dlt_pipeline/tram_csv.py
dlt_pipeline/sample/tram.py
dlt_pipeline/sample/stations.py
notebooks/tram_eda.ipynb
streamlit_app/app_pages/stations.py
streamlit_app/home_cards/tram.py
streamlit_app/queries/tram_home.py
streamlit_app/queries/stations.py
tests/dlt_pipeline/test_tram.py
tests/notebooks/test_notebook_tram_eda.py
tests/sources/tram/2024.bin
tests/sources/tram/provider.py
tests/streamlit_app/test_app_stations.py
tests/streamlit_app/test_tram_home.py
""".split()[1:]
JOINT = """
dbt/models/exposures/page_tram_demand.yml
dbt/models/marts/mart_daily.sql
dbt/models/marts/mart_daily.yml
dbt/tests/assert_daily_adds_up.sql
notebooks/questions.ipynb
streamlit_app/app_pages/tram_demand.py
streamlit_app/home_cards/tides.py
streamlit_app/queries/tram_demand.py
tests/streamlit_app/test_app_tram_demand.py
tests/test_joint.py
""".split()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path)


def test_owned_files_are_those_of_the_name_the_lineage_and_the_imports(root: Path) -> None:
    assert find_owned_files("tram", root) == sorted(OWNED_BY_TRAM)


def test_a_longer_name_wins(root: Path) -> None:
    assert find_owned_files("tram_night", root) == [
        "data_stack/sources/tram_night.py",
        "dlt_pipeline/tram_night.py",
        "tests/sources/tram_night/provider.py",
    ]


def test_joint_files_are_dependents_of_both_sources_and_owned_by_none(root: Path) -> None:
    of_tram, of_tides = find_dependents("tram", root), find_dependents("tides", root)
    assert set(JOINT) <= set(of_tram) and set(JOINT) <= set(of_tides)
    assert sorted(set(of_tram) - set(JOINT)) == [
        "benchmarks/rides.py",
        "tests/test_pipeline.py",
    ]
    assert set(of_tides) - set(JOINT) == set()


def test_nothing_is_owned_twice(root: Path) -> None:
    owned = [path for name in ("tram", "tram_night", "tides") for path in find_owned_files(name, root)]
    assert len(owned) == len(set(owned))


def test_a_file_that_is_not_yet_committed_is_owned_and_an_ignored_one_is_not(root: Path) -> None:
    (root / "dlt_pipeline" / "tram_zip.py").write_text("")
    (root / "dlt_pipeline" / "__pycache__").mkdir()
    (root / "dlt_pipeline" / "__pycache__" / "tram.py").write_text("")
    assert set(find_owned_files("tram", root)) - set(OWNED_BY_TRAM) == {"dlt_pipeline/tram_zip.py"}


def test_a_file_that_git_lists_but_is_gone_is_not_owned(root: Path) -> None:
    (root / "dlt_pipeline" / "tram_csv.py").unlink()
    (root / "dlt_pipeline" / "tram.py").write_text("")
    assert "dlt_pipeline/tram_csv.py" not in find_owned_files("tram", root)


def test_questions_on_a_joint_model_are_dependents_and_those_on_others_are_not(root: Path) -> None:
    folder = root / "tests" / "serving" / "questions"
    folder.mkdir(parents=True)
    (folder / "joint.yml").write_text("- {id: joint, sql: select 1 from marts.mart_daily}\n")
    (folder / "platform.yml").write_text("- {id: platform, ask: how many kinds of tram?}\n")
    (folder / "tram.yml").write_text("- {id: tram, sql: select 1}\n")
    assert explain("tides", root).dependents["tests/serving/questions/joint.yml"] == "its SQL reads mart_daily"
    assert "tests/serving/questions/platform.yml" not in find_dependents("tram", root)
    assert "tests/serving/questions/tram.yml" in find_owned_files("tram", root)


def test_a_helper_with_another_user_is_shared(root: Path) -> None:
    (root / "dlt_pipeline" / "sample" / "tides.py").write_text("from dlt_pipeline.sample import stations\n")
    assert "dlt_pipeline/sample/stations.py" not in find_owned_files("tram", root)


def test_a_seed_that_a_joint_model_reads_is_shared_and_goes_with_it(root: Path) -> None:
    mart = root / "dbt" / "models" / "marts" / "mart_daily.sql"
    mart.write_text(mart.read_text() + "-- {{ ref('kinds') }}\n")
    assert "dbt/seeds/kinds.csv" not in find_owned_files("tram", root)
    assert {"dbt/seeds/kinds.csv", "dbt/seeds/kinds.yml"} <= set(find_dependents("tram", root))


def test_each_file_has_its_reason(root: Path) -> None:
    found = explain("tram", root)
    assert found.owned["dlt_pipeline/tram_csv.py"] == "its name"
    assert found.owned["dbt/models/core/fct_voyages.sql"] == "all its rows come from tram"
    assert found.owned["dlt_pipeline/sample/stations.py"].startswith("only owned modules import it")
    assert found.owned["streamlit_app/queries/stations.py"] == "every table that the page stations reads is owned"
    assert found.dependents["dbt/tests/assert_daily_adds_up.sql"] == "it reads mart_daily"
    assert found.dependents["benchmarks/rides.py"] == "it imports dlt_pipeline/tram.py"
    assert found.dependents["tests/test_pipeline.py"] == "it uses tram"


@pytest.mark.parametrize(
    ("stem", "is_owned"),
    [
        ("tram", True),
        ("tram_csv", True),
        ("_tram__sources", True),
        ("stg_tram__trips", True),
        ("int_tram__months", True),
        ("test_tram", True),
        ("test_golden_tram", True),
        ("test_sample_tram_zips", True),
        ("trams", False),
        ("stg_trams__trips", False),
        ("fct_tram_trips", False),
        ("motortram", False),
        ("test_app_tram", True),
        ("test_motor_tram", False),
    ],
)
def test_stems_of_a_source(stem: str, is_owned: bool) -> None:
    assert has_stem_of(stem, "tram") is is_owned


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git repository"):
        find_owned_files("tram", tmp_path)


def test_a_file_that_is_no_python_is_named(root: Path) -> None:
    (root / "tests" / "test_broken.py").write_text("def (\n")
    with pytest.raises(UsageError, match=r"tests/test_broken.py:1 is no valid Python"):
        find_dependents("tram", root)


@pytest.mark.parametrize("name", source_names())
def test_a_living_source_owns_its_parts_of_every_layer(name: str) -> None:
    owned = set(find_owned_files(name))
    parts = ("data_stack/sources/", "dlt_pipeline/", "data_quality/suites/", "dlt_pipeline/sample/")
    assert {f"{part}{name}.py" for part in parts} <= owned
    assert f"dbt/models/staging/_{name}__sources.yml" in owned
    assert any(path.startswith("dbt/models/core/fct_") for path in owned)


def test_no_file_of_the_repository_is_owned_by_two_sources_or_by_one_and_dependent() -> None:
    finder = OwnershipFinder(Tree(PROJECT_ROOT))
    found = {name: finder.find(name) for name in source_names()}
    owned = [path for one in found.values() for path in one.owned]
    assert len(owned) == len(set(owned))
    assert not set(owned) & {path for one in found.values() for path in one.dependents}


def test_git_may_quote_no_name(root: Path) -> None:
    (root / "dlt_pipeline" / "tram_größe.py").write_text("")
    run_git(root, "add", "-A")
    assert "dlt_pipeline/tram_größe.py" in find_owned_files("tram", root)


def test_a_card_that_shows_only_metrics_belongs_to_the_source_of_their_tables(tmp_path: Path) -> None:
    root = make_repository(tmp_path)
    written = {
        "dbt/metrics/tram.yml": (
            "semantic_models:\n  - name: kinds\n    model: ref('mart_kinds')\nmetrics:\n  - name: late_tram_rides\n"
        ),
        "streamlit_app/home_cards/delays.py": 'FIGURES = ("late_tram_rides",)\n',
        "dbt/models/exposures/delays_home.yml": (
            "exposures:\n  - name: delays_home\n    depends_on:\n      - metric('late_tram_rides')\n"
        ),
    }
    for path, text in written.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    assert set(written) <= set(find_owned_files("tram", root))
