"""A scripted agent that does half of the work and then reports that its usage limit is reached."""

from __future__ import annotations

import json
from pathlib import Path

from loopy.demo.agents.hands import introduce, say, swap

DURATIONS = Path("src/tinydates/durations.py")
END = '                words.append(f"{count}{unit}")\n        return sign + " ".join(words)\n'
HALF = END + (
    "\n\n"
    "def iso_duration(duration):\n"
    '    """Return a duration as ISO 8601 writes it, "P1DT2H3M4S"; whole seconds only."""\n'
    "    seconds = int(duration.total_seconds())\n"
    "    raise NotImplementedError\n"
)
RESETS_IN_S = 3600


def main() -> int:
    """Begin `iso_duration`, report the limit in Loopy's line convention, and exit 1."""
    introduce("limited")
    say("beginning with iso_duration in src/tinydates/durations.py")
    swap(DURATIONS, END, HALF)
    say(json.dumps({"loopy": "limit", "message": "usage limit reached (scripted)", "resets_in_s": RESETS_IN_S}))
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
