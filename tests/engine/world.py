"""A whole small world for the engine: the real store, fake ports, a forge that forgets nothing, a clock that is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.change import Change, Entry
from loopy.domain.check import CheckReport, CheckResult, CheckSpec
from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.events import StreamEvent
from loopy.domain.limits import Limits
from loopy.domain.plan import Plan
from loopy.domain.policy import Policy
from loopy.domain.run import Run
from loopy.domain.statement import SignedReceipt, Statement
from loopy.domain.states import RunState, Step
from loopy.domain.ticket import RunId, Ticket, TicketId
from loopy.engine.admission import Admission
from loopy.engine.desk import Desk
from loopy.engine.graph import Worker
from loopy.engine.intake import Intake
from loopy.engine.liveness import LeaseWatch
from loopy.engine.perform import Performer
from loopy.engine.pulse import Pulse
from loopy.engine.sweep import Sweep
from loopy.ports import Brief, Leash, Tip, Workspace
from loopy.receipts.dsse import digest
from loopy.store.graph import SqlGraph

QUEUES = ("loop", "code", "checks", "control", "integrations")
REPO = "/srv/repo"


class Clock:
    """Time that only moves when it is told to."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.lived = 0.0

    def now(self) -> datetime:
        return self.wall

    def awake(self) -> float:
        return self.lived

    def tick(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.lived += seconds


@dataclass
class Bell:
    """The broker: a list of messages, each with the rest of its chain; it may be deaf."""

    messages: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)
    deaf: bool = False

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        if not self.deaf:
            self.messages.append((run_id, epoch, tuple(steps)))
        return not self.deaf


