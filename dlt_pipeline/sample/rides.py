"""Sample rides with realistic patterns: commuting, leisure, weather, growth, stations that empty and fill."""

from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_stack.window import Window, month_of, next_month
from dlt_pipeline.sample import stations
from dlt_pipeline.sample.climate import generate_climate
from dlt_pipeline.sample.draw import Floats, Hours, count_months, make_generator


class Stream(IntEnum):
    """See `draw.make_generator`."""

    RIDES = 1
    QUIRKS = 2
    LEGACY = 3


PRECISE_FROM = date(2024, 6, 1)
"""Since this month times have milliseconds, and a file contains the rides that *ended* in its month."""

LONG_RIDES_PER_MONTH = 2
"""Rides of 24 to 26 hours, never docked: no end station, no end coordinates."""
NO_END_STATION_PER_MONTH = 4
"""Rides of ordinary length without an end station, with end coordinates of two decimals (besides the long ones)."""
SHORT_RIDES_PER_MONTH = 6
"""Rides of less than 60 s that end at their start station."""
SEAM_RIDES = ((-300, 900), (-120, 1500))
"""Rides across the end of each month: start in seconds from it, length in seconds."""
CLOCK_CHANGE_RIDES = ((-3000, 900), (-600, 1200), (1200, 1200), (2400, 2100), (-4500, 5400))
"""Rides around each daylight saving time change: start in seconds from it, length in seconds. In autumn the second one
starts at 01:50 and ends at 01:10 in local time, before its start."""

_NEW_YORK = "America/New_York"
_WORKING_DAY = (6, 4, 3, 1, 3, 11, 33, 62, 82, 41, 29, 32, 35, 38, 43, 50, 66, 95, 92, 60, 38, 27, 19, 12)
_OTHER_DAY = (13, 8, 6, 3, 2, 3, 4, 10, 19, 32, 42, 48, 49, 47, 49, 48, 45, 42, 39, 30, 22, 17, 12, 12)
_OTHER_DAY_LEVEL = 0.85
# mean weather factor over the hours in which people ride, so that rides_per_day is the mean of 2024
_ORDINARY_WEATHER = 0.68
_MEMBER_SHARE = {"morning": 0.92, "evening": 0.86, "weekend": 0.68, "other": 0.8}


@lru_cache(maxsize=4)
def generate_started_rides(seed: int, rides_per_day: int, month: date) -> pl.DataFrame:
    """The rides that start in a month of New York's local time, in whichever file they are.

    Args:
        seed: The sample's seed.
        rides_per_day: The sample's level.
        month: First day of the month.

    Returns:
        The 13 columns of the provider's files with typed values (`started_at`, `ended_at`: naive local times), and
        `started_at_utc` and `ended_at_utc`, which are unambiguous when daylight saving time ends.
    """
    rng = make_generator(seed, Stream.RIDES, count_months(month))
    hours = _list_month_hours(month)
    local = _convert_to_local(hours * 3_600_000)
    counts = rng.poisson(rides_per_day * compute_expected_share(seed, hours))
    starts = np.repeat(hours * 3_600_000, counts) + rng.integers(0, 3_600_000, counts.sum())
    profiles = np.repeat(_choose_profiles(local), counts)
    scripted = _build_scripted_rides(hours, local)
    trips = _Trips(rng, np.append(profiles, np.full(len(scripted), "other")))
    trips.add_odd_rides(len(starts))
    trips.milliseconds[len(starts) :] = scripted[:, 1]
    return _build_frame(rng, trips, np.append(starts, scripted[:, 0]), month)


def generate_file_rides(seed: int, rides_per_day: int, month: date) -> pl.DataFrame:
    """The rides of a month's file, by the provider's rule of that month; see `started_rides` for the columns.

    Args:
        seed: The sample's seed.
        rides_per_day: The sample's level.
        month: First day of the month.
    """
    rides = generate_started_rides(seed, rides_per_day, month)
    if month < PRECISE_FROM:
        return rides
    ends_here = (pl.col("ended_at") >= month) & (pl.col("ended_at") < next_month(month))
    before = month_of(month - timedelta(days=1))
    if before < PRECISE_FROM:
        return rides.filter(ends_here)
    return pl.concat([generate_started_rides(seed, rides_per_day, before), rides]).filter(ends_here)


