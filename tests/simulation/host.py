"""One host: its graph, its worker processes, the people who use it, and the nemesis that breaks it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from loopy.domain.agent import Agent
from loopy.domain.errors import LoopyError
from loopy.domain.limits import Limits
from loopy.domain.policy import PathRule, Policy
from loopy.domain.run import Run
from loopy.domain.states import Step
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
from tests.simulation.invariants import Delivery, Message, Writer, must
from tests.simulation.outside import LINGER_S, SETTLE_S, SILENCE_S, Broker, Guards, Outside, SlowForge
from tests.simulation.rows import Rows
from tests.simulation.watched import WatchedGraph
from tests.simulation.witness import Witness

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
MOST_VICTIMS = 80  # four tickets, four strikes each, and what dies in company


@dataclass(eq=False)
class Process(Owner):
    """A worker process: a performer with its heart and its sweep."""

    performer: Performer | None = None
    held: list[Message] = field(default_factory=list)  # not acknowledged yet
    doom: tuple[str, int] | None = None  # killed at the n-th visit of a crash point
    stall: tuple[Step | None, str] | None = None  # stopped, longer than a lease, at this line of this step, or of any
    whim: tuple[Step, str] | None = None  # a person cancels what it does at this line of this step
    sleeper: bool = False  # and then woken as soon as somebody has taken a run of its own over


@dataclass
class Host:
    """Everything of one seed."""

    rng: random.Random
    visits: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    victims: int = 0  # of what is poison
    poison: dict[str, Step] = field(default_factory=dict)  # ticket -> the step whose work kills whoever does it
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
            sandbox="none",
            approve=asks,
            approve_run=rng.random() < 0.2,
            paths=(PathRule(deny=("secret/",)),),
            budget_micros=rng.choice((None, 40_000_000)),
        )
        self.guards = Guards(self.clockwork)
        self.broker = Broker(self.clockwork, self.deliver)
        self.witness = Witness(self.clockwork.awake, self.holds, self.under_way)
        self.broker.rung = self.witness.rung
        self.graph = WatchedGraph(
            self.clockwork.now,
            limits=self.limits,
            agents=self.known,
            writer=self.writer,
            seen=self.committed,
        )
        self.forge = SlowForge(self.clockwork, self.guards, self.owner)
        self.outside = Outside(
            self.clockwork.now, clockwork=self.clockwork, guards=self.guards, owner=self.owner, opening=self.opening
        )
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

    def holds(self, worker: str, run: Run) -> bool:
        """Whether the process lives and has not let its claim of the run go."""
        hearts = [p.performer.pulse for p in self.processes if p.name == worker and p.performer and not p.dead]
        return any((c.run.id, c.token) == (run.id, run.token) for heart in hearts for c in heart.held)

    def bury(self, worker: str) -> None:
        return

    def push_receipt(self, _run: Run) -> bool:
        return self.rng.random() < 0.8

    def writer(self) -> Writer:
        task = self.clockwork.current
        return Writer(task.owner.name, task.delivery) if task else Writer()

    def under_way(self) -> Iterator[Message]:
        yield from self.broker.flight
        for process in self.processes:
            yield from process.held

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
        free = [p for p in self.processes if not p.dead and p.frozen_until <= now and len(p.held) < SLOTS]
        if not free:
            return False
        process, message = self.rng.choice(free), (run_id, epoch, steps)
        process.held.append(message)
        self.clockwork.spawn(process, lambda: self._perform(process, message))
        return True

    def _perform(self, process: Process, message: Message) -> None:
        run_id, epoch, steps = message
        task = self.clockwork.current
        assert task is not None
        assert process.performer is not None
        task.delivery = delivery = Delivery(message)
        goes_on = process.performer.perform(run_id, Step(steps[0]), epoch)
        self.witness.chain(delivery, goes_on=goes_on)
        if goes_on and steps[1:]:
            self.broker.put((run_id, epoch, steps[1:]))
        process.held.remove(message)
        self.witness.heard(self.graph.rows)

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
            if task.delivery and process.whim == (task.delivery.step, point):
                process.whim = None
                with suppress(LoopyError):  # a person, in this very moment
                    self.intake.cancel(task.delivery.ticket, "person")
            step = task.delivery.step if task.delivery else None
            if process.stall in ((None, point), (step, point)):
                process.stall, process.sleeper = None, self.rng.random() < 0.5
                self.freeze(process, LEASE_S + self.rng.choice((5, 15, 30, 90)))
            self.clockwork.sleep(self.rng.choice((0, 0, 0.1)))

    def committed(self, before: Rows, now: Rows, writer: Writer) -> None:
        """Let the witness look; who slept until it was robbed wakes up, in the very moment of the takeover."""
        self.witness.committed(before, now, writer)
        for process in (p for p in self.processes if p.sleeper and p.frozen_until > self.clockwork.awake()):
            mine = [i for i, r in before.runs.items() if r.owner == process.name]
            if any(now.runs[i].owner != process.name for i in mine):
                process.sleeper, process.frozen_until = False, self.clockwork.awake() + self.rng.choice((0, 0.2, 1, 3))
                self.witness.woken(process.name, process.frozen_until)

    def opening(self, run_id: str) -> None:
        """A workspace is opened for work: some work kills its worker, who is followed by another."""
        task = self.clockwork.current
        if task and task.delivery and self.poison.get(run_id.rpartition(".")[0]) == task.delivery.step:
            assert isinstance(task.owner, Process)
            self.victims += 1
            must(self.victims < MOST_VICTIMS, f"{run_id} kills its workers for ever")
            self.kill(task.owner)
            self.clockwork.spawn(Owner("supervisor"), self.hire, self.rng.uniform(1, 5))
            raise Dead

    def kill(self, process: Process) -> None:
        """SIGKILL: its threads are gone, its guards follow within seconds."""
        self.kills += 1
        self.clockwork.kill(process)
        held, process.held = process.held, []
        for message in held:  # it was never acknowledged
            self.broker.put(message, again=True)
        self.guards.orphan(process, self.rng.uniform(0, LINGER_S))

    def freeze(self, process: Process, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        process.frozen_until = max(process.frozen_until, self.clockwork.awake() + seconds)
        self.witness.stopped(process.name, process.frozen_until)
        if seconds > SILENCE_S:
            self.guards.orphan(process, SILENCE_S)

    def pause(self, seconds: float) -> None:
        """Stop every process at once, as a machine that is suspended while its clocks go on, and let all go on at once."""
        for process in (p for p in self.processes if not p.dead):
            process.frozen_until = max(process.frozen_until, self.clockwork.awake() + seconds)
            self.witness.stopped(process.name, process.frozen_until)
