{{
    config(
        materialized='incremental',
        incremental_strategy='file_version',
        file_versions='stg_bike__files',
        unique_key='ride_id',
        month_of='date_local',
        on_schema_change='fail'
    )
}}

with files as (

    select * from {{ ref('stg_bike__files') }}

),

{% if is_incremental() %}

applied_files as (

    select distinct
        source_file,
        load_id

    from {{ this }}

),

changed_files as (

    select files.source_file
    from files
    where not exists (
        select 1
        from applied_files
        where applied_files.source_file = files.source_file and applied_files.load_id = files.load_id
    )

),

removed_files as (

    select
        source_file,
        load_id

    from applied_files
    where not exists (
        select 1
        from files
        where files.source_file = applied_files.source_file and files.load_id = applied_files.load_id
    )

),

-- rides of new file versions, from staging, and of versions that are gone, from this table
affected as (

    select trips.ride_id
    from {{ ref('stg_bike__trips') }} as trips
    inner join changed_files on trips.source_file = changed_files.source_file

    union

    select applied.ride_id
    from {{ this }} as applied
    inner join removed_files
        on applied.source_file = removed_files.source_file and applied.load_id = removed_files.load_id

),

-- all other files are read no further than their ride ids
affected_files as (

    select source_file
    from {{ ref('stg_bike__trips') }}
    group by source_file
    having {{ dbt.bool_or('ride_id in (select affected.ride_id from affected)') }}

),

{% endif %}

-- only the rides with several rows have to be ranked, and they are few
repeated as (

    select ride_id
    from {{ ref('stg_bike__trips') }}
    {% if is_incremental() %}
    where
        source_file in (select affected_files.source_file from affected_files)
        and ride_id in (select affected.ride_id from affected)
    {% endif %}
    group by ride_id
    having count(*) > 1

),

ranked as (

    select
        trips.*,
        files.load_id,
        row_number() over (
            partition by trips.ride_id
            order by files.month desc, trips.source_file desc
        ) as file_rank

    from {{ ref('stg_bike__trips') }} as trips
    inner join files on trips.source_file = files.source_file
    where trips.ride_id in (select repeated.ride_id from repeated)

),

-- a ride that is in two files is taken from the later month's file, in whatever order they were loaded
trips as (

    select
        trips.*,
        files.load_id,
        1 as file_rank

    from {{ ref('stg_bike__trips') }} as trips
    inner join files on trips.source_file = files.source_file
    left join repeated on trips.ride_id = repeated.ride_id
    where
        repeated.ride_id is null
        {% if is_incremental() %}
        and trips.source_file in (select affected_files.source_file from affected_files)
        and trips.ride_id in (select affected.ride_id from affected)
        {% endif %}

    union all

    select * from ranked
    where file_rank = 1

),

months as (

    select distinct month from files

),

-- the hours of a file's month, of the day before it and of the day after it
hours_of_months as (

    select
        {{ each_hour(dbt.dateadd('day', -1, 'month'), dbt.dateadd('day', 1, dbt.dateadd('month', 1, 'month'))) }}
            as hour_local

    from months

),

hours_once as (

    select distinct cast(hour_local as timestamp) as hour_local from hours_of_months

),

-- time zones are converted per hour, not per ride: the offset of the zone changes only at a full hour
hours_in_utc as (

    select
        hour_local,
        {{ latest_utc('hour_local') }} as latest_utc

    from hours_once

),

hours as (

    select
        hour_local,
        {{ dbt.datediff('hour_local', 'latest_utc', 'second') }} as seconds_to_utc,
        {{ occurs_twice('latest_utc', 'hour_local') }} as is_twice,
        {{ utc_to_local('latest_utc') }} != hour_local as is_in_gap

    from hours_in_utc

),

-- a time outside the hours of its file, which is rare, is converted itself
utc_candidates as (

    select
        trips.*,
        start_hours.is_twice as is_start_hour_twice,
        start_hours.is_in_gap as is_start_hour_in_gap,
        end_hours.is_twice as is_end_hour_twice,
        end_hours.is_in_gap as is_end_hour_in_gap,
        coalesce(
            {{ dbt.dateadd('second', 'start_hours.seconds_to_utc', 'trips.started_at_local') }},
            {{ latest_utc('trips.started_at_local') }}
        ) as latest_start_utc,
        coalesce(
            {{ dbt.dateadd('second', 'end_hours.seconds_to_utc', 'trips.ended_at_local') }},
            {{ latest_utc('trips.ended_at_local') }}
        ) as latest_end_utc

    from trips
    left join hours as start_hours on {{ dbt.date_trunc('hour', 'trips.started_at_local') }} = start_hours.hour_local
    left join hours as end_hours on {{ dbt.date_trunc('hour', 'trips.ended_at_local') }} = end_hours.hour_local

),

clock_changes as (

    select
        *,
        coalesce(is_start_hour_twice, {{ occurs_twice('latest_start_utc', 'started_at_local') }}) as is_start_twice,
        coalesce(is_end_hour_twice, {{ occurs_twice('latest_end_utc', 'ended_at_local') }}) as is_end_twice,
        coalesce(is_start_hour_in_gap, {{ utc_to_local('latest_start_utc') }} != started_at_local) as is_start_in_gap,
        coalesce(is_end_hour_in_gap, {{ utc_to_local('latest_end_utc') }} != ended_at_local) as is_end_in_gap

    from utc_candidates

),

-- a local start that does not exist (spring) is read one hour later, unless the ride had ended by then
starts as (

    select
        *,
        case
            when is_start_twice or (is_start_in_gap and latest_end_utc < latest_start_utc)
                then {{ dbt.dateadd('hour', -1, 'latest_start_utc') }}
            else latest_start_utc
        end as started_at_utc

    from clock_changes

),

-- of two possible ends (autumn) the earlier one counts, unless only the later one is not before the start
ends as (

    select
        *,
        case
            when not is_end_twice then latest_end_utc
            when latest_end_utc >= started_at_utc and {{ dbt.dateadd('hour', -1, 'latest_end_utc') }} < started_at_utc
                then latest_end_utc
            else {{ dbt.dateadd('hour', -1, 'latest_end_utc') }}
        end as ended_at_utc

    from starts

),

durations as (

    select
        *,
        cast(
            {{ dbt.datediff('started_at_utc', 'ended_at_utc', 'millisecond') }} * 0.001 as decimal(14, 3)
        ) as duration_seconds

    from ends

),

final as (

    select
        ride_id,
        started_at_local,
        started_at_utc,
        ended_at_local,
        ended_at_utc,
        duration_seconds,
        rideable_type,
        member_casual,
        start_station_id,
        end_station_id,
        cast(started_at_local as date) as date_local,
        {{ dbt.date_trunc('hour', 'started_at_utc') }} as hour_utc,
        duration_seconds < 0 as is_end_before_start,
        duration_seconds > 86400 as is_longer_than_day,
        duration_seconds >= 0 and duration_seconds < 60 as is_shorter_than_minute,
        is_start_twice or is_end_twice or is_start_in_gap or is_end_in_gap as is_in_clock_change,
        start_station_id is not null as has_start_station,
        end_station_id is not null as has_end_station,
        source_file,
        load_id

    from durations

)

select * from final
