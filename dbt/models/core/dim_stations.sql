with staged_files as (

    select
        source_file,
        count(*) as rides

    from {{ ref('stg_bike__trips') }}
    group by source_file

),

taken_files as (

    select
        source_file,
        count(*) as rides

    from {{ ref('fct_trips') }}
    group by source_file

),

-- nearly every file: all its rides count, so they need not be compared one by one
whole_files as (

    select staged_files.source_file
    from staged_files
    inner join taken_files
        on staged_files.source_file = taken_files.source_file and staged_files.rides = taken_files.rides

),

partial_files as (

    select source_file from staged_files
    where source_file not in (select whole_files.source_file from whole_files)

),

winners as (

    select
        facts.ride_id,
        facts.source_file

    from {{ ref('fct_trips') }} as facts
    inner join partial_files on facts.source_file = partial_files.source_file

),

-- starts and ends are read one after the other, so that nothing has to be kept
visits as (

    {% for side, moment, files in [
        ('start', 'started_at_local', 'whole_files'), ('start', 'started_at_local', 'partial_files'),
        ('end', 'ended_at_local', 'whole_files'), ('end', 'ended_at_local', 'partial_files')
    ] %}
    select
        trips.{{ side }}_station_id as station_id,
        trips.{{ side }}_station_name as station_name,
        trips.{{ side }}_latitude as latitude,
        trips.{{ side }}_longitude as longitude,
        trips.{{ moment }} as seen_at_local

    from {{ ref('stg_bike__trips') }} as trips
    inner join {{ files }} on trips.source_file = {{ files }}.source_file
    {% if files == 'partial_files' %}
    inner join winners on trips.ride_id = winners.ride_id and trips.source_file = winners.source_file
    {% endif %}
    where trips.{{ side }}_station_id is not null

    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- a renamed station has its most recent name; bikes report their own position, so single values scatter, and 0 means
-- that the position failed
final as (

    select
        station_id,
        {{ latest_text('station_name', 'seen_at_local') }} as station_name,
        {{ lower_median('nullif(latitude, 0)') }} as latitude,
        {{ lower_median('nullif(longitude, 0)') }} as longitude

    from visits
    group by station_id

)

select * from final
