"""Metrics of rides against hand-written SQL, and what MetricFlow alone would get wrong about them."""

from datetime import date

import pytest
from metric_support import Fetch, Reference, ask, assert_equals_reference, assert_same

from data_stack.errors import MetricError
from data_stack.metrics.door import Metrics
from data_stack.metrics.query import Grain, MetricFilter, MetricQuery

# rides of two years; no file has the days from 10 to 14 August 2024, 7 May is incomplete, and so is the last day
_RIDES = """
insert into core.fct_trips by name
with days as (
    select cast(day as date) as date_local, row_number() over (order by day) as number
    from generate_series(date '2023-03-01', date '2024-12-31', interval 1 day) as series(day)
    where day not between date '2024-08-10' and date '2024-08-14'
),
rides as (
    select *, unnest(range(1 + number * 7 % 5)) as ride from days
)
select
    'r' || number || '-' || ride as ride_id, date_local,
    case (number + ride) % 7 when 0 then null when 1 then 'casual' when 2 then 'casual' else 'member' end
        as member_casual,
    case (number + ride) % 5 when 0 then null when 1 then 'classic_bike' else 'electric_bike' end as rideable_type,
    (number * 31 + ride * 17) % 4000 - 5 as duration_seconds,
    (number * 31 + ride * 17) % 4000 < 5 as is_end_before_start,
    's' || (number + ride) % 3 as start_station_id, 's' || (number * ride) % 4 as end_station_id
from rides
"""
_COVERAGE = """
insert into core.fct_bike_coverage_daily by name
select distinct
    date_local, cast(date_trunc('month', date_local) as date) as month,
    date_local not in (date '2024-05-07', date '2024-12-31') as is_complete, true as is_complete_for_arrivals
from core.fct_trips
"""
_BY_RIDER = """
insert into marts.mart_demand_by_rider_daily by name
select
    date_local, coalesce(member_casual, 'unknown') as member_casual,
    coalesce(rideable_type, 'unknown') as rideable_type, count(*) as trips, any_value(is_complete) as is_complete
from core.fct_trips
inner join core.fct_bike_coverage_daily using (date_local)
group by all
"""
_FLOWS = """
insert into marts.mart_station_flow_daily by name
with ends as (
    select date_local, start_station_id as station_id, 1 as departures, 0 as arrivals from core.fct_trips
    union all
    select date_local, end_station_id, 0, 1 from core.fct_trips
)
select
    station_id, 'Station ' || station_id as station_name, date_local, sum(departures) as departures,
    sum(arrivals) as arrivals, sum(arrivals) - sum(departures) as net_flow, any_value(is_complete) as is_complete
from ends
inner join core.fct_bike_coverage_daily using (date_local)
group by station_id, date_local
"""
_EMPTIED = (
    "core.fct_trips", "core.fct_bike_coverage_daily",
    "marts.mart_demand_by_rider_daily", "marts.mart_station_flow_daily",
)  # fmt: skip
ROWS = [*(f"delete from {table}" for table in _EMPTIED), _RIDES, _COVERAGE, _BY_RIDER, _FLOWS]

_TRIPS = "marts.mart_demand_by_rider_daily where is_complete"
_ENDS = "marts.mart_station_flow_daily where is_complete"
_TIMED = """
(
    select trips.* from core.fct_trips as trips inner join core.fct_bike_coverage_daily as days using (date_local)
    where days.is_complete and not is_end_before_start
)
"""
# a window of calendar days, and what the last day of a period says
_WINDOW = """
(
    select day.date_local, arg_max(day.value, day.date_local) over () as last_value, day.value from (
        select dates.date_local, (
            select sum(trips) from marts.mart_demand_by_rider_daily as rides
            where rides.is_complete and rides.date_local <= dates.date_local and {since}
        ) as value
        from core.dim_dates as dates where dates.date_local between '2023-03-01' and '2024-12-30'
    ) as day
)
"""
_PERIODS = """
(
    with periods as (
        select cast(date_trunc('{grain}', date_local) as date) as date_local, sum(trips) as trips
        from marts.mart_demand_by_rider_daily where is_complete group by 1
    )
    select periods.date_local, periods.trips / before.trips - 1 as value
    from periods inner join periods as before on before.date_local = periods.date_local - interval {step}
)
"""
_BY_KIND = {"dimension": "member_casual"}

