"""Expectations on Citi Bike trips.

The thresholds come from the provider's own files of Jersey City. January to March 2024: of 171,855 rides, 66 last over
a day and 543 have no end station; all coordinates are inside the box below, and no day has fewer than 28 % of its
weekday's median rides. February to April 2021: 4 of 4,881, 9 of 17,123 and 3 of 23,774 rides end before they start.

A single row rejects a load only if it cannot be identified, replaced or counted: id, copies, times, file.
Oddities that the models flag, show as unknown or count on a day marked as incomplete reject it by their share of a
month's rides: a share of the load would let one bad month pass among the good ones of a backfill.
"""

import great_expectations.expectations as gxe

from data_quality.check import Check, Oddity, critical, warning

RIDE_TYPES = ["classic_bike", "docked_bike", "electric_bike", "electric_scooter"]
LATITUDES = {"min_value": 40.4, "max_value": 41.1}
LONGITUDES = {"min_value": -74.4, "max_value": -73.6}
_BASIS = "the rides of a month"

_ODDITIES = (
    Oddity(
        "is_before_opening",
        "The system opened in 2013, so an earlier start is wrong; the marts mark its day as incomplete.",
        share_max=0.001,
        share_reason="no such ride is known, so more than 1 in 1,000 means that times were read incorrectly",
        basis=_BASIS,
    ),
    Oddity(
        "is_far_from_file_month",
        "A file split by end time contains rides of the previous month; an earlier start is a bike lost for months, any"
        " other start is wrong. The marts mark its day as incomplete if its month is not loaded.",
        share_max=0.001,
        share_reason="even rides over a day are 4 in 10,000, so more than 1 in 1,000 is the wrong file",
        basis=_BASIS,
    ),
    Oddity(
        "is_end_before_start",
        "A ride that ends before it starts, even allowing for a daylight saving time change, has an incorrect time;"
        " core flags it, and it is not in the mean duration.",
        share_max=0.005,
        share_reason="six times the highest known share, 4 of 4,881 rides in February 2021",
        basis=_BASIS,
    ),
    Oddity(
        "is_third_rider_type",
        "A ride with a third rider type is in the total of the marts, but neither in the member nor the casual count.",
        share_max=0.005,
        share_reason="no such ride is known, and so few move the share of members by at most 0.5 percentage points",
        basis=_BASIS,
    ),
    Oddity(
        "is_member_casual_missing",
        "Every ride since March 2021 has a rider type; without it, the ride is counted as unknown in the marts.",
        share_max=0.005,
        share_reason="no such ride is known, and so few move the share of members by at most 0.5 percentage points",
        basis=_BASIS,
    ),
)

# a local time that the end of daylight saving time makes ambiguous is read as the later of its two instants
_START = "timezone('America/New_York', started_at_local)"
_END = "timezone('America/New_York', ended_at_local)"
# the case computes time zones, which are slow, for the few rides that seem to end before they start only
_TRIPS = f"""
trips as (
    select
        trips.*,
        files.month as file_month,
        case
            when ended_at_local >= started_at_local then false
            when timezone('America/New_York', {_START} - interval 1 hour) = started_at_local
                then {_END} < {_START} - interval 1 hour
            else {_END} < {_START}
        end as is_end_before_start,
        started_at_local < date '2013-01-01' as is_before_opening,
        abs(date_diff('month', file_month, started_at_local)) > 1 as is_far_from_file_month,
        member_casual not in ('member', 'casual') as is_third_rider_type,
        file_month >= date '2021-03-01' and member_casual is null as is_member_casual_missing
    from raw.trips
    left join raw.files on trips.batch = files.batch
    where trips._dlt_load_id = $load_id
)
"""

