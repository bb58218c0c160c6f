"""When a limit ends: a reader for every form of it that agent CLIs are known to print.

Forms and texts are those recorded from the CLIs themselves (see `tests/agents/test_resets.py`). Children run with TZ=UTC,
so a time without a zone is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo

from loopy.agents.rules import ResetForm

JUST_PASSED = timedelta(minutes=10)  # a clock time a little ago is a reset that has just come, not tomorrow's
FAR = timedelta(days=400)  # nothing honest is further away
MILLISECONDS = 100_000_000_000  # an epoch above this counts milliseconds

_LEAD = r"(?:resets?|reset|again|until|available|ends?|renews?)\b[\s:]*(?:(?:at|on|by|in)\s+)?"
_CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?::\d\d)?\s*(?P<half>[ap]\.?m\b\.?)"
_CLOCK_24 = r"(?P<hour24>\d{1,2}):(?P<minute24>\d\d)"
_ZONE = r"(?:\s*\(?(?P<zone>UTC|GMT|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)\)?)?"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<year>\d{{4}}))?"
_SLASHES = r"(?P<month_no>\d{1,2})/(?P<day_no>\d{1,2})(?:/(?P<year_no>\d{4}))?"
_AMOUNT = (
    r"(\d+(?:\.\d+)?)\s*(weeks?|w|days?|d|hours?|hrs?|h|ms|milliseconds?|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])"
)
_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "ms": 0.001, "mi": 60.0, "m": 60.0, "s": 1.0}

EPOCH = re.compile(r"""resets?[_-]?(?:at)?["']?\s*[:=]\s*["']?(\d{10,13})(?:\.\d+)?\b""", re.IGNORECASE)
SECONDS = re.compile(
    r"""(?:resets?_in_seconds|reset-?_?after-?_?seconds|retry[_-]after)["']?\s*[:=]\s*["']?(\d+(?:\.\d+)?)\b(?!\s*ms)""",
    re.IGNORECASE,
)
MILLIS = re.compile(r"""(?:delay_?ms|retry[_-]?after[_-]?ms)["']?\s*[:=]\s*["']?(\d+(?:\.\d+)?)\b""", re.IGNORECASE)
ISO = re.compile(
    _LEAD + r"[\"']?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE
)
DURATION = re.compile(
    rf"""(?:\b(?:in|after|wait|for)\s+|retrydelay["']?\s*[:=]\s*["']?)((?:{_AMOUNT}(?:,?\s*(?:and\s+)?))+)""",
    re.IGNORECASE,
)
AMOUNT = re.compile(_AMOUNT, re.IGNORECASE)
SOON = re.compile(r"\bless than a minute\b", re.IGNORECASE)
DATE = re.compile(rf"{_LEAD}(?:{_DAY}|{_SLASHES})(?:,?\s+(?:at\s+)?(?:{_CLOCK}|{_CLOCK_24}))?{_ZONE}", re.IGNORECASE)
CLOCK = re.compile(rf"{_LEAD}(?:{_CLOCK}|{_CLOCK_24}){_ZONE}", re.IGNORECASE)

Reader = Callable[[str, datetime, tzinfo], datetime | None]


def reset_at(text: str, now: datetime, form: ResetForm | None = None, zone: tzinfo = UTC) -> datetime | None:
    """Return the aware UTC time at which the text says that the limit ends, None when it says none.

    With a form only that form is read, else all, the most exact first. `zone` is that of times which name none.
    """
    readers = READERS.values() if form is None else (READERS[form],)
    for read in readers:
        try:
            found = read(text, now, zone)
        except (ValueError, OverflowError):
            continue  # the 31st of February, the year 0
        if found is not None and abs(found - now) <= FAR:
            return found.astimezone(UTC)
    return None


def from_epoch(number: float) -> datetime:
    """Return the time of an epoch in seconds or milliseconds, told apart by size."""
    return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS else number, UTC)


def _epoch(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    del zone
    if found := EPOCH.search(text):
        return from_epoch(float(found[1]))
    if re.fullmatch(r"\s*\d{10,13}\s*", text):
        return from_epoch(float(text))
    if found := MILLIS.search(text):
        return now + timedelta(milliseconds=float(found[1]))
    if found := SECONDS.search(text):
        return now + timedelta(seconds=float(found[1]))
    return None


def _iso(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    del now
    if found := ISO.search(text):
        when = datetime.fromisoformat(found[1].replace(" Z", "Z").upper())
        return when if when.tzinfo else when.replace(tzinfo=zone)
    return None


def _duration(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    del zone
    if found := DURATION.search(text):
        return now + timedelta(seconds=sum(float(n) * _unit(unit) for n, unit in AMOUNT.findall(found[1])))
    return now + timedelta(minutes=1) if SOON.search(text) else None


def _unit(word: str) -> float:
    low = word.lower()
    if low.startswith(("ms", "milli")):
        return _UNITS["ms"]
    return _UNITS[low[0]]


def _date(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    found = DATE.search(text)
    if found is None:
        return None
    part = found.groupdict()
    where = _zone(part["zone"], zone)
    month = _MONTHS.index(part["month"].lower()) + 1 if part["month"] else int(part["month_no"])
    day, year = int(part["day"] or part["day_no"]), part["year"] or part["year_no"]
    hour, minute = _hour(part)
    local = now.astimezone(where)
    when = datetime(int(year or local.year), month, day, hour, minute, tzinfo=where)
    if year is None and when.date() < local.date():
        when = when.replace(year=local.year + 1)
    return when


def _clock(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    found = CLOCK.search(text)
    if found is None:
        return None
    where = _zone(found["zone"], zone)
    hour, minute = _hour(found.groupdict())
    when = now.astimezone(where).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return when if when >= now - JUST_PASSED else when + timedelta(days=1)


def _hour(part: Mapping[str, str | None]) -> tuple[int, int]:
    if half := part["half"]:
        hour = int(part["hour"] or 0)
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        return hour % 12 + (12 if half.lower().startswith("p") else 0), int(part["minute"] or 0)
    return int(part["hour24"] or 0), int(part["minute24"] or 0)


def _zone(name: str | None, default: tzinfo) -> tzinfo:
    if not name or name.upper() in {"UTC", "GMT"}:
        return UTC if name else default
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return default


READERS: Mapping[ResetForm, Reader] = MappingProxyType(
    {
        ResetForm.EPOCH_S: _epoch,
        ResetForm.EPOCH_MS: _epoch,
        ResetForm.ISO: _iso,
        ResetForm.DATE: _date,
        ResetForm.DURATION: _duration,
        ResetForm.CLOCK_TZ: _clock,
        ResetForm.CLOCK: _clock,
    }
)
