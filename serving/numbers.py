"""Whether every number of a text is in the results that it is about."""

import calendar
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from data_stack.metrics.query import MetricResult

_NUMBER = re.compile(
    r"(?<![\w.,])[-−+]?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?\s*(%|(?:percent|thousand|million|k)\b)?", re.IGNORECASE
)
_ISO_DATE = re.compile(r"\b\d{4}-\d{2}(?:-\d{2})?\b")
_MONTHS = "|".join(name for names in (calendar.month_name, calendar.month_abbr) for name in names if name)
_DAY_OF_MONTH = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTHS})\b|\b(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?\b"
)
_PUNCTUATION = ".,;:!?()[]'\"`"
_COUNT_MAX = 100
_SCALES = {"%": 100.0, "percent": 100.0, "thousand": 1e-3, "k": 1e-3, "million": 1e-6}


def find_foreign_numbers(text: str, question: str, results: Iterable[MetricResult]) -> list[str]:
    """The numbers of a text that are in no result.

    A number may be rounded, a share may be written as a percentage, and a number of rows may be counted. Days and years
    of the results, values of filters, and a small number or a year of the question ("the top 5 of 2024") are no claims.

    Args:
        text: What an agent says.
        question: What it was asked.
        results: What it has found.

    Returns:
        The numbers, as they are written.
    """
    found = list(results)
    values = [abs(float(value)) for result in found for value in _list_numbers(result)]
    values += [float(len(result.rows)) for result in found]
    known = {match[0].strip() for match in _NUMBER.finditer(question) if _is_harmless(match)} | _list_years(found)
    rest = _remove_names(text, found)
    numbers = [match for match in _NUMBER.finditer(rest) if match[0].strip() not in known]
    return [match[0].strip() for match in numbers if not _is_among(match, values)]


def find_unseen_numbers(text: str, question: str, seen: Iterable[str]) -> list[str]:
    """The numbers of a text that are in nothing that was found.

    Identifiers and times are compared as they are written; a length of a list may be counted.

    Args:
        text: What an agent says.
        question: What it was asked.
        seen: What it has found, each as JSON.

    Returns:
        The numbers, as they are written.
    """
    found = list(seen)
    written = "\n".join(found)
    words = (word.strip(_PUNCTUATION) for word in text.split())
    rest = text
    for word in sorted({word for word in words if _is_identifier(word) and word in written}, key=len, reverse=True):
        rest = rest.replace(word, " ")
    values = [number for part in found for number in _list_written_numbers(json.loads(part))]
    known = {match[0].strip() for match in _NUMBER.finditer(question) if _is_harmless(match)}
    numbers = [match for match in _NUMBER.finditer(rest) if match[0].strip() not in known]
    return [match[0].strip() for match in numbers if not _is_among(match, values)]


def _is_identifier(word: str) -> bool:
    """Whether a word with digits is more than a number."""
    return any(map(str.isdigit, word)) and not _NUMBER.fullmatch(word)


def _list_written_numbers(value: Any) -> Iterator[float]:
    """Numbers, those that are words of a text, and lengths of lists; a time or an identifier has no number in it."""
    if isinstance(value, str):
        matches = (_NUMBER.fullmatch(word.strip(_PUNCTUATION)) for word in value.split())
        yield from (_read(match) for match in matches if match)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield abs(float(value))
    elif isinstance(value, list | dict):
        if isinstance(value, list):
            yield float(len(value))
        for part in value.values() if isinstance(value, dict) else value:
            yield from _list_written_numbers(part)


def _read(match: re.Match[str]) -> float:
    return float(f"{match[1].replace(',', '')}.{match[2] or 0}")


def _list_numbers(result: MetricResult) -> Iterator[float]:
    filters = tuple(value for condition in result.query.where for value in condition.values)
    for row in (*result.rows, filters):
        yield from (value for value in row if isinstance(value, int | float) and not isinstance(value, bool))


def _is_harmless(match: re.Match[str]) -> bool:
    """A number of things that were asked for, or a year; a larger number could be put into the mouth of the agent."""
    value = 0 if match[2] or match[3] else int(match[1].replace(",", ""))
    return 0 < value <= _COUNT_MAX or (1900 <= value <= 2100 and "," not in match[1])


def _list_years(results: list[MetricResult]) -> set[str]:
    days = [day for found in results for day in (found.query.start, found.query.end, found.data_until) if day]
    texts = [str(value) for found in results for row in found.rows for value in row if isinstance(value, str)]
    return {f"{day.year}" for day in days} | {text[:4] for text in texts if _is_day(text)}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _remove_names(text: str, results: list[MetricResult]) -> str:
    """The text without names of the results, which can have digits, and without days."""
    names = {value for found in results for row in found.rows for value in row if isinstance(value, str)}
    for name in sorted((name for name in names if any(map(str.isdigit, name))), key=len, reverse=True):
        text = text.replace(name, " ")
    return _DAY_OF_MONTH.sub(" ", _ISO_DATE.sub(" ", text))


def _is_among(match: re.Match[str], values: list[float]) -> bool:
    written = _read(match)
    scale = _SCALES.get((match[3] or "").lower(), 1.0)
    places = len(match[2] or "")
    # of a rounded number the last digit may be half of one away; a percentage may be a share or a percentage already
    half = 0.5 * 10**-places + 1e-9 * max(1.0, written)
    scales = (scale, 1.0) if scale == 100.0 else (scale,)
    return any(abs(value * factor - written) <= half for value in values for factor in scales)
