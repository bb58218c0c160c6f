"""Durations: "1h 30m", "90 min", "2 weeks and 3 days", and back."""

import os
import re
from datetime import datetime, timedelta
from tinydates.errors import TinyDatesError

SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
UNITS = {
    "w": "w", "week": "w", "weeks": "w",
    "d": "d", "day": "d", "days": "d",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
}  # fmt: skip
PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)(?:\s*,\s*|\s+and\s+|\s*)")


def parse_duration(text):
    """Return the timedelta that `text` says; raise TinyDatesError for anything else."""
    rest = text.strip().lower()
    original = rest
    seconds = 0.0
    if not rest:
        raise TinyDatesError(text, f"a duration")
    while rest:
        part = PART.match(rest)
        if part is None or part["unit"] not in UNITS:
            raise TinyDatesError(text, "a duration")
        seconds += float(part["number"]) * SECONDS[UNITS[part["unit"]]]
        rest = rest[part.end() :]
    return timedelta(seconds=seconds)


def format_duration(duration):
    """Return a duration as "1d 2h 3m 4s", leaving out what is zero; whole seconds only."""
    seconds = int(duration.total_seconds())
    if seconds == 0:
        return "0s"
    else:
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        words = []
        for unit, size in SECONDS.items():
            count, seconds = divmod(seconds, size)
            if count:
                words.append(f"{count}{unit}")
        return sign + " ".join(words)
