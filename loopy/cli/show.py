"""Showing one run to its end: a header, its story line by line, a live line on a terminal, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from loopy.cli.follow import event_json, follow
from loopy.cli.live import LiveLine
from loopy.cli.paper import coloured, echo, emit_line, ink, line
from loopy.cli.story import Teller, written
from loopy.cli.times import lasting, until
from loopy.domain.effect import EffectState
from loopy.domain.failures import RULES, Failure
from loopy.domain.states import RunState, Verdict, Wait

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.cli.follow import Look
    from loopy.domain.run import Run

NOTHING: Callable[[Run], None] = lambda _run: None  # noqa: E731  (a default that does nothing)


class Show:
    """Shows runs of one home; `loud` tells what the agent prints, too."""

    def __init__(self, made: Services, *, as_json: bool, loud: bool = False, live: LiveLine | None = None) -> None:
        self._made, self._as_json, self._loud = made, as_json, loud
        self._live = live or LiveLine(colour=coloured(), on=False if as_json else None)
        self._chatty = loud or not self._live.on  # on a terminal the live line has the agent's words
        self._asked = ""

    def follow(self, run: Run, after: int = 0, meanwhile: Callable[[Run], None] = NOTHING) -> Run:
        """Show the run until it has ended, with a call of `meanwhile` at every look; return it as it ended."""
        if not self._as_json:
            self._header(run)
        teller = Teller(loud=self._loud)
        with self._live:
            for look in follow(self._made.graph, run.id, after):
                self._tell(look, teller)
                meanwhile(look.run)
                run = look.run
        self._ended(run)
        return run

    def say(self, text: str) -> None:
        """Print a line of our own, above the live line; nothing where only JSON is printed."""
        if not self._as_json:
            self._live.above(ink(text, "quiet"))

    def _tell(self, look: Look, teller: Teller) -> None:
        run = look.run
        for event in look.events:
            if self._as_json:
                emit_line(event_json(event))
                continue
            for told in teller.tell(event):
                if self._chatty or not event.name.startswith("agent.") or event.name in ("agent.limit", "agent.error"):
                    self._live.above(written(told, run.created_at))
        if self._as_json or run.state is RunState.ENDED:
            return
        self._ask(run)
        self._live.show(_foot(run, teller, self._made.clock.now()), moving=run.state is RunState.RUNNING)

    def _ask(self, run: Run) -> None:
        """Say once, for each time that the run stops for a person, which command answers it."""
        asked = f"{run.version}" if run.wait in (Wait.APPROVAL, Wait.QUESTION) else ""
        if asked and asked != self._asked:
            approval = run.wait is Wait.APPROVAL
            words = f"loopy approve {run.id}" if approval else f"loopy resume {run.id}"
            more = f"(read first: loopy evidence {run.id})" if approval else f"(or: loopy resume {run.id} --give-up)"
            self._live.above(f"          {ink('▲ needs you', 'need')}  {ink(words, 'strong')}  {ink(more, 'quiet')}")
        self._asked = asked

    def _header(self, run: Run) -> None:
        from loopy.cli.home import sandbox_line

        with self._made.graph.read() as tx:
            ticket = tx.tickets.get(run.ticket)
        echo(f"{ink(run.id, 'strong')}  {line(ticket.title if ticket else '')}")
        echo(f"{ink(line(run.repo), 'quiet')}  {sandbox_line(self._made)}")
        echo()

    def _ended(self, run: Run) -> None:
        from loopy.receipts.bundle import ENVELOPE

        with self._made.graph.read() as tx:
            done = [e for e in tx.effects.of(run.id) if e.state is EffectState.DONE]
        path = self._made.run_folder(run.id) / ENVELOPE
        ref, target = (done[-1].ref, done[-1].target) if done else ("", "")
        if self._as_json:
            facts = {"run": run.id, "verdict": run.verdict, "reason": run.reason, "head": run.head, "ref": ref}
            emit_line({"name": "result", **facts, "target": target, "receipt": str(path)})
            return
        passed = run.verdict is Verdict.PASSED
        branch = line(ref.removeprefix("refs/heads/"))
        where = f"{branch} at {run.head[:12]} in {line(target)}" if passed else _why(run)
        echo()
        echo(f"{ink(str(run.verdict), 'good' if passed else 'bad')}   {where}")
        echo(f"receipt  {path}")
        echo(ink(f"         loopy verify {run.id} · loopy evidence {run.id}", "quiet"))
        if not passed:
            echo(ink(f"         loopy ticket retry {run.ticket}", "quiet"))


def _why(run: Run) -> str:
    """Return why the run ended, with the table's advice for that reason."""
    known = run.reason in set(Failure)
    advice = RULES[Failure(run.reason)].advice if known else ""
    words = line(run.reason).replace("_", " ") if known else line(run.reason)
    return f"{words}: {advice}" if advice else words


def _foot(run: Run, teller: Teller, now: datetime) -> str:
    parts = [ink(run.id, "strong"), run.step.value]
    if run.state is RunState.RUNNING:
        since = f"{lasting((now - teller.since).total_seconds())}" if teller.since else ""
        parts += [line(run.agent, 24), f"turn {run.turn}" if run.turn > 1 else "", since]
        parts += [ink(f"“{teller.said}”", "quiet")] if teller.said else []
    else:
        parts += [str(run.wait or run.state), until(run.wake_at, now) if run.wake_at else ""]
    return " · ".join(part for part in parts if part)
