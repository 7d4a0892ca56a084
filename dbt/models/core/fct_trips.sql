{{
    config(
        materialized='incremental',
        incremental_strategy='file_version',
        file_versions='stg_bike__files',
        unique_key='ride_id',
        on_schema_change='fail'
    )
}}

with files as (

    select * from {{ ref('stg_bike__files') }}

),

{% if is_incremental() %}

changed_files as (

    select files.source_file
    from files
    where not exists (
        select 1
        from {{ this }} as applied
        where applied.source_file = files.source_file and applied.load_id = files.load_id
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
    where not exists (
        select 1
        from files
        where files.source_file = applied.source_file and files.load_id = applied.load_id
    )

),

{% endif %}

trips as (

    select
        trips.*,
        files.load_id,
        files.month

    from {{ ref('stg_bike__trips') }} as trips
    inner join files on trips.source_file = files.source_file
    {% if is_incremental() %}
    where trips.ride_id in (select affected.ride_id from affected)
    {% endif %}

),

ranked as (

    select
        *,
        row_number() over (partition by ride_id order by month desc, source_file desc) as file_rank

    from trips

),

-- a ride that is in two files is taken from the later month's file, in whatever order they were loaded
utc_candidates as (

    select
        *,
        {{ latest_utc('started_at_local') }} as latest_start_utc,
        {{ latest_utc('ended_at_local') }} as latest_end_utc

    from ranked
    where file_rank = 1

),

clock_changes as (

    select
        *,
        {{ occurs_twice('latest_start_utc', 'started_at_local') }} as is_start_twice,
        {{ occurs_twice('latest_end_utc', 'ended_at_local') }} as is_end_twice,
        {{ utc_to_local('latest_start_utc') }} != started_at_local as is_start_in_gap,
        {{ utc_to_local('latest_end_utc') }} != ended_at_local as is_end_in_gap

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
