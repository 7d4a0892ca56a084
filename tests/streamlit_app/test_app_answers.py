"""Answers of the metrics as charts and tables: which chart for which shape, units, days, names from the data."""

from datetime import date
from typing import Any

import pytest

from data_stack.metrics.query import MetricColumn, MetricQuery, MetricResult
from streamlit_app.answers import BARS_MAX, LINES_MAX, choose_shape, draw_charts, make_frame, write_link

COLUMNS = {
    "date": MetricColumn(name="date", label="Month", role="period"),
    "kind": MetricColumn(name="kind", label="Kind of guest", role="dimension", is_personal=True),
    "site": MetricColumn(name="site", label="Site", role="dimension"),
    "guests": MetricColumn(name="guests", label="Guests", role="metric", unit="guests"),
    "children": MetricColumn(name="children", label="Children", role="metric", unit="guests"),
    "share": MetricColumn(name="share", label="Share of *children*", role="metric", unit="share"),
}
MONTHS = ("2024-01-01", "2024-02-01", "2024-03-01")


def answer(names: str, *rows: tuple[Any, ...], **query: Any) -> MetricResult:
    """An answer with these columns and rows."""
    columns = tuple(COLUMNS[name] for name in names.split())
    metrics = [column.name for column in columns if column.role == "metric"]
    return MetricResult(
        query=MetricQuery.model_validate({"metrics": metrics, **query}),
        columns=columns,
        rows=rows,
        sql="select 1",
        publication_id="p",
        data_until=date(2024, 3, 31),
    )


def draw(result: MetricResult) -> dict[str, Any]:
    """The charts by title."""
    return dict(draw_charts(result, make_frame(result)))


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (answer("guests", (1,)), "table"),
        (answer("date guests", *((month, 1) for month in MONTHS)), "lines"),
        (answer("date guests", (MONTHS[0], 1)), "table"),
        (answer("date guests"), "table"),
        (answer("date kind guests", *((month, kind, 1) for month in MONTHS for kind in "ab")), "lines"),
        (answer("date kind guests", *((MONTHS[0], kind, 1) for kind in "ab")), "table"),
        (answer("date kind guests", *((m, f"{k}", 1) for m in MONTHS for k in range(LINES_MAX))), "lines"),
        (answer("date kind guests", *((m, f"{k}", 1) for m in MONTHS for k in range(LINES_MAX + 1))), "table"),
        (answer("date kind site guests", *((month, "a", "b", 1) for month in MONTHS)), "table"),
        (answer("kind guests", ("a", 1), ("b", 2)), "bars"),
        (answer("kind guests", ("a", 1)), "table"),
        (answer("kind guests", *((f"{number}", 1) for number in range(BARS_MAX))), "bars"),
        (answer("kind guests", *((f"{number}", 1) for number in range(BARS_MAX + 1))), "table"),
        (answer("kind site guests", ("a", "b", 1), ("b", "b", 2)), "table"),
    ],
)
def test_the_shape_of_an_answer_decides_how_it_is_drawn(result: MetricResult, shape: str) -> None:
    assert choose_shape(result) == shape
    assert bool(draw(result)) == (shape != "table")


def test_lines_share_a_chart_only_with_their_unit() -> None:
    rows = [("2024-02-01", 0.25, 20, 5), ("2024-01-01", None, 10, None)]
    result = answer("date share guests children", *rows, start=date(2024, 1, 1))
    share, guests = draw(result).values()
    # in the order of the question
    assert list(draw(result)) == [
        "Share of \\*children\\* by month, 1 Jan 2024 to 31 Mar 2024",
        "Guests, Children by month, 1 Jan 2024 to 31 Mar 2024",
    ]
    # by day, whatever the order of the rows
    assert [(line.name, list(line.y)) for line in guests.data] == [("Guests", [10, 20]), ("Children", [None, 5])]
    assert list(guests.data[0].x) == [date(2024, 1, 1), date(2024, 2, 1)]
    assert guests.layout.yaxis.title.text == "Guests"
    assert guests.data[0].hovertemplate == "%{y:,.0f} guests"
    assert (share.layout.yaxis.tickformat, share.data[0].hovertemplate) == (",.0%", "%{y:,.1%}")


def test_one_line_per_value_with_gaps_where_there_is_none() -> None:
    rows = [(MONTHS[1], "<b>b</b>", 3), (MONTHS[0], "<b>b</b>", 2), (MONTHS[1], None, 1), (MONTHS[2], "date", 4)]
    ((title, figure),) = draw(answer("date kind guests", *rows, end=date(2024, 12, 31))).items()
    assert title == "Guests by month and kind of guest, until 31 Mar 2024"
    assert {line.name: list(line.y) for line in figure.data} == {
        "&lt;b&gt;b&lt;/b&gt;": [2, 3, None],
        "Unknown": [None, 1, None],
        "date": [None, None, 4],
    }


def test_bars_keep_the_order_of_the_answer_and_name_their_values_as_text() -> None:
    result = answer("kind guests share", ("7", 3, 0.5), ("<i>", 2, None), (None, 1.5, 1))
    guests, share = draw(result).values()
    assert [(list(bar.x), list(bar.y)) for bar in (*guests.data, *share.data)] == [
        (["7", "&lt;i&gt;", "Unknown"], [3, 2, 1.5]),
        (["7", "&lt;i&gt;", "Unknown"], [0.5, None, 1]),
    ]
    # identifiers of digits are names, not numbers
    assert guests.layout.xaxis.type == "category"
    assert (guests.layout.xaxis.title.text, guests.layout.yaxis.title.text) == ("Kind of guest", "Guests")
    assert guests.data[0].hovertemplate == "%{y:,.2f} guests"


def test_the_rows_have_types() -> None:
    frame = make_frame(answer("date kind guests share", (MONTHS[0], "a", 1, 1), (MONTHS[1], None, None, 0.5)))
    assert [f"{kind}" for kind in frame.dtypes] == ["Date", "String", "Int64", "Float64"]
    assert frame.rows() == [(date(2024, 1, 1), "a", 1, 1.0), (date(2024, 2, 1), None, None, 0.5)]
    assert [f"{kind}" for kind in make_frame(answer("kind guests", (True, 1), (False, 2))).dtypes] == [
        "Boolean",
        "Int64",
    ]


def test_a_link_has_only_what_the_question_says() -> None:
    query = MetricQuery(metrics=("guests",), start=date(2024, 1, 1))
    assert write_link(query) == "?query=%7B%22metrics%22%3A%5B%22guests%22%5D%2C%22start%22%3A%222024-01-01%22%7D"
