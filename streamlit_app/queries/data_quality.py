"""Queries of the page on data quality. They read the run records, which include failed runs.

The records change without a publication, so nothing is cached.
"""

import json
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from data_stack.held_back import find_held_back
from data_stack.ops import LoadState, Ops
from data_stack.publications import Publication, SourceState
from data_stack.registry import SOURCES, Source
from streamlit_app.guard import count_days_since

ALL_SOURCES = ""
_ROWS_MAX = 500
_TEXTS = frozenset(
    "source load_id gate state run_id severity column_name expectation example_keys reason next decided_by status"
    " resource_type node message name command sources error step detail".split()
)
_FLOATS = frozenset({"rejected_share", "seconds"})

# parameters of every query that begins with it: a source or '' for all, and the number of runs
_RECENT = """
with asked (source, runs) as (values (?, ?)),
recent as (
    select run_id, started_at_utc, command
    from runs
    order by rowid desc
    limit (select runs from asked)
)
"""
# one row per evaluation of a load; a run with a retry in Airflow can have two
_GATES = (
    _RECENT
    + """
select
    recent.run_id,
    evaluated.evaluated_at_utc,
    evaluated.source,
    evaluated.load_id,
    case when evaluated.failed_critical = 0 then 'passed' else 'failed' end as gate,
    evaluated.checked,
    evaluated.failed_critical,
    evaluated.failed_warnings,
    loads.state
from (
    select
        run_id,
        evaluated_at_utc,
        source,
        load_id,
        count(*) as checked,
        count(*) filter (where success = 0 and severity = 'critical') as failed_critical,
        count(*) filter (where success = 0 and severity != 'critical') as failed_warnings
    from validations
    group by run_id, evaluated_at_utc, source, load_id
) as evaluated
inner join recent on evaluated.run_id = recent.run_id
cross join asked
left join loads on evaluated.source = loads.source and evaluated.load_id = loads.load_id
where asked.source = '' or evaluated.source = asked.source
order by evaluated.evaluated_at_utc desc, evaluated.source
"""
)
_FAILED = (
    _RECENT
    + """
select
    validations.evaluated_at_utc,
    validations.source,
    validations.load_id,
    validations.severity,
    validations.expectation,
    validations.column_name,
    validations.unexpected,
    validations.checked,
    validations.example_keys,
    validations.reason
from validations
inner join recent on validations.run_id = recent.run_id
cross join asked
where validations.success = 0 and (asked.source = '' or validations.source = asked.source)
order by validations.evaluated_at_utc desc, validations.severity, validations.source, validations.rowid
"""
)
_LOADS = """
select
    source,
    load_id,
    loaded_at_utc,
    state,
    rows_read,
    rows_loaded,
    rows_rejected,
    rows_repeated,
    cast(rows_rejected as double precision) / nullif(rows_read, 0) as rejected_share
from loads
where ? in ('', source)
order by loaded_at_utc desc
limit ?
"""
_BUILDS = (
    _RECENT
    + """
select
    dbt_results.run_id,
    dbt_results.finished_at_utc,
    count(*) filter (where resource_type = 'model' and status = 'success') as models,
    count(*) filter (where resource_type = 'model' and status not in ('success', 'skipped')) as models_failed,
    count(*) filter (where resource_type != 'model' and status = 'pass') as tests_passed,
    count(*) filter (where resource_type != 'model' and status = 'warn') as tests_warned,
    count(*) filter (where resource_type != 'model' and status not in ('pass', 'warn', 'skipped')) as tests_failed,
    count(*) filter (where status = 'skipped') as skipped
from dbt_results
inner join recent on dbt_results.run_id = recent.run_id
group by dbt_results.run_id, dbt_results.finished_at_utc
order by dbt_results.finished_at_utc desc
"""
)
_NODES = (
    _RECENT
    + """
select
    dbt_results.finished_at_utc,
    dbt_results.status,
    dbt_results.resource_type,
    dbt_results.node,
    dbt_results.failures,
    dbt_results.message
from dbt_results
inner join recent on dbt_results.run_id = recent.run_id
where dbt_results.status not in ('success', 'pass', 'skipped')
order by dbt_results.finished_at_utc desc, dbt_results.status = 'warn', dbt_results.node
"""
)
_LAST_LOADS = "select source, max(loaded_at_utc) as tried_at_utc from loads group by source"
_LAST_PUBLICATIONS = "select published_at_utc, sources, tables from publications order by rowid desc limit ?"
_STEPS = (
    _RECENT
    + """
select
    steps.run_id,
    steps.started_at_utc,
    recent.command,
    steps.step,
    steps.source,
    steps.status,
    steps.seconds,
    steps.rows,
    steps.detail
from steps
inner join recent on steps.run_id = recent.run_id
order by steps.started_at_utc desc, steps.rowid desc
"""
)


