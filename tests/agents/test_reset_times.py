from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from loopy.agents.resets import reset_at
from loopy.agents.rules import ResetForm

NOW = datetime(2026, 11, 22, 14, 51, 0, tzinfo=UTC)  # a Sunday


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You've hit your limit · resets 3:51pm (UTC)", at(2026, 11, 22, 15, 51)),
        ("You've hit your limit · resets 4pm (Europe/Berlin)", at(2026, 11, 22, 15, 0)),
        ("5-hour limit reached ∙ resets 2am", at(2026, 11, 23, 2, 0)),
        ("resets 12am (UTC)", at(2026, 11, 23, 0, 0)),
        ("resets 12pm (UTC)", at(2026, 11, 23, 12, 0)),
        ("resets 2:45pm (UTC)", at(2026, 11, 22, 14, 45)),  # six minutes ago: it has just come
        ("resets Nov 30 at 3pm (UTC)", at(2026, 11, 30, 15, 0)),
        ("resets Aug 8", at(2027, 8, 8, 0, 0)),
        (
            "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit. … or try again at 3:49 PM.",
            at(2026, 11, 22, 15, 49),
        ),
        ("try again at Feb 3rd, 2027 3:49 PM.", at(2027, 2, 3, 15, 49)),
        ("Your quota will reset after 1h50m21s.", NOW + timedelta(hours=1, minutes=50, seconds=21)),
        ("quota will reset after 18h31m10s", NOW + timedelta(hours=18, minutes=31, seconds=10)),
        ("Please retry in 53s.", NOW + timedelta(seconds=53)),
        ("Please retry in 12.5s", NOW + timedelta(seconds=12.5)),
        ("Please try again in 2 hours.", NOW + timedelta(hours=2)),
        ("Please try again in 58 hours", NOW + timedelta(hours=58)),
        ("try again in 3 hours 32 minutes", NOW + timedelta(hours=3, minutes=32)),
        ("in 2 days 3 hours 5 minutes", NOW + timedelta(days=2, hours=3, minutes=5)),
        ("try again in less than a minute", NOW + timedelta(minutes=1)),
        ("wait 6 seconds for your limit to reset", NOW + timedelta(seconds=6)),
        ("Please wait for your limit to reset on April 20, 2027 at 2:00 AM", at(2027, 4, 20, 2, 0)),
        ("when your monthly cycle ends on 11/30/2026", at(2026, 11, 30, 0, 0)),
        ("It will reset in 3 hours", NOW + timedelta(hours=3)),
        ("resets on 01/01", at(2027, 1, 1, 0, 0)),
        ("usage limit, try again at 2026-11-22T16:00:00Z", at(2026, 11, 22, 16, 0)),
        ("resets at 2026-11-22 16:00:00+01:00", at(2026, 11, 22, 15, 0)),
        ('429: {"error":{"resets_at":1795363200}}', datetime.fromtimestamp(1795363200, UTC)),
        ('{"resetsAt": 1795363200000}', datetime.fromtimestamp(1795363200, UTC)),
        ("x-codex-primary-reset-at: 1795363200", datetime.fromtimestamp(1795363200, UTC)),
        ('"resets_in_seconds": 3600', NOW + timedelta(hours=1)),
        ("x-codex-primary-reset-after-seconds: 3600", NOW + timedelta(hours=1)),
        ("retry-after: 3600", NOW + timedelta(hours=1)),
        ('"retryDelay": "34s"', NOW + timedelta(seconds=34)),
        ('"delay_ms":3600000', NOW + timedelta(hours=1)),
        ("Retrying after 2500ms...", NOW + timedelta(seconds=2.5)),
    ],
)
def test_every_recorded_form_of_a_reset_time_is_read(text: str, expected: datetime) -> None:
    assert reset_at(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Too many requests",
        "2026-11-22T14:50:00Z ERROR rate limit",  # the time of a log line is no reset
        "resets 25:99pm (UTC)",
        "try again at Feb 31st, 2027 3:49 PM.",
        "resets on 13/45",
        "retry in 99999999999999 hours",
        "used 402913 tokens in 3 files",
        "",
    ],
)
def test_a_text_without_a_reset_time_gives_none(text: str) -> None:
    assert reset_at(text, NOW) is None


def test_a_time_without_a_zone_is_read_in_the_zone_of_the_child() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert reset_at("try again at 5:00 PM.", NOW, zone=berlin) == at(2026, 11, 22, 16, 0)


def test_a_named_form_reads_nothing_else() -> None:
    text = "try again in 2 hours, resets 4pm (UTC)"
    assert reset_at(text, NOW, ResetForm.CLOCK_TZ) == at(2026, 11, 22, 16, 0)
    assert reset_at(text, NOW, ResetForm.DURATION) == NOW + timedelta(hours=2)
    assert reset_at(text, NOW, ResetForm.DATE) is None


def test_a_clock_time_follows_the_zone_through_a_change_of_summer_time() -> None:
    before_the_change = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert reset_at("resets 4am (Europe/Berlin)", before_the_change) == at(2026, 10, 25, 3, 0)
