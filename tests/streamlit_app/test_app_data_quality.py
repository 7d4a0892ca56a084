"""Data quality: the run records as they are now, also those of runs that never published."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_support import (
    assert_no_failure,
    go_to,
    metrics,
    open_page,
    publish_rows,
    read_text,
    record_load,
    visits,
)
from records import change_records
from registered import ACCOUNTS, VISITS, set_sources
from streamlit.testing.v1 import AppTest

from data_stack.errors import GateFailedError, TransientError
from data_stack.ops import ExpectationRecord, LoadRecord, NodeRecord, Ops
from data_stack.palette import PALETTE
from data_stack.publications import find_publication
from data_stack.registry import SOURCES
from data_stack.settings import Settings
from streamlit_app.app_pages.data_quality import draw_durations
from streamlit_app.queries import data_quality as queries

pytestmark = pytest.mark.usefixtures("only_visits")

GUESTS = visits("2024-01-01", [10] * 3)
NODE = ("model", "success", 0.5, None, None)


@pytest.fixture
def ops(settings: Settings) -> Ops:
    return Ops(settings)


def outcome(expectation: str, success: bool, severity: str = "critical", **other: Any) -> ExpectationRecord:
    values: dict[str, Any] = {"checked": 100, "unexpected": 0 if success else 7, "example_keys": [], "observed": None}
    return ExpectationRecord(expectation, "id", severity, success, reason="Why *it* is asked.", **values | other)


MET, WARNS = outcome("met", True), outcome("warns", False, "warning", unexpected=2, example_keys=["a", "b"])
BREAKS = outcome("breaks", False, example_keys=["R1", "<b>R2</b>"])


def fail_a_run(ops: Ops, load: str = "170.1", outcomes: Sequence[ExpectationRecord] = (BREAKS, WARNS, MET)) -> str:
    """A run of visits whose gate fails; it never publishes."""
    with suppress(GateFailedError), ops.run("run", ["visits"]) as run_id:
        with ops.step(run_id, "ingest", "visits") as step:
            step.rows = 90
            ops.record_load(run_id, LoadRecord("visits", load, 100, 90, 8, 2))
        with ops.step(run_id, "validate"):
            ops.record_validations(run_id, "visits", load, outcomes)
            ops.decide_load("visits", load, "failed", f"visits: load {load} did not pass")
            raise GateFailedError("visits: critical: *breaks*")
    return run_id


def pass_a_run(ops: Ops, source: str = "visits", load: str = "160.1") -> str:
    with ops.run("run", [source]) as run_id:
        ops.record_load(run_id, LoadRecord(source, load, 10, 10, 0, 0))
        ops.record_validations(run_id, source, load, [MET, MET])
        ops.decide_load(source, load, "passed")
        nodes = [("fct_trips", *NODE), ("stg", *NODE), ("is_unique", "test", "pass", 1, 0, None)]
        ops.record_dbt_results(run_id, [NodeRecord(*node) for node in nodes])
    return run_id


def titles(app: AppTest) -> list[str]:
    return [text.value.removeprefix("##### ") for text in app.markdown]


def test_gates_are_counted_by_load_and_severity(ops: Ops) -> None:
    passed, failed = pass_a_run(ops), fail_a_run(ops)
    ops.decide_load("visits", "170.1", "accepted", "seen", "ann")
    columns = ["run_id", "load_id", "gate", "checked", "failed_critical", "failed_warnings", "state"]
    assert queries.get_gates(ops, "", 10).select(columns).rows() == [
        (failed, "170.1", "failed", 3, 1, 1, "accepted"),
        (passed, "160.1", "passed", 2, 0, 0, "passed"),
    ]
    assert queries.get_gates(ops, "", 1)["run_id"].to_list() == [failed]
    assert queries.get_gates(ops, "accounts", 10).is_empty()


def test_a_load_that_is_evaluated_again_in_its_run_is_two_gates(ops: Ops) -> None:
    run_id = fail_a_run(ops)
    change_records(ops, "update validations set evaluated_at_utc = '2024-01-01 00:00:00.000'")
    ops.record_validations(run_id, "visits", "170.1", [MET, WARNS])
    assert queries.get_gates(ops, "visits", 10).select("gate", "checked").rows() == [("passed", 2), ("failed", 3)]


def test_failed_expectations_have_keys_and_reason_critical_first(ops: Ops) -> None:
    fail_a_run(ops)
    frame = queries.get_failed_expectations(ops, "visits", 10)
    assert frame.drop("evaluated_at_utc").rows() == [
        ("critical", "visits", "id", "breaks", 7, 100, "R1, <b>R2</b>", "Why *it* is asked.", "170.1"),
        ("warning", "visits", "id", "warns", 2, 100, "a, b", "Why *it* is asked.", "170.1"),
    ]


def test_held_back_sources_with_their_load_or_without_one(ops: Ops) -> None:
    pass_a_run(ops)
    assert queries.get_held_back(ops, "").is_empty()
    fail_a_run(ops)
    with suppress(TransientError), ops.run("run", ["accounts"]) as run_id, ops.step(run_id, "ingest", "accounts"):
        raise TransientError("accounts: the provider answered 500")
    change_records(ops, "update validations set evaluated_at_utc = '2024-02-01 06:00:00.000' where not success")
    change_records(ops, "update steps set started_at_utc = '2024-02-02 06:00:01.500' where source = 'accounts'")
    assert queries.get_held_back(ops, "").rows() == [
        ("visits", datetime(2024, 2, 1, 6), "170.1", "load 170.1 did not pass"),
        ("accounts", datetime(2024, 2, 2, 6, 0, 1), None, "the provider answered 500"),
    ]
    assert queries.get_held_back(ops, "accounts")["source"].to_list() == ["accounts"]


def test_a_pending_load_comes_with_the_command_to_go_on(ops: Ops) -> None:
    fail_a_run(ops)
    ops.record_unknown_load("accounts", "9.9")
    ops.decide_load("visits", "1; rm -rf x", "failed", "gate")
    frame = queries.get_pending_loads(ops, "")
    assert set(zip(frame["load_id"], frame["next"], strict=True)) == {
        ("170.1", 'data-stack accept 170.1 --reason "..."'),
        ("9.9", "data-stack validate accounts"),
        ("1; rm -rf x", "data-stack accept '1; rm -rf x' --reason \"...\""),
    }
    assert queries.get_pending_loads(ops, "accounts")["load_id"].to_list() == ["9.9"]
    ops.accept_load("170.1", "checked by hand")
    assert queries.get_accepted_loads(ops, "visits").select("load_id", "reason", "rows_loaded").rows() == [
        ("170.1", "checked by hand", 90)
    ]


def test_rows_of_a_load_add_up(ops: Ops) -> None:
    fail_a_run(ops)
    ops.record_load("x", LoadRecord("accounts", "1", 0, 0, 0, 0))
    columns = ["load_id", "rows_read", "rows_loaded", "rows_rejected", "rejected_share", "rows_repeated"]
    assert queries.get_loads(ops, "visits").select(columns).rows() == [("170.1", 100, 90, 8, 0.08, 2)]
    # nothing read has no share
    assert queries.get_loads(ops, "accounts")["rejected_share"].to_list() == [None]


def test_builds_count_what_failed_and_what_warned(ops: Ops) -> None:
    pass_a_run(ops)
    nodes = [
        ("a", *NODE),
        ("b", "model", "error", 1.0, None, "Binder Error: no such column"),
        ("c", "model", "skipped", 0.0, None, None),
        ("d", "test", "fail", 1.0, 3, "3 rows break it"),
        ("e", "unit_test", "error", 1.0, None, None),
        ("f", "test", "warn", 1.0, 4, "4 rows break it"),
        ("g", "test", "pass", 1.0, 0, None),
    ]
    with ops.run("transform", []) as run_id:
        ops.record_dbt_results(run_id, [NodeRecord(*node) for node in nodes])
    columns = ["models", "models_failed", "tests_passed", "tests_warned", "tests_failed", "skipped"]
    assert queries.get_builds(ops, 10).select(columns).rows() == [(1, 1, 1, 1, 2, 1), (2, 0, 1, 0, 0, 0)]
    found = queries.get_failed_nodes(ops, 10)
    assert found["node"].to_list() == ["b", "d", "e", "f"]
    assert found["message"].to_list() == ["Binder Error: no such column", "3 rows break it", None, "4 rows break it"]


def test_freshness_is_of_rows_that_passed(settings: Settings, ops: Ops) -> None:
    record_load(settings, "visits", days_ago=50)
    publish_rows(settings, GUESTS)
    fail_a_run(ops)
    publication = find_publication(settings.warehouse_file)
    accounts, visited = queries.get_freshness(ops, publication, "", 45).iter_rows(named=True)
    assert (visited["state"], visited["days_ago"], visited["rows"]) == ("stale", 50, 3)
    assert str(visited["data_through"]) == "2024-01-03"
    assert visited["tried_at_utc"] - visited["loaded_at_utc"] > timedelta(days=49)
    assert (accounts["state"], accounts["rows"], accounts["tried_at_utc"]) == ("nothing loaded", 0, None)
    ops.record_load("x", LoadRecord("accounts", "1", 5, 5, 0, 0))
    (accounts,) = queries.get_freshness(ops, publication, "accounts", 45).iter_rows(named=True)
    assert (accounts["state"], accounts["days_ago"]) == ("nothing has passed yet", None)
    assert queries.get_freshness(ops, publication, "visits", 51)["state"].to_list() == ["loaded"]


def test_rows_of_publications(settings: Settings, ops: Ops) -> None:
    accounts = {"core.fct_accounts": [{"id": number} for number in range(3)]}
    for number in (1, 2):
        publish_rows(settings, {**visits("2024-01-01", [10] * number), **accounts})
    assert [row[2] for row in queries.get_source_rows(ops, 10).rows() if row[1] == "visits"] == [1, 2]
    assert sorted(queries.get_source_rows(ops, 1)["rows"].to_list()) == [2, 3]
    rows = {row[0]: row[1:] for row in queries.get_table_rows(ops).rows()}
    assert (rows["core.fct_visits"], rows["core.fct_accounts"]) == ((2, 1, 1), (3, 3, 0))


def test_a_table_that_is_new_has_no_rows_before(settings: Settings, ops: Ops) -> None:
    publish_rows(settings, GUESTS, leave_out=["core.dim_dates"])
    publish_rows(settings, GUESTS)
    rows = {row[0]: row[1:] for row in queries.get_table_rows(ops).rows()}
    assert rows["core.dim_dates"] == (0, None, None)


def test_seconds_are_stacked_by_step_and_a_failed_run_is_marked(ops: Ops) -> None:
    with ops.run("run", ["visits", "accounts"]) as first:
        for source in ("visits", "accounts"):
            with ops.step(first, "ingest", source):
                pass
        with ops.step(first, "publish"):
            pass
    second = fail_a_run(ops)
    seconds = [(2.0, "ingest"), (0.5, "publish"), (7.0, "validate")]
    change_records(ops, "update steps set seconds = ? where step = ?", seconds)
    ops.begin_run("killed", "run", ["visits"], pid=2**22 + 1)
    figure = draw_durations(queries.get_last_runs(ops, 10), queries.get_steps(ops, 10))
    assert {trace.name: list(trace.y) for trace in figure.data if trace.type == "bar"} == {
        "Ingest": [4.0, 2.0, None],
        "Validate": [None, 7.0, None],
        "Publish": [0.5, None, None],
    }
    (mark,) = (trace for trace in figure.data if trace.type == "scatter")
    assert list(mark.x) == [second, "killed"]
    assert list(mark.customdata) == ["failed", "interrupted"]
    assert list(figure.layout.xaxis.tickvals) == [first, second, "killed"]
    assert figure.layout.yaxis.title.text == "Seconds"
    assert mark.marker.color in PALETTE


def test_without_a_run(settings: Settings) -> None:
    app = open_page("data_quality")
    assert not app.exception
    assert "There was no run yet; `data-stack run` loads, checks and publishes." in read_text(app)
    assert not settings.data_dir.exists()


def test_runs_that_failed_show_before_the_first_publication(settings: Settings, ops: Ops) -> None:
    fail_a_run(ops)
    app = open_page("data_quality")
    assert not app.exception
    said = read_text(app)
    assert "There is no published warehouse" in said and "failed; fix the reported problem" in said
    assert "visits: critical: *breaks*" in [text.value for text in app.text]
    assert "A load is published once it has passed; until then what its source had before stays." in said
    assert [code.value for code in app.code] == ['data-stack accept 170.1 --reason "..."']
    assert "Failed expectations, last 30 runs" in titles(app)
    assert "Seconds by run and step, last 30 runs" in titles(app)
    assert "There was no build in these runs; `data-stack run` builds from the loads that passed." in said
    assert "Nothing is published; `data-stack run` publishes what has passed." in said
    assert metrics(app) == {
        "Pending loads": ("1", ""),
        "Accepted loads": ("0", ""),
        "Failed expectations": ("2", ""),
        "Failed dbt tests": ("-", ""),
    }


def test_a_run_that_failed_after_a_publication_shows_and_then_its_acceptance(settings: Settings, ops: Ops) -> None:
    pass_a_run(ops)
    publication = publish_rows(settings, GUESTS)
    fail_a_run(ops)
    app = open_page("data_quality")
    assert_no_failure(app)
    assert f"The current publication is {publication} of" in read_text(app)
    assert "failed; fix the reported problem" in read_text(app)
    assert metrics(app)["Pending loads"] == ("1", "")
    (held,) = (table.value for table in app.dataframe if "since_at_utc" in table.value)
    assert held[["source", "load_id", "reason"]].values.tolist() == [["visits", "170.1", "load 170.1 did not pass"]]
    ops.accept_load("170.1", "a *known* gap <x>")
    assert_no_failure(app.run())
    assert "There is no pending load: each one passed its gate, was accepted manually or was replaced." in read_text(
        app
    )
    assert not app.code
    assert "No source is held back." in read_text(app)
    accepted = next(table.value for table in app.dataframe if "decided_by" in table.value)
    assert accepted["reason"].tolist() == ["a *known* gap <x>"]
    assert "known" not in read_text(app)


def test_a_pending_load_needs_its_gate(settings: Settings, ops: Ops) -> None:
    publish_rows(settings, GUESTS)
    ops.record_load("x", LoadRecord("visits", "5.5", 5, 5, 0, 0))
    app = open_page("data_quality")
    assert_no_failure(app)
    assert [code.value for code in app.code] == ["data-stack validate visits"]
    assert "No gate ran in these runs; `data-stack validate` checks the pending loads." in read_text(app)


@pytest.mark.integration
def test_one_publication_is_no_line(settings: Settings, ops: Ops) -> None:
    pass_a_run(ops)
    publish_rows(settings, GUESTS)
    app = open_page("data_quality")
    assert "There is only one publication" in read_text(app)
    publish_rows(settings, GUESTS)
    assert_no_failure(app.run())
    assert "Rows of each source by publication." in read_text(app)
    assert {source.title for source in SOURCES} <= set(titles(app))


@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_sources_has_a_chart_each(
    settings: Settings, ops: Ops, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    added = [replace(ACCOUNTS, name=f"accounts_{number}", title=f"Accounts {number}") for number in range(count - 1)]
    set_sources(monkeypatch, (*added, VISITS))
    pass_a_run(ops)
    for _ in range(2):
        publish_rows(settings, GUESTS)
    app = open_page("data_quality")
    assert_no_failure(app)
    shown = [title for title in titles(app) if title in {source.title for source in (*added, VISITS)}]
    assert shown == [*(f"Accounts {number}" for number in range(count - 1)), "Visits by UTC day"]


@pytest.mark.integration
def test_filters_of_source_and_runs(settings: Settings, ops: Ops) -> None:
    publish_rows(settings, GUESTS)
    pass_a_run(ops, "accounts", "1.1")
    fail_a_run(ops)
    app = open_page("data_quality", source="Accounts of a database", runs="Last 10")
    assert_no_failure(app)
    gates = next(table.value for table in app.dataframe if "gate" in table.value)
    assert gates["source"].tolist() == ["accounts"]
    assert "Gates by run and load, last 10 runs" in titles(app)
    assert "No expectation failed in these runs." in read_text(app)
    app.sidebar.selectbox[0].set_value("visits").run()
    assert "Failed expectations, last 10 runs" in titles(go_to(go_to(app, "home"), "data_quality"))
    app = open_page("data_quality", source="'; drop", runs="-1")
    assert_no_failure(app)
    for label in ("Source", "Runs"):
        assert f"{label}: the URL contains a value that is invalid or not loaded. It is ignored." in read_text(app)


def test_a_published_copy_is_not_what_it_reads(settings: Settings, ops: Ops) -> None:
    publish_rows(settings, GUESTS)
    settings.warehouse_file.unlink()
    pass_a_run(ops)
    app = open_page("data_quality")
    assert "There is no published warehouse" in read_text(app)
    assert "Rows by table of the last publication" in titles(app)