def get_gates(ops: Ops, source_name: str, runs: int) -> pl.DataFrame:
    """Get the gate results, the latest first.

    Args:
        ops: The run records.
        source_name: Name of a source, or `ALL_SOURCES`.
        runs: How many of the last runs to read.

    Returns:
        One row per evaluation of a load: the result `gate`, expectations `checked` and failed by severity, and the
        current `state` of the load.
    """
    columns = "evaluated_at_utc source load_id gate checked failed_critical failed_warnings state run_id"
    return _make_frame(ops.query(_GATES, [source_name, runs]), columns)


def get_failed_expectations(ops: Ops, source_name: str, runs: int) -> pl.DataFrame:
    """Get failed expectations, the latest first and critical before warning; the arguments are those of `get_gates`."""
    rows = ops.query(_FAILED, [source_name, runs])
    for row in rows:
        row["example_keys"] = ", ".join(json.loads(row["example_keys"]))
    columns = "evaluated_at_utc severity source column_name expectation unexpected checked example_keys reason load_id"
    return _make_frame(rows, columns)


def get_held_back(ops: Ops, source_name: str) -> pl.DataFrame:
    """Get which sources are held back now, the oldest first; the arguments are those of `get_pending_loads`.

    Returns:
        One row per source and cause: `since_at_utc`, `load_id` of a load that failed its gate, `reason`.
    """
    rows = [
        {"source": held.source_name, "since_at_utc": held.since_utc, "load_id": held.load_id, "reason": held.reason}
        for held in find_held_back(ops.query)
        if source_name in (ALL_SOURCES, held.source_name)
    ]
    return _make_frame(rows, "source since_at_utc load_id reason")


def get_pending_loads(ops: Ops, source_name: str) -> pl.DataFrame:
    """Get loads that are pending or failed their gate, the oldest first, with the `next` command.

    Args:
        ops: The run records.
        source_name: Name of a source, or `ALL_SOURCES`.
    """
    rows = [row | {"next": _make_command(row)} for row in ops.open_loads(source_name)]
    return _make_frame(rows, "source load_id state loaded_at_utc rows_loaded reason next")


def _make_command(load: Mapping[str, Any]) -> str:
    # quoted for a shell: the identifier comes from a file that another program wrote
    if load["state"] == LoadState.PENDING:
        return f"data-stack validate {shlex.quote(load['source'])}"
    return f'data-stack accept {shlex.quote(load["load_id"])} --reason "..."'


def get_accepted_loads(ops: Ops, source_name: str) -> pl.DataFrame:
    """Get loads that were accepted manually, the latest first; the arguments are those of `get_pending_loads`."""
    loads = sorted(ops.accepted_loads(source_name), key=lambda load: str(load["decided_at_utc"]), reverse=True)
    return _make_frame(loads, "source load_id reason decided_by decided_at_utc rows_loaded")


def get_loads(ops: Ops, source_name: str) -> pl.DataFrame:
    """Get the row counts of the last loads; the arguments are those of `get_pending_loads`."""
    counts = "rows_read rows_loaded rows_rejected rejected_share rows_repeated"
    return _make_frame(ops.query(_LOADS, [source_name, _ROWS_MAX]), f"loaded_at_utc source load_id state {counts}")


def get_builds(ops: Ops, runs: int) -> pl.DataFrame:
    """Count models and tests in the dbt builds of the last runs, the latest first."""
    counts = "models models_failed tests_passed tests_warned tests_failed skipped"
    return _make_frame(ops.query(_BUILDS, [ALL_SOURCES, runs]), f"finished_at_utc {counts} run_id")


def get_failed_nodes(ops: Ops, runs: int) -> pl.DataFrame:
    """Get models and tests that failed or warned in the dbt builds of the last runs, failures before warnings."""
    columns = "finished_at_utc status resource_type node failures message"
    return _make_frame(ops.query(_NODES, [ALL_SOURCES, runs]), columns)


