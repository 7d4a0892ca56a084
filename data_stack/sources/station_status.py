"""The entry of Citi Bike's station status in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "station_status",
    "Citi Bike station status",
    table="reports",
    key="station_id",
    replaces=("station_id", "last_reported_utc"),
    fact="core.fct_station_status",
    day="date_local",
    has_window=False,
)
