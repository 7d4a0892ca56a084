"""The entry of public holidays in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "holidays",
    "Public holidays",
    table="holidays",
    key="holiday_id",
    # by year, because a document of a year is complete: a holiday that it no longer has is gone
    replaces=("year",),
    fact="core.fct_holidays",
    day="date_local",
    days_of="bike",
)
