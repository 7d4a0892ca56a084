"""The notebook on weather and rides: it finds a planted effect of rain, and none where there is none."""

from datetime import date

import duckdb
import numpy as np
import pytest
from notebook_support import CPU_SECONDS, Edit, Publish, answers, ask, report


def plant(effect: float, seed: int) -> Edit:
    """Rides with a known effect of wet hours, in a year whose cold months are the wet ones.

    Args:
        effect: Relative change in a wet hour, such as -0.3.
        seed: Of the noise: each day has its own level, beside that of each hour.
    """

    def edit(db: duckdb.DuckDBPyConnection) -> None:
        random = np.random.default_rng(seed)
        hours = db.execute(
            "select hour_utc, date_local, hour_of_day, weekday, month(date_local) as month, temperature_c"
            " from marts.mart_demand_hourly order by hour_utc"
        ).df()
        day = hours["date_local"].factorize()[0]
        winter = np.cos(2 * np.pi * (hours["month"] - 1) / 12)
        wet_spell = random.random(len(hours) // 4 + 1)[np.arange(len(hours)) // 4]
        wet = (wet_spell < 0.15 + 0.12 * winter).astype(float)
        level = (
            2.5 - 0.5 * winter + np.sin(np.pi * hours["hour_of_day"] / 24)
            + 0.2 * (hours["weekday"] < 6) + 0.02 * hours["temperature_c"].fillna(10)
        )  # fmt: skip
        noise = random.gamma(20, 1 / 20, day.max() + 1)[day] * random.gamma(10, 1 / 10, len(hours))
        mean = np.exp(level) * (1 + effect * wet) * noise
        hours["trips"] = random.poisson(mean)
        hours["member_trips"] = random.binomial(hours["trips"], 0.8)
        hours["wet"] = wet
        db.register("planted", hours)
        db.execute(
            "update marts.mart_demand_hourly as h set trips = p.trips, member_trips = p.member_trips,"
            " casual_trips = p.trips - p.member_trips, precipitation_mm = p.wet, snowfall_cm = 0,"
            " precipitation_kind = if(p.wet > 0, 'light', 'dry')"
            " from planted as p where h.hour_utc = p.hour_utc"
        )

    return edit


@pytest.mark.slow
def test_a_planted_effect_is_recovered_and_the_plain_comparison_is_not(published: Publish) -> None:
    settings = published(plant(-0.3, seed=7))
    found, cpu_seconds = answers("weather_impact")
    assert cpu_seconds < CPU_SECONDS
    (wet_hours,) = ask(
        settings,
        "select count(*) from marts.mart_demand_hourly where precipitation_mm > 0 and is_complete"
        " and temperature_c is not null and wind_speed_kmh is not null",
    )
    assert found["Which hours can be compared?"]["wet_hours"] == wet_hours
    crude = found["What does the plain comparison say, and why is it not enough?"]["crude"]
    adjusted = found["How many rides does a wet hour cost, all else equal?"]
    assert adjusted["low"] < -0.3 < adjusted["high"]
    assert adjusted["high"] - adjusted["low"] < 0.1
    assert crude < adjusted["low"] - 0.05, "the season was planted as a confounder"
    drawn = found["Does resampling give the same confidence interval?"]
    assert drawn["low"] < -0.3 < drawn["high"]
    riders = found["Do members and casual riders react differently?"]
    assert riders["low"] < 1 < riders["high"]
    assert found["What could still explain it?"]["estimate"] == pytest.approx(
        1 / (1 + adjusted["effect"]) + np.sqrt(1 / (1 + adjusted["effect"]) * (1 / (1 + adjusted["effect"]) - 1))
    )


@pytest.mark.slow
def test_no_effect_is_found_where_none_was_planted(published: Publish) -> None:
    published(plant(0, seed=11))
    found, _ = answers("weather_impact")
    adjusted = found["How many rides does a wet hour cost, all else equal?"]
    assert adjusted["low"] < 0 < adjusted["high"]
    assert found["What could still explain it?"]["bound"] == 1


@pytest.mark.slow
def test_few_days_are_reported_instead_of_fitted(published: Publish) -> None:
    published(lambda db: db.execute("delete from marts.mart_demand_hourly where date_local >= date '2024-02-01'"))
    done = report("notebooks/weather_impact.ipynb")
    assert done.returncode == 1
    assert "31 complete days with known weather" in done.stderr
    assert date(2024, 2, 1).isoformat() not in done.stderr
