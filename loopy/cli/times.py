"""Times as people read them: how long, until when."""

from __future__ import annotations

from datetime import datetime


def lasting(seconds: float) -> str:
    """Return a length of time in its two largest units: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d 3h`."""
    if seconds < 0.95:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600}h"


def until(moment: datetime, now: datetime) -> str:
    """Return how long it is until then, with the local time of day."""
    left = (moment - now).total_seconds()
    return f"{lasting(left)} (until {clock(moment, now)})" if left > 0 else "due now"


def clock(moment: datetime, now: datetime) -> str:
    """Return the local time of day, with the date when it is another day."""
    here, today = moment.astimezone(), now.astimezone()
    return f"{here:%H:%M}" if here.date() == today.date() else f"{here:%Y-%m-%d %H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago it was, in one unit."""
    return f"{lasting((now - moment).total_seconds()).split(' ', maxsplit=1)[0]} ago"
