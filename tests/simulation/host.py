"""One host: its graph, its worker processes, the people who use it, and the nemesis that breaks it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from loopy.domain import crashpoints
from loopy.domain.agent import Agent
from loopy.domain.errors import LoopyError
from loopy.domain.limits import Limits
from loopy.domain.policy import PathRule, Policy
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Wait
from loopy.domain.ticket import Ticket, TicketId
from loopy.engine.admission import Admission
from loopy.engine.books import Worker
from loopy.engine.intake import Intake
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import LEASE_S
from loopy.engine.perform import Performer
from loopy.engine.pulse import Pulse
from loopy.engine.sweep import Sweep
from tests.engine.fakes import Shelf
from tests.engine.world import fake_desk
from tests.simulation.clockwork import Clockwork, Dead, Owner
from tests.simulation.invariants import after_commit
from tests.simulation.memory import MemoryGraph
from tests.simulation.outside import LINGER_S, SETTLE_S, SILENCE_S, Broker, Guards, Outside, SlowForge
from tests.simulation.rows import Rows

QUEUES = ("loop", "code", "checks", "control", "integrations")
YIELDS = frozenset(  # outside of transactions and mutexes: here another thread may go on
    {
        "claim.after_commit",
        "finish.before_transaction",
        "finish.after_commit",
        "pulse.after_beat",
        "sweep.after_free",
        "ship.after_intent",
        "ship.before_push",
        "ship.after_push",
    }
)
SLOTS, BEAT_S, SWEEP_S = 3, 3.0, 1.5


@dataclass(eq=False)
class Process(Owner):
    """A worker process: a performer with its heart and its sweep."""

    performer: Performer | None = None
    busy: int = 0
    doom: tuple[str, int] | None = None  # killed at the n-th visit of a crash point
    stall: str = ""  # stopped, longer than a lease, at the next visit of this one


@dataclass
class WatchedGraph(MemoryGraph):
    """The graph, every commit of which is checked."""

    limits: Limits = field(default_factory=Limits)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    writer: Callable[[], str] = lambda: ""

    def committed(self, before: Rows, now: Rows) -> None:
        after_commit(before, now, self.limits, self.agents, self.writer())


@dataclass
class Host:
    """Everything of one seed."""

    rng: random.Random
    visits: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    filed: bool = False  # the people have no further wishes

    def __post_init__(self) -> None:
        rng = self.rng
        self.clockwork = Clockwork(rng)
        self.known = {
            "a": Agent(name="a", argv=("a",), fallback=("b", "c"), concurrency=rng.randint(1, 3)),
            "b": Agent(name="b", argv=("b",), concurrency=rng.randint(1, 3)),
            "c": Agent(name="c", argv=("c",), account="b", concurrency=2),
        }
        self.limits = Limits(steps=rng.randint(1, 4), turns=rng.randint(1, 3), repo=rng.randint(1, 3))
        asks = rng.choice(["asked", "asked", "always"])
        self.law = Policy(
            sandbox="none", approve=asks, approve_run=rng.random() < 0.2, paths=(PathRule(deny=("secret/",)),)
        )
        self.graph = WatchedGraph(self.clockwork.now, limits=self.limits, agents=self.known, writer=self.writer)
        self.guards = Guards(self.clockwork)
        self.broker = Broker(self.clockwork, self.deliver)
        self.forge = SlowForge(self.clockwork, self.guards, self.owner)
        self.outside = Outside(self.clockwork.now, clockwork=self.clockwork, guards=self.guards, owner=self.owner)
        self.shelf = Shelf()
        self.processes: list[Process] = []
        self.intake = Intake(self.graph, Admission(self.limits, self), self.broker)

    # ---- the small ports

    def agents(self) -> Mapping[str, Agent]:
        return self.known

    def policy(self, _agent: Agent | None, _repo: str, _base: str) -> Policy:
        return self.law

    def target(self, _run: Run) -> tuple[str, str]:
        return "/srv/target", "loopy/"

    def dead(self, worker: str) -> bool:
        return any(p.dead for p in self.processes if p.name == worker)

    def bury(self, worker: str) -> None:
        return

    def push_receipt(self, _run: Run) -> bool:
        return self.rng.random() < 0.8

    def writer(self) -> str:
        return self.clockwork.current.owner.name if self.clockwork.current else ""

    def owner(self) -> Owner:
        assert self.clockwork.current is not None
        return self.clockwork.current.owner

    # ---- worker processes

    def hire(self) -> Process:
        """Start a worker process."""
        process = Process(f"w{len(self.processes)}")
        desk = fake_desk(
            process.name,
            self.outside,
            self,
            graph=self.graph,
            clock=self.clockwork,
            doorbell=self.broker,
            admission=Admission(self.limits, self),
            remote=self.forge,
            guards=self.guards,
            archive=self.shelf,
            settle_s=lambda _target: SETTLE_S,
            pause=self.clockwork.sleep,
        )
        pulse = Pulse(self.graph, self.clockwork, process.name)
        process.performer = Performer(desk, pulse)
        self.processes.append(process)
        with self.graph.write() as tx:
            tx.fleet.add_worker(Worker(process.name, "host", 1, self.clockwork.now(), QUEUES, "0"))
        self.clockwork.spawn(process, lambda: self._beating(pulse))
        self.clockwork.spawn(process, lambda: self._sweeping(Sweep(desk, LeaseWatch(self.clockwork))))
        return process

    def _beating(self, pulse: Pulse) -> None:
        while True:
            self.clockwork.sleep(BEAT_S)
            with suppress(LoopyError):
                pulse.beat()

    def _sweeping(self, sweep: Sweep) -> None:
        while True:
            self.clockwork.sleep(self.rng.uniform(0.2, 2 * SWEEP_S))
            with suppress(LoopyError):
                sweep.once()

    def deliver(self, run_id: str, epoch: int, steps: tuple[str, ...]) -> bool:
        """Hand a message to some process that has a slot free; False when there is none now."""
        now = self.clockwork.awake()
        free = [p for p in self.processes if not p.dead and p.frozen_until <= now and p.busy < SLOTS]
        if not free:
            return False
        process = self.rng.choice(free)
        self.clockwork.spawn(process, lambda: self._perform(process, run_id, epoch, steps))
        return True

    def _perform(self, process: Process, run_id: str, epoch: int, steps: tuple[str, ...]) -> None:
        process.busy += 1
        try:
            assert process.performer is not None
            if process.performer.perform(run_id, Step(steps[0]), epoch) and steps[1:]:
                self.broker.put((run_id, epoch, steps[1:]))
        except Dead:
            self.broker.put((run_id, epoch, steps), again=True)  # it was never acknowledged
            raise
        finally:
            process.busy -= 1

    # ---- deaths

    def reached(self, point: str) -> None:
        """A crash point was reached: the process may be killed here, or another thread go on."""
        self.visits[point] = self.visits.get(point, 0) + 1
        task = self.clockwork.current
        if task is None or not isinstance(process := task.owner, Process):
            return
        if process.dead:
            raise Dead
        if process.doom and process.doom[0] == point:
            process.doom = (point, process.doom[1] - 1)
            if process.doom[1] <= 0:
                self.kill(process)
                raise Dead
        if point in YIELDS and not self.graph.busy:
            if process.stall == point:
                process.stall = ""
                self.freeze(process, LEASE_S + self.rng.choice((5, 15, 30, 90)))
            self.clockwork.sleep(self.rng.choice((0, 0, 0.1)))

    def kill(self, process: Process) -> None:
        """SIGKILL: its threads are gone, its guards follow within seconds."""
        self.kills += 1
        self.clockwork.kill(process)
        self.guards.orphan(process, self.rng.uniform(0, LINGER_S))

    def freeze(self, process: Process, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        process.frozen_until = self.clockwork.awake() + seconds
        if seconds > SILENCE_S:
            self.guards.orphan(process, SILENCE_S)

    # ---- people

    def file(self, title: str, depends_on: tuple[TicketId, ...] = ()) -> TicketId:
        """File a ticket and start it."""
        ticket = Ticket(
            id=TicketId(""),
            title=title,
            repo=self.rng.choice(("/srv/one", "/srv/two")),
            created_at=self.clockwork.now(),
        )
        ticket = ticket.model_copy(
            update={
                "depends_on": depends_on,
                "assignee": self.rng.choice(("", "a", "b")),
                "priority": self.rng.randint(0, 3),
            }
        )
        filed = self.intake.file(ticket)
        self.intake.start(filed.id, "person")
        return filed.id

    def attend(self, *, patient: bool) -> None:
        """Look into the inbox once and act on what is there, as a person would; sooner or later everything is answered."""
        for run in list(self.graph.rows.runs.values()):
            if run.state is not RunState.WAITING or (patient and self.rng.random() < 0.7):
                continue
            with suppress(LoopyError):
                self._decide(run)

    def _decide(self, run: Run) -> None:
        if run.wait is Wait.APPROVAL:
            self.intake.answer(run.id, "approve" if self.rng.random() < 0.85 else "reject", "person")
        elif run.wait is Wait.QUESTION:
            self.intake.resume(run.id, "person", give_up=self.rng.random() < 0.3)
        elif run.wait is Wait.DEPENDENCY and not self._may_come(run):
            self.intake.cancel(run.ticket, "person")

    def _may_come(self, run: Run) -> bool:
        needs = self.graph.rows.tickets[int(run.ticket.removeprefix("LP-"))].depends_on
        others = [r for r in self.graph.rows.runs.values() if r.ticket in needs]
        self.outside.contained |= {r.head for r in others if r.head}
        return any(r.state is not RunState.ENDED or r.head for r in others)


def install(host: Host) -> None:
    """Let the host hear of every crash point."""
    crashpoints.install(host.reached)