def get_freshness(ops: Ops, publication: Publication | None, source_name: str, stale_after_days: int) -> pl.DataFrame:
    """Get how fresh each source is, in the order of the registry.

    Args:
        ops: The run records.
        publication: The current publication; None where nothing is published.
        source_name: Name of a source, or `ALL_SOURCES`.
        stale_after_days: `Settings.stale_after_days`.

    Returns:
        One row per source: `loaded_at_utc` of the last rows that passed or were accepted, `days_ago`, `tried_at_utc`
        of the last load in any state, `data_through` and `rows` of the current publication, and a `state` as text.
    """
    good = ops.last_good_loads()
    tried = {row["source"]: row["tried_at_utc"] for row in ops.query(_LAST_LOADS)}
    published = {state.source.name: state for state in publication.sources} if publication else {}
    rows = [
        _describe_freshness(source, good.get(source.name), tried.get(source.name), stale_after_days)
        | _describe_published(published.get(source.name))
        for source in SOURCES
        if source_name in (ALL_SOURCES, source.name)
    ]
    return _make_frame(rows, "source state loaded_at_utc days_ago data_through rows tried_at_utc")


def _describe_freshness(
    source: Source, loaded_at: str | None, tried_at: str | None, stale_after_days: int
) -> dict[str, Any]:
    days_ago = count_days_since(datetime.fromisoformat(loaded_at)) if loaded_at else None
    if days_ago is None:
        state = "nothing has passed yet" if tried_at else "nothing loaded"
    else:
        state = "stale" if days_ago >= stale_after_days else "loaded"
    return {
        "source": source.title,
        "state": state,
        "loaded_at_utc": loaded_at,
        "tried_at_utc": tried_at,
        "days_ago": days_ago,
    }


def _describe_published(state: SourceState | None) -> dict[str, Any]:
    return {"data_through": state and state.data_through, "rows": state and state.rows}


def get_source_rows(ops: Ops, publications: int) -> pl.DataFrame:
    """Get the rows of each source's fact by publication, the oldest first: `published_at_utc`, `source`, `rows`.

    Args:
        ops: The run records.
        publications: How many of the last ones to read.
    """
    rows = [
        {"published_at_utc": publication["published_at_utc"], "source": name, "rows": source.get("rows")}
        for publication in reversed(ops.query(_LAST_PUBLICATIONS, [publications]))
        for name, source in json.loads(publication["sources"]).items()
    ]
    return _make_frame(rows, "published_at_utc source rows")


def get_table_rows(ops: Ops) -> pl.DataFrame:
    """Get the rows of each table in the last publication and the one before; null where that one has no such table."""
    found = [json.loads(row["tables"]) for row in ops.query(_LAST_PUBLICATIONS, [2])]
    now, before = [*found, {}, {}][:2]
    rows = [
        {
            "name": name,
            "rows": now[name],
            "rows_before": before.get(name),
            "change": now[name] - before[name] if name in before else None,
        }
        for name in sorted(now)
    ]
    return _make_frame(rows, "name rows rows_before change")


def get_last_runs(ops: Ops, runs: int) -> pl.DataFrame:
    """Get the last runs, the latest first; a killed run is interrupted."""
    return _make_frame(ops.last_runs(runs), "run_id started_at_utc command status sources finished_at_utc error")


def get_steps(ops: Ops, runs: int) -> pl.DataFrame:
    """Get the steps of the last runs with their seconds, the latest first; a killed step has no row."""
    columns = "started_at_utc command step source status seconds rows detail run_id"
    return _make_frame(ops.query(_STEPS, [ALL_SOURCES, runs]), columns)


def _make_frame(rows: list[dict[str, Any]], columns: str) -> pl.DataFrame:
    """Make a frame of these columns, separated by spaces; the records contain times as text."""
    schema = {name: _get_type(name) for name in columns.split()}
    values = [[_convert(row[name], kind) for name, kind in schema.items()] for row in rows]
    return pl.DataFrame(values, schema=schema, orient="row")


def _get_type(column: str) -> pl.DataType:
    if column.endswith("_at_utc"):
        return pl.Datetime()
    if column == "data_through":
        return pl.Date()
    return pl.String() if column in _TEXTS else pl.Float64() if column in _FLOATS else pl.Int64()


def _convert(value: Any, kind: pl.DataType) -> Any:
    return datetime.fromisoformat(value) if value is not None and kind == pl.Datetime() else value
