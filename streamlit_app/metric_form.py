"""A question to the metrics as a form, which needs no model."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, get_args

import streamlit as st
from pydantic import ValidationError

from data_stack.errors import UsageError
from data_stack.metrics.query import LIMIT_MAX, Grain, MetricFilter, MetricInfo, MetricQuery, Operator
from streamlit_app.formats import escape_markdown, format_day

FILTERS_MAX = 20
METRICS_MAX, DIMENSIONS_MAX, ORDER_MAX = 10, 5, 5
OPERATORS: tuple[str, ...] = get_args(Operator)
ROWS = 1000
SEVERAL = ("in", "not in")
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)


def enter_query(infos: Sequence[MetricInfo], given: MetricQuery | None) -> MetricQuery | None:
    """Let the reader put a question together.

    Args:
        infos: The metrics.
        given: Fills the form when it is drawn first.

    Returns:
        The question, if the reader asks it now.

    Raises:
        UsageError: What is entered is no question; says which part.
    """
    if given and "ask-metrics" not in st.session_state:
        _fill(given)
    known = {info.name: info for info in infos}
    names = _choose_several("metrics", "Metrics", {name: _label(info) for name, info in known.items()}, METRICS_MAX)
    chosen = [known[name] for name in names]
    for info in chosen:
        st.caption(_describe(info))
    dimensions = _find_common([info.dimensions for info in chosen])
    grain, start, end = _enter_period(chosen)
    group_by = _choose_several("by", "Group by", dimensions, DIMENSIONS_MAX)
    where = _enter_filters(dimensions)
    columns = [*(["date"] if grain else []), *group_by, *names]
    order_by, limit = _enter_order(columns, {**{name: _label(known[name]) for name in names}, **dimensions})
    if not st.button("Show", type="primary", disabled=not chosen, icon=":material/query_stats:"):
        return None
    return make_query(
        metrics=names, grain=grain, start=start, end=end, group_by=group_by, where=where, order_by=order_by, limit=limit
    )


def make_query(**given: Any) -> MetricQuery:
    """A question of what was entered.

    Args:
        given: Attributes of the question.

    Raises:
        UsageError: It is no question; says which part.
    """
    try:
        return MetricQuery.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"the question cannot be asked: {describe_invalid(error)}; correct the form") from None


def describe_invalid(error: ValidationError) -> str:
    """What is wrong with a question, without what was entered.

    Args:
        error: Of the first wrong part.
    """
    first = error.errors(include_input=False, include_context=False)[0]
    place = " ".join(str(part) for part in first["loc"])
    return f"{place}{': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"


def read_filter(dimension: str, operator: str, text: str) -> dict[str, Any]:
    """A filter of what was entered; values stay texts, which the database compares as the dimension's type.

    Args:
        dimension: The dimension.
        operator: How it is compared.
        text: The value; for `in` and `not in` several ones, with commas between them.
    """
    values = text.split(",") if operator in SEVERAL else [text]
    return {"dimension": dimension, "operator": operator, "values": [value.strip() for value in values]}


def _fill(query: MetricQuery) -> None:
    texts = {"metrics": list(query.metrics), "by": list(query.group_by), "order": list(query.order_by)}
    days = {name: day for name, day in (("from", query.start), ("to", query.end)) if _is_shown(day)}
    for name, value in {**texts, **days, "grain": query.grain, "limit": query.limit}.items():
        st.session_state[f"ask-{name}"] = value
    for number, condition in enumerate(query.where):
        _fill_filter(number, condition)


def _fill_filter(number: int, condition: MetricFilter) -> None:
    st.session_state[f"ask-dimension-{number}"] = condition.dimension
    st.session_state[f"ask-operator-{number}"] = condition.operator
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in condition.values]
    st.session_state[f"ask-value-{number}"] = ", ".join(texts)


def _is_shown(day: date | None) -> bool:
    return day is not None and FIRST_DAY <= day <= LAST_DAY


def _enter_period(chosen: Sequence[MetricInfo]) -> tuple[Grain | None, date | None, date | None]:
    common = _find_common([info.grains for info in chosen])
    columns = st.columns(3)
    with columns[0]:
        grain: Any = _choose_one("grain", "One row per", common, "The whole period")
    has_days = bool(common)
    start = columns[1].date_input("From", None, FIRST_DAY, LAST_DAY, key="ask-from", disabled=not has_days)
    end = columns[2].date_input("To", None, FIRST_DAY, LAST_DAY, key="ask-to", disabled=not has_days)
    return (grain, start, end) if has_days else (None, None, None)


def _enter_filters(dimensions: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters; the next line appears when a dimension is chosen in the one before it."""
    found: list[dict[str, Any]] = []
    while len(found) < FILTERS_MAX and dimensions:
        number = len(found)
        columns = st.columns(3)
        with columns[0]:
            dimension = _choose_one(f"dimension-{number}", f"Filter {number + 1}", dimensions, "None")
        if dimension is None:
            break
        operator = columns[1].selectbox("Compares", OPERATORS, key=f"ask-operator-{number}")
        text = columns[2].text_input("Value", key=f"ask-value-{number}", placeholder="several with commas for in")
        found.append(read_filter(dimension, operator, text))
    return found


def _enter_order(columns: Sequence[str], labels: Mapping[str, str]) -> tuple[list[str], int]:
    options = dict[str, str]()
    for name in columns:
        label = labels.get(name, name.capitalize())
        options |= {f"-{name}": f"{label}, largest first", name: f"{label}, smallest first"}
    left, right = st.columns([2, 1])
    with left:
        order_by = _choose_several("order", "Order by", options, ORDER_MAX)
    # not as the default of the field: Streamlit warns where a link has filled it
    st.session_state.setdefault("ask-limit", ROWS)
    return order_by, right.number_input("Rows at most", 1, LIMIT_MAX, key="ask-limit")


def _choose_several(name: str, label: str, options: Mapping[str, str], most: int) -> list[str]:
    key = f"ask-{name}"
    # options change with the metrics: what is not among them any more is not chosen any more
    st.session_state[key] = [one for one in st.session_state.get(key, ()) if one in options][:most]
    return st.multiselect(label, list(options), format_func=options.__getitem__, key=key, max_selections=most)


def _choose_one(name: str, label: str, options: Mapping[str, str], none: str) -> str | None:
    key = f"ask-{name}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = None
    return st.selectbox(label, list(options), None, options.__getitem__, key=key, placeholder=none)


def _find_common(found: Iterable[Sequence[str]]) -> dict[str, str]:
    first, *others = [*found] or [()]
    return {name: name.replace("_", " ").capitalize() for name in first if all(name in other for other in others)}


def _label(info: MetricInfo) -> str:
    return f"{info.label} ({info.unit})" if info.unit else info.label


def _describe(info: MetricInfo) -> str:
    until = f" Complete days until {format_day(info.data_until)}." if info.data_until else ""
    return escape_markdown(f"{info.label}: {info.description}{until}")
