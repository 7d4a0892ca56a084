"""The notebook on rides: its answers are those of the facts."""

import pytest
from notebook_support import CPU_SECONDS, Publish, answers, ask


@pytest.mark.slow
def test_bike_eda_says_what_the_facts_say(published: Publish) -> None:
    settings = published()
    found, cpu_seconds = answers("bike_eda")
    assert cpu_seconds < CPU_SECONDS
    assert tuple(found["Which days can be compared?"].values()) == ask(
        settings,
        "select count(distinct c.date_local), count(t.ride_id) from core.fct_bike_coverage_daily c"
        " left join core.fct_trips t using (date_local) where c.is_complete",
    )
    assert tuple(found["How many rides are unusual?"].values()) == ask(
        settings,
        "select count(*), count(*) filter (duration_seconds < 60 or duration_seconds > 86400 or is_in_clock_change"
        " or start_station_id is null or end_station_id is null) from core.fct_trips",
    )
    assert tuple(found["How long do rides take?"].values()) == pytest.approx(
        ask(
            settings,
            "select median(m), avg(m), quantile_cont(m, 0.9) from (select duration_seconds::double / 60 as m"
            " from core.fct_trips where duration_seconds between 60 and 86400)",
        )
    )
    (ratio,) = ask(
        settings,
        "with days as (select c.date_local, count(t.ride_id) as n from core.fct_bike_coverage_daily c"
        " left join core.fct_trips t using (date_local) where c.is_complete group by 1)"
        " select avg(n) filter (isodow(date_local) >= 6) / avg(n) filter (isodow(date_local) < 6) from days",
    )
    assert found["When do people ride?"]["weekend_ratio"] == pytest.approx(ratio)
    (top,) = ask(
        settings,
        "with s as (select start_station_id, count(*) as n from core.fct_trips t"
        " join core.fct_bike_coverage_daily c using (date_local)"
        " where c.is_complete and c.is_complete_for_arrivals and has_start_station group by 1)"
        " select (select sum(n) from (select n from s order by n desc limit 10)) / sum(n) from s",
    )
    concentration = found["How concentrated are rides on few stations?"]
    assert concentration["top_share"] == pytest.approx(float(top))
    assert 0 < concentration["gini"] < 1


@pytest.mark.slow
def test_gini_is_zero_for_even_stations(published: Publish) -> None:
    published(
        lambda db: db.execute("update marts.mart_station_flow_daily set departures = 3, arrivals = 3, net_flow = 0")
    )
    found, _ = answers("bike_eda")
    stations = found["Which stations drain, and which fill?"]
    assert (stations["drains"], stations["fills"], stations["moved"]) == (0, 0, 0)
