"""The reader against the registry: the tables, their columns and keys."""

from collections.abc import Iterator

import pyarrow as pa

from data_stack.registry import Source, source_names
from dlt_pipeline.tables import PROVIDER, REJECTS, RawTable
from scaffold.conformance.facts import Facts, has_file
from scaffold.conformance.findings import Finding


def check_reader(facts: Facts) -> Iterator[Finding]:
    """Every source has a reader whose tables have the columns that the registry names."""
    for source in facts.sources:
        yield from _check_entry(source)
        file = f"dlt_pipeline/{source.name}.py"
        if source.name in facts.problems:
            yield _finding(source, file, f"there is no reader: {facts.problems[source.name]}")
            continue
        yield from _check_settings_class(facts, source, file)
        yield from _check_tables(facts, source, file)
        test = f"tests/dlt_pipeline/test_{source.name}.py"
        if not has_file(test):
            yield _finding(source, test, "the tests of the reader are missing")


def _finding(source: Source, file: str, message: str) -> Finding:
    return Finding("reader", (source.name,), file, message)


def _check_entry(source: Source) -> Iterator[Finding]:
    file = f"data_stack/sources/{source.name}.py"
    if source.days_of and (source.days_of not in source_names() or source.days_of == source.name):
        yield _finding(
            source, file, f"days_of is {source.days_of!r}, and the registry has no other source of that name"
        )
    if source.fact.count(".") != 1:
        yield _finding(source, file, f"fact is {source.fact!r}; write the schema and the table, such as core.fct_trips")
    if not source.title.strip():
        yield _finding(source, file, "title is empty; pages and reports show it")


def _check_settings_class(facts: Facts, source: Source, file: str) -> Iterator[Finding]:
    variables = facts.readers[source.name].settings_class.variables()
    prefix = f"{source.name.upper()}_"
    for name in variables:
        if not name.startswith(prefix):
            yield _finding(source, file, f"the setting {name} does not begin with {prefix}; set env_prefix")


def _check_tables(facts: Facts, source: Source, file: str) -> Iterator[Finding]:
    tables = facts.tables_of(source)
    names = [table.name for table in tables]
    if names[:1] != [source.table]:
        found = names[0] if names else "no table"
        yield _finding(
            source,
            file,
            f"the first of TABLES is {found}, and the registry's table is {source.table}; rename one of them",
        )
    for shared in (REJECTS, PROVIDER):
        if shared not in tables:
            yield _finding(source, file, f"TABLES has no {shared.name.upper()} of dlt_pipeline/tables.py; add it")
    for table in tables:
        yield from _check_table(source, table, file)
    main = facts.main_table(source)
    if main is not None:
        yield from _check_main_table(source, main, file)


def _check_table(source: Source, table: RawTable, file: str) -> Iterator[Finding]:
    missing = [name for name in table.key if name not in table.schema.names]
    if missing:
        yield _finding(source, file, f"the key of {table.name} names {', '.join(missing)}, which is no column of it")
    for column in table.schema:
        # ids stay text: leading zeros and length are part of them
        if column.name.endswith("_id") and not pa.types.is_string(column.type):
            yield _finding(source, file, f"{table.name}.{column.name} is {column.type}; ids are TEXT")
        if pa.types.is_timestamp(column.type):
            yield from _check_time(source, table.name, column, file)


def _check_time(source: Source, table_name: str, column: pa.Field, file: str) -> Iterator[Finding]:
    if column.type.tz is not None:
        yield _finding(source, file, f"{table_name}.{column.name} has a time zone; times are TIMESTAMP, without one")
    if not column.name.endswith(("_utc", "_local")):
        yield _finding(
            source, file, f"{table_name}.{column.name} does not name its time zone; end it with _utc or _local"
        )


def _check_main_table(source: Source, main: RawTable, file: str) -> Iterator[Finding]:
    named = {"key": (source.key,), "replaces": source.replaces, "personal_columns": sorted(source.personal_columns)}
    for attribute, columns in named.items():
        for column in columns:
            if column not in main.schema.names:
                yield _finding(
                    source, file, f"{main.name} has no column {column}, which is in {attribute} of the registry's entry"
                )
    if "batch" not in main.schema.names:
        yield _finding(source, file, f"{main.name} has no column batch, which says what a row came with")
    if source.key not in main.key:
        key = ", ".join(main.key) or "empty"
        yield _finding(
            source, file, f"the key of {main.name} is {key}; it must contain {source.key}, the registry's key"
        )
    if not source.replaces:
        yield _finding(
            source,
            f"data_stack/sources/{source.name}.py",
            "replaces is empty, so a correction would be added to the old rows",
        )
