"""A source taken out: exactly what was added, nothing that was edited, and the rows of documents that name it."""

import shutil
from pathlib import Path

import pytest
from small_repository import list_repository, make_repository, run_git

from data_stack.errors import TerminalError, UsageError
from scaffold.documents import Mentions
from scaffold.new_source import create_source
from scaffold.ownership import find_dependents, find_owned_files
from scaffold.remove_source import plan_removal, remove_source, show_edits
from scaffold.tree import Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path)


def test_a_generated_source_goes_without_a_trace(root: Path) -> None:
    before = list_repository(root)
    create_source("taxi", "tram", root)
    removal = plan_removal("taxi", root)
    assert removal.is_generated and removal.edited == []
    remove_source(removal, root)
    assert list_repository(root) == before
    assert not (root / "tests" / "sources" / "taxi").exists()


def test_an_edited_copy_is_kept_and_named(root: Path) -> None:
    create_source("taxi", "tram", root)
    reader = root / "dlt_pipeline" / "taxi.py"
    reader.write_text(reader.read_text() + "FARE = 1\n")
    before = list_repository(root)
    removal = plan_removal("taxi", root)
    with pytest.raises(
        UsageError,
        match=r"1 files were edited or added since new-source made them: "
        r"dlt_pipeline/taxi\.py",
    ):
        remove_source(removal, root)
    assert list_repository(root) == before
    assert "+FARE = 1\n" in show_edits(removal, root)
    assert "-" not in [line[:1] for line in show_edits(removal, root).splitlines()[2:]]
    remove_source(removal, root, force=True)
    assert not reader.exists() and Tree(root).source_names == ["tides", "tram", "tram_night"]


def test_a_file_that_was_added_by_hand_counts_as_edited(root: Path) -> None:
    create_source("taxi", "tram", root)
    (root / "dlt_pipeline" / "taxi_fares.py").write_text("FARE = 1\n")
    removal = plan_removal("taxi", root)
    assert removal.edited == ["dlt_pipeline/taxi_fares.py"]
    assert "+FARE = 1\n" in show_edits(removal, root)


def test_a_copy_that_was_deleted_by_hand_is_no_obstacle(root: Path) -> None:
    before = list_repository(root)
    create_source("taxi", "tram", root)
    (root / "dbt/seeds/taxi_kinds.yml").unlink()
    remove_source(plan_removal("taxi", root), root)
    assert list_repository(root) == before


def test_the_diff_of_a_committed_copy_does_not_need_the_copied_source(root: Path) -> None:
    create_source("taxi", "tram", root)
    for command in (["add", "-A"], ["commit", "-q", "-m", "Add taxi"]):
        run_git(root, *command)
    remove_source(plan_removal("tram", root), root)
    csv = root / "dlt_pipeline/taxi_csv.py"
    csv.write_text(csv.read_text().replace("split", "strip"))
    diff = show_edits(plan_removal("taxi", root), root)
    assert "-    return line.split()" in diff and "+    return line.strip()" in diff


def test_a_living_source_goes_with_what_cannot_live_without_it(root: Path) -> None:
    gone = {*find_owned_files("tram", root), *find_dependents("tram", root)}
    before = list_repository(root)
    changed = remove_source(plan_removal("tram", root), root)
    after = list_repository(root)
    assert set(before) - set(after) == gone
    assert changed == ["README.md"] and {path for path in after if after[path] != before[path]} == {"README.md"}
    assert {"tests/test_platform.py", "dlt_pipeline/http.py", "dbt/models/core/dim_dates.sql"} <= set(after)
    assert not (root / "dbt/seeds").exists() and not (root / "tests/sources/tram").exists()


def test_all_sources_can_go_one_after_the_other(root: Path) -> None:
    for name in ("tides", "tram", "tram_night"):
        remove_source(plan_removal(name, root), root)
    assert Tree(root).source_names == []
    assert (root / "data_stack/sources/__init__.py").exists() and (
        root / "streamlit_app/app_pages/__init__.py"
    ).exists()
    with pytest.raises(UsageError, match="the registry knows none"):
        plan_removal("tram", root)


def test_a_living_source_with_uncommitted_changes_is_kept(root: Path) -> None:
    (root / "dlt_pipeline" / "tram_csv.py").write_text("X = 1\n")
    (root / "dlt_pipeline" / "tram_zip.py").write_text("Y = 1\n")
    (root / "dlt_pipeline" / "http.py").write_text("Z = 1\n")
    removal = plan_removal("tram", root)
    assert removal.edited == ["dlt_pipeline/tram_csv.py", "dlt_pipeline/tram_zip.py"]
    with pytest.raises(UsageError, match="since the last commit"):
        remove_source(removal, root)
    assert "+X = 1" in show_edits(removal, root) and "+Y = 1" in show_edits(removal, root)
    assert "Z = 1" not in show_edits(removal, root)


