"""What lies outside the graph: a broker that loses and doubles, guards with the run's lock, agents, checks, and a slow forge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.change import Change
from loopy.domain.check import CheckReport, CheckSpec
from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.failures import Failure
from loopy.ports import Brief, Leash, Workspace
from tests.engine.fakes import Bench, a_change
from tests.simulation.clockwork import Clockwork, Owner
from tests.simulation.invariants import InvariantError, Message

if TYPE_CHECKING:
    from loopy.domain.ticket import RunId

WIRE_S, LAG_S = 4.0, 3.0  # a call that was sent lands within WIRE_S; a listing shows it within LAG_S
SETTLE_S = WIRE_S + LAG_S + 1
SILENCE_S, LINGER_S = 24.0, 3.0  # a guard ends its group at the latest so long after its worker fell silent, or died


@dataclass(frozen=True)
class Chances:
    """How likely each mishap is; the quiet phase has none of them."""

    lost: float = 0.1
    doubled: float = 0.1
    unreachable: float = 0.15
    no_reply: float = 0.15
    refused: float = 0.05


QUIET = Chances(0, 0, 0, 0, 0)


@dataclass(eq=False)
class Group:
    """A guard with its process group, which holds the run's kernel lock."""

    run: str
    token: int
    owner: Owner
    alive: bool = True

    def end(self) -> None:
        """End the group; the kernel gives its lock back."""
        self.alive = False


@dataclass
class Guards:
    """`engine.desk.Guards`, and the locks: at most one living group per run, whatever anybody does."""

    clockwork: Clockwork
    groups: dict[str, Group] = field(default_factory=dict)

    def clear(self, run_id: str, token: int) -> None:
        """End groups of lower tokens; see `engine.desk.Guards`."""
        while (group := self._living(run_id)) is not None:
            if group.token > token:
                raise LostError(run_id, "a newer claim acts already")
            if group.token < token:
                group.alive = False
            self.clockwork.sleep(0.05)

    def _living(self, run_id: str) -> Group | None:
        group = self.groups.get(run_id)
        return group if group and group.alive else None

    @contextmanager
    def act(self, run_id: str, leash: Leash, owner: Owner) -> Iterator[Group]:
        """Hold the run's lock, then look whether the token is current, then act."""
        if self._living(run_id) is not None:
            raise LostError(run_id, "the run's lock is held")
        group = self.groups[run_id] = Group(run_id, leash.token, owner)
        try:
            if not leash.authorised():
                raise LostError(run_id, "not authorised")
            self.clockwork.sleep()
            yield group
        finally:
            if not owner.dead:
                group.alive = False

    def still(self, group: Group) -> None:
        """Note that the group acts on the world now; a group that was ended cannot."""
        if not group.alive:
            raise LostError(group.run, "its group was ended")
        if self.groups[group.run] is not group:
            raise InvariantError(f"two groups act on {group.run}")

    def orphan(self, owner: Owner, delay: float) -> None:
        """Let the groups of a worker that is dead or silent end by themselves; their guards see to it."""
        for group in self.groups.values():
            if group.alive and group.owner is owner:
                self.clockwork.spawn(Owner("guard"), group.end, delay)


@dataclass
class Broker:
    """The doorbell and the queue: messages arrive late, twice, in any order, or never."""

    clockwork: Clockwork
    deliver: Callable[[str, int, tuple[str, ...]], bool]
    chances: Chances = field(default_factory=Chances)
    wire: Owner = field(default_factory=lambda: Owner("broker"))
    flight: list[Message] = field(default_factory=list)
    rung: Callable[[str, int], None] = lambda _run_id, _epoch: None

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        self.clockwork.sleep(self.clockwork.rng.choice((0, 0, 0.3)))  # a broker answers when it likes
        self.rung(run_id, epoch)
        self.put((run_id, epoch, tuple(steps)))
        return True

    def put(self, message: Message, *, again: bool = False) -> None:
        rng = self.clockwork.rng
        if rng.random() < self.chances.lost:
            return
        for _ in range(1 + (rng.random() < self.chances.doubled)):
            self.flight.append(message)
            self.clockwork.spawn(self.wire, lambda: self._arrive(message), rng.uniform(0, 2.0 if again else 0.2))

    def _arrive(self, message: Message) -> None:
        while not self.deliver(*message):
            self.clockwork.sleep(0.5)
        self.flight.remove(message)


