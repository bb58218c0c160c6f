"""Names of failed tests and the number of tests, read off the output of well-known test runners.

This is for people and for the next turn only: the output is the tested code's own, and never decides.
"""

from __future__ import annotations

import re

MOST = 100  # names that are kept
LONGEST = 300  # characters of a name that is kept

# Every pattern is bounded: the output is as long and as strange as the tested code wants it, and while a pattern
# matches, no other thread of the worker runs.
SAID = re.compile(
    r"^(?:"
    r"(?:FAILED|ERROR) (?P<pytest>\S{1,250}\.py(?:::.{1,250}?)?)(?: - .*)?$"
    r"|(?:FAIL|ERROR): (?P<unittest>\w{1,200} \(\S{1,200}\))"
    r"|[ \t]{0,40}--- FAIL: (?P<go>\S{1,250}) \("
    r"|test (?P<cargo>\S{1,250}) \.\.\. FAILED$"
    r"|[ \t]{0,40}\u25cf (?P<jest>.{1,200} \u203a .{1,200})$"  # a bullet; a small angle between the parts of the name
    r"|not ok \d{1,9} -? ?(?P<tap>[^#\n]{1,250})"
    r"|[ \t]{0,40}[\u2717\u2715\u00d7\u2716] (?P<mark>.{1,250}?)(?: \(?\d[\d.]{0,9} ?m?s\)?)?$"
    r"|rspec (?P<rspec>\./\S{1,250}:\d{1,9})"
    r"|={0,200}[ ]?(?P<pytest_n>(?:\d{1,9} (?:failed|passed|skipped|errors?|xfailed|xpassed|deselected|warnings?)(?:, )?){1,9})"
    r" in [\d.]{1,20}s"
    r"|Ran (?P<unittest_n>\d{1,9}) tests? in"
    r"|test result: \w{1,9}\. (?P<cargo_n>\d{1,9} passed; \d{1,9} failed)"
    r"|Tests: {1,20}.{0,120}?(?P<jest_n>\d{1,9}) total"
    r"|# tests (?P<tap_n>\d{1,9})"
    r"|(?P<rspec_n>\d{1,9}) examples?, \d{1,9} failures?"
    r")",
    re.MULTILINE,
)
RAN = re.compile(r"(\d+) (?:failed|passed|error|xfailed|xpassed)")


class Summary:
    """What the lines fed so far say; bounded, whatever they are."""

    def __init__(self) -> None:
        self._failed: dict[str, None] = {}
        self._tests: int | None = None

    def read(self, text: str) -> None:
        """Look at these whole lines."""
        for found in SAID.finditer(text):
            kind, said = found.lastgroup or "", found[found.lastgroup or 0].strip()
            if kind.endswith("_n"):
                self._tests = _count(kind, said, self._tests)
            elif len(self._failed) < MOST and len(said) <= LONGEST:
                self._failed[said] = None

    @property
    def failed(self) -> tuple[str, ...]:
        """Failed tests in the order of their appearance."""
        return tuple(self._failed)

    @property
    def tests(self) -> int | None:
        """How many tests ran, None when no runner said so."""
        return self._tests


def _count(kind: str, said: str, before: int | None) -> int:
    match kind:
        case "pytest_n":
            return sum(int(n) for n in RAN.findall(said))
        case "cargo_n":  # one line per crate
            return (before or 0) + sum(int(n) for n in re.findall(r"\d+", said))
        case _:
            return int(said)