REFERENCES = {
    "trips": Reference("sum(trips)", _TRIPS, **_BY_KIND),
    "member_trips": Reference("sum(if(member_casual = 'member', trips, 0))", _TRIPS),
    "casual_trips": Reference("sum(if(member_casual = 'casual', trips, 0))", _TRIPS),
    "member_share": Reference(
        "sum(if(member_casual = 'member', trips, 0)) / sum(trips) filter (member_casual != 'unknown')", _TRIPS,
        dimension="rideable_type",
    ),
    "electric_trips": Reference("sum(if(rideable_type = 'electric_bike', trips, 0))", _TRIPS, **_BY_KIND),
    "electric_share": Reference(
        "sum(if(rideable_type = 'electric_bike', trips, 0)) / sum(trips) filter (rideable_type != 'unknown')", _TRIPS,
        **_BY_KIND,
    ),
    "mean_duration": Reference(
        "sum(duration_seconds) / count(*) / 60", _TIMED, dimension="member_casual",
        expression="coalesce(member_casual, 'unknown')",
    ),
    "complete_days": Reference("count(*)", "core.fct_bike_coverage_daily where is_complete"),
    "trips_per_day": Reference("sum(trips) / count(distinct date_local)", _TRIPS),
    "trips_7d": Reference(
        "arg_max(value, date_local)", _WINDOW.format(since="rides.date_local > dates.date_local - 7")
    ),
    "cumulative_trips": Reference(
        "arg_max(value, date_local)",
        _WINDOW.format(since="year(rides.date_local) = year(dates.date_local)"),
    ),
    "departures": Reference("sum(departures)", _ENDS, dimension="station_id"),
    "arrivals": Reference("sum(arrivals)", _ENDS, dimension="station_name"),
    "net_flow": Reference("sum(arrivals) - sum(departures)", _ENDS, dimension="station_id"),
    "active_stations": Reference("count(distinct station_id)", _ENDS),
}  # fmt: skip
# how long before, and the first and last days of whole periods that have a whole one before
COMPARED = [
    ("trips_change_on_week", "day", "7 days", "2023-03-08", "2024-12-30"),
    ("trips_change_on_week", "week", "7 days", "2023-03-13", "2024-12-29"),
    ("trips_change_on_month", "month", "1 month", "2023-04-01", "2024-11-30"),
    ("trips_change_on_year", "month", "1 year", "2024-03-01", "2024-11-30"),
    ("trips_change_on_year", "quarter", "1 year", "2024-04-01", "2024-09-30"),
]


@pytest.mark.parametrize(
    "name", [name for name, one in REFERENCES.items() if name not in ("trips_7d", "cumulative_trips")]
)
def test_it_equals_sql_at_every_grain(metrics: Metrics, fetch: Fetch, name: str) -> None:
    assert_equals_reference(metrics, fetch, name, REFERENCES[name])


@pytest.mark.parametrize("name", ["trips_7d", "cumulative_trips"])
def test_a_cumulative_metric_leaves_out_incomplete_days_and_shows_the_last_day_of_a_period(
    metrics: Metrics, fetch: Fetch, name: str
) -> None:
    for grain in metrics.describe(name).grains:
        assert_same(ask(metrics, name, grain), REFERENCES[name].compute(fetch, grain), f"{name} by {grain}")


@pytest.mark.parametrize(("name", "grain", "step", "first", "last"), COMPARED)
def test_a_change_compares_whole_periods(
    metrics: Metrics, fetch: Fetch, name: str, grain: Grain, step: str, first: str, last: str
) -> None:
    rows = _PERIODS.format(grain=grain, step=step)
    expected = fetch(f"select date_local, value from {rows} where date_local between '{first}' and '{last}'")
    assert expected
    assert_same(ask(metrics, name, grain), {(day,): value for day, value in expected}, f"{name} by {grain}")


def test_a_change_says_where_it_begins(metrics: Metrics) -> None:
    result = metrics.query(MetricQuery(metrics=("trips_change_on_year", "trips"), grain="month"))
    assert result.rows[0][0] == "2024-03-01"
    assert result.notes == (
        "there is nothing to compare with before 2024-03-01",
        "the last month is not complete and left out, which begins on 2024-12-01",
    )
    early = metrics.query(MetricQuery(metrics=("trips",), start=date(2020, 1, 1), end=date(2023, 3, 1)))
    assert early.notes == ("nothing is loaded before 2023-03-01",)


