"""Numbers in texts: which there are, and whether one of them is a value, rounded.

It shares no code with `serving/numbers.py`, by which the agent checks itself: its faults are to be found here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_ROUNDING_MAX = Decimal("0.05")
# the last digits of a division depend on the order of its rows
_NOISE = Decimal("1e-9")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-\u2212])?(?P<digits>\d{1,3}(?:[,\u00a0\u202f']\d{3})+|\d+)(?P<decimals>\.\d+)?"
    r"(?!\d|(?:st|nd|rd|th)\b)"
    r"(?:\s?(?P<percent>%|per\s?cent\b)|\s?(?P<factor>k\b|thousand\b|m\b|million\b))?",
    re.IGNORECASE,
)
_FACTORS = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_DAY = re.compile(r"\b\d{4}-\d\d(-\d\d)?\b")


@dataclass(frozen=True)
class Stated:
    """A number as a text states it.

    Attributes:
        text: As it was written.
        value: What it says; a percentage is divided by 100.
        step: The place that it is rounded to.
    """

    text: str
    value: Decimal
    step: Decimal

    def is_rounding_of(self, value: float | int) -> bool:
        """Whether it states a value, rounded by not more than one twentieth of it.

        The sign may be in a word (fell by 3 %), and a share may be written as so many of a hundred.
        """
        exact = abs(Decimal(str(value)))
        return any(self._is_near(found) for found in (exact, exact * 100))

    def _is_near(self, exact: Decimal) -> bool:
        stated = abs(self.value)
        if abs(exact - stated) <= _NOISE * exact:
            return True
        is_rounded = (exact / self.step).quantize(Decimal(1), ROUND_HALF_UP) * self.step == stated
        # halves are rounded to even numbers as well
        is_rounded = is_rounded or abs(exact - stated) * 2 == self.step
        return is_rounded and abs(exact - stated) <= _ROUNDING_MAX * exact


def find_numbers(text: str) -> list[Stated]:
    """Find the numbers of a text; days and the marks of a list are none.

    Args:
        text: What somebody wrote.
    """
    return [_read(found) for found in _NUMBER.finditer(_DAY.sub(" ", _LIST_MARK.sub(" ", text)))]


def is_stated(value: float | int, numbers: Iterable[Stated]) -> bool:
    """Whether one of the numbers states a value."""
    return any(number.is_rounding_of(value) for number in numbers)


def find_parts(text: str) -> set[Decimal]:
    """The whole numbers in a text, also those within days and names."""
    return {Decimal(found) for found in re.findall(r"\d+", text)}


def _read(found: re.Match[str]) -> Stated:
    digits = re.sub(r"\D", "", found["digits"])
    decimals = found["decimals"] or ""
    value = Decimal(f"{'-' if found['sign'] else ''}{digits}{decimals}")
    # 15,100 may be rounded to hundreds; 15.10 is not
    zeros = len(digits) - len(digits.rstrip("0")) if not decimals and int(digits) else 0
    step = Decimal(10) ** (zeros - max(len(decimals) - 1, 0))
    scale = Decimal("0.01") if found["percent"] else Decimal(_FACTORS.get((found["factor"] or "").lower(), 1))
    return Stated(found[0], value * scale, step * scale)