def compute_expected_share(seed: int, hours: Hours) -> Floats:
    """Rides expected in each hour, as a share of `rides_per_day`.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC.
    """
    local = _convert_to_local(hours * 3_600_000)
    hour, working = local.dt.hour().to_numpy(), _is_working(local)
    on_working_day = np.array(_WORKING_DAY)[hour] / sum(_WORKING_DAY)
    on_other_day = np.array(_OTHER_DAY)[hour] / sum(_OTHER_DAY) * _OTHER_DAY_LEVEL
    months = (local.dt.year() * 12 + local.dt.month() - 1).to_numpy() - count_months(date(2024, 1, 1))
    growth = np.clip(1 + 0.02 * months, 0.8, 1.5)
    return np.asarray(
        np.where(working, on_working_day, on_other_day) * growth * compute_weather_factor(seed, hours), np.float64
    )


def compute_weather_factor(seed: int, hours: Hours) -> Floats:
    """The factor by which the weather of each hour changes demand; 1 is mean weather.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC.
    """
    climate = generate_climate(seed, hours)
    felt = climate["apparent_temperature"]
    comfort = 0.3 + 0.7 / (1 + np.exp(-(felt - 8) / 5)) - 0.025 * np.clip(felt - 31, 0, 20)
    rain = climate["precipitation"]
    wet = np.where(rain > 0, np.maximum(0.25, 0.62 * np.exp(-0.2 * rain)), 1.0)
    snow = np.where(climate["snowfall"] > 0, 0.7, 1.0)
    return np.asarray(comfort * wet * snow / _ORDINARY_WEATHER, np.float64)


def find_time_changes(month: date) -> list[datetime]:
    """Find New York's daylight saving time changes in a month: naive UTC times at which the new time begins.

    Args:
        month: First day of the month.
    """
    hours = _list_month_hours(month)
    local = _convert_to_local(hours * 3_600_000)
    return [datetime(1970, 1, 1) + timedelta(hours=int(hour)) for hour in _find_changes(hours, local)]


class _Trips:
    """Stations, rider, bike and length of each ride: one array each, drawn in a fixed order."""

    def __init__(self, rng: np.random.Generator, profiles: NDArray[np.str_]) -> None:
        self.rng = rng
        count = len(profiles)
        pairs = np.zeros(count, np.int64)
        member_share = np.zeros(count)
        for profile in stations.PROFILES:
            chosen = profiles == profile
            shares = stations.compute_pair_shares(profile).ravel()
            pairs[chosen] = rng.choice(shares.size, size=int(chosen.sum()), p=shares)
            member_share[chosen] = _MEMBER_SHARE[profile]
        self.start, self.end = np.divmod(pairs, len(stations.IDS))
        self.is_member = rng.random(count) < member_share
        self.is_electric = rng.random(count) < np.where(self.is_member, 0.55, 0.65)
        self.milliseconds = self._draw_lengths()
        self.has_end_station = np.ones(count, bool)
        self.has_end_place = np.ones(count, bool)

    def _draw_lengths(self) -> Hours:
        """Lognormal around the time for the distance, in ms; a round trip takes about half an hour."""
        kilometres = stations.compute_distances_km()[self.start, self.end] * 1.3
        minutes = 1.5 + kilometres / np.where(self.is_electric, 17.0, 13.0) * 60
        minutes = np.where(self.start == self.end, 28.0, minutes) * np.where(self.is_member, 1.0, 1.45)
        spread = np.exp(self.rng.normal(0, 0.32, len(minutes)))
        return np.asarray(np.maximum(minutes * spread * 60_000, 61_000), np.int64)

    def add_odd_rides(self, count: int) -> None:
        """Turn some of the first `count` rides into long, undocked and aborted ones."""
        rng = self.rng
        odd = rng.choice(count, LONG_RIDES_PER_MONTH + NO_END_STATION_PER_MONTH + SHORT_RIDES_PER_MONTH, replace=False)
        long, undocked, short = np.split(odd, [LONG_RIDES_PER_MONTH, LONG_RIDES_PER_MONTH + NO_END_STATION_PER_MONTH])
        self.milliseconds[long] = rng.integers(86_400_000 + 60_000, 93_600_000, len(long))
        self.has_end_station[np.append(long, undocked)] = False
        self.has_end_place[long] = False
        self.milliseconds[short] = rng.integers(5_000, 59_000, len(short))
        self.end[short] = self.start[short]


