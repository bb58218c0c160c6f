"""A whole small world for the engine: the real store around fake ports, and as many worker processes as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopy.domain import crashpoints
from loopy.domain.agent import Agent
from loopy.domain.errors import LoopyError
from loopy.domain.limits import Limits
from loopy.domain.policy import Policy
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step
from loopy.domain.ticket import Ticket, TicketId
from loopy.engine.admission import Admission
from loopy.engine.books import Worker
from loopy.engine.desk import Desk
from loopy.engine.intake import Intake
from loopy.engine.liveness import LeaseWatch
from loopy.engine.perform import Performer
from loopy.engine.pulse import Pulse
from loopy.engine.sweep import Sweep
from tests.engine.fakes import Bell, Bench, Clock, Counted, Forge, NoSandbox, Plans, Seal, Shelf
from tests.support.databases import copy_of

QUEUES = ("loop", "code", "checks", "control", "integrations")
REPO = "/srv/repo"


def fake_desk(worker: str, bench: Any, house: Any, **parts: Any) -> Desk:
    """Return a worker's desk: `bench` is its repositories, workspaces, driver and checker, `house` its small ports."""
    return Desk(
        **dict.fromkeys(("repositories", "workspaces", "driver", "checker"), bench),
        **dict.fromkeys(("policies", "fleet", "targets", "alive"), house),
        planner=Plans(),
        sandbox=NoSandbox(),
        notary=Seal(),
        push_receipt=house.push_receipt,
        install_id="install",
        version="0",
        worker=worker,
        host="host",
        **parts,
    )


class Dead(BaseException):
    """The process is gone at this very line: nothing below it catches this."""


