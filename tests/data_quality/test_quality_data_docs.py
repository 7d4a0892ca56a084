"""Data Docs are built, stay bounded, and hold no value of any row."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from quality_data import RIDE

from data_quality import data_docs
from data_quality.check import find_suite
from data_quality.data_docs import DataDocs, build_data_docs
from data_quality.evaluate import Evaluator
from data_quality.runner import format_gate_failures, validate
from data_stack.ops import Ops
from data_stack.registry import SOURCES, get_source
from data_stack.settings import Settings

Dirty = Callable[[str, str], None]
PLANTED = ("Zyxwa Personal", "Zyxwb Category", "zyxwc-type", "4455667", "zyxwd-mask", "8899.77")


def _text_of(folder: Path) -> str:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in paths)


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
    reports = validate(settings, ops, "run", SOURCES)
    failed = {failure.column for report in reports for failure in report.failures}
    assert {"type", "account_mask", "transaction_id", "is_amount_huge", "temperature_2m"} <= failed
    written = _text_of(settings.docs_dir) + _text_of(settings.data_dir / "gx") + "\n".join(ops_dump(ops))
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


def test_pages_show_counts_keys_reasons_and_severity(dirty: Dirty, settings: Settings) -> None:
    dirty("weather", "update raw.hours set relative_humidity_2m = 101 where hour_utc = '2024-01-03 10:00:00'")
    validate(settings, Ops(settings.ops_dir), "run", [get_source("weather")])
    site = settings.docs_dir / "data_quality"
    assert "validations/weather/run/" in (site / "index.html").read_text()
    (page,) = (site / "validations" / "weather" / "run").rglob("*.html")
    text = page.read_text()
    assert "raw/weather.duckdb, load 2.0" in text
    assert "relative_humidity_2m" in text
    assert "1 unexpected values found" in text
    assert "2024-01-03 10:00:00" in text
    suite = (site / "expectations" / "weather.html").read_text()
    assert "critical: A percentage." in suite
    assert "warning: A code that Open-Meteo does not document has no condition in the marts." in suite
    assert not list(settings.docs_dir.glob("*.new"))


def test_only_the_last_runs_are_kept(
    dirty: Dirty, settings: Settings, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_docs, "RUNS_KEPT", 2)
    dirty("weather", "")
    source = get_source("weather")
    with duckdb.connect(str(settings.raw_file("weather")), read_only=True) as db:
        tallies = evaluator.evaluate(db, find_suite(source.name), "2.0")
    for run in ("run-3", "run-1", "run-2"):
        docs = DataDocs(settings)
        docs.store(run, source, "2.0", tallies)
        docs.store(run, source, "3.0", tallies)
    index = build_data_docs(settings)
    assert index == settings.docs_dir / "data_quality" / "index.html"
    kept = {key.to_tuple()[1] for key in docs.context.validation_results_store.list_keys()}
    assert kept == {"run-1", "run-2"}
    pages = [path.relative_to(index.parent).parts[2] for path in index.parent.rglob("validations/weather/**/*.html")]
    assert sorted(pages) == ["run-1", "run-1", "run-2", "run-2"]


def test_docs_of_nothing_can_be_built(settings: Settings) -> None:
    assert build_data_docs(settings).exists()


def test_text_of_a_provider_is_no_markup_and_no_line(dirty: Dirty, settings: Settings) -> None:
    bad_id = "'<script>alert(1)</script>' || chr(10) || 'critical'"
    dirty("bike", f"update raw.trips set ride_id = {bad_id} where ride_id = '{RIDE}'")
    (report,) = validate(settings, Ops(settings.ops_dir), "run", [get_source("bike")])
    (keys,) = {key for failure in report.failures for key in failure.example_keys if "script" in key}
    assert keys == "<script>alert(1)</script>\\ncritical"
    assert len("\n".join(report.format_failures()).splitlines()) == len(report.failures)
    build_data_docs(settings)
    pages = "".join(path.read_text(encoding="utf-8") for path in settings.docs_dir.glob("**/*.html"))
    assert "<script>alert(1)" not in pages
    assert "&lt;script&gt;alert(1)" in pages
