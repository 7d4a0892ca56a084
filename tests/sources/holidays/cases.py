"""Cases of the holidays suite: each corrupts one thing in the clean raw file."""

from gate_cases import BETWEEN, IN_SET, LOAD, NOT_NULL, Case, critical, warning


def holiday(assignment: str, where: str = "date = '2024-10-14'") -> str:
    return f"update raw.holidays set {assignment} where _dlt_load_id = '{LOAD}' and {where};"


COLUMBUS = ("2024-10-14 Columbus Day",)
YEAR = ("2024",)

CASES = [
    Case("no key", holiday("holiday_id = null"), (critical(NOT_NULL, "holiday_id", 1, COLUMBUS),)),
    Case(
        "a duplicate holiday",
        f"insert into raw.holidays from raw.holidays where date = '2024-10-14' and _dlt_load_id = '{LOAD}'",
        (critical(BETWEEN, "copies_of_holiday", 2, COLUMBUS * 2),),
    ),
    Case(
        "no date",
        holiday("date = null"),
        (critical(NOT_NULL, "date", 1, ("Columbus Day",)), critical(IN_SET, "is_in_year", 1, ("Columbus Day",))),
    ),
    Case(
        "a date of another year",
        holiday("date = '2023-10-09'"),
        (critical(IN_SET, "is_in_year", 1, ("2023-10-09 Columbus Day",)),),
    ),
    Case("no name", holiday("name = null"), (critical(NOT_NULL, "name", 1, ("2024-10-14",)),)),
    Case(
        "no scope",
        holiday("is_global = null"),
        (critical(NOT_NULL, "is_global", 1, COLUMBUS), warning(IN_SET, "is_scope_clear", 1, COLUMBUS)),
    ),
    Case("a state's holiday without states", holiday("counties = null"), (warning(IN_SET, "is_scope_clear"),)),
    Case("an unknown type", holiday("types = 'Public,Feast'"), (warning(BETWEEN, "unknown_types", 1, COLUMBUS),)),
    Case("no type", holiday("types = null"), (warning(BETWEEN, "unknown_types", 1, COLUMBUS),)),
    Case(
        "one nationwide holiday is missing",
        f"delete from raw.holidays where date = '2024-09-02' and _dlt_load_id = '{LOAD}'",
        (warning(BETWEEN, "nationwide_vanished", 1, YEAR),),
    ),
    Case(
        "three nationwide holidays are optional",
        holiday("types = 'Optional'", "date < '2024-02-20'"),
        (critical(BETWEEN, "nationwide_days", 1, YEAR), warning(BETWEEN, "nationwide_vanished", 1, YEAR)),
    ),
    Case(
        "too many nationwide holidays",
        "insert into raw.holidays select * exclude (day)"
        " replace (holiday_id || day as holiday_id, date + day::int as date)"
        f" from raw.holidays, range(1, 13) as days(day) where date = '2024-07-04' and _dlt_load_id = '{LOAD}'",
        (critical(BETWEEN, "nationwide_days", 1, YEAR),),
    ),
    Case("a second country", holiday("country_code = 'CA'"), (critical(BETWEEN, "countries", 1, YEAR),)),
]
