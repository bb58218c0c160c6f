"""What an attempt came to: events first, then error channels, then exit code, then the way it ended.

An exit code alone says little (several CLIs exit 0 on a usage limit, and 1 after good work), so an agent that ended by
itself and names no limit has turned: the change is judged by gate and checks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from loopy.agents.limits import PASSES, Verdict, classify
from loopy.agents.reading import Reading
from loopy.agents.rules import Channel
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.failures import Failure
from loopy.process.command import Ending, Exit

LIMIT, STALLED, FINISHED, OVERSPENT = (
    "limit",
    "stalled",
    "finished",
    "overspent",
)  # our own reasons to stop, beside those of the leash
DEAF = "it does not read what it is sent"
OURS = frozenset({LIMIT, STALLED, FINISHED, OVERSPENT, DEAF})
ERRORS = (Channel.EVENT, Channel.STDERR)


def judge(reading: Reading, ended: Exit, agent: Agent, now: datetime) -> Verdict | None:
    """Return what stopped the attempt, None when it ended by itself and its change is to be looked at."""
    if ended.stopped_for == OVERSPENT:
        return Verdict(
            Failure.BUDGET, f"the turn cost ${(reading.usage.cost_micros or 0) / 1_000_000:.2f} and was ended"
        )
    if reading.failed is False:
        return None
    if reading.verdict is not None:
        return reading.verdict
    wrong = reading.failed is True or not ended.ok
    texts = [(channel, reading.tail(channel)) for channel in (*(ERRORS if wrong else ()), Channel.STDOUT)]
    if wrong and ended.code is not None:
        texts.append((Channel.EXIT, str(ended.code)))
    found = (classify(reading.rules, channel, text, now) for channel, text in texts)
    verdict = next(filter(None, found), None)
    if verdict is None:
        return _by_ending(reading, ended, agent)
    stated = reading.stated_reset if verdict.failure in PASSES else None
    return replace(verdict, resets_at=verdict.resets_at or stated)


def refused_session(spec: Spec, reading: Reading) -> bool:
    """Return whether the CLI did nothing because it does not know the session that it was to resume."""
    pattern = spec.print.resume_refused if spec.print else ""
    if not pattern or reading.worked:
        return False
    return any(re.search(pattern, reading.tail(channel)) for channel in (*ERRORS, Channel.STDOUT))


def _by_ending(reading: Reading, ended: Exit, agent: Agent) -> Verdict | None:
    last = last_words(reading)
    failure, why = Failure.AGENT_STALLED, ""
    match ended.ending:
        case Ending.EXITED:
            return _nothing_done(reading, ended, last)
        case Ending.IDLE:
            why = f"no output for too long{last}"
        case Ending.DEADLINE:
            why = f"not done after {agent.wall_s} s{last}"
        case Ending.STOPPED if ended.stopped_for == STALLED:
            why = f"no output for {agent.idle_s} s or more{last}"
        case Ending.SIGNALLED:
            failure, why = Failure.AGENT_CRASH, f"ended by signal {ended.signal}{last}"
        case _:
            failure, why = Failure.AGENT_CRASH, ended.why or ended.stopped_for
    return Verdict(failure, why)


def _nothing_done(reading: Reading, ended: Exit, last: str) -> Verdict | None:
    """A CLI that says itself that it failed, before it used any tool, has crashed; a text agent is judged by its change."""
    failed = reading.failed is True and not reading.worked
    mute = reading.structured and not reading.spoke and not ended.ok
    return Verdict(Failure.AGENT_CRASH, f"exit code {ended.code}{last}") if failed or mute else None


def last_words(reading: Reading) -> str:
    """Return the end of a sentence on a failure: what the agent said last on its error channels, "" for nothing."""
    for channel in (Channel.EVENT, Channel.STDERR, Channel.STDOUT):
        lines = reading.tail(channel).strip().splitlines()
        if lines:
            return f"; last words: {lines[-1][:300]}"
    return ""
