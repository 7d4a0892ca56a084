"""Estimates with their uncertainty. Days of one week resemble each other, so it is weeks that are counted, not days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_WEEKS = 8
"""With fewer weeks no interval is given: how weeks differ cannot be told from them."""

_CONFIDENCE = 0.95
# shares of the points that lie below the knots of a curve, the usual ones of four
_KNOTS = (0.05, 0.35, 0.65, 0.95)
_STEPS = 60


@dataclass(frozen=True)
class Curve:
    """A mean along an axis.

    Attributes:
        x: Places, rising.
        mean: The mean at each of them.
        low: Lower end of the 95 % band of the mean.
        high: Its upper end.
    """

    x: Floats
    mean: Floats
    low: Floats
    high: Floats

    def at(self, x: float) -> float:
        """The mean at a place between the first and the last."""
        return float(np.interp(x, self.x, self.mean))


def curve(x: Sequence[float], y: Sequence[float], days: Sequence[date]) -> Curve | None:
    """Fit a natural cubic spline with four knots by least squares, which need not be a straight line or a parabola.

    The band is that of the mean, not of single points. It comes from leaving out one week after the other, with the
    quantile of Student's t of one degree of freedom less than weeks.

    Args:
        x: Where the points lie.
        y: What was seen there.
        days: The day of each point.

    Returns:
        The curve; None with fewer than `MIN_WEEKS` weeks or too few different `x`.
    """
    place, seen = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    week = np.array([day.toordinal() - day.weekday() for day in days])
    knots = np.quantile(place, _KNOTS) if len(place) else np.array([])
    if len(np.unique(week)) < MIN_WEEKS or (np.diff(knots) <= 0).any():
        return None
    design = _spline(place, knots)
    coefficients, covariance = _least_squares(design, seen, week)
    grid = np.linspace(place.min(), place.max(), _STEPS)
    columns = _spline(grid, knots)
    mean = columns @ coefficients
    margin = student_t(len(np.unique(week)) - 1) * np.sqrt(((columns @ covariance) * columns).sum(axis=1))
    return Curve(grid, mean, mean - margin, mean + margin)


def student_t(freedom: int) -> float:
    """How many standard errors a 95 % interval reaches to either side; to 1 % from four degrees of freedom on.

    Args:
        freedom: Degrees of freedom.
    """
    # Cornish and Fisher's expansion, because a library for one quantile is not worth its weight
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    terms: tuple[float, ...] = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum((term / freedom**power for power, term in enumerate(terms)), 0.0)


def _spline(x: Floats, knots: Floats) -> Floats:
    """Columns of a natural cubic spline: cubic between the knots, linear beyond them."""
    last, before, width = knots[-1], knots[-2], knots[-1] - knots[0]

    def cube(knot: float) -> Floats:
        found: Floats = np.maximum(x - knot, 0) ** 3
        return found

    bends = [
        cube(knot) - (cube(before) * (last - knot) - cube(last) * (before - knot)) / (last - before)
        for knot in knots[:-2]
    ]
    return np.column_stack([np.ones(len(x)), x, *(bend / width**2 for bend in bends)])


def _least_squares(design: Floats, seen: Floats, cluster: NDArray[np.int_]) -> tuple[Floats, Floats]:
    """Coefficients and their covariance, from how they move when one cluster is left out after the other.

    With few clusters this jackknife is nearer to the truth than the formula that sums squared errors by cluster.
    """
    parts = [(design[cluster == name], seen[cluster == name]) for name in np.unique(cluster)]
    grams = np.array([columns.T @ columns for columns, _ in parts])
    moments = np.array([columns.T @ values for columns, values in parts])
    gram, moment = grams.sum(axis=0), moments.sum(axis=0)
    coefficients = np.linalg.pinv(gram) @ moment
    without = (np.linalg.pinv(gram - grams) @ (moment - moments)[:, :, None])[:, :, 0]
    moved = without - coefficients
    return coefficients, (len(parts) - 1) / len(parts) * moved.T @ moved