# grouping 8 bytes per ride takes a fraction of the memory of grouping its texts; only what may be repeated is compared
_ROWS = f"""
with hashes as (
    select hash(batch, ride_id) as ride_hash
    from raw.trips
    where batch in (select distinct batch from raw.trips where _dlt_load_id = $load_id)
    group by ride_hash
    having count(*) > 1
),
repeated as (
    select batch, ride_id, count(*) as copies
    from raw.trips
    where hash(batch, ride_id) in (select ride_hash from hashes)
    group by batch, ride_id
    having count(*) > 1
),
{_TRIPS}
select
    coalesce(trips.ride_id, concat_ws(':', trips.batch, source_line)) as key,
    trips.ride_id,
    coalesce(repeated.copies, 1) as copies_in_file,
    started_at_local,
    ended_at_local,
    file_month,
    {", ".join(oddity.column for oddity in _ODDITIES)},
    date_diff('second', started_at_local, ended_at_local) / 3600 as duration_hours,
    rideable_type,
    file_month >= date '2021-03-01' and rideable_type is null as is_rideable_type_missing,
    start_latitude,
    start_longitude,
    end_latitude,
    end_longitude,
    start_station_id,
    end_station_id
from trips
left join repeated on trips.batch = repeated.batch and trips.ride_id = repeated.ride_id
"""

_SHARES = f"""
with {_TRIPS},
shares as (
    select file_month, {", ".join(oddity.share_sql for oddity in _ODDITIES)}
    from trips
    group by file_month
)
select
    strftime(files.month, '%Y-%m') as key,
    {", ".join(oddity.share_column for oddity in _ODDITIES)}
from (select distinct month from raw.files where _dlt_load_id = $load_id) as files
left join shares on files.month = shares.file_month
order by files.month
"""

_DAYS = """
with load_months as (
    select distinct month from raw.files where _dlt_load_id = $load_id
),
days as (
    select unnest(generate_series(month::timestamp, last_day(month)::timestamp, interval 1 day))::date as day
    from (select distinct month from raw.files)
    where month between (select min(month) from load_months) - interval 3 month and (select max(month) from load_months)
),
counts as (
    select started_at_local::date as day, count(*) as rides
    from raw.trips
    where started_at_local >= (select min(day) from days)
        and started_at_local < (select max(day) from days) + interval 1 day
    group by 1
),
daily as (
    select days.day, coalesce(counts.rides, 0) as rides from days left join counts on days.day = counts.day
),
compared as (
    select day, rides, median(rides) over weeks_before as usual_rides, count(*) over weeks_before as weeks
    from daily
    window weeks_before as (
        partition by dayofweek(day) order by day range between interval 56 day preceding and interval 7 day preceding
    )
)
select
    day::text as key,
    rides,
    case when weeks >= 3 and usual_rides > 0 then rides / usual_rides end as share_of_weekdays_before
from compared
where date_trunc('month', day) in (select month from load_months)
order by day
"""

# a truncated file has many days without rides, which tells it from a month of snow
_MONTHS = """
with daily as (
    select batch, started_at_local::date as day, count(*) as rides from raw.trips group by all
),
counts as (
    select
        daily.batch,
        sum(daily.rides) as rides,
        count(distinct daily.day) filter (where date_trunc('month', daily.day) = files.month) as days
    from daily
    inner join raw.files on daily.batch = files.batch
    group by daily.batch
),
months as (
    select
        files.month,
        bool_or(files._dlt_load_id = $load_id) as is_of_load,
        sum(counts.rides) as rides,
        day(last_day(files.month)) - max(counts.days) as days_without_rides
    from raw.files
    left join counts on files.batch = counts.batch
    group by files.month
),
compared as (
    select
        month,
        is_of_load,
        days_without_rides,
        rides / nullif(avg(rides) over (
            order by month range between interval 6 month preceding and interval 1 month preceding
        ), 0) as share_of_months_before
    from months
)
select
    strftime(month, '%Y-%m') as key,
    share_of_months_before,
    share_of_months_before < 0.1 or (share_of_months_before < 0.2 and days_without_rides >= 7) as is_truncated
from compared
where is_of_load
order by month
"""

_FILES = """
with counts as (
    select batch, count(*) as rides from raw.trips where _dlt_load_id = $load_id group by batch
)
select
    files.batch as key,
    files.rows_loaded - coalesce(counts.rides, 0) as rides_missing,
    files.rows_rejected / nullif(files.rows_read, 0) as rejected_share
from raw.files
left join counts on files.batch = counts.batch
where files._dlt_load_id = $load_id
order by files.batch
"""

