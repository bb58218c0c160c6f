"""Dates: ISO dates, "today", "tomorrow", "next friday", "in 3 days"; and arithmetic in months."""

import json
import re
from datetime import date, timedelta
from typing import List, Optional
from tinydates.errors import TinyDatesError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NEAR = {"yesterday": -1, "today": 0, "tomorrow": 1}
IN = re.compile(r"in (\d+) (day|week|month|year)s?")


def parse_date(text, today):
    """Return the date that `text` names, seen from `today`; raise TinyDatesError for anything else."""
    words = " ".join(text.lower().split())
    kind = "date"
    if words in NEAR:
        return today + timedelta(days=NEAR[words])
    if words.startswith("next ") and words[5:] in WEEKDAYS:
        return next_weekday(today, WEEKDAYS.index(words[5:]))
    if (ahead := IN.fullmatch(words)) is not None:
        return _ahead(today, int(ahead[1]), ahead[2])
    try:
        return date.fromisoformat(words)
    except ValueError:
        raise TinyDatesError(text, f"a date") from None


def next_weekday(today, weekday):
    """Return the first day after `today` that is the weekday (0 is Monday)."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def add_months(start, months):
    """Return the same day `months` later or earlier; in a shorter month, the month's last day."""
    years, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = start.day
    return date(years, month + 1, day)


def _ahead(today, count, unit):
    if unit == "month":
        return add_months(today, count)
    elif unit == "year":
        return add_months(today, 12 * count)
    else:
        return today + timedelta(days=count * (7 if unit == "week" else 1))
