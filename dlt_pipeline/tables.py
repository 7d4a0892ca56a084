"""What a raw table is: its columns and its key."""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
INTEGER = pa.int64()
DOUBLE = pa.float64()
BOOLEAN = pa.bool_()
DATE = pa.date32()
TIMESTAMP = pa.timestamp("us")
MONEY = pa.decimal128(18, 2)


@dataclass(frozen=True)
class RawTable:
    """A raw table of a source.

    Attributes:
        name: Table name in the schema `raw`.
        schema: Arrow schema of the rows, without dlt's own columns.
        key: Primary key; checked before every load to be unique and never null. Empty: no check.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]


REJECTS = RawTable(
    "rejects",
    pa.schema(
        [
            ("batch", TEXT),
            ("source_member", TEXT),
            ("source_line", INTEGER),
            ("reason", TEXT),
            ("raw_text", TEXT),
        ]
    ),
    key=(),
)

PROVIDER = RawTable(
    "provider",
    pa.schema([("source", TEXT), ("origin", TEXT), ("scope", TEXT)]),
    key=("source",),
)
