"""Time zones by evidence: local times skip one hour per year and have another twice, each zone on its own days."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import mean
from typing import Literal
from zoneinfo import ZoneInfo

import duckdb

from scaffold.profile.model import TimeZoneGuess

COMMON_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/Santiago",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Asia/Jerusalem",
    "Australia/Sydney",
    "Pacific/Auckland",
)
_YEARS_MAX = 12
_REFERENCE_DAYS = (-14, -7, 7, 14)
# with fewer rows an hour can be empty, or look doubled, by chance
_GAP_ROWS_MIN, _FOLD_ROWS_MIN = 5, 20
_FOLD_RATIO, _NO_FOLD_RATIO = 1.5, 1.25
_GAP_RATIO_MAX = 0.3

Counts = Mapping[tuple[date, int], int]
Verdict = Literal["supports", "contradicts", "silent"]


@dataclass(frozen=True)
class Transition:
    """A change between standard and daylight saving time.

    Attributes:
        day: Local date.
        hour: First local hour that is skipped, or that comes twice.
        is_gap: Whether the hour is skipped.
    """

    day: date
    hour: int
    is_gap: bool


def guess_zone(db: duckdb.DuckDBPyConnection, relation: str, time_sql: str, name: str) -> TimeZoneGuess:
    """Guess the time zone of naive times.

    Args:
        db: The connection.
        relation: As SQL names it.
        time_sql: Expression of the time.
        name: Name of the column; `utc` in it decides.
    """
    row = db.execute(
        f"select min(t), max(t), count(distinct hour(t)) from (select {time_sql} as t from {relation})"
    ).fetchone()
    first, last, hours = row if row else (None, None, 0)
    if "utc" in name.lower():
        return TimeZoneGuess("utc", ("UTC",), "its name says UTC", hours)
    if first is None:
        return TimeZoneGuess("unknown", (), "no values", 0)
    groups = _group_zones(max(first.date(), last.date() - timedelta(days=366 * _YEARS_MAX)), last.date())
    days = {t.day + timedelta(days=shift) for changes in groups for t in changes for shift in (0, *_REFERENCE_DAYS)}
    return _choose_zone(groups, _count_hours(db, relation, time_sql, sorted(days)), hours)


def _group_zones(first: date, last: date) -> dict[tuple[Transition, ...], list[str]]:
    """The zones that have changes between two days, by their changes."""
    groups: dict[tuple[Transition, ...], list[str]] = {}
    for name in COMMON_ZONES:
        if changes := tuple(_find_transitions(ZoneInfo(name), first, last)):
            groups.setdefault(changes, []).append(name)
    return groups


def _find_transitions(zone: ZoneInfo, first: date, last: date) -> Iterator[Transition]:
    day = datetime(first.year, first.month, first.day)
    while day.date() <= last:
        if _get_offset(zone, day) != _get_offset(zone, day + timedelta(days=1)):
            yield from _find_hour(zone, day)
        day += timedelta(days=1)


def _find_hour(zone: ZoneInfo, day: datetime) -> Iterator[Transition]:
    for hour in range(24):
        time = day + timedelta(hours=hour)
        # fold 0 is the offset before the change, fold 1 the one after it
        early, late = (_get_offset(zone, time, fold) for fold in (0, 1))
        if early != late:
            yield Transition(day.date(), hour, is_gap=late > early)
            return


def _get_offset(zone: ZoneInfo, time: datetime, fold: int = 0) -> timedelta:
    return zone.utcoffset(time.replace(fold=fold)) or timedelta()


def _count_hours(db: duckdb.DuckDBPyConnection, relation: str, time_sql: str, days: list[date]) -> Counts:
    rows = db.execute(
        f"select t::date, hour(t), count(*) from (select {time_sql} as t from {relation})"
        " where list_contains($days, t::date) group by all",
        {"days": days},
    ).fetchall()
    return {(day, hour): count for day, hour, count in rows}


def _choose_zone(groups: dict[tuple[Transition, ...], list[str]], counts: Counts, hours: int) -> TimeZoneGuess:
    verdicts = {changes: [_judge(change, counts) for change in changes] for changes in groups}
    supported = {c: v.count("supports") for c, v in verdicts.items() if "supports" in v and "contradicts" not in v}
    if supported:
        most = max(supported.values())
        best = [changes for changes, number in supported.items() if number == most]
        zones = tuple(zone for changes in best for zone in groups[changes])
        return TimeZoneGuess("local", zones, f"{most} daylight saving time changes are visible", hours)
    if verdicts and all("contradicts" in found for found in verdicts.values()):
        reason = "no daylight saving time change of a common zone is visible: UTC, or a zone without one"
        return TimeZoneGuess("unknown", (), reason, hours)
    reason = "too few rows around a daylight saving time change" if groups else "no daylight saving time change in them"
    return TimeZoneGuess("unknown", (), reason, hours)


def _judge(change: Transition, counts: Counts) -> Verdict:
    """Whether the rows of an hour are as the change has them, compared with the same hour of the weeks around it."""
    days = [change.day + timedelta(days=shift) for shift in _REFERENCE_DAYS]
    present = [day for day in days if any((day, hour) in counts for hour in range(24))]
    is_day_present = any((change.day, hour) in counts for hour in range(24) if hour != change.hour)
    if len(present) < 2 or not is_day_present:
        return "silent"
    usual = [counts.get((day, change.hour), 0) for day in present]
    is_regular = len(set(usual)) == 1 and usual[0] > 0
    minimum = _GAP_ROWS_MIN if change.is_gap else _FOLD_ROWS_MIN
    if mean(usual) < minimum and not is_regular:
        return "silent"
    ratio = counts.get((change.day, change.hour), 0) / mean(usual)
    return _judge_gap(ratio) if change.is_gap else _judge_fold(ratio)


def _judge_gap(ratio: float) -> Verdict:
    if ratio == 0:
        return "supports"
    return "contradicts" if ratio > _GAP_RATIO_MAX else "silent"


def _judge_fold(ratio: float) -> Verdict:
    if ratio >= _FOLD_RATIO:
        return "supports"
    return "contradicts" if ratio <= _NO_FOLD_RATIO else "silent"