_ROW_EXPECTATIONS = (
    *(oddity.row_warning for oddity in _ODDITIES),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "ride_id",
        "A ride without an id cannot be replaced when the provider corrects its file.",
    ),
    critical(
        gxe.ExpectColumnValuesToMatchRegex,
        "ride_id",
        "An id has 16 hex digits (32 if it is derived); any other form was damaged, for example by a spreadsheet.",
        regex=r"^([0-9A-Fa-f]{16}|[0-9a-f]{32})$",
    ),
    critical(
        gxe.ExpectColumnValuesToBeBetween,
        "copies_in_file",
        "Each ride appears once in its file; a duplicate row would be counted twice.",
        max_value=1,
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "started_at_local",
        "A ride without a start time belongs to no day and no hour, so their counts are too low.",
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "ended_at_local",
        "A ride without an end time has no duration, so it is missing from the mean duration.",
    ),
    critical(
        gxe.ExpectColumnValuesToNotBeNull,
        "file_month",
        "The month of the file shows which months are covered; a ride from an unrecorded file cannot be replaced.",
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "duration_hours",
        "A ride over 24 hours is a lost or badly docked bike; 4 in 10,000 are normal, 1 in 100 distorts the mean.",
        max_value=24,
        mostly=0.99,
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "rideable_type",
        "A new vehicle type is not a data error, but the dashboard and the documentation do not know it yet.",
        value_set=RIDE_TYPES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeInSet,
        "is_rideable_type_missing",
        "Every ride since March 2021 has a vehicle type; if it is missing, counts by vehicle type are too low.",
        value_set=[False],
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "start_latitude",
        "A start outside New York and Jersey City, such as 0, moves its station on the map; older files contain a few.",
        mostly=0.999,
        **LATITUDES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "start_longitude",
        "A start outside New York and Jersey City, such as 0, moves its station on the map; older files contain a few.",
        mostly=0.999,
        **LONGITUDES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "end_latitude",
        "An end outside New York and Jersey City, such as 0, moves its station on the map; older files contain a few.",
        mostly=0.999,
        **LATITUDES,
    ),
    warning(
        gxe.ExpectColumnValuesToBeBetween,
        "end_longitude",
        "An end outside New York and Jersey City, such as 0, moves its station on the map; older files contain a few.",
        mostly=0.999,
        **LONGITUDES,
    ),
    warning(
        gxe.ExpectColumnValuesToNotBeNull,
        "start_station_id",
        "Station flows exclude rides without a start station; 4 in 10,000 are normal, 5 in 100 could hide a trend.",
        mostly=0.95,
    ),
    warning(
        gxe.ExpectColumnValuesToNotBeNull,
        "end_station_id",
        "Station flows exclude rides without an end station; 3 in 1,000 are normal, 5 in 100 could hide a trend.",
        mostly=0.95,
    ),
)

CHECKS = (
    Check("rows", _ROWS, _ROW_EXPECTATIONS, observed=frozenset({"duration_hours"})),
    Check(
        "shares",
        _SHARES,
        tuple(oddity.share_limit for oddity in _ODDITIES),
        observed=frozenset(oddity.share_column for oddity in _ODDITIES),
    ),
    Check(
        "days",
        _DAYS,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "rides",
                "A covered day without rides is a gap in the file, unless the system was closed (as in a blizzard).",
                min_value=1,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "share_of_weekdays_before",
                "A day with under a fifth of its weekday's median in 8 weeks is a storm or a gap in the file.",
                min_value=0.2,
            ),
        ),
        observed=frozenset({"rides", "share_of_weekdays_before"}),
    ),
    Check(
        "months",
        _MONTHS,
        (
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "share_of_months_before",
                "A month with under a fifth of the mean of the 6 months before is a month of snow or an incomplete"
                " file; February 2021 had 4,881 rides, after 28,000 per month in 2020.",
                min_value=0.2,
            ),
            critical(
                gxe.ExpectColumnValuesToBeInSet,
                "is_truncated",
                "With under a tenth of the mean of the 6 months before, or under a fifth and 7 days without rides, the"
                " file is truncated: a storm closes the system for a few days, and no winter month is that low.",
                value_set=[False],
            ),
        ),
        observed=frozenset({"share_of_months_before"}),
    ),
    Check(
        "files",
        _FILES,
        (
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "rides_missing",
                "The raw table must contain the rides counted in the file; otherwise some were lost or duplicated.",
                min_value=0,
                max_value=0,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "rejected_share",
                "Rejected rows are missing from every number; look at them if they are more than 1 in 1,000.",
                max_value=0.001,
            ),
        ),
        observed=frozenset({"rides_missing", "rejected_share"}),
    ),
)
