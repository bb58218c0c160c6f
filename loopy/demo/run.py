"""The demo: four tickets, a kill -9 in the middle, four verified receipts; it ends well only if all of it held."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loopy.demo.stage import Piece, Stage, set_stage
from loopy.domain.counted import counted
from loopy.domain.events import Event
from loopy.domain.failures import Failure
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step
from loopy.process.background import Background
from loopy.process.capture import probe

PATIENCE_S = 180.0
LOOK_S = 0.1
Say = Callable[[str, str], None]  # text, ink
Tell = Callable[[Event], Iterable[tuple[str, str]]]  # an event → its lines, each with its ink
SIGNAL = ("agent.output", "agent.message", "agent.tool", "agent.file")


def main(
    agent: str = "", say: Say | None = None, tell: Tell | None = None, environ: dict[str, str] | None = None
) -> int:
    """Play the demo; return 0 only if every run ended as its ticket says and every receipt is verified."""
    stage = set_stage(agent, dict(os.environ if environ is None else environ))
    play = Play(stage, say or (lambda text, _ink: print(text, flush=True)), tell or _plain)  # noqa: T201  # no CLI around it
    return play.play()


def _plain(event: Event) -> Iterable[tuple[str, str]]:
    return [(f"{event.run} {event.name} {event.text}", "plain")] if event.version is not None else []


@dataclass
class Play:
    """One performance."""

    stage: Stage
    say: Say
    tell: Tell
    runs: dict[str, Piece] = field(default_factory=dict)
    killed: str = ""
    _began: float = field(default_factory=time.monotonic)
    _verified: int = 0
    _after: int = 0
    _faults: list[str] = field(default_factory=list)

    def play(self) -> int:
        """Start the stack, file, kill, wait, and show what came of it."""
        self.say(f"scratch home {self.stage.folder / 'home'}", "quiet")
        self._say_box()
        worker = self.stage.worker("worker-1")
        self.say(f"worker started, pid {worker.pid}, embedded broker", "quiet")
        self.say("", "plain")
        for piece in self.stage.pieces:
            run_id = self.stage.file(piece)
            self.runs[run_id] = piece
            self.say(f"{run_id}  {piece.title}  → {piece.agent}{self._scripted(piece.agent)}", "strong")
        self.say("", "plain")
        try:
            worker = self._follow(worker)
            ended = self._ended()
            self._show(ended)
        finally:
            worker.stop()
            self.stage.made.graph.close()
        self.say("", "plain")
        for fault in self._faults:
            self.say(f"✗ {fault}", "bad")
        self.say(self._summary(), "bad" if self._faults else "good")
        return 1 if self._faults else 0

    def _say_box(self) -> None:
        held, lacking = self.stage.made.sandbox.held, self.stage.lacking
        self.say(held.words, "alarm" if held.grade == "none" else "quiet")
        if lacking:
            self.say(f"  {lacking.why}; to mend it: {lacking.fix}", "alarm")

    def _summary(self) -> str:
        """Return the last line: what was shown and how long it took, how to see more, and what lies where."""
        verified = counted(self._verified, "receipt")
        shown = f"✓ {counted(len(self.runs), 'ticket')}, {int(bool(self.killed))} kill -9, {verified} verified"
        what = f"✗ {counted(len(self._faults), 'thing')} did not hold" if self._faults else shown
        home = self.stage.folder / "home"
        more = f"more: LOOPY_HOME={home} loopy board · kept until you delete {self.stage.folder}"
        return f"{what}, in {time.monotonic() - self._began:.0f} s · {more}"

    def _scripted(self, name: str) -> str:
        agent = self.stage.made.settings.agents.get(name)
        return " (scripted)" if agent and agent.scripted else ""

    def _follow(self, worker: Background) -> Background:
        """Tell the events as they come; kill the worker while the marked ticket is in its code step."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            for event in self.stage.made.graph.events(self._after):
                self._after = event.id
                for text, ink in self.tell(event):
                    self.say(text, ink)
                if not self.killed and self._is_the_moment(event):
                    worker = self._kill(worker, event.run)
            runs = self._ended()
            if len(runs) == len(self.runs):
                return worker
            if time.monotonic() > give_up or not worker.alive:
                self._faults.append("not every run came to its end; see the worker's log")
                return worker
            time.sleep(LOOK_S)

    def _is_the_moment(self, event: Event) -> bool:
        piece = self.runs.get(event.run)
        return bool(piece and piece.kill and event.name in SIGNAL and event.step == Step.CODE)

    def _kill(self, worker: Background, run_id: str) -> Background:
        worker.kill()
        self.killed = run_id
        self.say(f"kill -9 {worker.pid}: the worker is dead in the middle of {run_id}", "bad")
        fresh = self.stage.worker("worker-2")
        self.say(f"another worker started, pid {fresh.pid}; nobody tells it what to do", "strong")
        return fresh

    def _ended(self) -> list[Run]:
        with self.stage.made.graph.read() as tx:
            runs = [tx.runs.get(run_id) for run_id in self.runs]
        return [r for r in runs if r is not None and r.state is RunState.ENDED]

    def _show(self, ended: Sequence[Run]) -> None:
        self._judge(ended)
        self._command("board")
        shown = self.killed or next(iter(self.runs))
        self._command("evidence", shown)
        self.say("", "plain")
        for run in ended:
            done = self._command("verify", run.id, "--repo", str(self.stage.repo), short=True)
            self._verified += done
            if not done:
                self._faults.append(f"the receipt of {run.id} was not verified")
        self.say("", "plain")
        self._ssh_keygen(ended)

    def _judge(self, ended: Sequence[Run]) -> None:
        """Note everything that is not as the tickets say."""
        for run in ended:
            piece = self.runs[run.id]
            if run.verdict != piece.verdict:
                self._faults.append(f"{run.id} ended as {run.verdict} ({run.reason}), not as {piece.verdict}")
            if piece.failover_to and run.agent != piece.failover_to:
                self._faults.append(f"{run.id} was not taken over by {piece.failover_to}")
        with self.stage.made.graph.read() as tx:
            deaths = (
                [a for a in tx.runs.attempts(self.killed) if a.failure is Failure.WORKER_LOST] if self.killed else []
            )
        if not deaths:
            self._faults.append("the worker's death was not seen")

    def _command(self, *words: str, short: bool = False) -> bool:
        """Show a command and what it prints, as a user would see it; `short` shows its last line only."""
        env = {**self.stage.env, "COLUMNS": "110"}
        seen = probe([sys.executable, "-m", "loopy", *words], env, 60, cwd=self.stage.repo)
        lines = (seen.stdout + seen.stderr).decode("utf-8", "replace").rstrip().splitlines()
        if not short:
            self.say("", "plain")
        self.say(f"$ loopy {' '.join(words)}", "strong")
        for text in lines[-1:] if short else lines:
            self.say(text, "plain")
        return seen.exit.ok

    def _ssh_keygen(self, ended: Sequence[Run]) -> None:
        """Let a program that we did not write verify the same receipts, where it is installed."""
        env = {"PATH": self.stage.env["PATH"]}
        for run in ended:
            folder = self.stage.made.run_folder(run.id)
            answer = _ask_ssh_keygen(folder, env)
            if answer is None:
                self.say("ssh-keygen is not installed; skipped", "quiet")
                return
            self.say(
                f"ssh-keygen -Y verify {run.id}: {'verified' if answer else 'INVALID'}", "good" if answer else "bad"
            )
            if not answer:
                self._faults.append(f"ssh-keygen does not accept the receipt of {run.id}")


def _ask_ssh_keygen(folder: Path, env: dict[str, str]) -> bool | None:
    from loopy.process.capture import capture
    from loopy.process.command import Command, Ending

    signer = (folder / "signer.pub").read_text().split(maxsplit=2)
    allowed = folder / "allowed_signers"
    allowed.write_text(f'demo namespaces="loopy-ship-receipt" {signer[0]} {signer[1]}\n')
    statement = folder / "receipt.statement.json"
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "demo", "-n", "loopy-ship-receipt"]
    command = Command(
        argv=(*argv, "-s", f"{statement}.sig"), cwd=folder, env=env, stdin=statement.read_bytes(), wall_s=20
    )
    seen = capture(command)
    return None if seen.exit.ending is Ending.NOT_FOUND else seen.exit.ok
