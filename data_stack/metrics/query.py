"""A question to the metrics and its answer, as typed values; every front asks by these."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

Grain = Literal["day", "week", "month", "quarter", "year"]
Operator = Literal["=", "!=", "in", "not in", "<", "<=", ">", ">="]
Value = bool | int | float | str
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]

LIMIT_MAX = 10_000
"""Rows of an answer at most."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# who asks by the schema knows it without a refusal: programs, tests and models
_ONE_VALUE_UNLESS_IN: JsonDict = {
    "anyOf": [
        {"properties": {"values": {"maxItems": 1}}},
        {"properties": {"operator": {"enum": ["in", "not in"]}}, "required": ["operator"]},
    ]
}


class MetricFilter(_Strict):
    """Keeps the rows whose dimension compares as said; several filters all hold.

    Attributes:
        dimension: One of the dimensions that the metric lists.
        operator: `in` and `not in` take several values, the others one.
        values: What is compared with.
    """

    model_config = ConfigDict(json_schema_extra=_ONE_VALUE_UNLESS_IN)

    dimension: Name
    operator: Operator = "="
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _check_values(self) -> "MetricFilter":
        if len(self.values) > 1 and self.operator not in ("in", "not in"):
            raise ValueError(f"{self.operator} compares with one value; use in or not in for several")
        return self


class MetricQuery(_Strict):
    """A question to the metrics.

    Attributes:
        metrics: Names of the metrics; one column each.
        group_by: Dimensions; one column each, before the metrics.
        grain: One row per such period, in the column `date`; None makes one row of the whole period.
        start: First day, inclusive; None is the first there is.
        end: Last day, inclusive; None is the last complete one.
        where: Filters, all of which hold.
        order_by: Columns of the answer, with a minus for the largest first; None orders by period and dimensions.
        limit: Rows at most.
    """

    metrics: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10)]
    group_by: Annotated[tuple[Name, ...], Field(max_length=5)] = ()
    grain: Grain | None = None
    start: date | None = None
    end: date | None = None
    where: Annotated[tuple[MetricFilter, ...], Field(max_length=20)] = ()
    order_by: Annotated[tuple[Annotated[str, Field(pattern=r"^-?[a-z][a-z0-9_]*$")], ...], Field(max_length=5)] = ()
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 1000

    @model_validator(mode="after")
    def _check_period(self) -> "MetricQuery":
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"the period begins on {self.start}, after its end on {self.end}")
        return self


class MetricColumn(_Strict):
    """A column of an answer.

    Attributes:
        name: `date` for the period, else the name of the dimension or metric.
        label: For people.
        role: What it is.
        unit: Of a metric, such as trips, minutes, % or EUR; empty without one.
        is_personal: Whether its values, in rows, are personal.
    """

    name: str
    label: str
    role: Literal["period", "dimension", "metric"]
    unit: str = ""
    is_personal: bool = False


class MetricResult(_Strict):
    """The answer to a question.

    Attributes:
        query: The question, as it was answered.
        columns: In the order of the values of a row.
        rows: Dates are ISO texts of the first day of the period; decimals are numbers; missing values are null.
        sql: What was run on the published file.
        publication_id: Of the file that was asked.
        data_until: The last complete day of what the metrics are computed from; None if they have no days.
        notes: Sentences a reader has to know, such as that rows were cut at the limit.
    """

    query: MetricQuery
    columns: tuple[MetricColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    sql: str
    publication_id: str
    data_until: date | None = None
    notes: tuple[str, ...] = ()


class MetricInfo(_Strict):
    """What a metric means, and what can be asked of it.

    Attributes:
        name: As in a query.
        label: For people.
        description: What is counted, and what is left out.
        unit: Such as trips, minutes, % or EUR; empty without one.
        owner: Who answers for the definition.
        kind: Simple, ratio, derived or cumulative.
        dimensions: By which it can be grouped and filtered.
        grains: Periods by which it can be grouped; the first is the finest.
        data_until: The last complete day; None if nothing is loaded.
        is_personal: Whether it is computed from a personal source.
        needs_grain: Whether it has a value per period only, so that a question has to name a grain.
    """

    name: str
    label: str
    description: str
    unit: str
    owner: str
    kind: str
    dimensions: tuple[str, ...]
    grains: tuple[Grain, ...]
    data_until: date | None
    is_personal: bool
    needs_grain: bool = False
