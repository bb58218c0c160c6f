"""A scripted agent whose first patch is wrong and whose second, made from the failing check's words, is right."""

from __future__ import annotations

import re
from pathlib import Path

from loopy.demo.agents.hands import introduce, prompt, say, seconds, swap, work, write

DATES, TESTS = Path("src/tinydates/dates.py"), Path("tests/test_dates.py")
MARK = '@pytest.mark.xfail(strict=True, reason="add_months knows no month\'s end")\n'
DAY = re.compile(r"^    day = .*$", re.MULTILINE)
FEEDBACK = re.compile(r"^.*FAILED tests/\S+.*$|^.*\b\d+ failed\b.*$", re.MULTILINE)


def main() -> None:
    """Take the first turn, or the second when the prompt says which tests failed."""
    introduce("fixer")
    failures = FEEDBACK.findall(prompt())
    if failures:
        second_turn(failures)
    else:
        first_turn(seconds(4.0))


def first_turn(duration_s: float) -> None:
    """Take the marks off the failing tests and guess: no month is shorter than 28 days."""
    say("reading the ticket: add_months fails at the end of a month")
    swap(TESTS, MARK, "")
    work(
        (
            "took the xfail marks off, so that the tests decide",
            "reading src/tinydates/dates.py",
            "add_months builds date(year, month, 31) in a month of 30 days",
            "every month has at least 28 days: so the day is at most 28",
        ),
        duration_s,
    )
    set_day("min(start.day, 28)")
    say("done: the day never passes the 28th now")


def second_turn(failures: list[str]) -> None:
    """Read which tests failed and ask the calendar."""
    say("the checks refused the first patch:")
    for line in failures[:4]:
        say(f"  {line.strip()}")
    work(("28 was a guess; the calendar knows how long a month is",), seconds(4.0) / 8)
    swap(TESTS, MARK, "")
    if "from calendar import monthrange\n" not in DATES.read_text(encoding="utf-8"):
        swap(DATES, "from datetime import date,", "from calendar import monthrange\nfrom datetime import date,")
    set_day("min(start.day, monthrange(years, month + 1)[1])")
    say("done: in a shorter month the day is the month's last")


def set_day(expression: str) -> None:
    """Write the line of add_months that chooses the day."""
    text = DATES.read_text(encoding="utf-8")
    write(DATES, DAY.sub(f"    day = {expression}", text))


if __name__ == "__main__":
    main()
