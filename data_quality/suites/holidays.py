"""Expectations on public holidays from Nager.Date: complete years, each holiday once, a plausible number of them.

A document that lost half of its holidays looks like a correct one and would turn holidays into ordinary days of
comparison, so the number of nationwide holidays per year has limits.
"""

import great_expectations.expectations as gxe

from data_quality.check import Check, critical, warning

# the types that the API documents
KNOWN_TYPES = ("Public", "Bank", "School", "Authorities", "Optional", "Observance")

_IS_NATIONWIDE = "is_global and list_contains(string_split(types, ','), 'Public')"

_ROWS = f"""
with holidays as (select * from raw.holidays where _dlt_load_id = $load_id),
repeated as (select holiday_id, count(*) as copies from holidays group by holiday_id having count(*) > 1)
select
    coalesce(nullif(concat_ws(' ', holidays.date, holidays.name), ''), 'a holiday without date and name') as key,
    holidays.holiday_id,
    coalesce(repeated.copies, 1) as copies_of_holiday,
    holidays.date,
    year(holidays.date) is not distinct from holidays.year as is_in_year,
    holidays.name,
    holidays.is_global,
    is_global is not distinct from (counties is null) as is_scope_clear,
    len(list_filter(
        string_split(coalesce(types, 'no type'), ','), lambda kind: not list_contains({list(KNOWN_TYPES)}, kind)
    )) as unknown_types
from holidays
left join repeated on holidays.holiday_id = repeated.holiday_id
"""

_YEARS = f"""
with nationwide as (
    select year, date, name, _dlt_load_id = $load_id as is_new from raw.holidays where {_IS_NATIONWIDE}
),
vanished as (
    select year, date, name from nationwide where not is_new
    except
    select year, date, name from nationwide where is_new
)
select
    years.year::text as key,
    (select count(distinct date) from nationwide where nationwide.year = years.year and is_new) as nationwide_days,
    (select count(*) from vanished where vanished.year = years.year) as nationwide_vanished,
    (
        select count(distinct country_code) from raw.holidays
        where holidays.year = years.year and _dlt_load_id = $load_id
    ) as countries
from raw.years as years
where _dlt_load_id = $load_id
order by years.year
"""

CHECKS = (
    Check(
        "rows",
        _ROWS,
        (
            critical(
                gxe.ExpectColumnValuesToNotBeNull, "holiday_id", "Without its key a holiday cannot be told from others."
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "copies_of_holiday",
                "Each holiday appears once per year; a duplicate holiday would be listed twice.",
                max_value=1,
            ),
            critical(gxe.ExpectColumnValuesToNotBeNull, "date", "A holiday without a date marks no day."),
            critical(
                gxe.ExpectColumnValuesToBeInSet,
                "is_in_year",
                "A document has the holidays of its year; a later document of another year would not replace this row.",
                value_set=[True],
            ),
            critical(gxe.ExpectColumnValuesToNotBeNull, "name", "The calendar and the pages show the name of a day."),
            critical(
                gxe.ExpectColumnValuesToNotBeNull,
                "is_global",
                "Only nationwide holidays mark a day, so without this flag a holiday would be missing unnoticed.",
            ),
            warning(
                gxe.ExpectColumnValuesToBeInSet,
                "is_scope_clear",
                "A nationwide holiday has no counties, and any other one names them; otherwise the flag may be wrong.",
                value_set=[True],
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "unknown_types",
                "The provider documents six types; a holiday of another or no type is not counted as nationwide.",
                max_value=0,
            ),
        ),
    ),
    Check(
        "years",
        _YEARS,
        (
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "nationwide_days",
                "The United States have 10 or 11 nationwide holidays, other countries 8 to 20; with another number the"
                " document is incomplete or its flags have changed.",
                min_value=8,
                max_value=20,
            ),
            warning(
                gxe.ExpectColumnValuesToBeBetween,
                "nationwide_vanished",
                "A nationwide holiday of the earlier document is missing or has moved, which is rare; compare the two.",
                max_value=0,
            ),
            critical(
                gxe.ExpectColumnValuesToBeBetween,
                "countries",
                "The warehouse has the holidays of one country; those of another one would mark ordinary days.",
                max_value=1,
            ),
        ),
        observed=frozenset({"nationwide_days", "nationwide_vanished"}),
    ),
)
