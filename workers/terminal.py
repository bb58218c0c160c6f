"""What a worker shows: the story of all runs as plain lines, and on a terminal a foot line with what is under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import loopy
from loopy.cli.follow import event_json
from loopy.cli.home import sandbox_line
from loopy.cli.live import LiveLine
from loopy.cli.paper import emit_line, ink, line
from loopy.cli.status import run_status
from loopy.cli.story import Line, Teller, laid_out
from loopy.domain.counted import counted
from loopy.domain.errors import StoreError
from loopy.domain.events import Event
from loopy.domain.states import RunState, Wait
from loopy.store.board import Card, newest_event, under_way

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from workers.app import Shell

LOOK_S, PLAIN_LOOK_S, SHOWN = 0.25, 0.5, 3  # without a foot line nobody sees the difference
TOLD = ("agent.limit", "agent.error", "check.finished")  # of the stream; the rest is for `loopy watch`


class Terminal:
    """A thread that looks at the graph a few times a second and shows it."""

    def __init__(self, made: Services, shell: Shell, live: LiveLine, *, as_json: bool) -> None:
        self._made, self._shell, self._live, self._as_json = made, shell, live, as_json
        self._tellers: dict[str, Teller] = {}
        self._cards: list[Card] = []
        self._version, self._stop = -1, threading.Event()
        with made.graph.read() as tx:
            self._seen = newest_event(tx)
        self._thread = threading.Thread(target=self._run, name="loopy-terminal", daemon=True)

    def start(self) -> None:
        """Say what this worker is, and show from now on; `ready` is said when Celery is."""
        from celery.signals import worker_ready

        worker_ready.connect(self._ready, weak=False)
        self._head()
        self._thread.start()

    def stop(self) -> None:
        """Show what is left, and no more."""
        self._stop.set()
        self._thread.join(timeout=2)
        self._live.clear()

    def _head(self) -> None:
        if self._as_json:
            return
        settings = self._made.settings
        broker = "embedded broker" if settings.broker_url is None else "broker by URL"
        facts = f"home {settings.home} · {broker} · {counted(settings.limits.turns, 'agent')} at once"
        self._live.above(f"{ink(f'loopy {loopy.__version__}', 'strong')}  {ink(facts, 'quiet')}")
        self._live.above(sandbox_line(self._made))

    def _ready(self, **_: Any) -> None:
        if not self._as_json:
            self._live.above(ink("ready; Ctrl-C waits for what runs, a second one hands it back", "quiet"))

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S if self._live.on else PLAIN_LOOK_S):
            try:
                self._look()
            except StoreError:
                continue  # locked for a moment; the sweep's log says more when it lasts
        self._tell()

    def _look(self) -> None:
        version = self._made.graph.version()
        if version != self._version:
            self._version = version
            self._tell()
            if self._live.on:
                with self._made.graph.read() as tx:
                    self._cards = list(under_way(tx))
        self._live.show(self._foot(), moving=any(c.run and c.run.state is RunState.RUNNING for c in self._cards))

    def _tell(self) -> None:
        while events := self._made.graph.events(self._seen):
            self._seen = events[-1].id
            for event in events:
                self._one(event)

    def _one(self, event: Event) -> None:
        if self._as_json:
            emit_line(event_json(event))
            return
        teller = self._tellers.setdefault(event.run, Teller())
        for told in teller.tell(event):
            if event.version is not None or event.name in TOLD:
                self._live.above(laid_out(f"{told.at.astimezone():%H:%M:%S}  {event.run:<7}", told))
        if event.name == "run.ended":
            del self._tellers[event.run]
            verdict, reason = str(event.facts.get("verdict")), line(str(event.facts.get("reason") or ""))
            words = f"{verdict} {reason.replace('_', ' ')}".strip()
            end = Line(event.at, "ended", words, "good" if verdict == "PASSED" else "bad")
            self._live.above(laid_out(f"{event.at.astimezone():%H:%M:%S}  {event.run:<7}", end))

    def _foot(self) -> str:
        now = self._made.clock.now()
        runs = [(card, card.run) for card in self._cards if card.run is not None]
        running = [f"{run.id} {run_status(card, run, now).why}" for card, run in runs if run.state is RunState.RUNNING]
        parts = [f"{len(running)} running: {', '.join(running[:SHOWN])}"] if running else []
        for state in (RunState.QUEUED, RunState.READY, RunState.WAITING):
            many = sum(run.state is state for _, run in runs)
            parts += [f"{many} {state}"] if many else []
        asking = sum(run.wait in (Wait.APPROVAL, Wait.QUESTION) for _, run in runs)
        parts += [ink(f"▲ {asking} need{'s' if asking == 1 else ''} you: loopy inbox", "need")] if asking else []
        runtime = self._shell.runtime
        if runtime is not None and runtime.pulse.closing.is_set():
            parts.insert(0, "stopping")
        return " · ".join(parts) or ink("nothing is under way", "quiet")
