"""What is printed: clean, aligned, coloured only where it is seen."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import click
import pytest

from loopy.cli.live import LiveLine
from loopy.cli.paper import cut, emit, ink, line, safe, table, width
from loopy.cli.times import lasting, until

from .support import House


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\x00b\x07c\x9b2J", "abc"),
        ("over\rwrite", "overwrite"),
        ("left\u202eright", "left\ufffdright"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_text_of_others_cannot_steer_the_terminal(text: str, clean: str) -> None:
    assert safe(text) == clean


def test_a_line_is_one_line() -> None:
    assert line(" two\n\n  lines\t here ") == "two lines here"


def test_columns_align_with_wide_and_combining_characters() -> None:
    rows = [width(row.partition("|")[0]) for row in table([("漢字", "|"), ("abc", "|"), ("e\u0301", "|")])]
    assert rows == [6, 6, 6]


def test_the_last_column_is_cut_where_the_terminal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    (row,) = table([("LP-1", "a title that is far too long for this narrow terminal")])
    assert width(row) <= 40
    assert row.endswith("…")


def test_nothing_is_cut_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert table([("LP-1", "word " * 60 + "end")])[0].endswith("end")


def test_cut_keeps_the_promise_for_wide_text() -> None:
    assert width(cut("漢字漢字漢字", 5)) <= 5


def test_colour_is_for_terminals_unless_it_is_forced_or_forbidden(settled: House) -> None:
    plain = settled.loopy("board")
    forced = settled.loopy("board", env={"FORCE_COLOR": "1"})
    forbidden = settled.loopy("board", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert "\x1b" not in plain.out
    assert "\x1b[31m" in forced.out
    assert forbidden.out == plain.out == click.unstyle(forced.out)


def test_json_escapes_what_a_terminal_could_obey(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"title": "\x1b[2J\u202e", "at": datetime(2026, 1, 2, tzinfo=UTC)})
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert json.loads(printed) == {"title": "\x1b[2J\u202e", "at": "2026-01-02T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0.0s"),
        (0.42, "0.4s"),
        (12.4, "12s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (7800, "2h 10m"),
        (100_000, "1d 3h"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert lasting(seconds) == told


def test_a_countdown_tells_the_time_of_day_too() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert until(now + timedelta(minutes=5), now).startswith("5m 00s (until ")
    assert until(now - timedelta(seconds=1), now) == "due now"


def test_a_live_line_stays_below_the_plain_lines() -> None:
    out = io.StringIO()
    live = LiveLine(out, on=True, colour=False)
    live.show("LP-1.1 code")
    live.above("a plain line")
    live.clear()
    *_, last = out.getvalue().split("\r\x1b[2K")
    assert last == ""
    assert "a plain line\n" in out.getvalue()
    assert out.getvalue().index("a plain line") < out.getvalue().rindex("LP-1.1 code")


def test_off_a_terminal_the_live_line_is_silent() -> None:
    out = io.StringIO()
    with LiveLine(out, on=False, colour=False) as live:
        live.show("LP-1.1 code")
        live.above("a plain line")
    assert out.getvalue() == "a plain line\n"


def test_a_coloured_line_has_its_colour_taken_off_where_there_is_none() -> None:
    out = io.StringIO()
    LiveLine(out, on=False, colour=False).above(ink("red", "bad"))
    assert out.getvalue() == "red\n"
