"""Random numbers that depend only on seed, stream and ordinal: a month is the same in every range that has it."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hours = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)


def make_generator(seed: int, stream: int, ordinal: int) -> np.random.Generator:
    """A generator of the random numbers of one month or day.

    Args:
        seed: The sample's seed.
        stream: Number of what they are for. Each module has its own, and never uses one again for something else; two
            with the same number draw the same series.
        ordinal: The month (`count_months`) or day (`date.toordinal`).
    """
    return np.random.default_rng([seed, stream, ordinal])


def count_months(month: date) -> int:
    """Months since year 0."""
    return month.year * 12 + month.month - 1


def draw_uniform(seed: int, stream: int, ordinals: Hours) -> Floats:
    """One number in [0, 1) per ordinal, by the splitmix64 finaliser: any hour can be drawn without the earlier ones.

    Args:
        seed: The sample's seed.
        stream: What the numbers are for.
        ordinals: For example hours or blocks of hours since 1970.
    """
    state = ordinals.astype(np.uint64) * _GOLDEN
    state ^= np.array([seed], np.uint64) * _MIX_A + np.array([stream], np.uint64) * _MIX_B
    for shift, factor in ((30, _MIX_A), (27, _MIX_B)):
        state = (state ^ (state >> np.uint64(shift))) * factor
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def draw_smooth(seed: int, stream: int, hours: Hours, every: int) -> Floats:
    """Continuous noise of mean 0 and standard deviation about 0.8, which changes direction every `every` hours.

    Args:
        seed: The sample's seed.
        stream: What the noise is for.
        hours: Hours since 1970, UTC.
        every: Hours between two knots.
    """
    knots = hours // every
    share = (1 - np.cos(np.pi * (hours % every) / every)) / 2
    left, right = (2 * np.sqrt(3) * (draw_uniform(seed, stream, knots + step) - 0.5) for step in (0, 1))
    return np.asarray(left * (1 - share) + right * share, np.float64)
