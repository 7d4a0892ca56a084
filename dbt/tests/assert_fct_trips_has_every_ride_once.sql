-- the facts contain every readable ride of the current files, from a current file version, and no other ride
with staged as (

    select distinct ride_id from {{ ref('stg_bike__trips') }}

),

facts as (

    select
        trips.ride_id,
        files.source_file is not null as is_current

    from {{ ref('fct_trips') }} as trips
    left join {{ ref('stg_bike__files') }} as files
        on trips.source_file = files.source_file and trips.load_id = files.load_id

)

select
    staged.ride_id as staged_ride_id,
    facts.ride_id as fact_ride_id
from staged
full join facts on staged.ride_id = facts.ride_id
where staged.ride_id is null or facts.ride_id is null or not facts.is_current
