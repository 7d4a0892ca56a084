"""What the page on data quality asks the run records as they are now, which know failed runs too.

They are SQLite and change without a publication, so nothing of them is cached.
"""

import json
import shlex
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from data_stack.ops import Ops
from data_stack.registry import SOURCES, Source
from streamlit_app.guard import days_since

_ROWS_MAX = 500
_ANY = ""
"""What stands for every source."""

# parameters of every query that begins with it: a source or nothing, and how many of the last runs
_RECENT = """
with asked (source, runs) as (values (?, ?)),
recent as (
    select run_id, started_at_utc, command
    from runs
    order by started_at_utc desc, rowid desc
    limit (select runs from asked)
)
"""
# one evaluation of one load; a run that Airflow tries again can hold two
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
        sum(not success and severity = 'critical') as failed_critical,
        sum(not success and severity != 'critical') as failed_warnings
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
where not validations.success and (asked.source = '' or validations.source = asked.source)
order by validations.evaluated_at_utc desc, validations.severity, validations.source, validations.rowid
"""
)
_WAITING = """
select source, load_id, state, loaded_at_utc, rows_loaded, reason
from loads
where state in ('pending', 'failed') and ? in ('', source)
order by loaded_at_utc
"""
_ACCEPTED = """
select source, load_id, reason, decided_by, decided_at_utc, rows_loaded
from loads
where state = 'accepted' and ? in ('', source)
order by decided_at_utc desc
"""
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
    cast(rows_rejected as real) / nullif(rows_read, 0) as rejected_share
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
    sum(resource_type = 'model' and status = 'success') as models,
    sum(resource_type = 'model' and status not in ('success', 'skipped')) as models_failed,
    sum(resource_type != 'model' and status = 'pass') as tests_passed,
    sum(resource_type != 'model' and status = 'warn') as tests_warned,
    sum(resource_type != 'model' and status not in ('pass', 'warn', 'skipped')) as tests_failed,
    sum(status = 'skipped') as skipped
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
_LAST_LOADS = """
select
    source,
    max(loaded_at_utc) as tried_at_utc,
    max(case when state in ('passed', 'accepted') and rows_loaded > 0 then loaded_at_utc end) as loaded_at_utc
from loads
group by source
"""
_SOURCE_ROWS = """
with latest as (
    select * from publications order by published_at_utc desc, rowid desc limit ?
)
select
    latest.published_at_utc,
    entry.key as source,
    json_extract(entry.value, '$.rows') as rows
