"""Known oddities of bike trips, on both sides of their limits."""

from gate_cases import Bound

RIDES = 4000
# so many rides in November that 1 in 1,000 of them is not under the minimum count
MORE_RIDES = f"""
insert into raw.trips
select trips.* replace (printf('%016X', 100000 + i) as ride_id, 100000 + i as source_line)
from raw.trips, range({RIDES} - (select count(*) from raw.trips where batch = '202411.zip')) as numbers(i)
where source_line = 500;
update raw.files set rows_loaded = {RIDES} where batch = '202411.zip';
"""


def _bound(assignment: str, allowed: int) -> Bound:
    def corrupt(count: int) -> str:
        return f"{MORE_RIDES}; update raw.trips set {assignment} where source_line between 100000 and {99999 + count}"

    return Bound(corrupt, allowed, RIDES, "2024-11")


BOUNDS = {
    "is_before_opening": _bound("started_at_local = '2012-10-21'", RIDES // 1000),
    "is_far_from_file_month": _bound("started_at_local = '2024-08-31'", RIDES // 1000),
    "is_end_before_start": _bound("ended_at_local = started_at_local - interval 1 second", RIDES // 200),
    "is_third_rider_type": _bound("member_casual = 'Subscriber'", RIDES // 200),
    "is_member_casual_missing": _bound("member_casual = null", RIDES // 200),
}
