"""One attempt of an agent while it runs: output goes to transcript, reading and live stream; silence and limits end it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from loopy.agents.judge import FINISHED, LIMIT, OURS, OVERSPENT, STALLED, judge, refused_session
from loopy.agents.limits import Verdict
from loopy.agents.reading import Emitted, Reading
from loopy.agents.rules import EventRule
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.agents.usage_file import UsageFile
from loopy.domain.agent import Agent
from loopy.ports import Clock, Leash
from loopy.process.command import Ending, Exit
from loopy.process.outbox import Outbox
from loopy.process.text import Lines

LINE_CHARS = 4 * 1024 * 1024  # JSON streams carry whole tool outputs in a line


class Attempt:
    """The receiving end of one process; `duplex` when it also writes to it."""

    duplex = False
    budget_micros: int | None = None  # of this turn
    usage_file: UsageFile | None = None

    def __init__(
        self,
        spec: Spec,
        agent: Agent,
        leash: Leash,
        clock: Clock,
        transcript: Transcript,
        stream: LiveStream,
        rows: tuple[EventRule, ...] | None = None,
    ) -> None:
        self.reading = Reading(spec, clock.now, rows)
        self.spec, self.agent = spec, agent
        self._leash, self._clock, self._transcript, self._stream = leash, clock, transcript, stream
        self._lines = {"stdout": Lines(max_line=LINE_CHARS), "stderr": Lines(max_line=65_536)}
        self._idle_s = max(agent.idle_s, spec.watchdog.idle_s)
        self._tool_idle_s = max(self._idle_s, spec.watchdog.tool_idle_s)
        self._after_result_s = spec.watchdog.after_result_s
        self._began = self._active = self._resulted = clock.awake()
        self._wall_s = agent.wall_s
        self.stopped_for = ""

    @property
    def longest_idle_s(self) -> float:
        """The silence after which the process ends in any case."""
        return float(self._tool_idle_s)

    @property
    def session_refused(self) -> bool:
        """Whether the CLI did nothing because it does not know the session that it was to resume."""
        return refused_session(self.spec, self.reading)

    def stopped_by_leash(self, ended: Exit) -> str:
        """Return the leash's word for which the attempt ended, "" when it ended for another reason."""
        ours = ended.ending is Ending.STOPPED and ended.stopped_for == self.stopped_for not in OURS
        return self.stopped_for if ours else ""

    def verdict(self, ended: Exit) -> Verdict | None:
        """Return what stopped the attempt, None when it ended by itself and its change is to be looked at."""
        return judge(self.reading, ended, self.agent, self._clock.now())

    def opened(self, pipe: Outbox) -> None:
        """Take the process's standard input, if it is a `duplex` one."""

    def output(self, stream: Literal["stdout", "stderr"], chunk: bytes) -> None:
        """Take in a piece of output."""
        self._active = self._clock.awake()
        self.reading.ended |= self._active - self._began >= self._wall_s
        self._transcript.add(stream, chunk)
        self._read(stream, self._lines[stream].feed(chunk))
        self._stream.tick()

    def stopping(self) -> str | None:
        """Return why the process must end now: the leash's word first, then a limit, silence, or a missed end."""
        self._stream.tick()
        asked = self._leash.stopping()
        if asked and self._lets_finish(asked):
            return None
        self.stopped_for = asked or self._own_reason()
        self.reading.ended |= self.stopped_for in (LIMIT, STALLED)
        return self.stopped_for or None

    def close(self) -> None:
        """Read what is left and send what waits."""
        for stream in self._lines:
            self._read(stream, self._lines[stream].close())
        self._pass_on(self.reading.end())
        if self.usage_file is not None and (used := self.usage_file.of_this_turn(self.spec)):
            self._pass_on(self.reading.used(used))
        self._stream.close()

    def _lets_finish(self, _asked: str) -> bool:
        """Whether the process may take a moment to end by itself."""
        return False

    def _own_reason(self) -> str:
        if self.reading.stop:
            return LIMIT
        if self.budget_micros is not None and self.reading.cost_micros > self.budget_micros:
            return OVERSPENT
        now = self._clock.awake()
        if self.reading.failed is not None and now - max(self._resulted, self._active) > self._after_result_s:
            return FINISHED
        idle_s = self._tool_idle_s if self.reading.open_tools else self._idle_s
        return STALLED if now - self._active > idle_s else ""

    def _read(self, stream: str, lines: list[str]) -> None:
        at_once = self.reading.plain(lines) if stream == "stdout" and len(lines) > 1 else None
        if at_once is not None:
            self._pass_on(at_once)
            return
        for line in lines:
            self._pass_on(self.reading.stdout(line) if stream == "stdout" else self.reading.stderr(line))

    def _pass_on(self, events: Iterator[Emitted]) -> None:
        for event, joint in events:
            if event.name == "agent.result":
                self._resulted = self._clock.awake()
            self._stream.add(event, joint)