@dataclass
class Forge:
    """The other side: an append-only log of what arrived, and the refs it holds now."""

    log: list[tuple[str, str, str]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    unreachable: bool = False
    lose_reply: bool = False
    before_push: Callable[[], None] = lambda: None

    def look(self, effect: Effect, _place: Workspace, leash: Leash) -> str | None:
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        return None if self.unreachable else self.refs.get(effect.ref, "")

    def push(self, effect: Effect, _place: Workspace, leash: Leash, _timeout_s: float) -> str:
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        self.before_push()
        if self.unreachable:
            raise GitError("push", "no answer")
        if self.refs.get(effect.ref, "") != effect.expected:
            return "stale info"
        self.refs[effect.ref] = effect.commit
        self.log.append((effect.run, effect.ref, effect.commit))
        if self.lose_reply:
            raise GitError("push", "the reply was lost")
        return ""


def tree(n: int) -> str:
    return f"{n:040x}"


def a_change(n: int, path: str = "a.py", base: str = "b" * 40) -> Change:
    entry = Entry(path=path, status="M", old_mode="100644", new_mode="100644", old_id="0" * 40, new_id=tree(n), added=n)
    return Change(base=base, tree=tree(n), digest=hashlib.sha256(f"{n}{path}".encode()).hexdigest(), entries=(entry,))


@dataclass
class Bench:
    """Workspaces, driver and checker in one: scripted turns, scripted reports, and a record of what was asked."""

    now: Callable[[], datetime]
    turns: list[object] = field(default_factory=list)  # Change | Tried | "same"
    reports: list[bool] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    tip_commit: str = "b" * 40
    contained: set[str] = field(default_factory=set)
    during: Callable[[Leash], None] = lambda _leash: None
    rebased: Change | None = None
    _change: Change = field(default_factory=lambda: Change(base="b" * 40, tree="", digest=""))

    def tip(self, _repo: str) -> Tip:
        return Tip(self.tip_commit, "main")

    def files(self, _repo: str, _commit: str) -> Sequence[str]:
        return ["a.py"]

    def read(self, _repo: str, _commit: str, _path: str, limit: int = 0) -> bytes | None:
        return None

    def grep(self, _repo: str, _commit: str, _words: Sequence[str], limit: int = 0) -> Mapping[str, int]:
        return {}

    def contains(self, _repo: str, _tip: str, commit: str) -> bool:
        return commit in self.contained

    def origin(self, _repo: str) -> str:
        return ""

    def open(self, run_id: RunId, repo: str, base: str) -> Workspace:
        return Workspace(run_id, repo, base, Path("/tree"), Path("/folder"), Path("/folder/run.lock"))

    def snapshot(self, _place: Workspace, _token: int) -> Change:
        return self._change

    @contextmanager
    def checkout(self, _place: Workspace, _tree: str, _token: int) -> Iterator[Path]:
        yield Path("/checkout")

    def commit(self, _place: Workspace, change: Change, message: str, when: datetime) -> str:
        return hashlib.sha1(f"{change.base}{change.tree}{message}{when}".encode()).hexdigest()

    def rebase(self, _place: Workspace, _change: Change, _onto: str, _token: int) -> Change | None:
        return self.rebased

    def diff(self, _place: Workspace, change: Change, limit: int = 0) -> str:
        return f"diff of {change.tree}"

    def remove(self, _run_id: RunId) -> None:
        return

    def health(self, _agent: Agent) -> tuple[bool, str]:
        return True, "1.0"

    def turn(self, agent: Agent, brief: Brief, _place: Workspace, leash: Leash) -> Turned | Tried:
        self.agents.append(agent.name)
        self.prompts.append(brief.prompt)
        self.resumed.append(brief.session_id)
        leash.emit(StreamEvent("agent.message", "hello"))
        self.during(leash)
        if leash.stopping():
            from loopy.domain.failures import Failure

            return Tried(failure=Failure.CANCELLED, detail=str(leash.stopping()))
        result = self.turns.pop(0) if self.turns else a_change(len(self.agents))
        if isinstance(result, Tried):
            return result.model_copy(update={"agent": agent.name, "account": agent.billed_to})
        if isinstance(result, Change):
            self._change = result
        return Turned(message="done", session_id=f"{agent.name}-session")

    def run(
        self,
        specs: Sequence[CheckSpec],
        _setup: Sequence[Sequence[str]],
        tree: str,
        _at: Path,
        _place: Workspace,
        _leash: Leash,
    ) -> CheckReport | Tried:
        green = self.reports.pop(0) if self.reports else True
        result = CheckResult(
            name=specs[0].name,
            argv=specs[0].argv,
            exit_code=0 if green else 1,
            passed=green,
            why="" if green else "exit 1",
            tail="" if green else "E assert 1 == 2",
            log_sha256="0" * 64,
            started_at=self.now(),
            duration_ms=1,
        )
        return CheckReport(tree=tree, results=(result,))


class Plans:
    """A planner with one check."""

    def plan(self, ticket: Ticket, _repo: str, tip: Tip, _lessons: Sequence[str]) -> Plan:
        return Plan(
            base=tip.commit, target=tip.branch, goal=ticket.title, checks=(CheckSpec(name="t", argv=("true",)),)
        )


class Seal:
    """A notary that is quick: real statements, a hash for a signature."""

    def sign(self, statement: Statement) -> SignedReceipt:
        payload = statement.to_bytes()
        return SignedReceipt(statement_bytes=payload, envelope_bytes=payload, sshsig_bytes=b"", digest=digest(payload))


@dataclass
class Shelf:
    """An archive in memory."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put(self, run_id: str, name: str, content: bytes) -> str:
        self.files[run_id, name] = content
        return hashlib.sha256(content).hexdigest()

    def put_receipt(self, run_id: str, signed: SignedReceipt) -> None:
        self.files[run_id, "receipt"] = signed.statement_bytes


@dataclass
class NoSandbox:
    backend: str = "none"
    grade: str = "none"


@dataclass
class World:
    """One graph, one broker, one forge, and as many worker processes as a test wants."""

    graph: SqlGraph
    clock: Clock
    agents: dict[str, Agent]
    policy: Policy
    limits: Limits = Limits()
    bell: Bell = field(default_factory=Bell)
    forge: Forge = field(default_factory=Forge)
    shelf: Shelf = field(default_factory=Shelf)
    dead: set[str] = field(default_factory=set)
    cleared: list[tuple[str, int]] = field(default_factory=list)
    settle_s: float = 0.0
    workers: dict[str, Performer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bench = Bench(self.clock.now)
        self.intake = Intake(self.graph, self.admission, self.bell)

    @property
    def admission(self) -> Admission:
        world = self

        class Fleet:
            def agents(self) -> Mapping[str, Agent]:
                return world.agents

        return Admission(self.limits, Fleet())

    def dead_worker(self, worker: str) -> bool:
        return worker in self.dead

    def bury(self, _worker: str) -> None:
        return

    def clear(self, run_id: str, token: int) -> None:
        self.cleared.append((run_id, token))

    def desk(self, worker: str) -> Desk:
        world, admission = self, self.admission

        class Policies:
            def policy(self, _agent: Agent | None, _repo: str, _base: str) -> Policy:
                return world.policy

        class Targets:
            def target(self, _run: Run) -> tuple[str, str]:
                return ("/srv/target", "loopy/")

        class Alive:
            def dead(self, other: str) -> bool:
                return other in world.dead

            def bury(self, _worker: str) -> None:
                return

        bench = self.bench
        return Desk(
            graph=self.graph,
            clock=self.clock,
            doorbell=self.bell,
            admission=admission,
            repositories=bench,
            workspaces=bench,
            driver=bench,
            checker=bench,
            planner=Plans(),
            policies=Policies(),
            fleet=admission.fleet,
            sandbox=NoSandbox(),  # type: ignore[arg-type]  # wrap is never called here
            remote=self.forge,
            targets=Targets(),
            guards=self,
            alive=Alive(),
            archive=self.shelf,
            notary=Seal(),
            push_receipt=lambda _run: True,
            install_id="install",
            version="0",
            worker=worker,
            host="host",
            settle_s=lambda _target: self.settle_s,
            pause_s=0.0,
        )

    def hire(self, name: str, queues: tuple[str, ...] = QUEUES) -> Performer:
        """Start a worker process."""
        with self.graph.write() as tx:
            tx.fleet.add_worker(Worker(name, "host", 1, self.clock.now(), queues, "0"))
        desk = self.desk(name)
        self.workers[name] = Performer(desk, Pulse(self.graph, self.clock, name))
        return self.workers[name]

    def sweep(self, worker: str = "w1") -> Sweep:
        return Sweep(self.desk(worker), LeaseWatch(self.clock))

    def file(self, title: str = "Fix it", agent: str = "", **facts: object) -> Ticket:
        ticket = Ticket(id=TicketId(""), title=title, repo=REPO, created_at=self.clock.now(), assignee=agent)
        return self.intake.file(ticket.model_copy(update=facts))

    def start(self, title: str = "Fix it", agent: str = "a", **facts: object) -> Run:
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
        self.policy = self.policy.model_copy(update=facts)


def make_world(path: Path, template: Path, **facts: object) -> World:
    """Return a world on a fresh copy of a migrated database."""
    path.write_bytes(template.read_bytes())
    clock = Clock()
    agents = {
        "a": Agent(name="a", argv=("a",), fallback=("b",), concurrency=4),
        "b": Agent(name="b", argv=("b",), concurrency=4),
    }
    graph = SqlGraph(f"sqlite:///{path}", clock.now)
    return World(graph, clock, agents, Policy(sandbox="none", **facts))  # type: ignore[arg-type]
