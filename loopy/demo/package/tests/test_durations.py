from datetime import timedelta

import pytest

from tinydates import TinyDatesError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h 30m", timedelta(hours=1, minutes=30)),
        ("1.5 hours", timedelta(hours=1, minutes=30)),
        ("2 weeks and 3 days", timedelta(days=17)),
        ("1d, 2h", timedelta(days=1, hours=2)),
        ("1h30m", timedelta(hours=1, minutes=30)),
    ],
)
def test_a_duration_is_read_as_people_write_it(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "h", "5", "3 fortnights", "1h and"])
def test_anything_else_is_refused(text):
    with pytest.raises(TinyDatesError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "45s", "1h 30m", "2w 3d", "1d 1s", "-1h 5m"])
def test_a_duration_is_written_shortly(text):
    sign, words = (-1, text[1:]) if text.startswith("-") else (1, text)
    assert format_duration(sign * parse_duration(words)) == text
