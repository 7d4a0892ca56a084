"""Known oddities on both sides of their limits, which are in `sources/<name>/bounds.py`."""

from collections.abc import Callable

import pytest
from gate_cases import LOAD, Bound
from source_parts import find_part
from suite_evaluation import count_warned

from data_quality.check import find_suite
from data_quality.runner import GateReport
from data_stack.ops import ExpectationRecord
from data_stack.registry import source_names

Dirty = Callable[[str, str], None]
Evaluate = Callable[[str], list[ExpectationRecord]]


def find_oddities(source_name: str) -> list[str]:
    """Columns of a suite with a warning about single rows and a limit on their share, which have the same reason."""
    expectations = [e for check in find_suite(source_name) for e in check.expectations]
    limits = {e.meta["reason"] for e in expectations if e.severity.value == "critical"}
    return [e.column for e in expectations if e.severity.value == "warning" and e.meta["reason"] in limits]


def find_bounds(source_name: str) -> dict[str, Bound]:
    """The bounds of a source; one without known oddities needs no file for them."""
    return find_part(source_name, "bounds").BOUNDS if find_oddities(source_name) else {}


every_bound = pytest.mark.parametrize(
    ("source_name", "column"), [(name, column) for name in source_names() for column in find_bounds(name)]
)


def get_share(outcomes: list[ExpectationRecord], column: str) -> ExpectationRecord:
    """The outcome of the limit on the share of a known oddity."""
    (outcome,) = (each for each in outcomes if each.column == f"{column.removeprefix('is_')}_share")
    return outcome


@pytest.mark.parametrize("source_name", source_names())
def test_every_known_oddity_is_tested_on_both_sides(source_name: str) -> None:
    assert sorted(find_bounds(source_name)) == sorted(find_oddities(source_name))


@every_bound
def test_a_share_at_its_limit_is_a_warning(source_name: str, column: str, dirty: Dirty, evaluate: Evaluate) -> None:
    bound = find_bounds(source_name)[column]
    dirty(source_name, bound.corrupt(bound.allowed))
    outcomes = evaluate(source_name)
    share = get_share(outcomes, column)
    assert (share.checked, share.unexpected, share.observed) == (1, 0, f"{bound.allowed / bound.rows:.6g}")
    assert count_warned(outcomes, column) == [bound.allowed]
    assert GateReport.of_outcomes(source_name, LOAD, outcomes).passed


@every_bound
def test_a_share_above_its_limit_rejects_the_load(
    source_name: str, column: str, dirty: Dirty, evaluate: Evaluate
) -> None:
    bound = find_bounds(source_name)[column]
    too_many = bound.allowed + 1
    dirty(source_name, bound.corrupt(too_many))
    outcomes = evaluate(source_name)
    share = get_share(outcomes, column)
    assert (share.severity, share.success, share.example_keys) == ("critical", False, [bound.group])
    assert (share.checked, share.unexpected, share.observed) == (1, 1, f"{too_many / bound.rows:.6g}")
    assert count_warned(outcomes, column) == [too_many]
    assert not GateReport.of_outcomes(source_name, LOAD, outcomes).passed
