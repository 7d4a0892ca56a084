"""Expectations on the feed of stations.

A single impossible count or time rejects a load: the models turn each report into minutes without a flag. What can be
true of a correct feed, such as stations that are offline or a rebuilt station, is a warning.
"""

import great_expectations.expectations as gxe

from data_quality.check import Check, critical, warning

COUNTS = (
    "num_bikes_available",
    "num_ebikes_available",
    "num_bikes_disabled",
    "num_docks_available",
    "num_docks_disabled",
)

_ROWS = f"""
with repeated as (
    select station_id, last_reported_utc, count(*) as copies
    from raw.reports
    group by station_id, last_reported_utc
    having count(*) > 1
),
reports as (
    select *, num_bikes_available + num_bikes_disabled + num_docks_available + num_docks_disabled as capacity
    from raw.reports
),
-- of three reports at least: with fewer, nobody knows what is usual
usual as (
    select station_id, median(capacity) as capacity from reports group by station_id having count(capacity) >= 3
)
select
    concat_ws(
        ' at ',
        coalesce(reports.station_id, 'a station without an identifier'),
        strftime(reports.last_reported_utc, '%Y-%m-%d %H:%M:%S')
    ) as key,
    reports.station_id,
    reports.last_reported_utc,
    {", ".join(f"reports.{name}" for name in COUNTS)},
    polls.last_updated_utc as document_time,
    coalesce(repeated.copies, 1) as copies_of_report,
    date_diff('second', polls.last_updated_utc, reports.last_reported_utc) as seconds_after_document,
    case when reports.is_installed and (reports.is_renting or reports.is_returning)
        then reports.capacity / nullif(usual.capacity, 0) end as capacity_to_usual
from reports
left join raw.polls on reports.batch = polls.batch and reports._dlt_load_id = polls._dlt_load_id
left join repeated
    on reports.station_id = repeated.station_id and reports.last_reported_utc = repeated.last_reported_utc
left join usual on reports.station_id = usual.station_id
where reports._dlt_load_id = $load_id
"""

# a sample has times of its own, so only a live document can be stale
_POLLS = """
with polls as (
    select *, stations / nullif(lag(stations) over (order by last_updated_utc, batch), 0) as stations_to_before
    from raw.polls
)
select
    batch as key,
    stations,
    stations_to_before,
    stations_silent / nullif(stations - stations_never_reported, 0) as silent_share,
    case when (select max(origin) from raw.provider) = 'live'
        then date_diff('minute', last_updated_utc, fetched_at_utc) / 60 end as hours_behind
from polls
where _dlt_load_id = $load_id
order by last_updated_utc, batch
"""

CHECKS = (
    Check(
        "rows",
        _ROWS,
        (
            critical(
                gxe.ExpectColumnValuesToNotBeNull,
                "station_id",
                "The station is part of the key of a report; without it a later load cannot replace the report.",
            ),
            critical(
                gxe.ExpectColumnValuesToNotBeNull,
                "last_reported_utc",
                "A report holds from its time to the next one; without a time it is no minute of any day.",
            ),
            critical(
                gxe.ExpectColumnValuesToNotBeNull,
                "num_bikes_available",
                "Without its number of bikes nobody knows whether a station was empty.",
            ),
            critical(
                gxe.ExpectColumnValuesToNotBeNull,
                "document_time",
                "Every report comes with a document of the same load, whose time says whether the report can be true.",
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "copies_of_report",
                "Each report of a station appears once; of two, one would hold for no time and hide the other.",
                max_value=1,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "seconds_after_document",
                "A report is older than its document, give or take five minutes of differing clocks; one from the"
                " future was read incorrectly, and would end the report before it too late.",
                max_value=300,
            ),
            *(
                critical(
                    gxe.ExpectColumnValuesToBeBetween,
                    name,
                    "No station has a negative number of bikes or docks, or over 1,000 of them; such a value is a"
                    " placeholder, and the station would count as empty, full or available by mistake.",
                    min_value=0,
                    max_value=1000,
                )
                for name in COUNTS
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "capacity_to_usual",
                "Bikes and docks add up to about the same number in each report of a station; half or double of the"
                " median is a rebuilt station, or numbers that do not belong together.",
                min_value=0.5,
                max_value=2,
            ),
        ),
        observed=frozenset({*COUNTS, "seconds_after_document", "capacity_to_usual"}),
    ),
    Check(
        "polls",
        _POLLS,
        (
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "stations",
                "A document lists every station of the system; one without any says nothing about them.",
                min_value=1,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "stations_to_before",
                "Stations are built and removed one by one; with a tenth fewer than in the document before, a part of"
                " the system is missing, and its minutes are not observed.",
                min_value=0.9,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "silent_share",
                "A station reports every few minutes; if over a fifth have not for three hours, the system is down or"
                " the feed is old.",
                max_value=0.2,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "hours_behind",
                "The document is renewed every minute; if its own time is over two hours before it was fetched, it is"
                " stale, and nobody observes the stations now.",
                max_value=2,
            ),
        ),
        observed=frozenset({"stations", "stations_to_before", "silent_share", "hours_behind"}),
    ),
)
