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
-- its values in memory, and there are two for each ride, so they are counted by the metre, and only those of the metre
-- that has the median are put in order
{% for axis in ['latitude', 'longitude'] %}
{{ axis }}_cells as (

    select
        station_id,
        {{ coordinate_cell(axis) }} as cell,
        count(*) as visits

    from visits
    where {{ coordinate_cell(axis) }} is not null
    group by station_id, {{ coordinate_cell(axis) }}

),

{{ axis }}_ranks as (

    select
        station_id,
        cell,
        visits,
        sum(visits) over (partition by station_id order by cell) - visits as visits_before,
        sum(visits) over (partition by station_id) as all_visits

    from {{ axis }}_cells

),

{{ axis }}_middles as (

    select
        station_id,
        cell,
        visits_before,
        all_visits

    from {{ axis }}_ranks
    where 2 * visits_before < all_visits and all_visits <= 2 * (visits_before + visits)

),

{{ axis }}_places as (

    select
        visits.station_id,
        visits.{{ axis }},
        row_number() over (partition by visits.station_id order by visits.{{ axis }}) as place

    from visits
    inner join {{ axis }}_middles as middles
        on visits.station_id = middles.station_id and {{ coordinate_cell('visits.' ~ axis) }} = middles.cell

),

{{ axis }}_medians as (

    select
        places.station_id,
        places.{{ axis }}

    from {{ axis }}_places as places
    inner join {{ axis }}_middles as middles on places.station_id = middles.station_id
    -- of two middle values the lower one
    where 2 * (middles.visits_before + places.place) in (middles.all_visits, middles.all_visits + 1)

),

{% endfor %}
final as (

    select
        names.station_id,
        names.station_name,
        latitude_medians.latitude,
        longitude_medians.longitude

    from names
    left join latitude_medians on names.station_id = latitude_medians.station_id
    left join longitude_medians on names.station_id = longitude_medians.station_id

)

select * from final
