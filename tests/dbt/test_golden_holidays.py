"""The holidays of the golden data: facts, calendar, and their effect on rides, computed by hand."""

from datetime import date

from dbt_support import rows

from data_stack.settings import Settings


def test_a_holiday_is_one_row_per_date_and_name(golden: Settings) -> None:
    assert rows(golden, "select * from core.fct_holidays order by 1, 2") == [
        (date(2024, 3, 4), "Optional Monday", False, 1),
        (date(2024, 3, 11), "Bridge Monday", True, 1),
        (date(2024, 3, 11), "Second Monday", True, 1),
        (date(2024, 3, 18), "State Monday", False, 2),
        (date(2024, 3, 25), "Last Monday", True, 1),
        (date(2024, 11, 3), "Autumn Sunday", True, 1),
        (date(2024, 12, 25), "Christmas Day", True, 1),
    ]


def test_the_calendar_has_the_nationwide_holidays_of_its_days(golden: Settings) -> None:
    found = rows(golden, "select date_local, holiday from core.dim_dates where is_holiday order by 1")
    assert found == [
        (date(2024, 3, 11), "Bridge Monday, Second Monday"),
        (date(2024, 3, 25), "Last Monday"),
        (date(2024, 11, 3), "Autumn Sunday"),
    ]
    # 2024 is loaded, so every other day of it is none; Christmas is after the last day of any source
    assert rows(golden, "select count(*) from core.dim_dates where is_holiday is null or year != 2024") == [(0,)]


def test_holidays_are_compared_with_ordinary_days_of_their_weekday(golden: Settings) -> None:
    assert rows(golden, "select * from marts.mart_holiday_effect order by 1") == [
        # the Mondays 4 and 18 March have 3 and 1 rides; that of the 25th is a holiday too
        (date(2024, 3, 11), "Bridge Monday, Second Monday", 1, 4, 2.0, 2, 2.0, 1.0),
        (date(2024, 3, 25), "Last Monday", 1, 0, 2.0, 2, -2.0, -1.0),
        # the Sundays 10, 17 and 24 November have no ride; October is not loaded
        (date(2024, 11, 3), "Autumn Sunday", 7, 3, 0.0, 3, 3.0, None),
    ]
