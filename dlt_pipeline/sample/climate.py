"""The climate of the sample's place: a deterministic function of seed and hour.

It belongs to no source: one reports it, and others have a demand that follows it.
"""

from enum import IntEnum

import numpy as np

from dlt_pipeline.sample.draw import Floats, Hours, draw_smooth, draw_uniform

# cm of fresh snow per mm of water: archives use 7 to 10
SNOW_CM_PER_MM = 0.7

_RAIN_SLOT_HOURS = 36


class Stream(IntEnum):
    """See `draw.make_generator`."""

    FRONT = 10
    GUST = 11
    CLOUD = 12
    WIND = 13
    HUMIDITY = 14
    RAIN_HAPPENS = 20
    RAIN_START = 21
    RAIN_LENGTH = 22
    RAIN_PEAK = 23
    RAIN_HOUR = 24


def generate_climate(seed: int, hours: Hours) -> dict[str, Floats]:
    """Temperature, humidity, wind, cloud and precipitation of hours, which fit each other.

    Args:
        seed: The sample's seed.
        hours: Hours since 1970, UTC; any, in any order.

    Returns:
        One array per quantity, named as by Open-Meteo: temperatures in °C, humidity in %, precipitation and rain in mm,
        snowfall in cm, wind in km/h, cloud as a share; precipitation = rain + snowfall / 0.7, exact to 0.1 mm.
    """
    water = _generate_precipitation(seed, hours)
    cloud = np.where(water > 0, 1.0, np.clip(0.5 + 0.5 * draw_smooth(seed, Stream.CLOUD, hours, 14), 0, 1))
    temperature = np.round(_generate_temperature(seed, hours, cloud), 1)
    wind = _generate_wind(seed, hours, water)
    humidity = _generate_humidity(seed, hours, water)
    tenths = np.round(water * 10)
    snow_tenths = np.round(tenths * np.clip(1 - temperature / 1.5, 0, 1))
    snowfall = np.round(snow_tenths * SNOW_CM_PER_MM / 10, 2)
    return {
        "temperature_2m": temperature,
        "relative_humidity_2m": humidity,
        "apparent_temperature": _compute_apparent_temperature(temperature, humidity, wind),
        "precipitation": tenths / 10,
        "rain": (tenths - snow_tenths) / 10,
        "snowfall": snowfall,
        "wind_speed_10m": wind,
        "cloud": cloud,
    }


def _generate_precipitation(seed: int, hours: Hours) -> Floats:
    """Precipitation in mm per hour: events with a start, a length and a peak, at most one per 36 hours."""
    total = np.zeros(len(hours))
    for back in (0, 1):
        slot = hours // _RAIN_SLOT_HOURS - back
        start = (slot + draw_uniform(seed, Stream.RAIN_START, slot)) * _RAIN_SLOT_HOURS
        length = 2 + 14 * draw_uniform(seed, Stream.RAIN_LENGTH, slot) ** 1.6
        peak = 0.15 - 1.9 * np.log(1 - draw_uniform(seed, Stream.RAIN_PEAK, slot))
        share = (hours + 0.5 - start) / length
        falls = (draw_uniform(seed, Stream.RAIN_HAPPENS, slot) < 0.48) & (share >= 0) & (share < 1)
        total += np.where(falls, peak * np.sin(np.pi * np.clip(share, 0, 1)), 0)
    return np.asarray(np.round(total * (0.5 + draw_uniform(seed, Stream.RAIN_HOUR, hours)), 1), np.float64)


def _generate_temperature(seed: int, hours: Hours, cloud: Floats) -> Floats:
    """Celsius: the season, the time of day (solar noon in New York is at 16:56 UTC), fronts of some days, gusts."""
    season = 2 * np.pi * (hours / 24 - 20) / 365.2425
    sun = 2 * np.pi * (hours - 4.93 - 15) / 24
    swing = (4.2 - 1.2 * np.cos(season)) * (1 - 0.55 * cloud)
    fronts = 4.8 * draw_smooth(seed, Stream.FRONT, hours, 80) + 0.9 * draw_smooth(seed, Stream.GUST, hours, 6)
    return np.asarray(13.2 - 11.8 * np.cos(season) + swing * np.cos(sun) + fronts, np.float64)


def _generate_wind(seed: int, hours: Hours, water: Floats) -> Floats:
    speed = 13 + 8 * draw_smooth(seed, Stream.WIND, hours, 9) + 1.5 * np.sqrt(water)
    return np.asarray(np.round(np.maximum(speed, 0.4), 1), np.float64)


def _generate_humidity(seed: int, hours: Hours, water: Floats) -> Floats:
    sun = 2 * np.pi * (hours - 4.93 - 15) / 24
    wet = np.where(water > 0, 20 + np.minimum(water, 5), 0)
    percent = 64 - 11 * np.cos(sun) + 8 * draw_smooth(seed, Stream.HUMIDITY, hours, 20) + wet
    return np.asarray(np.round(np.clip(percent, 15, 100)), np.float64)


def _compute_apparent_temperature(temperature: Floats, humidity: Floats, wind: Floats) -> Floats:
    """Steadman's apparent temperature in the shade: vapour pressure in hPa, wind in m/s."""
    vapour = humidity / 100 * 6.105 * np.exp(17.27 * temperature / (237.7 + temperature))
    return np.asarray(np.round(temperature + 0.33 * vapour - 0.7 * wind / 3.6 - 4, 1), np.float64)
