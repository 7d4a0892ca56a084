"""Bike files that are late, corrected and removed, and the months of `fct_trips` that each change writes."""

from dataclasses import replace

from sources.bike.golden import Ride, drop_bike_file, put_bike_file

from data_stack.settings import Settings

# the fact, with the staging models that it is built from
MODELS = ("stg_bike__files", "stg_bike__trips", "fct_trips")


def month_of_rides(month: int, number: int = 4) -> list[Ride]:
    """Rides on the first days of a month of 2024."""
    return [
        Ride(f"ride_{month}_{i}", f"2024-{month:02}-{i + 1:02} 08:00:00", f"2024-{month:02}-{i + 1:02} 08:30:00")
        for i in range(number)
    ]


MAY, JUNE, JULY, AUGUST = (month_of_rides(month) for month in (5, 6, 7, 8))
# a ride over the end of June: in June's file, and again in July's, where it ends a minute later
MOVED = Ride("moved", "2024-06-30 23:50:00", "2024-07-01 00:10:00")
MOVED_LATER = replace(MOVED, end="2024-07-01 00:11:00", to_station="C")
CHANGED = replace(JULY[0], end="2024-07-01 09:30:00")
NEW = Ride("new", "2024-07-09 08:00:00", "2024-07-09 08:01:00")


def put_may(settings: Settings) -> None:
    put_bike_file(settings, "may.zip", "2024-05-01", MAY)


def put_june(settings: Settings) -> None:
    put_bike_file(settings, "june.zip", "2024-06-01", [*JUNE, MOVED], cut_by_end=True)


def put_july(settings: Settings) -> None:
    put_bike_file(settings, "july.zip", "2024-07-01", [*JULY, MOVED_LATER], cut_by_end=True)


def correct_july(settings: Settings) -> None:
    """One ride changed, one added, one removed, and the moved one is gone, so it is taken from June's file."""
    put_bike_file(settings, "july.zip", "2024-07-01", [CHANGED, *JULY[2:], NEW], cut_by_end=True)


def move_ride_to_may(settings: Settings) -> None:
    """A ride moves from June's file to May's, which was not loaded before."""
    put_bike_file(settings, "june.zip", "2024-06-01", [*JUNE[1:], MOVED], cut_by_end=True)
    put_bike_file(settings, "may.zip", "2024-05-01", [*MAY, JUNE[0]])


def load_first(settings: Settings) -> None:
    """Files of which a later one stays as it is, one is corrected and one is removed."""
    put_may(settings)
    put_july(settings)
    put_bike_file(settings, "august.zip", "2024-08-01", AUGUST, cut_by_end=True)


def correct_months(settings: Settings) -> None:
    """June is late, July is corrected, August is removed."""
    put_june(settings)
    correct_july(settings)
    drop_bike_file(settings, "august.zip")


# the months whose rides these corrections change, of which the last one has none left, and one that they leave alone
CORRECTED_MONTHS = ["2024-06", "2024-07", "2024-08"]
EMPTIED_MONTH = "2024-08"
UNCHANGED_MONTH = "2024-05"
