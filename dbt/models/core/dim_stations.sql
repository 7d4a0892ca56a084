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

-- a renamed station has its most recent name
names as (

    select
        station_id,
        {{ latest_text('station_name', 'seen_at_local') }} as station_name

    from visits
    group by station_id

),

-- bikes report their own position, so single values scatter, and 0 means that the position failed; a median keeps all
-- its values in memory, and there are two for each ride, so they are counted: all by the metre, then those of the metre
-- that has the median by value; a row of the counts has a latitude or a longitude, so one pass counts both axes
positions as (

    select
        station_id,
        latitude,
        longitude,
        {{ coordinate_cell('latitude') }} as latitude_cell,
        {{ coordinate_cell('longitude') }} as longitude_cell

    from visits

),

cells as (

    select
        station_id,
        latitude_cell,
        longitude_cell,
        count(*) as visits

    from positions
    group by grouping sets ((station_id, latitude_cell), (station_id, longitude_cell))

),

ranked_cells as (

    select
        station_id,
        latitude_cell,
        longitude_cell,
        visits,
        sum(visits) over (
            partition by station_id, latitude_cell is null order by coalesce(latitude_cell, longitude_cell)
        ) as visits_up_to,
        sum(visits) over (partition by station_id, latitude_cell is null) as all_visits

    from cells
    -- positions that failed count for neither axis
    where coalesce(latitude_cell, longitude_cell) is not null

),

-- the cells that have the medians, and how many visits lie before them
middles as (

    select
        station_id,
        max(latitude_cell) as latitude_cell,
        max(longitude_cell) as longitude_cell,
        max(case when latitude_cell is not null then visits_up_to - visits end) as visits_before_latitude,
        max(case when longitude_cell is not null then visits_up_to - visits end) as visits_before_longitude,
        max(case when latitude_cell is not null then all_visits end) as all_latitude_visits,
        max(case when longitude_cell is not null then all_visits end) as all_longitude_visits

    from ranked_cells
    where 2 * (visits_up_to - visits) < all_visits and all_visits <= 2 * visits_up_to
    group by station_id

),

middle_positions as (

    select
        positions.station_id,
        case when positions.latitude_cell = middles.latitude_cell then positions.latitude end as latitude,
        case when positions.longitude_cell = middles.longitude_cell then positions.longitude end as longitude

    from positions
    inner join middles on positions.station_id = middles.station_id
    where positions.latitude_cell = middles.latitude_cell or positions.longitude_cell = middles.longitude_cell

),

middle_values as (

    select
        station_id,
        latitude,
        longitude,
        count(*) as visits

    from middle_positions
    group by grouping sets ((station_id, latitude), (station_id, longitude))

),

ranked_values as (

    select
        found.station_id,
        found.latitude,
        found.longitude,
        found.visits,
        case when found.latitude is null then middles.visits_before_longitude else middles.visits_before_latitude end
        + sum(found.visits) over (
            partition by found.station_id, found.latitude is null order by coalesce(found.latitude, found.longitude)
        ) as visits_up_to,
        case when found.latitude is null then middles.all_longitude_visits else middles.all_latitude_visits end
            as all_visits

    from middle_values as found
    inner join middles on found.station_id = middles.station_id
    where coalesce(found.latitude, found.longitude) is not null

),

-- of two middle values the lower one
medians as (

    select
        station_id,
        max(latitude) as latitude,
        max(longitude) as longitude

    from ranked_values
    where 2 * (visits_up_to - visits) < all_visits and all_visits <= 2 * visits_up_to
    group by station_id

),

final as (

    select
        names.station_id,
        names.station_name,
        medians.latitude,
        medians.longitude

    from names
    left join medians on names.station_id = medians.station_id

)

select * from final
