"""Turns what a real CLI wrote into a small recording that says the same on every machine: no homes, ports, ids or dates."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loopy.agents.fields import holds
from loopy.agents.rules import EventRule
from loopy.domain.agent import Turned, Usage
from loopy.process.command import Ending
from tests.agents.support import CATALOG, NOW
from tests.agents_real.drive import Drove

TEXT, ITEMS, REPEATS = 400, 6, 3  # what is kept of a text, of a list, and of lines that look alike
PLAIN_LINES, PLAIN_CHARS = 60, 300
TELLING = "resets_"  # a plain line that may say when a limit ends is kept whole
NEAR_S = 90_000  # an epoch further away than this from the run is a number like any other
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
MARK = re.compile(
    r"\b(?P<kind>ses|msg|prt|call|chatcmpl|resp|req|item|evt|sess|session|toolu|agent|run|conv)[-_](?P<id>(?=\w*\d)[A-Za-z0-9_]{10,})\b"
)
PORT = re.compile(r"127\.0\.0\.1:\d+")
TAG = re.compile(r"(?<=/s/)(\w+)/t-[\w.-]+")
ISO = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
CLOCK = re.compile(r"\b(\d{1,2}):(\d\d) ?([ap]m)\b", re.IGNORECASE)
EPOCH = re.compile(r"(?<![\d.])(1[6-9]\d{8})(\d{3})?(?![\d])")
PID = re.compile(r'("pid"|\bpid[=:]) ?\d+')
REPLACED = "00000000-0000-4000-8000-"


class Normal:
    """Replaces what is of one machine and one moment; the same thing by the same word, so that joins still hold."""

    def __init__(self, drove: Drove, programs: Path) -> None:
        self._places = (
            (str(drove.folder / "tree"), "/scratch/tree"),
            (str(drove.folder), "/scratch"),
            (re.sub(r"[^A-Za-z0-9]", "-", str(drove.folder)), "-scratch"),
            (str(programs.parent.resolve()), "/agents"),
            (str(programs.parent), "/agents"),
        )
        self._rows = CATALOG[drove.cli].event
        self._ids: dict[str, str] = {}
        self._shift = NOW - drove.began
        self._began = drove.began

    def text(self, raw: bytes) -> str:
        """Return the normalised and shortened output."""
        text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
        for place, word in self._places:
            text = text.replace(place, word)
        text = PORT.sub("127.0.0.1:8000", text)
        text = TAG.sub(r"\1", text)
        text = UUID.sub(self._uuid, text)
        text = MARK.sub(self._mark, text)
        text = ISO.sub("2026-11-22T14:51:00Z", text)
        text = EPOCH.sub(self._epoch, text)
        text = CLOCK.sub(self._clock, text)
        text = PID.sub(r"\1 1", text)
        return shortened(text, self._rows)

    def _uuid(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0].lower(), f"{REPLACED}{len(self._ids) + 1:012d}")

    def _mark(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"{found['kind']}_{len(self._ids) + 1:010d}")

    def _epoch(self, found: re.Match[str]) -> str:
        seconds = int(found[1])
        if abs(seconds - self._began.timestamp()) > NEAR_S:
            return found[0]
        return f"{round(seconds + self._shift.total_seconds())}{found[2] or ''}"

    def _clock(self, found: re.Match[str]) -> str:
        hour = int(found[1]) % 12 + (12 if found[3].lower() == "pm" else 0)
        then = self._began.replace(hour=hour, minute=int(found[2]), second=0) + self._shift
        half = "pm" if then.hour >= 12 else "am"
        return f"{(then.hour % 12) or 12}:{then.minute:02d}{half if found[3].islower() else ' ' + half.upper()}"


def shortened(text: str, rows: Sequence[EventRule]) -> str:
    """Return the lines, long values cut and repetitions left out; of lines that no row reads little is kept."""
    kept: list[str] = []
    shape, times = "", 0
    for line in text.splitlines():
        try:
            node = json.loads(line) if line.startswith("{") else None
        except ValueError:
            node = None
        if node is None:
            kept.append(line.rstrip() if TELLING in line else line.rstrip()[:PLAIN_CHARS])
            continue
        same = shape_of(node)
        times = times + 1 if same == shape else 1
        shape = same
        if times <= REPEATS:
            known = any(holds(row.when, node) for row in rows)
            node = short(node) if known else {k: short(v) for k, v in node.items() if not isinstance(v, (dict, list))}
            kept.append(json.dumps(node, ensure_ascii=False, separators=(",", ":")))
    plain = [i for i, line in enumerate(kept) if not line.startswith("{") and TELLING not in line]
    drop = set(plain[PLAIN_LINES // 2 : -PLAIN_LINES // 2]) if len(plain) > PLAIN_LINES else set()
    return "".join(line + "\n" for i, line in enumerate(kept) if i not in drop)


def shape_of(node: dict[str, Any]) -> str:
    """Return what makes lines look alike: their types, not their words."""
    inner = [node.get(key) for key in ("event", "data", "item", "part", "message")]
    kinds = [i.get("type") or i.get("role") for i in inner if isinstance(i, dict)]
    return json.dumps([node.get("type"), node.get("subtype"), node.get("role"), sorted(node), kinds], default=str)


def short(node: Any) -> Any:
    """Return the value with long texts and lists cut."""
    if isinstance(node, str):
        return node if len(node) <= TEXT else f"{node[: TEXT // 2]}[…]{node[-TEXT // 2 :]}"
    if isinstance(node, list):
        return [short(one) for one in node[:ITEMS]]
    if isinstance(node, dict):
        return {key: short(value) for key, value in node.items()}
    return node


def said(drove: Drove) -> dict[str, Any]:
    """Return what Loopy made of the run, to be held against what a replay makes of the recording."""
    came_to, ended = drove.came_to, drove.ended
    row: dict[str, Any] = {"came_to": drove.word}
    if ended is not None:
        finished = ended.stopped_for == "finished"  # as the driver takes it
        row["ending"] = str(Ending.EXITED if finished else ended.ending)
        row |= {"code": None if finished else ended.code, "signal": ended.signal}
        row["stopped_for"] = "" if finished else ended.stopped_for
    row["session"] = bool(came_to.session_id)
    if isinstance(came_to, Turned):
        block = CATALOG[drove.cli].print
        usage = Usage() if block and block.states_usage else came_to.usage  # it stood beside what is recorded
        row |= {"message": came_to.message[:TEXT], "model": came_to.model, **usage.model_dump()}
    else:
        row["resets"] = came_to.resets_at is not None
    row["tools"] = sum(event.name == "agent.tool" for event in drove.events)
    return row


def keep(folder: Path, drove: Drove, programs: Path) -> None:
    """Write one recording below `folder`."""
    into = folder / drove.cli
    into.mkdir(parents=True, exist_ok=True)
    normal = Normal(drove, programs)
    for stream, raw in (("out", drove.out), ("err", drove.err)):
        path = into / f"{drove.scenario}.{stream}"
        path.unlink(missing_ok=True)
        if text := normal.text(raw):
            path.write_text(text)
    table = into / "said.json"
    rows = json.loads(table.read_text()) if table.exists() else {}
    rows[drove.scenario] = said(drove)
    table.write_text(json.dumps(dict(sorted(rows.items())), indent=1, ensure_ascii=False) + "\n")