def test_a_change_of_a_part_of_a_period_is_refused(metrics: Metrics) -> None:
    with pytest.raises(MetricError, match="so a period begins on the first day of a month, such as 2024-06-01"):
        metrics.query(MetricQuery(metrics=("trips_change_on_month",), grain="month", start=date(2024, 6, 15)))


def test_a_change_without_a_whole_period_before_has_no_rows(metrics: Metrics) -> None:
    result = metrics.query(MetricQuery(metrics=("trips_change_on_year",), grain="year"))
    assert result.rows == ()
    assert "in whole years" in result.notes[0]


def test_a_period_is_not_widened_to_whole_months(metrics: Metrics, fetch: Fetch) -> None:
    query = MetricQuery(metrics=("trips",), grain="month", start=date(2024, 6, 15), end=date(2024, 7, 15))
    result = metrics.query(query)
    days = "date_local between '2024-06-15' and '2024-07-15'"
    expected = fetch(f"select month(date_local), sum(trips) from {_TRIPS} and {days} group by 1 order by 1")
    assert result.rows == tuple((f"2024-{month:02}-01", trips) for month, trips in expected)
    whole = fetch(f"select sum(trips) from {_TRIPS} and date_local between '2024-06-01' and '2024-07-31'")
    assert sum(row[1] for row in result.rows) < whole[0][0]
    assert result.notes == (
        "the first month has only the days from 2024-06-15", "the last month has only the days until 2024-07-15",
    )  # fmt: skip


def test_a_cumulative_metric_has_no_row_after_the_last_complete_day(metrics: Metrics) -> None:
    result = metrics.query(
        MetricQuery(metrics=("trips_7d",), grain="day", start=date(2024, 12, 25), end=date(2025, 1, 5))
    )
    assert [row[0] for row in result.rows] == [f"2024-12-{day}" for day in range(25, 31)]
    assert "the last complete day is 2024-12-30; later days are left out" in result.notes


def test_a_cumulative_metric_of_a_period_counts_the_days_before_it(metrics: Metrics) -> None:
    everything = ask(metrics, "trips_7d", "day")
    part = ask(metrics, "trips_7d", "day", start=date(2024, 6, 15), end=date(2024, 6, 16))
    assert part == {(date(2024, 6, day),): everything[date(2024, 6, day),] for day in (15, 16)}


def test_a_cumulative_metric_filters_its_rides_and_not_its_days(metrics: Metrics, fetch: Fetch) -> None:
    where = [MetricFilter(dimension="member_casual", values=("member",))]
    found = ask(metrics, "trips_7d", "day", where=where, start=date(2024, 6, 15), end=date(2024, 6, 15))
    days = "date_local between '2024-06-09' and '2024-06-15'"
    assert list(found.values()) == [
        fetch(f"select sum(trips) from {_TRIPS} and {days} and member_casual = 'member'")[0][0]
    ]


def test_a_cumulative_metric_needs_a_grain(metrics: Metrics) -> None:
    with pytest.raises(
        MetricError, match="^trips_7d has a value per period only; name a grain, one of day, week, month$"
    ):
        metrics.query(MetricQuery(metrics=("trips_7d",)))


def test_days_that_no_file_has_are_not_zero(metrics: Metrics) -> None:
    query = MetricQuery(metrics=("trips", "active_stations"), start=date(2024, 8, 10), end=date(2024, 8, 14))
    result = metrics.query(query)
    assert result.rows == ()
    assert result.notes == (
        "nothing is loaded for trips, active_stations from 2024-08-10 to 2024-08-14; complete days are between "
        "2023-03-01 and 2024-12-30",
    )


@pytest.mark.parametrize(("start", "end"), [(date(2030, 1, 1), None), (None, date(2020, 1, 1))])
def test_a_period_outside_of_what_is_loaded_has_no_row_of_nulls(
    metrics: Metrics, start: date | None, end: date | None
) -> None:
    result = metrics.query(MetricQuery(metrics=("member_share",), start=start, end=end))
    assert result.rows == ()
    assert result.notes[0].startswith("nothing is loaded for member_share from ")


def test_a_raw_measure_is_unknown_and_not_suggested(metrics: Metrics) -> None:
    with pytest.raises(MetricError, match="there is no metric 'demand_trips'; near: ") as caught:
        metrics.query(MetricQuery(metrics=("demand_trips",)))
    assert "demand_trips" not in str(caught.value).partition("near:")[2]
    assert "trips" in str(caught.value).partition("near:")[2]