from latest, json_each(latest.sources) as entry
order by latest.published_at_utc, latest.publication_id
"""
_TABLE_ROWS = """
with latest as (
    select *, row_number() over (order by published_at_utc desc, rowid desc) as place from publications
),
now as (
    select entry.key as name, entry.value as rows
    from latest, json_each(latest.tables) as entry
    where latest.place = 1
),
before as (
    select entry.key as name, entry.value as rows
    from latest, json_each(latest.tables) as entry
    where latest.place = 2
)
select now.name, now.rows, before.rows as rows_before, now.rows - before.rows as change
from now
left join before on now.name = before.name
order by now.name
"""
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

Kinds = Mapping[str, Any]
_TEXT, _COUNT, _TIME = pl.String(), pl.Int64(), pl.Datetime()


def gates(ops: Ops, source: str, runs: int) -> pl.DataFrame:
    """Gates, a row an evaluation of a load, the latest first.

    Args:
        ops: The run records.
        source: Name of a source; empty for all.
        runs: How many of the last runs to look at.

    Returns:
        `gate` as it was then, expectations `checked` and failed by severity, and `state`, in which the load is now.
    """
    kinds = {"evaluated_at_utc": _TIME, "source": _TEXT, "load_id": _TEXT, "gate": _TEXT, "checked": _COUNT}
    counts = {"failed_critical": _COUNT, "failed_warnings": _COUNT, "state": _TEXT, "run_id": _TEXT}
    return _frame(ops.query(_GATES, [source, runs]), kinds | counts)


def failed_expectations(ops: Ops, source: str, runs: int) -> pl.DataFrame:
    """Expectations that failed, the latest first and critical before warning; the arguments are those of `gates`."""
    rows = ops.query(_FAILED, [source, runs])
    for row in rows:
        row["example_keys"] = ", ".join(json.loads(row["example_keys"]))
    names = {"evaluated_at_utc": _TIME, "severity": _TEXT, "source": _TEXT, "column_name": _TEXT, "expectation": _TEXT}
    counts = {"unexpected": _COUNT, "checked": _COUNT, "example_keys": _TEXT, "reason": _TEXT, "load_id": _TEXT}
    return _frame(rows, names | counts)


def waiting_loads(ops: Ops, source: str) -> pl.DataFrame:
    """Loads that are recorded as pending or failed, the oldest first, with the command to go on as `next`.

    Args:
        ops: The run records.
        source: Name of a source; empty for all.
    """
    rows = [row | {"next": _next(row)} for row in ops.query(_WAITING, [source])]
    kinds = {"source": _TEXT, "load_id": _TEXT, "state": _TEXT, "loaded_at_utc": _TIME, "rows_loaded": _COUNT}
    return _frame(rows, kinds | {"reason": _TEXT, "next": _TEXT})


def _next(load: Mapping[str, Any]) -> str:
    """For whoever pastes it into a shell: the identifier stands in a file that another program wrote."""
    if load["state"] == "pending":
        return f"data-stack validate {shlex.quote(load['source'])}"
    return f'data-stack accept {shlex.quote(load["load_id"])} --reason "..."'


def accepted_loads(ops: Ops, source: str) -> pl.DataFrame:
    """Loads that somebody let through, the latest first; the arguments are those of `waiting_loads`."""
    kinds = {"source": _TEXT, "load_id": _TEXT, "reason": _TEXT, "decided_by": _TEXT, "decided_at_utc": _TIME}
    return _frame(ops.query(_ACCEPTED, [source]), kinds | {"rows_loaded": _COUNT})


def loads(ops: Ops, source: str) -> pl.DataFrame:
    """Rows read, loaded, rejected and repeated of the last loads; the arguments are those of `waiting_loads`."""
    kinds = {"loaded_at_utc": _TIME, "source": _TEXT, "load_id": _TEXT, "state": _TEXT, "rows_read": _COUNT}
    counts = {"rows_loaded": _COUNT, "rows_rejected": _COUNT, "rejected_share": pl.Float64(), "rows_repeated": _COUNT}
    return _frame(ops.query(_LOADS, [source, _ROWS_MAX]), kinds | counts)


def builds(ops: Ops, runs: int) -> pl.DataFrame:
    """Models and tests of the builds of the last runs, the latest first."""
    counts = ("models", "models_failed", "tests_passed", "tests_warned", "tests_failed", "skipped")
    kinds = {"finished_at_utc": _TIME} | dict.fromkeys(counts, _COUNT) | {"run_id": _TEXT}
    return _frame(ops.query(_BUILDS, [_ANY, runs]), kinds)


def failed_nodes(ops: Ops, runs: int) -> pl.DataFrame:
    """Models and tests that failed or warned in the builds of the last runs, failures before warnings."""
    kinds = {"finished_at_utc": _TIME, "status": _TEXT, "resource_type": _TEXT, "node": _TEXT, "failures": _COUNT}
    return _frame(ops.query(_NODES, [_ANY, runs]), kinds | {"message": _TEXT})


def freshness(ops: Ops, source: str, stale_after_days: int) -> pl.DataFrame:
    """What there is of each source, in the registry's order.

    Args:
        ops: The run records.
        source: Name of a source; empty for all.
        stale_after_days: `Settings.stale_after_days`.

    Returns:
        `loaded_at_utc` of the last rows that passed or were accepted, `days_ago`, and of the publication that readers
        see `data_through` and `rows`; `state` in words.
    """
    last = {row["source"]: row for row in ops.query(_LAST_LOADS)}
    published = (ops.current_publication() or {}).get("sources", {})
    rows = [
        _freshness(one, last.get(one.name, {}), published.get(one.name, {}), stale_after_days)
        for one in SOURCES
        if source in (_ANY, one.name)
    ]
    kinds = {"source": _TEXT, "state": _TEXT, "loaded_at_utc": _TIME, "days_ago": _COUNT, "data_through": pl.Date()}
    return _frame(rows, kinds | {"rows": _COUNT, "tried_at_utc": _TIME})


def _freshness(
    source: Source, last: Mapping[str, Any], published: Mapping[str, Any], stale_after_days: int
) -> dict[str, Any]:
    loaded_at, through = last.get("loaded_at_utc"), published.get("data_through")
    days_ago = days_since(datetime.fromisoformat(loaded_at)) if loaded_at else None
    stale = days_ago is not None and days_ago >= stale_after_days
    waits = "nothing has passed yet" if last else "nothing loaded"
    return {
        "source": source.title,
        "state": waits if days_ago is None else "stale" if stale else "loaded",
        "loaded_at_utc": loaded_at,
        "tried_at_utc": last.get("tried_at_utc"),
        "days_ago": days_ago,
        "data_through": through and date.fromisoformat(through),
        "rows": published.get("rows"),
    }


def source_rows(ops: Ops, publications: int) -> pl.DataFrame:
    """Rows of each source's fact by publication, the oldest first: `published_at_utc`, `source`, `rows`.

    Args:
        ops: The run records.
        publications: How many of the last ones.
    """
    return _frame(ops.query(_SOURCE_ROWS, [publications]), {"published_at_utc": _TIME, "source": _TEXT, "rows": _COUNT})


def table_rows(ops: Ops) -> pl.DataFrame:
    """Rows of each table of the last publication, and those of the one before; null where it was not there."""
    kinds = {"name": _TEXT, "rows": _COUNT, "rows_before": _COUNT, "change": _COUNT}
    return _frame(ops.query(_TABLE_ROWS), kinds)


def last_runs(ops: Ops, runs: int) -> pl.DataFrame:
    """The last runs, the latest first; one that was killed is interrupted."""
    kinds = {"run_id": _TEXT, "started_at_utc": _TIME, "command": _TEXT, "status": _TEXT, "sources": _TEXT}
    return _frame(ops.last_runs(runs), kinds | {"finished_at_utc": _TIME, "error": _TEXT})


def steps(ops: Ops, runs: int) -> pl.DataFrame:
    """Steps of the last runs with their seconds, the latest first; a step that was killed has no row."""
    kinds = {"started_at_utc": _TIME, "command": _TEXT, "step": _TEXT, "source": _TEXT, "status": _TEXT}
    counts = {"seconds": pl.Float64(), "rows": _COUNT, "detail": _TEXT, "run_id": _TEXT}
    return _frame(ops.query(_STEPS, [_ANY, runs]), kinds | counts)


def _frame(rows: list[dict[str, Any]], kinds: Kinds) -> pl.DataFrame:
    """Rows as columns of these kinds, in their order; the records hold times as text."""
    converted = [{name: _value(row[name], kind) for name, kind in kinds.items()} for row in rows]
    return pl.DataFrame(converted, schema=dict(kinds))


def _value(value: Any, kind: pl.DataType) -> Any:
    return datetime.fromisoformat(value) if value is not None and kind == pl.Datetime() else value
