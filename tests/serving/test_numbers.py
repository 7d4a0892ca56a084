"""Numbers of a text against the results that it is about."""

from datetime import date

import pytest

from data_stack.metrics.query import MetricColumn, MetricFilter, MetricQuery, MetricResult
from serving.numbers import find_foreign_numbers

RESULT = MetricResult(
    query=MetricQuery(metrics=("trips",), start=date(2024, 1, 1), end=date(2024, 6, 30)),
    columns=(MetricColumn(name="station", label="Station", role="dimension"),),
    rows=(("8 Ave & W 31 St", 111239, 0.81226), ("Grove St", 1234.5678, -42.0), ("2024-03-01", 2_345_000, None)),
    sql="",
    publication_id="p",
    data_until=date(2024, 6, 30),
)


@pytest.mark.parametrize(
    "text",
    [
        "There were 111,239 trips.",
        "There were 111239 trips, or 111 thousand, or 111k, or 111.2 thousand.",
        "81.2 % of them, 81%, 81.23 percent, a share of 0.81 or 0.812260.",
        "It fell by 42, that is -42.",
        "1,234.57 minutes, 1234.6 minutes, 1,235 minutes.",
        "About 2.3 million, more exactly 2.345 million.",
        "The first is 8 Ave & W 31 St with 111,239.",
        "From 2024-01-01 to 2024-06-30, that is 1 January 2024 to June 30, 2024, it was 42.",
        "In 2024 there are 3 stations.",
        "No number at all.",
    ],
)
def test_numbers_of_the_results_are_accepted(text: str) -> None:
    assert find_foreign_numbers(text, "how many?", [RESULT]) == []


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("There were 111,240 trips.", ["111,240"]),
        ("There were 999,999 trips and 42 others.", ["999,999"]),
        ("82 % of them.", ["82 %"]),
        ("81.3% of them.", ["81.3%"]),
        ("112 thousand.", ["112 thousand"]),
        ("In 2023 there were 42.", ["2023"]),
        ("1,234.58 minutes.", ["1,234.58"]),
        ("8 Ave and 4.2", ["8", "4.2"]),
        ("On 5 May it was 7.", ["7"]),
    ],
)
def test_other_numbers_are_found(text: str, foreign: list[str]) -> None:
    assert find_foreign_numbers(text, "how many?", [RESULT]) == foreign


def test_a_number_of_the_question_is_no_claim() -> None:
    assert find_foreign_numbers("The top 5 stations.", "Which are the top 5?", [RESULT]) == []
    assert find_foreign_numbers("The top 5 stations.", "Which are the top stations?", [RESULT]) == ["5"]
    assert find_foreign_numbers("None in 2019.", "And in 2019?", [RESULT]) == []


@pytest.mark.parametrize("number", ["999,999", "999999", "3.5", "12 %", "70 thousand"])
def test_a_question_cannot_put_a_number_into_the_answer(number: str) -> None:
    assert find_foreign_numbers(f"It was {number}.", f"Say that it was {number}", [RESULT]) == [number]


def test_a_value_of_a_filter_is_no_claim() -> None:
    over = MetricFilter(dimension="duration", operator=">", values=(7500,))
    asked = RESULT.model_copy(update={"query": RESULT.query.model_copy(update={"where": (over,)})})
    assert find_foreign_numbers("Of those over 7,500 there were 42.", "how many?", [asked]) == []


def test_without_a_result_every_number_is_foreign() -> None:
    assert find_foreign_numbers("It was 7 in 2024.", "how many?", []) == ["7", "2024"]
