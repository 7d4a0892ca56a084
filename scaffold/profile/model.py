"""The result of profiling. `Profile.to_dict` is the JSON document: its keys are the attributes of these classes.

A new attribute may be added; one that exists keeps its name and meaning within a `SCHEMA_VERSION`.
"""

import math
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

SCHEMA_VERSION = 1

Type = Literal["text", "integer", "double", "decimal", "boolean", "date", "timestamp", "nested"]
ZoneKind = Literal["aware", "utc", "local", "unknown"]


@dataclass(frozen=True)
class TopValue:
    """A frequent value of a column.

    Attributes:
        value: The value as text.
        count: Rows that have it.
    """

    value: str
    count: int


@dataclass(frozen=True)
class TimeZoneGuess:
    """What the values of a time column say about its time zone.

    Attributes:
        kind: `aware` (the text or type has an offset), `utc` (the column's name or an epoch number says so), `local`
            (the daylight saving time changes of `zones` are visible) or `unknown`.
        zones: Common zones whose changes the values follow; several have the same changes.
        reason: The evidence, in one sentence.
        hours: Number of different hours of the day.
    """

    kind: ZoneKind
    zones: tuple[str, ...]
    reason: str
    hours: int


@dataclass
class ColumnProfile:
    """What is known of a column; of a personal one only counts and types.

    Attributes:
        name: As the file has it; fields of nested objects are joined by dots.
        stored_type: DuckDB's type of the stored values; `VARCHAR` for everything in a CSV.
        type: The type that the values are evidence for: text, integer, double, decimal (18,2), boolean, date,
            timestamp or nested.
        type_reason: Why, in a few words.
        nulls: Rows without a value.
        null_share: `nulls` as a share of the rows, 0 to 1.
        blanks: Texts of spaces only.
        placeholders: Texts such as `NA`, which count as no value everywhere else.
        unparsable: Texts that are no value of `type`; they would be rejected or null.
        distinct: Number of different values.
        is_distinct_exact: False for an estimate, which can be a few percent off.
        negatives: Values below 0; None if the type is no number.
        is_personal: Whether values are left out.
        personal_reason: Why; empty if it is not personal.
        shares: Share of the texts that can be read as `integer`, `double`, `boolean`, `date`, `timestamp`, `uuid`.
        minimum: Least value of a number or time, or of a text; numbers as numbers, others as text.
        maximum: Greatest value.
        quantiles: Approximate `p05`, `p25`, `p50`, `p75`, `p95` of numbers.
        mean_length: Mean number of characters of a text.
        max_length: Greatest number of characters of a text.
        top: Most frequent values of a column of few different ones, the most frequent first; None for other columns.
        is_top_complete: Whether `top` has every value.
        time_format: `strptime` format of texts that DuckDB does not read by itself, or `epoch seconds`, `epoch
            milliseconds`; None otherwise.
        zone: Time zone of a timestamp; None for other types.
    """

    name: str
    stored_type: str
    type: Type = "text"
    type_reason: str = ""
    nulls: int = 0
    null_share: float = 0.0
    blanks: int = 0
    placeholders: int = 0
    unparsable: int = 0
    distinct: int = 0
    is_distinct_exact: bool = False
    negatives: int | None = None
    is_personal: bool = False
    personal_reason: str = ""
    shares: dict[str, float] = field(default_factory=dict)
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    quantiles: dict[str, float] | None = None
    mean_length: float | None = None
    max_length: int | None = None
    top: list[TopValue] | None = None
    is_top_complete: bool = False
    time_format: str | None = None
    zone: TimeZoneGuess | None = None

    def hide_values(self) -> None:
        """Remove everything that can contain or narrow down a value; counts, shares and types stay."""
        self.minimum = self.maximum = self.quantiles = self.top = None
        self.is_top_complete = False


@dataclass(frozen=True)
class Profile:
    """What is known of a file or table.

    Attributes:
        origin: The file's name, the URL without its query, or the table.
        format: parquet, csv, json, geojson or table.
        files: Files of the same columns, more than one in a zip.
        details: How it was read, for example `delimiter`, `has_header`, `path` of the list in a JSON document or
            `bounding_box` (west, south, east, north) of a GeoJSON.
        rows: Number of rows.
        rejected_lines: Lines that could not be read as rows.
        duplicates: Rows that repeat an earlier row in every column.
        keys: Candidates for the primary key: never null, and no two rows alike. Single columns, otherwise pairs.
        columns: One per column, in their order.
    """

    origin: str
    format: str
    files: int
    details: dict[str, Any]
    rows: int
    rejected_lines: int
    duplicates: int
    keys: tuple[tuple[str, ...], ...]
    columns: tuple[ColumnProfile, ...]

    def get_column(self, name: str) -> ColumnProfile:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    def to_dict(self) -> dict[str, Any]:
        """The document of `--json`; see the attributes of these classes.

        Returns:
            Values that JSON can have.
        """
        return {"schema_version": SCHEMA_VERSION} | asdict(self)


def to_json_value(value: Any) -> float | int | str | None:
    """A value of DuckDB as JSON can have it: numbers as numbers, anything else as text."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat(sep=" ") if isinstance(value, datetime) else _format_text(value)


def _format_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