def test_a_value_is_never_sql(metrics: Metrics) -> None:
    attack = "1=1') union select name, 1 from core.fct_transactions --{{ 1 }} $start"
    query = MetricQuery(metrics=("trips",), where=(MetricFilter(dimension="member_casual", values=(attack,)),))
    result = metrics.query(query)
    assert result.rows == ()
    assert result.notes == ("no row matches the filters",)
    assert "'1=1'') union select name" in result.sql


@pytest.mark.parametrize("name", ["member_share", "member_trips", "casual_trips"])
def test_a_share_is_not_asked_by_the_dimension_of_its_numerator(metrics: Metrics, name: str) -> None:
    assert "member_casual" not in metrics.describe(name).dimensions
    for query in (
        MetricQuery(metrics=(name,), group_by=("member_casual",)),
        MetricQuery(metrics=(name,), where=(MetricFilter(dimension="member_casual", values=("member",)),)),
    ):
        with pytest.raises(MetricError, match=f"^{name} has no dimension 'member_casual'; "):
            metrics.query(query)


def test_days_without_a_name_are_one_row(metrics: Metrics, fetch: Fetch) -> None:
    share = "sum(if(member_casual = 'member', trips, 0)) / sum(if(member_casual != 'unknown', trips, 0))"
    joined = "marts.mart_demand_by_rider_daily inner join core.dim_dates using (date_local)"
    expected = fetch(f"select holiday, {share} from {joined} where is_complete group by 1 order by 1 nulls last")
    assert [row[0] for row in expected] == ["Independence Day", None]
    found = metrics.query(MetricQuery(metrics=("member_share", "trips_per_day"), group_by=("holiday",))).rows
    assert [row[:2] for row in found] == [(name, pytest.approx(value)) for name, value in expected]


def test_months_are_dates(metrics: Metrics) -> None:
    for name in ("trips", "trips_7d", "active_stations"):
        rows = metrics.query(
            MetricQuery(metrics=(name,), grain="month", start=date(2024, 6, 1), end=date(2024, 6, 30))
        ).rows
        assert [row[0] for row in rows] == ["2024-06-01"]


def test_metrics_of_several_tables_are_in_one_row_per_key(metrics: Metrics) -> None:
    query = MetricQuery(metrics=("mean_duration", "trips", "member_trips"), grain="quarter", start=date(2024, 1, 1))
    rows = metrics.query(query).rows
    assert len(rows) == 4
    by_kind = MetricQuery(metrics=("mean_duration", "trips"), group_by=("member_casual",), order_by=("-trips",))
    found = metrics.query(by_kind).rows
    assert [row[0] for row in found] == ["member", "casual", "unknown"]
    for row in found:
        alone = ask(metrics, "mean_duration", None, ["member_casual"])
        assert (alone[row[0],], ask(metrics, "trips", None, ["member_casual"])[row[0],]) == row[1:]


def test_a_filter_by_the_calendar_joins_the_days(metrics: Metrics, fetch: Fetch) -> None:
    for value in (True, "true"):
        found = ask(metrics, "trips", None, where=[MetricFilter(dimension="is_weekend", values=(value,))])
        assert found == {(): fetch(f"select sum(trips) from {_TRIPS} and isodow(date_local) >= 6")[0][0]}


@pytest.mark.parametrize(
    ("operator", "values", "sql"),
    [
        ("!=", ("member",), "!= 'member'"),
        ("in", ("member", "casual"), "in ('member', 'casual')"),
        ("not in", ("member", "casual"), "not in ('member', 'casual')"),
        (">=", ("m",), ">= 'm'"),
    ],
)
def test_operators_compare_as_sql_does(
    metrics: Metrics, fetch: Fetch, operator: str, values: tuple[str, ...], sql: str
) -> None:
    where = [{"dimension": "member_casual", "operator": operator, "values": values}]
    expected = fetch(f"select sum(trips) from {_TRIPS} and member_casual {sql}")[0][0]
    assert ask(metrics, "trips", None, where=where) == {(): expected}


def test_the_sql_of_an_answer_gives_the_answer(metrics: Metrics, fetch: Fetch) -> None:
    query = MetricQuery(
        metrics=("trips", "mean_duration"), group_by=("member_casual",), grain="year",
        where=(MetricFilter(dimension="weekday", operator="in", values=(6, 7)),), limit=2,
    )  # fmt: skip
    result = metrics.query(query)
    assert "there are more rows than the limit of 2" in result.notes
    assert [(str(day), *rest) for day, *rest in fetch(result.sql)][:2] == [tuple(row) for row in result.rows]
