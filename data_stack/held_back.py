"""Which sources are held back, since when and why: their last rows that passed stay, and nothing newer is published."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data_stack.registry import source_names

# the steps of a source that failed since the step last succeeded
_FAILED_STEPS = """
failed_steps as (
    select steps.source, steps.step, min(steps.started_at_utc) as since_utc, max(steps.rowid) as last_row
    from {{schema}}steps as steps
    where
        steps.step in ({names})
        and steps.status = 'failed'
        and not exists (
            select 1
            from {{schema}}steps as later
            where
                later.source = steps.source
                and later.step = steps.step
                and later.status = 'succeeded'
                and later.rowid > steps.rowid
        )
    group by steps.source, steps.step
)
"""
_LAST_FAILURES = """
select failed_steps.source, null as load_id, failed_steps.since_utc, steps.detail as reason
from failed_steps
inner join {schema}steps as steps on failed_steps.last_row = steps.rowid
order by 3, 1
"""
HELD_BACK = f"""
with
failed_loads as (
    select
        loads.source,
        loads.load_id,
        coalesce(min(validations.evaluated_at_utc), loads.decided_at_utc, loads.loaded_at_utc) as since_utc,
        loads.reason
    from {{schema}}loads as loads
    left join {{schema}}validations as validations
        on loads.source = validations.source and loads.load_id = validations.load_id and validations.success = 0
    where loads.state = 'failed'
    group by loads.source, loads.load_id, loads.decided_at_utc, loads.loaded_at_utc, loads.reason
),
{_FAILED_STEPS.format(names="'ingest', 'validate'")}
select source, load_id, since_utc, reason from failed_loads
union all
{_LAST_FAILURES}
"""
"""For the run records, and for their copy in the published file."""
LAKE_FAULTS = "with" + _FAILED_STEPS.format(names="'lake'") + _LAST_FAILURES
"""For the run records."""


@dataclass(frozen=True)
class HeldBack:
    """A source of which something newer exists than what is published.

    Attributes:
        source_name: The source.
        load_id: The load that failed its gate; None where nothing could be loaded or judged.
        since_utc: When that was first seen.
        reason: Why, without the name of the source in front.
    """

    source_name: str
    load_id: str | None
    since_utc: str
    reason: str


def find_held_back(query: Callable[[str], Iterable[Mapping[str, Any]]], schema: str = "") -> list[HeldBack]:
    """The sources that are held back, oldest first; a source can be listed for a load and for its provider.

    Args:
        query: Answers a select with rows as dicts: `Ops.query`, or one on the published file.
        schema: Where the tables of the run records are, such as `ops.`; empty in the store itself.
    """
    return _find_sources(query, HELD_BACK.format(schema=schema))


def find_lake_faults(query: Callable[[str], Iterable[Mapping[str, Any]]]) -> list[HeldBack]:
    """The sources of which the lake could not be written since it last was, oldest first.

    Args:
        query: `Ops.query`.
    """
    return _find_sources(query, LAKE_FAULTS.format(schema=""))


def _find_sources(query: Callable[[str], Iterable[Mapping[str, Any]]], sql: str) -> list[HeldBack]:
    return [
        HeldBack(
            row["source"],
            row["load_id"],
            f"{row['since_utc']}"[:19],
            (row["reason"] or "not recorded").removeprefix(f"{row['source']}: "),
        )
        for row in query(sql)
        # records of an earlier version have one gate for several sources, and a source may have left the registry
        if row["source"] in source_names()
    ]


def format_headline(held_back: Iterable[str]) -> str:
    """The first line of a report on sources that are held back; each name once, in their order."""
    return f"held back: {', '.join(dict.fromkeys(held_back))}; what was published of them before stays"


def describe_held_back(held_back: Collection[HeldBack]) -> list[str]:
    """Which sources are held back, since when, why, and what to do; no line if there are none.

    Args:
        held_back: What `find_held_back` returned.
    """
    if not held_back:
        return []
    lines = [format_headline(held.source_name for held in held_back)]
    for held in held_back:
        remedy = f'; fix the data and load it again, or `data-stack accept {held.load_id} --reason "..."`'
        lines.append(f"  {held.source_name} since {held.since_utc} UTC: {held.reason}{remedy if held.load_id else ''}")
    return lines
