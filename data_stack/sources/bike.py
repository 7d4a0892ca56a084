"""The entry of Citi Bike trips in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "bike",
    "Citi Bike trips",
    table="trips",
    key="ride_id",
    # by month, not by file: the provider renames files when it fixes them
    replaces=("month",),
    fact="core.fct_trips",
    day="date_local",
    provider_words=("Bike ID", "Citi Bike", "classic_bike", "docked_bike", "electric_bike"),
)