@dataclass
class World:
    """One graph, one broker, one forge, and as many worker processes as a test wants; it is its own small ports too."""

    graph: Counted
    clock: Clock
    known: dict[str, Agent]
    law: Policy
    limits: Limits = field(default_factory=Limits)
    bell: Bell = field(default_factory=Bell)
    shelf: Shelf = field(default_factory=Shelf)
    gone: set[str] = field(default_factory=set)
    buried: list[str] = field(default_factory=list)
    cleared: list[tuple[str, int]] = field(default_factory=list)
    clearing: Callable[[str, int], None] = lambda _run_id, _token: None
    burying: Callable[[str], None] = lambda _worker: None
    ruling: Callable[[], None] = lambda: None
    broken: LoopyError | None = None  # what reading the policy at a base raises
    published: Callable[[Run], bool] = lambda _run: True
    settle_s: float = 0.0
    workers: dict[str, Performer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bench = Bench(self.clock.now)
        self.forge = Forge(self.clock.awake)
        self.intake = Intake(self.graph, self.admission, self.bell)

    @property
    def admission(self) -> Admission:
        return Admission(self.limits, self)

    # ---- the small ports: fleet, policies, targets, alive, guards

    def agents(self) -> Mapping[str, Agent]:
        return self.known

    def policy(self, _agent: Agent | None, _repo: str, base: str) -> Policy:
        self.ruling()
        if base and self.broken:
            raise self.broken
        return self.law

    def target(self, _run: Run) -> tuple[str, str]:
        return ("/srv/target", "loopy/")

    def dead(self, worker: str) -> bool:
        return worker in self.gone

    def bury(self, worker: str) -> None:
        self.burying(worker)
        self.buried.append(worker)

    def clear(self, run_id: str, token: int) -> None:
        self.clearing(run_id, token)
        self.cleared.append((run_id, token))

    def push_receipt(self, run: Run) -> bool:
        return self.published(run)

    # ---- workers

    def desk(self, worker: str) -> Desk:
        return fake_desk(
            worker,
            self.bench,
            self,
            graph=self.graph,
            clock=self.clock,
            doorbell=self.bell,
            admission=self.admission,
            remote=self.forge,
            guards=self,
            archive=self.shelf,
            settle_s=lambda _target: self.settle_s,
            pause=self.clock.tick,
        )

    def hire(self, name: str, queues: tuple[str, ...] = QUEUES) -> Performer:
        """Start a worker process."""
        with self.graph.write() as tx:
            tx.fleet.add_worker(Worker(name, "host", 1, self.clock.now(), queues, "0"))
        self.workers[name] = Performer(self.desk(name), self.heart(name))
        return self.workers[name]

    def heart(self, worker: str) -> Pulse:
        return Pulse(self.graph, self.clock, worker)

    def fire(self, name: str) -> None:
        """Close a worker's row, as at the end of its life."""
        with self.graph.write() as tx:
            tx.fleet.close_worker(name)

    def limit(self, **slots: int) -> None:
        """Set the host's limits for everybody."""
        self.limits = Limits(**slots)
        self.intake = Intake(self.graph, self.admission, self.bell)
        self.workers = {name: Performer(self.desk(name), w.pulse) for name, w in self.workers.items()}

    def sweep(self, worker: str = "w1") -> Sweep:
        return Sweep(self.desk(worker), LeaseWatch(self.clock))

    @contextmanager
    def dying(self, point: str, worker: str = "w1") -> Iterator[None]:
        """Let the worker's process end at the crash point; whatever reaches it must be in the block."""

        def die(reached: str) -> None:
            if reached == point:
                raise Dead

        crashpoints.install(die)
        try:
            yield
        except Dead:
            self.gone.add(worker)
            return
        finally:
            crashpoints.install(None)
        raise AssertionError(f"nobody came to {point}")

    def succeed(self, dead: str, heir: str) -> None:
        """Let another worker take over from a dead one, to the end of all messages."""
        self.gone.add(dead)
        self.hire(heir)
        self.sweep(heir).once()
        self.pump(heir)

    # ---- what people do, and what the broker delivers

    def file(self, title: str = "Fix it", agent: str = "", **facts: Any) -> Ticket:
        ticket = Ticket(id=TicketId(""), title=title, repo=REPO, created_at=self.clock.now(), assignee=agent)
        return self.intake.file(ticket.model_copy(update=facts))

    def start(self, title: str = "Fix it", agent: str = "a", **facts: Any) -> Run:
        return self.intake.start(self.file(title, **facts).id, "tester", agent)

    def deliver(self, worker: str = "w1", at: int = 0) -> tuple[str, int, tuple[str, ...]]:
        """Deliver one message to a worker, and publish the rest of its chain as Celery does."""
        run_id, epoch, steps = message = self.bell.messages.pop(at)
        if self.workers[worker].perform(run_id, Step(steps[0]), epoch) and steps[1:]:
            self.bell.messages.append((run_id, epoch, steps[1:]))
        return message

    def pump(self, worker: str = "w1", limit: int = 200) -> None:
        """Deliver until the broker is empty."""
        while self.bell.messages and limit:
            self.deliver(worker)
            limit -= 1
        assert limit, "the messages never end"

    def pump_until(self, run_id: str, step: Step, worker: str = "w1") -> None:
        """Deliver until the run is queued at a step, with its message next in the broker."""
        for _ in range(200):
            run = self.run(run_id)
            if run.step is step and run.state is RunState.QUEUED:
                return
            self.deliver(worker)
        raise AssertionError(f"{run_id} never came to {step}")

    def run(self, run_id: str) -> Run:
        with self.graph.read() as tx:
            run = tx.runs.get(run_id)
        assert run is not None
        return run

    def names(self, run_id: str) -> list[str]:
        return [e.name for e in self.graph.events(0, run_id, 10_000) if e.version is not None]

    def change(self, **facts: object) -> None:
        """Change the policy."""
        self.law = self.law.model_copy(update=facts)


def make_world(path: Path, template: Path) -> World:
    """Return a world on a fresh copy of a migrated database."""
    url, clock = copy_of(template, path), Clock()
    known = {
        "a": Agent(name="a", argv=("a",), fallback=("b",), concurrency=4),
        "b": Agent(name="b", argv=("b",), concurrency=4),
    }
    graph = Counted(url, clock.now)
    return World(graph, clock, known, Policy(sandbox="none"))
