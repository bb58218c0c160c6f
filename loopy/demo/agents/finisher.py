"""A scripted agent that finishes what another began in the same workspace, told so by the handoff note."""

from __future__ import annotations

from pathlib import Path

from loopy.demo.agents.hands import introduce, prompt, say, swap, write

PACKAGE, TESTS = Path("src/tinydates"), Path("tests/test_durations.py")
DURATIONS = PACKAGE / "durations.py"
HALF = "    seconds = int(duration.total_seconds())\n    raise NotImplementedError\n"
WHOLE = """\
    seconds = int(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    days = f"{day}D" if day else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hour, "H"), (minute, "M"), (second, "S")) if count)
    return f"{sign}P{days}T{time}" if time else f"{sign}P{days}" if days else "PT0S"
"""
TEST = """

@pytest.mark.parametrize(
    ("text", "iso"),
    [("0s", "PT0S"), ("1d 2h 3m 4s", "P1DT2H3M4S"), ("2w", "P14D"), ("90m", "PT1H30M")],
)
def test_a_duration_is_written_as_iso_8601(text, iso):
    assert iso_duration(parse_duration(text)) == iso
    assert iso_duration(-parse_duration(text)) == ("PT0S" if iso == "PT0S" else f"-{iso}")
"""


def main() -> int:
    """Complete `iso_duration`, export it and test it; exit 1 when nobody began it."""
    introduce("finisher")
    told, source = prompt(), DURATIONS.read_text(encoding="utf-8")
    if "def iso_duration" not in source:
        say("nobody began iso_duration here; this script only finishes")
        return 1
    say("the handoff note names iso_duration" if "def iso_duration" in told else "found iso_duration begun")
    swap(DURATIONS, HALF, WHOLE)
    export()
    add_test()
    say("done: iso_duration is written, exported and tested")
    return 0


def export() -> None:
    """Let the package give `iso_duration` away."""
    swap(
        PACKAGE / "__init__.py",
        "import format_duration, parse_duration",
        "import format_duration, iso_duration, parse_duration",
    )
    swap(PACKAGE / "__init__.py", '"format_duration", "parse_date"', '"format_duration", "iso_duration", "parse_date"')


def add_test() -> None:
    """Append the test once."""
    swap(
        TESTS,
        "import TinyDatesError, format_duration, parse",
        "import TinyDatesError, format_duration, iso_duration, parse",
    )
    tests = TESTS.read_text(encoding="utf-8")
    if TEST not in tests:
        write(TESTS, tests + TEST)


if __name__ == "__main__":
    raise SystemExit(main())