def _list_month_hours(month: date) -> Hours:
    first, stop = ((edge - datetime(1970, 1, 1)) // timedelta(hours=1) for edge in Window.of_month(month).hours_utc())
    return np.arange(first, stop, dtype=np.int64)


def _convert_to_local(milliseconds: Hours) -> pl.Series:
    """Naive local times of New York for UTC milliseconds since 1970."""
    return (
        _convert_to_utc(milliseconds)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(_NEW_YORK)
        .dt.replace_time_zone(None)
    )


def _convert_to_utc(milliseconds: Hours) -> pl.Series:
    return pl.from_epoch(pl.Series(milliseconds), time_unit="ms").cast(pl.Datetime("us"))


def _is_working(local: pl.Series) -> NDArray[np.bool_]:
    days = local.dt.date()
    closed = {day for year in days.dt.year().unique() for day in _list_holidays(year)}
    return ((days.dt.weekday() <= 5) & ~days.is_in(list(closed))).to_numpy()


def _list_holidays(year: int) -> list[date]:
    """Days without commuters: New Year, Independence Day, Thanksgiving (fourth Thursday of November), Christmas."""
    first_thursday = 1 + (3 - date(year, 11, 1).weekday()) % 7
    return [date(year, 1, 1), date(year, 7, 4), date(year, 11, first_thursday + 21), date(year, 12, 25)]


def _choose_profiles(local: pl.Series) -> NDArray[np.str_]:
    hour, working = local.dt.hour().to_numpy(), _is_working(local)
    morning, evening = working & (hour >= 6) & (hour < 10), working & (hour >= 16) & (hour < 20)
    weekend = ~working & (hour >= 9) & (hour < 21)
    return np.select([morning, evening, weekend], ["morning", "evening", "weekend"], "other")


def _find_changes(hours: Hours, local: pl.Series) -> Hours:
    offsets = local.dt.epoch("ms").to_numpy() // 3_600_000 - hours
    return np.asarray(hours[1:][np.diff(offsets) != 0], np.int64)


def _build_scripted_rides(hours: Hours, local: pl.Series) -> Hours:
    """The rides that every month has: start and length in ms; shape rides x 2."""
    rides = [(hours[-1] + 1, *ride) for ride in SEAM_RIDES]
    rides += [(change, *ride) for change in _find_changes(hours, local) for ride in CLOCK_CHANGE_RIDES]
    return np.array([(hour * 3_600_000 + start * 1000, length * 1000) for hour, start, length in rides], np.int64)


def _build_frame(rng: np.random.Generator, trips: _Trips, starts: Hours, month: date) -> pl.DataFrame:
    if month < PRECISE_FROM:
        starts, trips.milliseconds = (times // 1000 * 1000 for times in (starts, trips.milliseconds))
    ends = starts + trips.milliseconds
    names, ids = np.array(stations.NAMES), np.array(stations.IDS)
    start_lat, start_lng, end_lat, end_lng = _compute_coordinates(rng, trips)
    rides = pl.DataFrame(
        {
            "ride_id": [f"{number:016X}" for number in rng.integers(0, 2**64, len(starts), np.uint64).tolist()],
            "rideable_type": np.where(trips.is_electric, "electric_bike", "classic_bike"),
            "started_at": _convert_to_local(starts),
            "ended_at": _convert_to_local(ends),
            "start_station_name": names[trips.start],
            "start_station_id": ids[trips.start],
            "end_station_name": _format_station(names[trips.end], trips.has_end_station),
            "end_station_id": _format_station(ids[trips.end], trips.has_end_station),
            "start_lat": start_lat,
            "start_lng": start_lng,
            "end_lat": end_lat,
            "end_lng": end_lng,
            "member_casual": np.where(trips.is_member, "member", "casual"),
            "started_at_utc": _convert_to_utc(starts),
            "ended_at_utc": _convert_to_utc(ends),
        }
    )
    # the provider's files are in no order
    return rides[rng.permutation(len(rides))]


def _format_station(values: NDArray[np.str_], known: NDArray[np.bool_]) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String).set(pl.Series(~known), None)


def _compute_coordinates(rng: np.random.Generator, trips: _Trips) -> list[pl.Series]:
    """Electric bikes report their position (9 decimals), docks that of the station; 2 decimals without a station."""
    jitter = np.where(trips.is_electric, rng.normal(0, 0.0001, (2, len(trips.start))), 0)
    columns = []
    for axis, values in enumerate((stations.LATITUDES, stations.LONGITUDES)):
        at_start = np.where(trips.is_electric, np.round(values[trips.start] + jitter[axis], 9), values[trips.start])
        at_end = np.where(trips.has_end_station, values[trips.end], np.round(values[trips.end], 2))
        columns.append((at_start, np.where(trips.has_end_place, at_end, np.nan)))
    (start_lat, end_lat), (start_lng, end_lng) = columns
    return [pl.Series(column).fill_nan(None) for column in (start_lat, start_lng, end_lat, end_lng)]
