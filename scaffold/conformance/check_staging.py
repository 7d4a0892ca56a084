"""The dbt project's first layer against the reader: raw tables, the staging model, personal columns."""

from collections.abc import Iterator
from typing import Any

from data_stack.registry import Source
from scaffold.conformance.facts import Facts
from scaffold.conformance.findings import Finding
from scaffold.conformance.project import stg_name

STAGING = "dbt/models/staging"


def finding(source: Source, file: str, message: str) -> Finding:
    """A finding of the layer dbt about one source."""
    return Finding("dbt", (source.name,), file, message)


def check_staging(facts: Facts) -> Iterator[Finding]:
    """Every source has its raw tables declared, and a staging model that leaves out no column by accident."""
    for source in facts.sources:
        yield from _check_declared_tables(facts, source)
        yield from _check_staged_models(facts, source)
        yield from _check_staging_model(facts, source)


def _check_declared_tables(facts: Facts, source: Source) -> Iterator[Finding]:
    file = f"{STAGING}/_{source.name}__sources.yml"
    declared = [one for one in facts.project.manifest.sources.values() if one.source_name == source.name]
    if not any(one.name == source.table for one in declared):
        yield finding(source, file, f"the raw table {source.table} is not declared")
        return
    raw = {table.name: {*table.schema.names, "_dlt_load_id"} for table in facts.tables_of(source)}
    raw["_dlt_loads"] = {"load_id", "inserted_at"}
    for one in declared:
        if one.name not in raw:
            yield finding(source, file, f"{one.name} is declared, and the reader has no such table")
            continue
        yield from _check_declared_table(source, one, raw[one.name], file)
    if not any(_freshness(one) for one in declared):
        yield finding(
            source, file, "no table has loaded_at_field and freshness, so nothing sees that loads stopped coming"
        )


def _freshness(declared: Any) -> bool:
    freshness = declared.freshness
    return bool(declared.loaded_at_field and freshness and freshness.warn_after and freshness.warn_after.count)


def _check_declared_table(source: Source, declared: Any, columns: set[str], file: str) -> Iterator[Finding]:
    if (declared.database, declared.schema) != (f"raw_{source.name}", "raw"):
        yield finding(
            source,
            file,
            f"{declared.name} is in {declared.database}.{declared.schema}; it must be raw_{source.name}.raw",
        )
    if declared.config.meta.get("source") != source.name:
        yield finding(source, file, f"config.meta.source of {declared.name} is not {source.name}")
    if not declared.description:
        yield finding(source, file, f"{declared.name} has no description of its grain")
    if declared.loaded_at_field and declared.loaded_at_field not in columns:
        yield finding(
            source, file, f"loaded_at_field of {declared.name} is {declared.loaded_at_field}, no column of it"
        )
    for column in sorted(set(declared.columns) - columns):
        yield finding(source, file, f"{declared.name}.{column} is described, and the reader has no such column")


def _check_staged_models(facts: Facts, source: Source) -> Iterator[Finding]:
    """Models that read raw tables read passed loads only."""
    raw = {one for one, made in facts.project.manifest.sources.items() if made.source_name == source.name}
    for node in facts.project.models():
        parents = set(node.depends_on.nodes)
        if not parents & raw:
            continue
        file = f"dbt/{node.original_file_path}"
        if not node.name.startswith(f"stg_{source.name}__"):
            yield finding(source, file, "reads a raw table; only staging models do")
        if f"source = '{source.name}'" not in facts.project.sql.get(node.unique_id, ""):
            yield finding(
                source,
                file,
                f"does not filter by passed_loads('{source.name}'), so rows of a rejected load are published",
            )


def _check_staging_model(facts: Facts, source: Source) -> Iterator[Finding]:
    name = stg_name(source)
    file = f"{STAGING}/{name}.sql"
    node = next((node for node in facts.project.models() if node.name == name), None)
    if node is None:
        yield finding(source, file, f"the staging model of the raw table {source.table} is missing")
        return
    main = facts.main_table(source)
    if main is None or node.unique_id in facts.project.problems:
        return
    yield from _check_left_out(facts, source, node, set(main.schema.names))
    yield from _check_personal(facts, source, node)


def _check_left_out(facts: Facts, source: Source, node: Any, raw: set[str]) -> Iterator[Finding]:
    """Each raw column is used by the staging model, or `config.meta.left_out` says that it is not needed."""
    file = f"{STAGING}/{node.name}.yml"
    used, left_out = facts.project.used_columns[source.name], set(node.config.meta.get("left_out", []))
    for column in sorted(raw - used - left_out):
        yield finding(
            source,
            file,
            f"the raw column {column} is neither selected nor in config.meta.left_out; add it to one of them",
        )
    for column in sorted(left_out & used):
        yield finding(source, file, f"config.meta.left_out has {column}, which the model selects; remove it there")
    for column in sorted(left_out - raw):
        yield finding(source, file, f"config.meta.left_out has {column}, and the reader has no such column")


def _check_personal(facts: Facts, source: Source, node: Any) -> Iterator[Finding]:
    """A column made from a personal raw column is marked, and a marked one is made from one."""
    file = f"{STAGING}/{node.name}.yml"
    for name, origins in trace_columns(facts.project.sql[node.unique_id]).items():
        if name not in node.columns:
            continue
        meta = node.columns[name].config.meta
        personal = sorted(origins & source.personal_columns)
        if personal and not {"personal", "not_personal"} & set(meta):
            yield finding(
                source, file, f"{name} is made from {personal[0]}, a personal column; mark it with config.meta.personal"
            )
        if "personal" in meta and not personal:
            yield finding(
                source,
                f"data_stack/sources/{source.name}.py",
                f"{node.name}.{name} is marked as personal; add {' or '.join(sorted(origins))} to personal_columns",
            )


def trace_columns(sql: str) -> dict[str, set[str]]:
    """By column of a staging query, the names of the columns that its last select is made from.

    Args:
        sql: `with source as (select *), renamed as (...) select * from renamed`.
    """
    from sqlglot import exp, parse_one

    query = parse_one(sql, dialect="duckdb")
    renamed = [cte.this for cte in query.find_all(exp.CTE)][-1:] or [query]
    return {
        selected.alias_or_name: {column.name for column in selected.find_all(exp.Column)}
        for selected in renamed[0].expressions
    }
