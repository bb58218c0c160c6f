from datetime import date

import pytest

from tinydates import TinyDatesError, add_months, parse_date

TODAY = date(2026, 3, 4)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("today", date(2026, 3, 4)),
        (" Tomorrow ", date(2026, 3, 5)),
        ("yesterday", date(2026, 3, 3)),
        ("next friday", date(2026, 3, 6)),
        ("next wednesday", date(2026, 3, 11)),
        ("in 3 days", date(2026, 3, 7)),
        ("in 2 weeks", date(2026, 3, 18)),
        ("in 1 month", date(2026, 4, 4)),
        ("in 1 year", date(2027, 3, 4)),
    ],
)
def test_a_date_is_read_as_people_write_it(text, day):
    assert parse_date(text, TODAY) == day


@pytest.mark.parametrize("text", ["", "soon", "next day", "2026-02-30", "in days"])
def test_anything_else_is_refused(text):
    with pytest.raises(TinyDatesError):
        parse_date(text, TODAY)


@pytest.mark.parametrize(
    ("start", "months", "day"),
    [
        (date(2026, 3, 30), 1, date(2026, 4, 30)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
    ],
)
def test_a_month_later_is_the_same_day(start, months, day):
    assert add_months(start, months) == day


@pytest.mark.xfail(strict=True, reason="add_months knows no month's end")
@pytest.mark.parametrize(
    ("start", "months", "day"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 3, 31), 1, date(2026, 4, 30)),
    ],
)
def test_in_a_shorter_month_it_is_the_months_last_day(start, months, day):
    assert add_months(start, months) == day


@pytest.mark.xfail(strict=True, reason="add_months knows no month's end")
def test_in_1_month_is_understood_on_the_31st():
    assert parse_date("in 1 month", date(2026, 5, 31)) == date(2026, 6, 30)
