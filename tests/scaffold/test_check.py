"""`data-stack check`: one line per layer, and what a test process or a second run that differ say."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT
from orchestration.source_check import Outcome, SampleRun, SelectedTests, compare_runs, find_test_files


def test_a_failed_test_is_in_the_line_of_its_layer(tmp_path: Path) -> None:
    results = tmp_path / "tests.xml"
    results.write_text(
        '<testsuites><testsuite><testcase classname="tests.dlt_pipeline.test_tides" name="test_one" time="1.5"/>'
        '<testcase classname="tests.dlt_pipeline.test_tides" name="test_two" time="0.5">'
        '<failure message="assert 1 == 2&#10;more">trace</failure></testcase>'
        '<testcase classname="tests.streamlit_app.test_app_tides" name="test_page" time="2"/></testsuite></testsuites>'
    )
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE, text=True)
    layers = {"tests.dlt_pipeline.test_tides": "reader", "tests.streamlit_app.test_app_tides": "pages"}
    reader, pages = SelectedTests(process, results, layers).collect()
    assert (reader.layer, reader.seconds) == ("reader", 2.0)
    assert reader.problems == ["test_two: assert 1 == 2; `.venv/bin/pytest tests/dlt_pipeline/test_tides.py` shows it"]
    assert (pages.layer, pages.seconds, pages.problems) == ("pages", 2.0, [])


def test_tests_that_cannot_start_are_a_failure(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "print('no such module')"], stdout=subprocess.PIPE, text=True)
    (outcome,) = SelectedTests(process, tmp_path / "tests.xml", {"one": "reader"}).collect()
    assert outcome.problems[0] == "no such module"


def run_with(loaded: int, tables: dict[str, tuple[int, int]]) -> SampleRun:
    return SampleRun(Outcome("run", 0), Outcome("models", 0), loaded, tables)


def test_a_second_run_that_loads_or_publishes_other_rows_is_a_failure() -> None:
    first = run_with(5, {"core.fct_tides": (5, 1), "core.dim_dates": (9, 2)})
    assert compare_runs(first, run_with(0, first.tables)) == []
    loaded, other = compare_runs(first, run_with(5, first.tables | {"core.fct_tides": (5, 3)}))
    assert loaded.startswith("the second run loaded 5 rows again")
    assert other.startswith("the second run published other rows in core.fct_tides")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_has_test_files_of_its_reader_its_sample_and_its_suite(source: Source) -> None:
    files = find_test_files(source)
    assert files[f"tests/dlt_pipeline/test_{source.name}.py"] == "reader"
    assert files["tests/data_quality/test_quality_suites.py"] == "suite"
    assert {*files.values()} == {"reader", "sample", "suite", "pages"}
    assert all(Path(path).name.startswith("test_") for path in files)


# one source: each takes a minute
@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES[-1:], ids=lambda source: source.name)
def test_every_layer_of_a_source_is_checked(source: Source) -> None:
    code = f"from orchestration.cli import main; main(['check', {source.name!r}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    layers = [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" ok")]
    assert {"conformance", "models", "first", "second", "reader", "sample", "suite"} <= set(layers)
