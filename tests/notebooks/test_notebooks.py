"""All notebooks: kept without outputs, built alike, and what a report shows when a notebook stops."""

import re
from pathlib import Path

import nbformat
import pytest
from notebook_support import FOLDER, cells, publish_tables, report, sections
from registered import VISITS, set_sources

from data_stack.settings import Settings

NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_section_begins_with_a_question_and_ends_with_an_answer(name: str) -> None:
    assert len(sections(name)) >= 5
    for section in sections(name):
        assert section[0]["source"][0].strip().endswith("?")
        last = "".join(section[-1]["source"])
        assert "\nshow_answer(" in last, section[0]["source"][0]
        assert last.rstrip().endswith(")")
        assert not re.search(r"\n\w", last[last.rindex("\nshow_answer(") + 1 :]), "something follows the answer"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_data_comes_through_the_helper_only(name: str) -> None:
    code = "".join("".join(cell["source"]) for cell in cells(name) if cell["cell_type"] == "code")
    assert code.count("open_published(") == 1
    assert not re.search(r"duckdb|read_csv|read_parquet|\braw\.", code)


# -- reports, of a notebook that only these tests have ----------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>"
OPEN = "from published import open_published, require, show_answer, show_table\nwarehouse = open_published()"
SHOW = """
import plotly.express as px
frame = warehouse.fetch_frame("select id, guests from core.fct_visits")
show_table(frame)
px.bar(x=["a"], y=[1]).show()
show_answer(f"{frame.height} visits of {frame['id'][0]}", visits=frame.height)
"""


@pytest.fixture
def visits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A publication with one visit, whose name is hostile."""
    set_sources(monkeypatch, (VISITS,))
    row = f"select '{HOSTILE}' as id, 3 as guests, date '2024-01-01' as day_utc"
    publish_tables(settings, f"create table core.fct_visits as {row}")
    return settings


def write_notebook(folder: Path, *code: str) -> str:
    """Write a notebook with these cells of code."""
    path = folder / "visits_eda.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in code]), path)
    return str(path)


@pytest.mark.slow
def test_a_report_needs_no_network_and_trusts_no_name(visits: Settings, tmp_path: Path) -> None:
    done = report(write_notebook(tmp_path, OPEN, SHOW))
    assert (done.returncode, done.stderr) == (0, "")
    page = (visits.reports_dir / "visits_eda.html").read_text(encoding="utf-8")
    assert "1 visits of &lt;script&gt;" in page
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//', page)
    assert not re.search(r"@import|import\(['\"]http", page.split("plotly.js v")[0])
    assert page.count("plotly.js v") <= 2
    assert HOSTILE not in page


@pytest.mark.slow
def test_a_notebook_that_is_not_ready_is_reported_and_the_earlier_report_kept(visits: Settings, tmp_path: Path) -> None:
    visits.reports_dir.mkdir()
    earlier = visits.reports_dir / "visits_eda.html"
    earlier.write_text("earlier", encoding="utf-8")
    done = report(write_notebook(tmp_path, OPEN, "require(False, 'too few visits; load more')"))
    assert done.returncode == 1
    assert "skipped: visits_eda.ipynb, code cell 2 (require(" in done.stderr
    assert "too few visits; load more" in done.stderr
    assert "Traceback" not in done.stderr
    assert earlier.read_text(encoding="utf-8") == "earlier"


@pytest.mark.slow
def test_a_failed_cell_is_named_without_what_it_quotes(visits: Settings, tmp_path: Path) -> None:
    done = report(write_notebook(tmp_path, OPEN, "warehouse.fetch_frame(\n    'select * from core.secret')"))
    assert done.returncode == 1
    assert "failed: visits_eda.ipynb, code cell 2 (warehouse.fetch_frame(): CatalogException" in done.stderr
    assert "secret" not in done.stderr
    assert not visits.reports_dir.exists()


@pytest.mark.slow
def test_without_a_warehouse_the_next_step_is_named(settings: Settings, tmp_path: Path) -> None:
    done = report(write_notebook(tmp_path, OPEN))
    assert done.returncode == 1
    assert f"there is no published warehouse at {settings.warehouse_file}" in done.stderr
    assert "make demo" in done.stderr


def test_without_a_notebook_there_is_nothing_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import html_reports

    monkeypatch.setattr(html_reports, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["html_reports.py"])
    assert html_reports.main() == 0
    assert f"there is no notebook in {tmp_path}" in capsys.readouterr().out
