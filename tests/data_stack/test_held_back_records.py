"""What is held back, since when and why: from the run records, and from their copy in a published file."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import duckdb
import pytest
from records import change_records

from data_stack.errors import TerminalError
from data_stack.held_back import HeldBack, describe_held_back, find_held_back
from data_stack.ops import ExpectationRecord, LoadRecord, Ops
from data_stack.publish import _copy_ops
from data_stack.settings import Settings

Find = Callable[[], list[HeldBack]]


@pytest.fixture(params=["store", pytest.param("store in PostgreSQL", marks=pytest.mark.slow), "published copy"])
def place(request: pytest.FixtureRequest, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the records are that are asked."""
    if request.param == "store in PostgreSQL":
        monkeypatch.setenv("OPS_URL", request.getfixturevalue("ops_url"))
    return str(request.param)


@pytest.fixture
def ops(place: str) -> Ops:
    return Ops(Settings.load())


@pytest.fixture
def find(place: str, ops: Ops) -> Iterator[Find]:
    """Finds what is held back in the records as they are at the call."""
    if place != "published copy":
        yield lambda: find_held_back(ops.query)
        return

    def find_in_copy() -> list[HeldBack]:
        with duckdb.connect() as db:
            _copy_ops(db, ops)
            return find_held_back(lambda sql: db.execute(sql).pl().iter_rows(named=True), "ops.")

    yield find_in_copy


def validate(ops: Ops, source: str, load: str, at: str, success: bool = False) -> None:
    """Record a load and what its gate decided at some time."""
    ops.record_load("r", LoadRecord(source, load, 9, 9, 0, 0))
    outcomes = [
        ExpectationRecord(name, "c", "critical", success or name == "met", 9, 1, [], None, "r") for name in ("met", "e")
    ]
    ops.record_validations("r", source, load, outcomes)
    ops.decide_load(source, load, "passed" if success else "failed", f"{source}: load {load} failed at {at}")
    change_records(
        ops, "update validations set evaluated_at_utc = ? where evaluated_at_utc > '2025-01-01'", [(f"{at}.000",)]
    )


def step(ops: Ops, name: str, source: str | None, at: str, error: str | None = None, **other: Any) -> None:
    """Record a step that began at some time."""
    with suppress(TerminalError), ops.step("r", name, source):
        if error:
            raise TerminalError(error)
    change_records(ops, "update steps set started_at_utc = ? where started_at_utc > '2025-01-01'", [(f"{at}.000",)])


def test_nothing_is_held_back_in_a_new_folder_or_while_a_load_is_pending(ops: Ops, find: Find) -> None:
    assert find() == []
    ops.record_load("r", LoadRecord("bike", "1", 9, 9, 0, 0))
    step(ops, "ingest", "bike", "2024-01-01 06:00:00")
    assert find() == []


def test_a_failed_load_is_held_back_since_its_first_failed_gate(ops: Ops, find: Find) -> None:
    validate(ops, "bike", "1", "2024-01-01 06:00:00", success=True)
    validate(ops, "bike", "2", "2024-01-02 06:00:00")
    validate(ops, "bike", "2", "2024-01-03 06:00:00")
    assert find() == [HeldBack("bike", "2", "2024-01-02 06:00:00", "load 2 failed at 2024-01-03 06:00:00")]


def test_a_failed_load_without_its_gate_is_held_back_since_the_decision(ops: Ops, find: Find) -> None:
    ops.decide_load("bike", "2", "failed")
    change_records(ops, "update loads set decided_at_utc = '2024-01-05 07:08:09.123'")
    assert find() == [HeldBack("bike", "2", "2024-01-05 07:08:09", "not recorded")]


@pytest.mark.parametrize("state", ["passed", "accepted", "superseded"])
def test_a_load_that_is_decided_otherwise_is_held_back_no_more(ops: Ops, find: Find, state: str) -> None:
    validate(ops, "bike", "2", "2024-01-02 06:00:00")
    validate(ops, "weather", "3", "2024-01-03 06:00:00")
    if state == "accepted":
        ops.accept_load("2", "known")
    else:
        ops.decide_load("bike", "2", state)
    assert [held.source_name for held in find()] == ["weather"]


def test_an_unavailable_provider_holds_back_since_the_first_failure_after_the_last_success(
    ops: Ops, find: Find
) -> None:
    step(ops, "ingest", "bike", "2024-01-01 06:00:00", "bike: old")
    step(ops, "ingest", "bike", "2024-01-02 06:00:00")
    step(ops, "ingest", "bike", "2024-01-03 06:00:00", "bike: answered 500")
    step(ops, "ingest", "weather", "2024-01-04 06:00:00")
    step(ops, "ingest", "bike", "2024-01-05 06:00:00", "bike: answered 503")
    assert find() == [HeldBack("bike", None, "2024-01-03 06:00:00", "answered 503")]
    # its gate has nothing to judge, and says nothing of the provider
    step(ops, "validate", "bike", "2024-01-05 06:01:00")
    assert len(find()) == 1
    step(ops, "ingest", "bike", "2024-01-06 06:00:00")
    assert find() == []


def test_a_suite_that_cannot_be_evaluated_holds_back_until_it_can(ops: Ops, find: Find) -> None:
    step(ops, "validate", "weather", "2024-01-02 06:00:00", "weather: load 3 was interrupted")
    assert find() == [HeldBack("weather", None, "2024-01-02 06:00:00", "load 3 was interrupted")]
    step(ops, "validate", "weather", "2024-01-03 06:00:00")
    assert find() == []


def test_the_order_is_that_in_which_they_were_held_back(ops: Ops, find: Find) -> None:
    step(ops, "ingest", "weather", "2024-01-02 06:00:00", "gone")
    validate(ops, "transactions", "7", "2024-01-01 06:00:00")
    validate(ops, "bike", "8", "2024-01-03 06:00:00")
    step(ops, "ingest", "bike", "2024-01-04 06:00:00", "gone")
    assert [(held.source_name, held.load_id) for held in find()] == [
        ("transactions", "7"),
        ("weather", None),
        ("bike", "8"),
        ("bike", None),
    ]


def test_steps_that_no_source_has_hold_nothing_back(ops: Ops, find: Find) -> None:
    step(ops, "transform", None, "2024-01-01 06:00:00", "a model failed")
    # as an earlier version recorded one gate for several sources
    step(ops, "validate", None, "2024-01-01 06:00:00", "bike: critical")
    step(ops, "validate", "bike,weather", "2024-01-01 06:00:00", "bike: critical")
    validate(ops, "no longer in the registry", "1", "2024-01-01 06:00:00")
    assert find() == []


def test_the_description_names_each_source_once_and_the_remedy_of_a_load() -> None:
    held = [
        HeldBack("bike", "2", "2024-01-02 06:00:00", "load 2 failed"),
        HeldBack("weather", None, "2024-01-03 06:00:00", "answered 500"),
        HeldBack("bike", None, "2024-01-04 06:00:00", "answered 503"),
    ]
    assert describe_held_back(held) == [
        "held back: bike, weather; what was published of them before stays",
        "  bike since 2024-01-02 06:00:00 UTC: load 2 failed; fix the data and load it again, or"
        ' `data-stack accept 2 --reason "..."`',
        "  weather since 2024-01-03 06:00:00 UTC: answered 500",
        "  bike since 2024-01-04 06:00:00 UTC: answered 503",
    ]
    assert describe_held_back([]) == []
