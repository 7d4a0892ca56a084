"""What DuckDB counts is what Great Expectations finds on whole frames, and a disagreement between them is noticed."""

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pytest
from gate_cases import LOAD
from great_expectations.expectations.expectation import ColumnMapExpectation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suite_evaluation import evaluate_whole_frames

from data_quality import aggregates, conditions
from data_quality.aggregates import Aggregation
from data_quality.check import Check, critical, find_suite, warning
from data_quality.conditions import derive_condition
from data_quality.evaluate import Evaluator
from data_quality.tally import Tally
from data_stack.ops import ExpectationRecord
from data_stack.registry import source_names

BETWEEN, IN_SET = gxe.ExpectColumnValuesToBeBetween, gxe.ExpectColumnValuesToBeInSet
NOT_NULL, REGEX = gxe.ExpectColumnValuesToNotBeNull, gxe.ExpectColumnValuesToMatchRegex
LENGTH = gxe.ExpectColumnValueLengthsToBeBetween


class WatchedEvaluator(Evaluator):
    """Counts the rows that Great Expectations sees."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.seen = 0

    def _validate(
        self, name: str, expectations: Sequence[ColumnMapExpectation], frame: pd.DataFrame
    ) -> list[dict[str, Any]]:
        self.seen += len(frame)
        return super()._validate(name, expectations, frame)


def evaluate_both(evaluator: Evaluator, db: duckdb.DuckDBPyConnection, check: Check) -> list[ExpectationRecord]:
    """The outcomes in both ways, which are the same."""
    outcomes = [tally.create_record() for tally in evaluator.evaluate(db, [check], "")]
    assert outcomes == evaluate_whole_frames(evaluator, db, check, "")
    return outcomes


@pytest.mark.parametrize("source_name", source_names())
def test_every_expectation_of_a_suite_is_evaluated_by_duckdb(
    source_name: str, clean_file: Callable[[str], Path], evaluator: Evaluator
) -> None:
    with duckdb.connect(str(clean_file(source_name)), read_only=True) as db:
        for check in find_suite(source_name):
            tallies = [Tally(expectation) for expectation in check.expectations]
            assert Aggregation(db, check, LOAD).evaluate(tallies, evaluator._find_unexpected_keys) == []


LIMITS = [9.999999999999998, 10.0, 10.000000000000002, 19.999999999999996, 20.0, 20.000000000000004]
NUMBERS = st.none() | st.sampled_from([*LIMITS, math.nan, math.inf, -math.inf, -0.0]) | st.floats(8, 22)
TEXTS = st.none() | st.sampled_from(["ab", "ab\n", "ab\n\n", "\nab", "ab\r\n", "AB", "abc", "", "ab\0", "äb", "'"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": NUMBERS,
            "whole": st.none() | st.integers(8, 22) | st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63)]),
            "small": st.none() | st.integers(8, 22),
            "flag": st.none() | st.booleans(),
            "name": TEXTS | st.text(max_size=4),
            "day": st.none() | st.just(date(2024, 2, 29)),
            "time": st.none() | st.just(datetime(2024, 2, 29, 23, 59, 59, 999999)),
        }
    ),
    max_size=12,
)
SCHEMA = pa.schema(
    [
        ("number", pa.float64()),
        ("whole", pa.int64()),
        ("small", pa.int32()),
        ("flag", pa.bool_()),
        ("name", pa.string()),
        ("day", pa.date32()),
        ("time", pa.timestamp("us")),
    ]
)


def list_expectations(mostly: float) -> tuple[ColumnMapExpectation, ...]:
    """Every kind of condition on every type of column that has one."""
    bounds = [{"min_value": 10, "max_value": 20}, {"min_value": 10.5}, {"max_value": 20, "strict_max": True}]
    bounds.append({"min_value": 10, "max_value": 20, "strict_min": True, "mostly": mostly})
    numbers = [critical(BETWEEN, name, "r", **b) for name in ("number", "whole", "small") for b in bounds]
    missing = [warning(NOT_NULL, name, "r", mostly=mostly) for name in SCHEMA.names]
    return (
        *numbers,
        *missing,
        critical(IN_SET, "flag", "r", value_set=[False], mostly=mostly),
        critical(IN_SET, "name", "r", value_set=["ab", "'", "äb"]),
        critical(IN_SET, "whole", "r", value_set=[10, 20]),
        critical(IN_SET, "number", "r", value_set=[10, 20]),
        critical(REGEX, "name", "r", regex="^(ab|[0-9]{2})$", mostly=mostly),
        critical(REGEX, "name", "r", regex="ab"),
        critical(LENGTH, "name", "r", min_value=1),
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, mostly=st.sampled_from([1.0, 0.5, 2 / 3, 0.75]), batch_rows=st.sampled_from([3, 1000]))
def test_both_ways_agree_on_any_frame(rows: list[dict[str, Any]], mostly: float, batch_rows: int) -> None:
    db = duckdb.connect()
    db.register("given", pa.Table.from_pylist([{"key": f"k{n}", **row} for n, row in enumerate(rows)], _WITH_KEY))
    check = Check(
        "any",
        "select * from given where $load_id = ''",
        list_expectations(mostly),
        observed=frozenset({"number", "whole", "small"}),
    )
    evaluate_both(Evaluator(batch_rows), db, check)


_WITH_KEY = pa.schema([("key", pa.string()), *SCHEMA])


@pytest.mark.parametrize(
    ("column_type", "expectation"),
    [
        ("VARCHAR", critical(LENGTH, "c", "r", min_value=1)),
        ("VARCHAR", critical(BETWEEN, "c", "r", min_value=1)),
        ("FLOAT", critical(BETWEEN, "c", "r", max_value=0.1)),
        ("DECIMAL(18,3)", critical(BETWEEN, "c", "r", max_value=1)),
        ("TIMESTAMP", critical(BETWEEN, "c", "r", min_value=datetime(2024, 1, 1))),
        ("BIGINT", critical(BETWEEN, "c", "r", max_value=2**53)),
        ("BIGINT", critical(IN_SET, "c", "r", value_set=["1"])),
        ("BIGINT", critical(IN_SET, "c", "r", value_set=[1, None])),
        ("VARCHAR", critical(IN_SET, "c", "r", value_set=[])),
        ("VARCHAR", critical(REGEX, "c", "r", regex=r"^\d+$")),
        ("VARCHAR", critical(REGEX, "c", "r", regex="a.c")),
        ("VARCHAR", critical(REGEX, "c", "r", regex="(?i)abc")),
        ("VARCHAR", critical(REGEX, "c", "r", regex="[^a]")),
        ("INTERVAL", critical(NOT_NULL, "c", "r")),
        ("BIGINT", critical(BETWEEN, "c", "r", min_value=1, row_condition="c > 0", condition_parser="pandas")),
    ],
)
def test_what_has_no_condition_is_left_to_great_expectations(
    column_type: str, expectation: ColumnMapExpectation
) -> None:
    assert derive_condition(expectation, column_type) is None


SQL = "select 'k' || i as key, i as n, 'ab' as name, nullif(i, 7) as m from range({rows}) as t(i) where $load_id = ''"
SQL += " order by i"


def test_an_unknown_type_of_expectation_sees_every_row_and_the_others_do_not() -> None:
    check = Check("rows", SQL.format(rows=5000), (critical(BETWEEN, "n", "r", min_value=3, max_value=4990),))
    evaluator = WatchedEvaluator()
    (known,) = evaluator.evaluate(duckdb.connect(), [check], "")
    assert (known.checked, known.unexpected, known.example_keys) == (5000, 12, ["k0", "k1", "k2", "k4991", "k4992"])
    assert 10 < evaluator.seen < 100
    check = Check("rows", SQL.format(rows=5000), (critical(LENGTH, "name", "r", max_value=1),))
    (unknown,) = evaluator.evaluate(duckdb.connect(), [check], "")
    assert (unknown.checked, unknown.unexpected) == (5000, 5000)
    assert evaluator.seen > 5000


@pytest.mark.parametrize("ordered_rows", [0, 122_880])
def test_the_examples_are_the_first_rows_of_an_ordered_frame(
    ordered_rows: int, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregates, "ORDERED_ROWS", ordered_rows)
    expectations = (
        critical(BETWEEN, "n", "r", max_value=29_990),
        warning(NOT_NULL, "m", "r", mostly=0.9),
        critical(IN_SET, "name", "r", value_set=["abc"]),
    )
    outcomes = evaluate_both(evaluator, duckdb.connect(), Check("rows", SQL.format(rows=30_000), expectations))
    assert [outcome.unexpected for outcome in outcomes] == [9, 1, 30_000]


WRONG = {
    "a bound that is strict": (BETWEEN, "not ({value} > '10.0'::double)"),
    "a bound that nothing exceeds": (BETWEEN, "false"),
    "a set without its first member": (IN_SET, "{value} not in ('b')"),
    "an expression that matches anywhere": (REGEX, "not regexp_matches({value}, 'a')"),
    "nulls that nobody sees": (NOT_NULL, "false"),
}
RIGHT = {
    BETWEEN: critical(BETWEEN, "n", "r", min_value=10),
    IN_SET: critical(IN_SET, "name", "r", value_set=["a", "b"]),
    REGEX: critical(REGEX, "name", "r", regex="^a$"),
    NOT_NULL: critical(NOT_NULL, "n", "r"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_a_wrong_condition_is_noticed_and_the_whole_frame_evaluated(
    wrong: tuple[type[ColumnMapExpectation], str],
    evaluator: Evaluator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind, template = wrong
    derive, names = conditions._DERIVATIONS[kind]

    def derive_wrongly(question: Any) -> Any:
        _, probes = derive(question) or ("", ())
        return template.format(value=question.value), probes

    monkeypatch.setitem(conditions._DERIVATIONS, kind, (derive_wrongly, names))
    values = "(values ('k0', 'a', 10), ('k1', 'Jane Roe', 9), ('k2', 'b', null)) as t(key, name, n)"
    check = Check("rows", f"select * from {values} where $load_id = ''", (RIGHT[kind],))
    outcomes = evaluate_both(evaluator, duckdb.connect(), check)
    assert outcomes[0].unexpected > 0
    (message,) = caplog.messages
    assert message.startswith("check rows: DuckDB and Great Expectations do not judge expect_column_values_to_")
    assert "Jane" not in message
