"""Fake ports for the engine: a counted store, a clock that is told, a broker that is a list, a forge that forgets nothing, a scripted bench."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loopy.domain.agent import Agent, Tried, Turned, Usage
from loopy.domain.change import Change, Entry
from loopy.domain.check import CheckReport, CheckResult, CheckSpec
from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.held import UNBOXED, Held
from loopy.domain.plan import Plan
from loopy.domain.statement import SignedReceipt, Statement
from loopy.domain.ticket import RunId, Ticket
from loopy.ports import Brief, Leash, Reach, Tip, Workspace
from loopy.receipts.dsse import digest
from loopy.store.graph import SqlGraph, SqlTx


@dataclass
class Counted(SqlGraph):
    """The real store, which notes its writing transactions: True for one that survives a power cut."""

    written: list[bool] = field(default_factory=list)

    @contextmanager
    def write(self, *, full: bool = False) -> Iterator[SqlTx]:
        with super().write(full=full) as tx:
            self.written.append(full)
            yield tx


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
    heard: Callable[[str], None] = lambda _run_id: None

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        self.heard(run_id)
        if not self.deaf:
            self.messages.append((run_id, epoch, tuple(steps)))
        return not self.deaf


@dataclass
class Forge:
    """The other side: an append-only log of what arrived, and the refs it holds now."""

    now: Callable[[], float]
    log: list[tuple[str, str, str]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)  # when it was looked at
    tried: list[float] = field(default_factory=list)  # when something was sent
    unreachable: bool = False
    lose_reply: bool = False
    forbidden: bool = False  # it may be read, not written, and says so in words that are no answer
    blind: bool = False  # it takes what is sent, and answers no question
    before_look: Callable[[], None] = lambda: None
    before_push: Callable[[], None] = lambda: None
    during: Callable[[Leash], None] = lambda _leash: None  # while a push is under way

    def look(self, effect: Effect, _place: Workspace, leash: Leash) -> str | None:
        self.before_look()
        self.asked.append(self.now())
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        return None if self.unreachable or self.blind else self.refs.get(effect.ref, "")

    def push(self, effect: Effect, _place: Workspace, leash: Leash, _timeout_s: float) -> str:
        self.tried.append(self.now())
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        self.before_push()
        self.during(leash)
        if leash.stopping() == "lost":
            raise LostError(effect.run, "stopped in the middle")
        if self.unreachable or self.forbidden:
            raise GitError("push", "403 forbidden" if self.forbidden else "no answer")
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
    turns: list[Change | Tried] = field(default_factory=list)
    reports: list[bool] = field(default_factory=list)
    verdicts: list[str | Tried] = field(default_factory=list)  # what reviewers answer
    prompts: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    laws: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    tip_commit: str = "b" * 40
    contained: set[str] = field(default_factory=set)
    during: Callable[[Leash], None] = lambda _leash: None
    committing: Callable[[], None] = lambda: None
    rebased: Change | None = None
    cost_micros: int | None = None
    boxes: list[Held] = field(default_factory=list)  # what holds the turns and the checks, in their order
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
        self.opened.append(run_id)
        return Workspace(run_id, repo, base, Path("/tree"), Path("/folder"), Path("/folder/run.lock"))

    def snapshot(self, _place: Workspace, _token: int) -> Change:
        return self._change

    @contextmanager
    def checkout(self, _place: Workspace, _tree: str, _token: int) -> Iterator[Path]:
        yield Path("/checkout")

    def commit(self, _place: Workspace, change: Change, message: str, when: datetime) -> str:
        self.committing()
        return hashlib.sha1(f"{change.base}{change.tree}{message}{when}".encode()).hexdigest()

    def rebase(self, _place: Workspace, _change: Change, _onto: str, _token: int) -> Change | None:
        return self.rebased

    def diff(self, _place: Workspace, change: Change, limit: int = 0) -> str:
        return f"diff of {change.tree}"

    def patch(self, _place: Workspace, change: Change) -> bytes:
        return f"patch of {change.tree}".encode()

    def bundle(self, _place: Workspace, commit: str, ref: str) -> bytes:
        return f"bundle of {commit} {ref}".encode()

    def remove(self, _run_id: RunId) -> None:
        return

    def health(self, _agent: Agent) -> tuple[bool, str]:
        return True, "1.0"

    def turn(self, agent: Agent, brief: Brief, _place: Workspace, leash: Leash) -> Turned | Tried:
        self.agents.append(agent.name)
        self.prompts.append(brief.prompt)
        self.resumed.append(brief.session_id)
        self.laws.append(brief.policy.name)
        leash.emit(StreamEvent("agent.message", "hello"))
        self.during(leash)
        if leash.stopping():
            return Tried(failure=Failure.CANCELLED, detail=str(leash.stopping()))
        if "You review a change" in brief.prompt:
            said, usage = self.verdicts.pop(0), Usage(cost_micros=self.cost_micros)
            return said if isinstance(said, Tried) else Turned(message=said, usage=usage)
        result = self.turns.pop(0) if self.turns else a_change(len(self.agents))
        if isinstance(result, Tried):
            return result.model_copy(update={"agent": agent.name, "account": agent.billed_to})
        self._change = result
        usage = Usage(cost_micros=self.cost_micros)
        return Turned(message="done", session_id=f"{agent.name}-session", usage=usage, held=self._box())

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
        return CheckReport(tree=tree, results=(result,), held=self._box())

    def _box(self) -> Held | None:
        return self.boxes.pop(0) if self.boxes else None


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
    """An archive in memory: what is kept lies under its digest, and gets its plain name in `files` at the end."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    kept: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    tidied: list[str] = field(default_factory=list)
    full: bool = False
    before_put: Callable[[str], None] = lambda _name: None

    def put(self, run_id: str, name: str, content: bytes) -> str:
        self.before_put(name)
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        digest = hashlib.sha256(content).hexdigest()
        self.kept[run_id, name, digest] = content
        return digest

    def place(self, run_id: str, files: Mapping[str, str]) -> None:
        found = {name: self.kept.get((run_id, name, sha256)) for name, sha256 in files.items()}
        self.files |= {(run_id, name): content for name, content in found.items() if content is not None}

    def put_receipt(self, run_id: str, signed: SignedReceipt) -> None:
        self.files[run_id, "receipt"] = signed.statement_bytes

    def tidy(self, run_id: str) -> None:
        self.tidied.append(run_id)


class NoSandbox:
    """A sandbox that holds nothing, and says so."""

    held = UNBOXED
    keeper = False

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        return argv