def test_a_platform_file_that_imports_the_source_keeps_it(root: Path) -> None:
    (root / "dlt_pipeline" / "http.py").write_text("from dlt_pipeline.tram import TramReader\n")
    with pytest.raises(UsageError, match=r"dlt_pipeline/http.py imports dlt_pipeline/tram.py"):
        plan_removal("tram", root)


def test_another_source_that_imports_the_source_keeps_it(root: Path) -> None:
    (root / "dlt_pipeline" / "sample" / "tram.py").write_text("from dlt_pipeline.sample import tides\n")
    with pytest.raises(UsageError, match="remove their source first"):
        plan_removal("tides", root)
    remove_source(plan_removal("tram", root), root, force=True)
    remove_source(plan_removal("tides", root), root)


def test_when_a_file_cannot_be_moved_nothing_is_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removal, before = plan_removal("tram", root), list_repository(root)
    rename, calls = Path.rename, []

    def fail_later(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 10:
            raise PermissionError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_later)
    with pytest.raises(TerminalError, match="nothing was changed"):
        remove_source(removal, root)
    assert list_repository(root) == before


def test_rows_items_and_names_go_and_the_rest_of_a_document_stays(root: Path) -> None:
    remove_source(plan_removal("tram", root), root)
    assert (root / "README.md").read_text() == (
        "# Platform\n\n`tram` in a sentence stays.\n\n| file | what |\n|---|---|\n"
        "| `dlt_pipeline/http.py` | HTTP |\n| `core.*` | facts: `dim_dates` |\n"
        "| copy from | `tides.py` |\n\n"
        "- another is `tides.py`\n\n\nThe end.\n"
    )
    assert (root / "CHANGELOG.md").read_text() == "- `dlt_pipeline/tram.py` was added\n"


def test_a_name_that_a_remaining_file_has_too_is_no_mention(root: Path) -> None:
    shutil.copytree(root / "dlt_pipeline" / "sample", root / "dlt_pipeline" / "other")
    mentions = Mentions(Tree(root), ["dlt_pipeline/sample/draw.py"], [], "tram")
    text = "- `draw.py` is here\n- `sample/draw.py` was there\n"
    assert mentions.remove_from(text) == "- `draw.py` is here\n"


def test_a_specification_goes_with_the_source_that_it_is_about(root: Path) -> None:
    for folder, text in {
        "001-tram": "`dlt_pipeline/tram.py` and `data_quality/suites/tram.py`, as `data_stack/sources/tides.py`\n",
        "002-tides": "`data_stack/sources/tides.py`\n",
        "003-login": "no file of a source\n",
    }.items():
        (root / "context/spec" / folder).mkdir(parents=True)
        (root / "context/spec" / folder / "tasks.md").write_text(text)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "Specify")
    remove_source(plan_removal("tram", root), root)
    assert sorted(path.name for path in (root / "context/spec").iterdir()) == ["002-tides", "003-login"]


def test_a_line_of_code_that_names_a_removed_model_goes() -> None:
    mentions = Mentions(Tree(Path(__file__).parents[2]), [], ["mart_kinds"], "tram")
    text = "```bash\nquery 'select * from marts.mart_kinds'\nstatus\n```\nmart_kinds in a sentence\n"
    assert mentions.remove_from(text) == "```bash\nstatus\n```\nmart_kinds in a sentence\n"


def test_a_section_that_links_to_a_removed_file_goes() -> None:
    mentions = Mentions(Tree(Path(__file__).parents[2]), ["context/spec/007-tram/tasks.md"], [], "tram")
    about = "## How\n\nSee\n[tasks](context/spec/007-tram/tasks.md).\n\n```bash\n# a comment\n```\n\n| a |\n|---|\n\n"
    after = "## Then\n\n- [tasks](docs/other.md)\n"
    assert mentions.remove_from(f"# One\n\nText.\n\n{about}{after}") == f"# One\n\nText.\n\n{after}"


def test_the_source_is_named_in_code_only() -> None:
    mentions = Mentions(Tree(Path(__file__).parents[2]), [], [], "tram")
    kept = "- by tram\n- `tram_night`, `trams.py`\n\n`data-stack peek tram` in a sentence\n"
    text = f"- `ingest tram`\n  again\n{kept}\n```bash\npeek tram\npeek tides\n```\n| `peek tides,tram` | rows |\n"
    assert mentions.remove_from(text) == f"{kept}\n```bash\npeek tides\n```\n"
