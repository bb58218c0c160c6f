"""A house of real processes: the demo's home and repository, worker processes on a broker, and who may be killed when."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from loopy.bootstrap.services import services
from loopy.demo.stage import Piece, Stage, set_stage
from loopy.domain.events import Event
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step
from loopy.process import background
from loopy.process.background import Background
from loopy.receipts.chain import verify_chain
from loopy.receipts.findings import Verification
from loopy.receipts.signers import trusted_key
from tests.support.servers import free_port

PATIENCE_S = 90.0


def wait_until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
    """Return how many seconds it took until `holds()`; AssertionError, in words, when it never did."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < patience_s, f"still not so after {patience_s:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


@dataclass
class House:
    """One home with its workers; everything in it is gone when the test is over."""

    stage: Stage
    workers: list[Background] = field(default_factory=list)

    def hire(self, **env: str) -> Background:
        """Start a worker process, and wait until it is on record."""
        before = self.rows()
        argv = [sys.executable, "-m", "workers", "--ephemeral"]
        log = self.stage.folder / f"worker-{len(self.workers)}.log"
        worker = background.start(argv, {**self.stage.env, **env}, log)
        self.workers.append(worker)
        wait_until(lambda: len(self.rows()) > len(before) or not worker.alive, "the worker is on record")
        assert worker.alive, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        return worker

    def rows(self) -> dict[str, int]:
        """Return every worker that was ever hired, by its id: its process."""
        with self.stage.made.graph.read() as tx:
            rows = tx.connection.exec_driver_sql("SELECT id, pid FROM worker").all()
        return {row[0]: row[1] for row in rows}

    def file(self, key: str) -> str:
        """File one of the demo's tickets and start its run."""
        return self.stage.file(self.piece(key))

    def piece(self, key: str) -> Piece:
        return next(p for p in self.stage.pieces if p.key == key)

    def run(self, run_id: str) -> Run:
        with self.stage.made.graph.read() as tx:
            run = tx.runs.get(run_id)
        assert run is not None
        return run

    def events(self, run_id: str) -> list[Event]:
        return list(self.stage.made.graph.events(0, run_id, 10_000))

    def speaks(self, run_id: str) -> bool:
        """Whether the agent of the run has said something."""
        return any(e.name.startswith("agent.") and e.step == Step.CODE and e.text for e in self.events(run_id))

    def until_it_speaks(self, run_id: str) -> None:
        wait_until(lambda: self.speaks(run_id), f"the agent of {run_id} speaks")
        assert (self.run(run_id).state, self.run(run_id).step) == (RunState.RUNNING, Step.CODE)

    def until_ended(self, *run_ids: str) -> float:
        return wait_until(lambda: all(self.run(r).state is RunState.ENDED for r in run_ids), f"{run_ids} have ended")

    def owner(self, run_id: str) -> Background:
        """Return the worker process that has the run."""
        pid = self.rows()[str(self.run(run_id).owner)]
        return next(w for w in self.workers if w.pid == pid)

    def resumed_after(self, run_id: str, killed: datetime) -> float:
        """Wait until the run is claimed again; return how many seconds after the kill that was."""

        def claims() -> list[Event]:
            return [e for e in self.events(run_id) if e.name == "step.claimed" and e.at > killed]

        wait_until(claims, f"{run_id} is claimed again")
        return (claims()[0].at - killed).total_seconds()

    def pushes(self) -> dict[str, int]:
        """Return how often each branch of ours was written in the repository, by the repository's own log."""
        heads = self.stage.repo / ".git" / "logs" / "refs" / "heads" / "loopy"
        logs = [p for p in heads.rglob("*") if p.is_file()] if heads.is_dir() else []
        return {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in logs}

    def verified(self) -> Verification:
        """Verify the whole chain of receipts, as a stranger who has the public key."""
        with self.stage.made.graph.read() as tx:
            rows = tx.connection.exec_driver_sql("SELECT envelope, digest FROM receipt ORDER BY seq").all()
        key = self.stage.made.settings.keys / "ship_ed25519.pub"
        signers = [trusted_key(key.read_text(encoding="utf-8"))]
        envelopes = [bytes(row[0]) for row in rows]
        return verify_chain(envelopes, signers=signers, now=datetime.now(UTC), head=rows[-1][1])


def kill(worker: Background) -> tuple[datetime, list[psutil.Process]]:
    """Send SIGKILL to the worker's own process; return when, and the processes that it had below it."""
    family = psutil.Process(worker.pid).children(recursive=True)
    at = datetime.now(UTC)
    worker.kill()
    return at, family


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; a zombie that nobody has collected does not."""
    found = []
    for process in family:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def house(**env: str) -> Iterator[House]:
    """Set the demo's stage, with these variables for everybody in it."""
    stage = set_stage("", dict(os.environ))
    if env:
        env = {**stage.env, **env}
        stage = replace(stage, env=env, made=services(env))
    made = House(stage)
    try:
        yield made
    finally:
        for worker in made.workers:
            worker.stop(patience_s=5.0)
        stage.made.graph.close()
        shutil.rmtree(stage.folder, ignore_errors=True)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis of our own on a free port of the loopback; yield its URL."""
    port = free_port()
    argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    server = subprocess.Popen([*argv, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), "redis-server answers", 20.0)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")
    except OSError:
        return False
