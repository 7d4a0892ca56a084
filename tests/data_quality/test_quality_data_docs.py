"""Data Docs are built, show the last runs only, and contain no value of any row."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from quality_data import RIDE

from data_quality import data_docs
from data_quality.data_docs import build_data_docs
from data_quality.runner import format_gate_failures, validate
from data_stack.ops import ExpectationRecord, Ops
from data_stack.registry import SOURCES, get_source
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
PLANTED = ("Zyxwa Personal", "Zyxwb Category", "zyxwc-type", "4455667", "zyxwd-mask", "8899.77")


def _text_of(folder: Path) -> str:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in paths)


@pytest.mark.integration
def test_no_value_leaks(
    dirty: Dirty, settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dirty(
        "transactions",
        "update raw.transactions set name = 'Zyxwa Personal', category = 'Zyxwb Category', type = 'zyxwc-type',"
        " note = 'Zyxwa Personal', account_mask = 'zyxwd-mask', amount = 44556677.00 where source_line = 5;"
        "update raw.transactions set transaction_id = 'Zyxwa Personal', amount = -8899.77 where source_line = 6",
    )
    dirty("weather", "update raw.hours set temperature_2m = 4455667 where hour_utc = '2024-01-03 10:00:00'")
    ops = Ops(settings.ops_dir)
    reports = [report for source in SOURCES for report in validate(settings, ops, "run", source)]
    failed = {failure.column for report in reports for failure in report.failures}
    assert {"type", "account_mask", "transaction_id", "is_amount_huge", "temperature_2m"} <= failed
    build_data_docs(settings)
    written = _text_of(settings.docs_dir) + "\n".join(ops_dump(ops))
    said = format_gate_failures(reports) + repr(reports) + "".join(capfd.readouterr()) + caplog.text
    assert "2024-01-03 10:00:00" in written, "keys are shown"
    for value in PLANTED:
        if value != "4455667":  # an observed range of the weather is meant to be recorded
            assert value not in written
            assert value not in said
    assert "4455667" not in _text_of(settings.docs_dir)


def ops_dump(ops: Ops) -> list[str]:
    return [
        repr(row) for table in ("validations", "loads", "steps", "runs") for row in ops.query(f"select * from {table}")
    ]


@pytest.mark.integration
def test_pages_show_counts_keys_reasons_and_severity(dirty: Dirty, settings: Settings) -> None:
    dirty("weather", "update raw.hours set relative_humidity_2m = 101 where hour_utc = '2024-01-03 10:00:00'")
    validate(settings, Ops(settings.ops_dir), "run", get_source("weather"))
    site = build_data_docs(settings).parent
    assert site == settings.docs_dir / "data_quality"
    assert "validations/weather/run/" in (site / "index.html").read_text()
    (page,) = (site / "validations" / "weather" / "run").rglob("*.html")
    text = page.read_text()
    assert "raw/weather.duckdb, load 2.0" in text
    assert "relative_humidity_2m" in text
    assert "1 unexpected values found" in text
    assert "2024-01-03 10:00:00" in text
    suite = (site / "expectations" / "weather.html").read_text()
    assert "critical: Relative humidity is a percentage;" in suite
    assert "warning: Open-Meteo does not document this code, so the marts have no weather condition for it." in suite


HUMIDITY = ExpectationRecord(
    expectation="expect_column_values_to_be_between",
    column="relative_humidity_2m",
    severity="critical",
    success=False,
    checked=240,
    unexpected=2,
    example_keys=["2024-01-03 10:00:00", "2024-01-03 11:00:00"],
    observed=None,
    reason="the reason",
)


@pytest.mark.integration
def test_only_the_last_runs_are_shown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_docs, "RUNS_SHOWN", 2)
    ops = Ops(settings.ops_dir)
    for run in ("run-3", "run-1", "run-2"):
        for load_id in ("2.0", "3.0"):
            ops.record_validations(run, "weather", load_id, [HUMIDITY])
    for _ in range(2):
        index = build_data_docs(settings)
        pages = [
            page.relative_to(index.parent).parts[2] for page in index.parent.rglob("validations/weather/**/*.html")
        ]
        assert sorted(pages) == ["run-1", "run-1", "run-2", "run-2"]


def test_both_evaluations_of_a_retried_run_are_shown(settings: Settings) -> None:
    ops = Ops(settings.ops_dir)
    ops.record_validations("run", "weather", "2.0", [HUMIDITY])
    time.sleep(0.002)
    ops.record_validations("run", "weather", "2.0", [replace(HUMIDITY, success=True, unexpected=0, example_keys=[])])
    pages = list(build_data_docs(settings).parent.rglob("validations/weather/**/*.html"))
    assert sorted("2 unexpected values found" in page.read_text() for page in pages) == [False, True]


def test_an_expectation_that_could_not_be_evaluated_shows_why(settings: Settings) -> None:
    reason = "It could not be evaluated, as column <b> is not in the frame"
    outcome = replace(HUMIDITY, checked=0, unexpected=0, example_keys=[], reason=reason)
    Ops(settings.ops_dir).record_validations("run", "weather", "2.0", [outcome])
    (page,) = build_data_docs(settings).parent.rglob("validations/weather/**/*.html")
    assert "It could not be evaluated, as column &lt;b&gt; is not in the frame" in page.read_text()


@pytest.mark.integration
@pytest.mark.parametrize(("rides", "months"), [(2, 0), (3, 1)])
def test_odd_rows_and_the_months_of_too_many_are_shown(
    rides: int, months: int, dirty: Dirty, settings: Settings
) -> None:
    odd = f"ended_at_local = started_at_local - interval 1 second where source_line <= {rides}"
    dirty("bike", f"update raw.trips set {odd}")
    validate(settings, Ops(settings.ops_dir), "run", get_source("bike"))
    (page,) = build_data_docs(settings).parent.rglob("validations/bike/run/**/*.html")
    for column, unexpected in {"is_end_before_start": rides, "end_before_start_share": months}.items():
        (section,) = (text for text in page.read_text().split("<h5") if f"> {column} </h5>" in " ".join(text.split()))
        assert section.count(f"{unexpected} unexpected values found") == bool(unexpected)
        assert section.count("fa-times text-danger") == bool(unexpected)
    assert ("2024-09" in section) == bool(months)


def test_a_warning_that_could_not_be_evaluated_is_shown(settings: Settings) -> None:
    outcome = replace(HUMIDITY, expectation="expect_column_values_to_be_in_set", column="weather_code", unexpected=0)
    Ops(settings.ops_dir).record_validations(
        "run", "weather", "2.0", [replace(outcome, reason="It is not in the frame")]
    )
    (page,) = build_data_docs(settings).parent.rglob("validations/weather/**/*.html")
    assert "It is not in the frame" in page.read_text()


def test_an_expectation_that_the_suite_no_longer_contains_is_left_out(settings: Settings) -> None:
    removed = replace(HUMIDITY, column="pressure", unexpected=77)
    Ops(settings.ops_dir).record_validations("run", "weather", "2.0", [HUMIDITY, removed])
    (page,) = build_data_docs(settings).parent.rglob("validations/weather/**/*.html")
    assert "2 unexpected values found" in page.read_text()
    assert "pressure" not in page.read_text()


def test_docs_of_nothing_can_be_built(settings: Settings) -> None:
    assert build_data_docs(settings).exists()


@pytest.mark.integration
def test_text_of_a_provider_is_neither_markup_nor_a_line_of_a_report(dirty: Dirty, settings: Settings) -> None:
    bad_id = "'<script>alert(1)</script>' || chr(10) || 'critical'"
    dirty("bike", f"update raw.trips set ride_id = {bad_id} where ride_id = '{RIDE}'")
    (report,) = validate(settings, Ops(settings.ops_dir), "run", get_source("bike"))
    (keys,) = {key for failure in report.failures for key in failure.example_keys if "script" in key}
    assert keys == "<script>alert(1)</script>\\ncritical"
    assert len("\n".join(report.format_failures()).splitlines()) == len(report.failures)
    build_data_docs(settings)
    pages = "".join(path.read_text(encoding="utf-8") for path in settings.docs_dir.glob("**/*.html"))
    assert "<script>alert(1)" not in pages
    assert "&lt;script&gt;alert(1)" in pages
