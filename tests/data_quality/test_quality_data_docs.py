"""Data Docs are built, show the last runs only, and contain no value of any row."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from data_quality import data_docs
from data_quality.data_docs import build_data_docs
from data_quality.runner import validate
from data_stack.ops import ExpectationRecord, Ops
from data_stack.registry import Source
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]


@pytest.mark.integration
def test_pages_show_counts_keys_reasons_and_severity(visits: Source, dirty: Dirty, settings: Settings) -> None:
    dirty("visits", "update raw.visits set guests = 4455667 where id = 'v7'")
    (report,) = validate(settings, Ops(settings), "run", visits)
    assert report.failures[0].observed == "2 to 4.45567e+06"
    site = build_data_docs(settings).parent
    assert site == settings.docs_dir / "data_quality"
    assert "validations/visits/run/" in (site / "index.html").read_text()
    (page,) = (site / "validations" / "visits" / "run").rglob("*.html")
    text = page.read_text()
    assert "raw/visits.duckdb, load 2.0" in text
    assert "guests" in text
    assert "1 unexpected values found" in text
    assert "v7" in text
    assert "44556" not in text, "an observed range is recorded, and is no part of the pages"
    suite = (site / "expectations" / "visits.html").read_text()
    assert "critical: A visit has guests." in suite
    assert "warning: A crowd is rare." in suite


GUESTS = ExpectationRecord(
    expectation="expect_column_values_to_be_between",
    column="guests",
    severity="critical",
    success=False,
    checked=20,
    unexpected=2,
    example_keys=["v7", "v8"],
    observed=None,
    reason="the reason",
)


@pytest.mark.integration
def test_only_the_last_runs_are_shown(visits: Source, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_docs, "RUNS_SHOWN", 2)
    ops = Ops(settings)
    for run in ("run-3", "run-1", "run-2"):
        for load_id in ("2.0", "3.0"):
            ops.record_validations(run, "visits", load_id, [GUESTS])
    for _ in range(2):
        index = build_data_docs(settings)
        pages = [page.relative_to(index.parent).parts[2] for page in index.parent.rglob("validations/visits/**/*.html")]
        assert sorted(pages) == ["run-1", "run-1", "run-2", "run-2"]


def test_both_evaluations_of_a_retried_run_are_shown(visits: Source, settings: Settings) -> None:
    ops = Ops(settings)
    ops.record_validations("run", "visits", "2.0", [GUESTS])
    time.sleep(0.002)
    ops.record_validations("run", "visits", "2.0", [replace(GUESTS, success=True, unexpected=0, example_keys=[])])
    pages = list(build_data_docs(settings).parent.rglob("validations/visits/**/*.html"))
    assert sorted("2 unexpected values found" in page.read_text() for page in pages) == [False, True]


def test_an_expectation_that_could_not_be_evaluated_shows_why(visits: Source, settings: Settings) -> None:
    reason = "It could not be evaluated, as column <b> is not in the frame"
    outcome = replace(GUESTS, checked=0, unexpected=0, example_keys=[], reason=reason)
    Ops(settings).record_validations("run", "visits", "2.0", [outcome])
    (page,) = build_data_docs(settings).parent.rglob("validations/visits/**/*.html")
    assert "It could not be evaluated, as column &lt;b&gt; is not in the frame" in page.read_text()


def test_a_warning_that_could_not_be_evaluated_is_shown(visits: Source, settings: Settings) -> None:
    outcome = replace(GUESTS, expectation="expect_column_values_to_be_in_set", column="is_crowd", unexpected=0)
    Ops(settings).record_validations("run", "visits", "2.0", [replace(outcome, reason="It is not in the frame")])
    (page,) = build_data_docs(settings).parent.rglob("validations/visits/**/*.html")
    assert "It is not in the frame" in page.read_text()


def test_an_expectation_that_the_suite_no_longer_contains_is_left_out(visits: Source, settings: Settings) -> None:
    removed = replace(GUESTS, column="pressure", unexpected=77)
    Ops(settings).record_validations("run", "visits", "2.0", [GUESTS, removed])
    (page,) = build_data_docs(settings).parent.rglob("validations/visits/**/*.html")
    assert "2 unexpected values found" in page.read_text()
    assert "pressure" not in page.read_text()


def test_docs_of_nothing_can_be_built(settings: Settings) -> None:
    assert build_data_docs(settings).exists()


@pytest.mark.integration
def test_text_of_a_provider_is_neither_markup_nor_a_line_of_a_report(
    visits: Source, dirty: Dirty, settings: Settings
) -> None:
    bad_id = "'<script>alert(1)</script>' || chr(10) || 'critical'"
    dirty("visits", f"update raw.visits set id = {bad_id}, guests = 0 where id = 'v7'")
    (report,) = validate(settings, Ops(settings), "run", visits)
    (keys,) = {key for failure in report.failures for key in failure.example_keys if "script" in key}
    assert keys == "<script>alert(1)</script>\\ncritical"
    assert len("\n".join(report.format_failures()).splitlines()) == len(report.failures)
    build_data_docs(settings)
    pages = "".join(path.read_text(encoding="utf-8") for path in settings.docs_dir.glob("**/*.html"))
    assert "<script>alert(1)" not in pages
    assert "&lt;script&gt;alert(1)" in pages
