"""Drafts of a new source's files from a profile: raw schema, staging SQL and its yml; `draft_suite.py` has the suite.

Every place where a person must decide has a comment `ADAPT(<source>)`. Names of columns come from a file that nobody
has checked, so they are reduced to letters, digits and underscores; values are written as Python literals only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError
from scaffold.profile.model import ColumnProfile, Profile
from scaffold.profile.personal import split_tokens

_ARROW_TYPES = {
    "text": "TEXT",
    "integer": "INTEGER",
    "double": "DOUBLE",
    "decimal": "MONEY",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "nested": "TEXT",
}
_SQL_TYPES = {
    "text": "varchar",
    "integer": "bigint",
    "double": "double",
    "decimal": "decimal(18,2)",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "nested": "varchar",
}
# the reader adds them
_OWN_COLUMNS = ("batch", "source_line")


@dataclass(frozen=True)
class DraftColumn:
    """A column of the raw table to be.

    Attributes:
        name: Its name in the raw table.
        sql: The name as SQL needs it, quoted where it is a keyword.
        staged: The SQL name in staging: a timestamp has its zone in it.
        profile: What is known of it.
        is_key: Whether it is part of the key.
    """

    name: str
    sql: str
    staged: str
    profile: ColumnProfile
    is_key: bool

    @property
    def is_required(self) -> bool:
        """Whether every row of the sample has a value."""
        column = self.profile
        return not (column.nulls or column.blanks or column.placeholders or column.unparsable)


def list_draft_columns(profile: Profile) -> list[DraftColumn]:
    """The columns of the raw table, with names that are valid and different from each other.

    Args:
        profile: Of a sample.

    Raises:
        TerminalError: The profile has no column.
    """
    if not profile.columns:
        raise TerminalError(f"{profile.origin} has no columns; profile a file with data")
    with connect_duckdb() as db:
        rows = db.execute(
            "select keyword_name from duckdb_keywords() where keyword_category != 'unreserved'"
        ).fetchall()
    keywords, taken = {name for (name,) in rows}, set(_OWN_COLUMNS)
    columns = []
    key = profile.keys[0] if profile.keys else ()
    for number, column in enumerate(profile.columns, start=1):
        is_plain = re.fullmatch("[a-z_][a-z0-9_]*", column.name)
        name = column.name if is_plain else "_".join(split_tokens(column.name)) or f"column{number}"
        name = f"_{name}" if name[0].isdigit() else name
        name = f"{name}_{number}" if name in taken else name
        taken.add(name)
        staged = _name_staged(name, column)
        columns.append(DraftColumn(name, _quote(name, keywords), _quote(staged, keywords), column, column.name in key))
    return columns


def _quote(name: str, keywords: set[str]) -> str:
    return f'"{name}"' if name in keywords else name


def _name_staged(name: str, column: ColumnProfile) -> str:
    if column.type != "timestamp" or column.zone is None or re.search(r"_(utc|local)$", name):
        return name
    endings = {"aware": "_utc", "utc": "_utc", "local": "_local", "unknown": ""}
    return name + endings[column.zone.kind]


def draft_schema(profile: Profile, source_name: str, table: str = "rows") -> str:
    """Draft the definition of the raw table, for the reader's module.

    Args:
        profile: Of a sample.
        source_name: Name of the source.
        table: Name of the raw table.

    Returns:
        Python that imports what it needs and defines the table in capitals.
    """
    columns = list_draft_columns(profile)
    key = [column.name for column in columns if column.is_key]
    adapt = f"# ADAPT({source_name}):"
    fields = "".join(
        f'            ("{column.name}", {_ARROW_TYPES[column.profile.type]}),{_describe_type(column, adapt)}\n'
        for column in columns
    )
    types = sorted({_ARROW_TYPES[column.profile.type] for column in columns} | {"TEXT", "INTEGER"})
    reason = "unique in the sample" if key else "no column or pair is unique; a hash of the row can be the key"
    return (
        "import pyarrow as pa\n\n"
        f"from dlt_pipeline.tables import {', '.join([*types, 'RawTable'])}\n\n"
        f"{table.upper()} = RawTable(\n"
        f'    "{table}",\n    pa.schema(\n        [\n{fields}'
        '            ("batch", TEXT),\n            ("source_line", INTEGER),\n        ]\n    ),\n'
        f"    key=({''.join(f'{name!r}, ' for name in key).strip()}),  {adapt} {reason}\n)\n".replace("'", '"')
    )


def _describe_type(column: DraftColumn, adapt: str) -> str:
    """The comment of a column where its type needs a decision."""
    profile = column.profile
    notes = []
    if profile.unparsable:
        notes.append(f"{profile.unparsable:,} values do not parse and would be rejected")
    if profile.time_format:
        notes.append(f"read it as {profile.time_format}")
    if "cannot be told apart" in profile.type_reason:
        notes.append("day and month cannot be told apart")
    if profile.zone and profile.zone.kind == "unknown":
        notes.append(f"time zone unknown ({profile.zone.reason})")
    elif profile.zone and profile.zone.kind == "local":
        notes.append(f"time zone by evidence: {', '.join(profile.zone.zones)}")
    elif profile.zone and profile.type == "timestamp" and profile.zone.kind == "aware":
        notes.append("has an offset: convert it to naive UTC")
    if profile.is_personal:
        notes.append("personal: list it in `personal_columns` of the registry")
    return f"  {adapt} {'; '.join(notes)}" if notes else ""


def draft_staging_sql(profile: Profile, source_name: str, table: str = "rows") -> str:
    """Draft `stg_<source>__<table>.sql`.

    Args:
        profile: Of a sample.
        source_name: Name of the source.
        table: Name of the raw table.
    """
    items = "".join(f"        {item},\n" for item in _list_items(profile))
    return (
        f"-- ADAPT({source_name}): names with units and time zones; leave out what no model needs\n"
        "with source as (\n\n"
        f"    select * from {{{{ source('{source_name}', '{table}') }}}}\n"
        f"    where _dlt_load_id in {{{{ passed_loads('{source_name}') }}}}\n\n"
        "),\n\nrenamed as (\n\n    select\n"
        f"{items}        batch as source_file\n\n    from source\n\n)\n\nselect * from renamed\n"
    )


def _list_items(profile: Profile) -> Iterator[str]:
    for column in list_draft_columns(profile):
        if column.profile.type == "text" and not column.is_key:
            yield f"{{{{ text_or_null('{column.sql}') }}}} as {column.staged}"
        else:
            yield column.sql if column.sql == column.staged else f"{column.sql} as {column.staged}"


def draft_staging_yml(profile: Profile, source_name: str, table: str = "rows") -> str:
    """Draft `stg_<source>__<table>.yml`, with descriptions to fill in.

    Args:
        profile: Of a sample.
        source_name: Name of the source.
        table: Name of the raw table.
    """
    adapt = f"# ADAPT({source_name}):"
    columns = "".join(_draft_yml_column(column, adapt) for column in list_draft_columns(profile))
    return (
        f"models:\n  - name: stg_{source_name}__{table}\n"
        f"    description: One row per row of a file.  {adapt} the grain, and what a row means\n"
        f"    config:\n      meta:\n        source: {source_name}\n    columns:\n{columns}"
        "      - name: source_file\n        description: File that the row comes from.\n        data_type: varchar\n"
    )


def _draft_yml_column(column: DraftColumn, adapt: str) -> str:
    tests = ""
    if column.is_key:
        tests = "        data_tests:\n          - not_null\n"
    meta = f"        config:\n          meta: {{personal: published}}  {adapt} or leave it out of core and marts\n"
    return (
        f"      - name: {column.staged.strip(chr(34))}\n"
        f"        description: To be described.  {adapt} meaning, unit or time zone, what null means\n"
        f"        data_type: {_SQL_TYPES[column.profile.type]}\n" + tests + (meta if column.profile.is_personal else "")
    )


def draft_sources_yml(profile: Profile, source_name: str, table: str = "rows") -> str:
    """Draft `_<source>__sources.yml`.

    Args:
        profile: Of a sample.
        source_name: Name of the source.
        table: Name of the raw table.
    """
    adapt = f"# ADAPT({source_name}):"
    return (
        f"sources:\n  - name: {source_name}\n"
        f"    description: To be described.  {adapt} what the provider publishes\n"
        f"    database: \"{{{{ 'raw_{source_name}' if target.type == 'duckdb' else none }}}}\"\n"
        f"    schema: \"{{{{ 'raw' if target.type == 'duckdb' else target.schema ~ '_raw_{source_name}' }}}}\"\n"
        f"    config:\n      meta:\n        source: {source_name}\n"
        f"    tables:\n      - name: {table}\n        description: One row per row of a file.  {adapt} the grain\n"
    )