@dataclass
class SlowForge:
    """`ports.Remote`: calls land late, even those of the dead; listings lag; replies get lost; refs are compared and set."""

    clockwork: Clockwork
    guards: Guards
    owner: Callable[[], Owner]
    chances: Chances = field(default_factory=Chances)
    landed: list[tuple[str, str, str]] = field(default_factory=list)  # (run, ref, commit), append-only
    refs: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    wire: Owner = field(default_factory=lambda: Owner("network"))

    def look(self, effect: Effect, _place: Workspace, leash: Leash) -> str | None:
        with self.guards.act(effect.run, leash, self.owner()):
            self.clockwork.sleep(self.clockwork.rng.uniform(0.05, 1))
            lost = self.clockwork.rng.random() < self.chances.unreachable
            return None if lost else self.listed.get(effect.ref, "")

    def push(self, effect: Effect, _place: Workspace, leash: Leash, _timeout_s: float) -> str:
        rng, answer = self.clockwork.rng, list[str]()
        with self.guards.act(effect.run, leash, self.owner()) as group:
            self.guards.still(group)
            if rng.random() < self.chances.refused:
                self.refs.setdefault(effect.ref, "f" * 40)  # somebody else's
            delay = rng.uniform(0, WIRE_S)
            self.clockwork.spawn(self.wire, lambda: answer.append(self._land(effect)), delay)
            if rng.random() < self.chances.no_reply:
                self.clockwork.sleep(rng.uniform(0.5, 10))
                raise GitError("push", "the reply was lost")
            self.clockwork.sleep(delay + 0.01)
            while not answer:
                self.clockwork.sleep(0.1)
            if not group.alive:
                raise LostError(effect.run, "its group was ended")
            return answer[0]

    def _land(self, effect: Effect) -> str:
        if self.refs.get(effect.ref, "") != effect.expected:
            return "stale info"
        self.refs[effect.ref] = effect.commit
        self.landed.append((effect.run, effect.ref, effect.commit))
        later = self.clockwork.rng.uniform(0, LAG_S)
        self.clockwork.spawn(self.wire, lambda: self.listed.update({effect.ref: effect.commit}), later)
        return ""


@dataclass
class Outside(Bench):
    """Repositories, workspaces, driver and checker: turns take time, end in every way, and leave what they wrote."""

    clockwork: Clockwork = field(kw_only=True)
    guards: Guards = field(kw_only=True)
    owner: Callable[[], Owner] = field(kw_only=True)
    opening: Callable[[str], None] = field(kw_only=True)
    trees: dict[str, Change] = field(default_factory=dict)
    made: int = 0
    calm: bool = False

    def _empty(self, place: Workspace) -> Change:
        return Change(base=place.base, tree="", digest="")

    def snapshot(self, place: Workspace, _token: int) -> Change:
        return self.trees.get(place.run_id, self._empty(place))

    def rebase(self, place: Workspace, change: Change, onto: str, _token: int) -> Change | None:
        conflict = self.clockwork.rng.random() < 0.3
        moved = None if conflict else change.model_copy(update={"base": onto})
        self.trees[place.run_id] = moved or Change(base=onto, tree="", digest="")
        return moved

    def turn(self, agent: Agent, _brief: Brief, place: Workspace, leash: Leash) -> Turned | Tried:
        rng, said = self.clockwork.rng, {"agent": agent.name, "account": agent.billed_to}
        with self.guards.act(place.run_id, leash, self.owner()) as group:
            for _ in range(rng.randint(1, 4)):
                self.clockwork.sleep(rng.uniform(0.1, 12))
                self.guards.still(group)
                if why := leash.stopping():
                    return Tried(failure=Failure.CANCELLED, detail=why, **said)
            chance = 1.0 if self.calm else rng.random()
            for limit, failure in LIMITS:
                if chance < limit:
                    return Tried(failure=failure, detail="scripted", **said)
            if chance > 0.2:
                self.made += 1
                path = "secret/key" if 0.2 < chance < 0.23 else "a.py"
                self.trees[place.run_id] = a_change(self.made, path, place.base)
            return Turned(message="done", session_id=f"{agent.name}-session")

    def run(
        self,
        specs: Sequence[CheckSpec],
        _setup: Sequence[Sequence[str]],
        tree: str,
        _at: Path,
        place: Workspace,
        leash: Leash,
    ) -> CheckReport | Tried:
        with self.guards.act(place.run_id, leash, self.owner()) as group:
            self.clockwork.sleep(self.clockwork.rng.uniform(0.1, 5))
            self.guards.still(group)
            if why := leash.stopping():
                return Tried(failure=Failure.CANCELLED, detail=why)
        self.reports.insert(0, self.calm or self.clockwork.rng.random() < 0.7)
        return super().run(specs, _setup, tree, _at, place, leash)

    def open(self, run_id: RunId, repo: str, base: str) -> Workspace:
        self.opening(run_id)
        return Workspace(run_id, repo, base, Path("/tree"), Path("/folder"), Path("/folder/run.lock"))


LIMITS = (
    (0.06, Failure.QUOTA),
    (0.08, Failure.THROTTLE),
    (0.12, Failure.AGENT_CRASH),
    (0.13, Failure.AUTH),
    (0.14, Failure.AGENT_STALLED),
)
