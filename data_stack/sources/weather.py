"""The entry of Open-Meteo hourly weather in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "weather",
    "Open-Meteo hourly weather",
    table="hours",
    key="hour_utc",
    replaces=("place_id", "hour_utc"),
    fact="core.fct_weather_hourly",
    day="date_local",
    days_of="bike",
    provider_words=("weather_code",),
)
