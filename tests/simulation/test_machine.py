"""A state machine over the engine: hypothesis looks for the shortest story that breaks an invariant.

Where a story begins is drawn too, also just before and in the midst of shipping, since random walks seldom come so far.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loopy.domain import crashpoints
from loopy.domain.agent import Agent, Tried
from loopy.domain.errors import LoopyError
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits
from loopy.domain.policy import Policy
from loopy.domain.states import RunState, Step
from loopy.engine.fsck import fsck
from tests.engine.fakes import Clock
from tests.engine.world import Dead, World
from tests.simulation.invariants import Delivery, Writer, after_commit, referee
from tests.simulation.memory import MemoryGraph
from tests.simulation.rows import Rows
from tests.simulation.seeds import POINTS

WORKERS = ("w1", "w2", "w3")
QUIET_ROUNDS = 400


class Watched(MemoryGraph):
    """The in-memory graph, every commit of which is checked."""

    known: dict[str, Agent]
    writer: Writer = Writer()

    def committed(self, before: Rows, now: Rows) -> None:
        after_commit(before, now, Limits(turns=2), self.known, self.writer)


class Story(RuleBasedStateMachine):
    """Three workers, a broker that loses and doubles, deaths anywhere, people who change their minds."""

    def __init__(self) -> None:
        super().__init__()
        clock = Clock()
        self.known = {
            "a": Agent(name="a", argv=("a",), fallback=("b",), concurrency=2),
            "b": Agent(name="b", argv=("b",), concurrency=2),
        }
        self.graph = Watched(clock.now)
        self.graph.known = self.known
        self.world = World(cast("Any", self.graph), clock, self.known, Policy(sandbox="none"))
        self.world.limit(turns=2)
        self.generation = 0
        for name in WORKERS:
            self.world.hire(name)

    # ---- where the story begins

    @initialize(at=st.sampled_from(list(Step)), gate=st.booleans(), runs=st.integers(1, 2))
    def begin(self, at: Step, gate: bool, runs: int) -> None:
        """Begin with runs that have come as far as `at`."""
        if gate:
            self.world.change(approve="always")
        if at is Step.FAILOVER:
            self.world.bench.turns = [Tried(failure=Failure.QUOTA)]
        for n in range(runs):
            self.world.start(f"ticket {n}")
        for _ in range(40):
            here = [r for r in self.graph.rows.runs.values() if r.step is at and r.state is not RunState.ENDED]
            if here or not self.world.bell.messages:
                return
            self._deliver(self._worker(0), 0)

    # ---- what may happen

    def _worker(self, which: int) -> str:
        living = [name for name in self.world.workers if name not in self.world.gone]
        return living[which % len(living)]

    def _deliver(self, worker: str, at: int) -> None:
        at %= len(self.world.bell.messages)
        self.graph.writer = Writer(worker, Delivery(self.world.bell.messages[at]))
        self.world.deliver(worker, at)

    @precondition(lambda self: self.world.bell.messages)
    @rule(which=st.integers(0, 2), at=st.integers(0, 9))
    def a_message_arrives(self, which: int, at: int) -> None:
        self._deliver(self._worker(which), at)

    @precondition(lambda self: self.world.bell.messages)
    @rule(at=st.integers(0, 9))
    def a_message_is_lost(self, at: int) -> None:
        self.world.bell.messages.pop(at % len(self.world.bell.messages))

    @precondition(lambda self: self.world.bell.messages)
    @rule(at=st.integers(0, 9))
    def a_message_is_doubled(self, at: int) -> None:
        self.world.bell.messages.append(self.world.bell.messages[at % len(self.world.bell.messages)])

    @precondition(lambda self: self.world.bell.messages)
    @rule(which=st.integers(0, 2), at=st.integers(0, 9), point=st.sampled_from(POINTS), nth=st.integers(1, 3))
    def a_worker_dies(self, which: int, at: int, point: str, nth: int) -> None:
        """Deliver to a worker that is killed at the n-th visit of a crash point, if it comes there."""
        name, left = self._worker(which), nth

        def reached(here: str) -> None:
            nonlocal left
            left -= here == point
            if left == 0:
                raise Dead

        crashpoints.install(reached)
        try:
            self._deliver(name, at)
        except Dead:
            crashpoints.install(None)
            self.world.gone.add(name)
            self.generation += 1
            self.world.hire(f"{name}.{self.generation}")
        finally:
            crashpoints.install(None)

    @rule(which=st.integers(0, 2))
    def a_sweep(self, which: int) -> None:
        self.world.sweep(self._worker(which)).once()

    @rule(seconds=st.sampled_from((1, 40, 400, 4000)))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.tick(seconds)

    @rule(failure=st.sampled_from((Failure.QUOTA, Failure.AGENT_CRASH, Failure.AUTH)))
    def an_agent_will_fail(self, failure: Failure) -> None:
        self.world.bench.turns.append(Tried(failure=failure))

    @rule(green=st.booleans())
    def a_check_will_say(self, green: bool) -> None:
        self.world.bench.reports.append(green)

    @rule(answer=st.sampled_from(("approve", "reject", "resume", "give up", "cancel")))
    def a_person_acts(self, answer: str) -> None:
        for run in list(self.graph.rows.runs.values()):
            with suppress(LoopyError):
                if answer in ("approve", "reject"):
                    self.world.intake.answer(run.id, answer, "person")
                elif answer == "cancel":
                    self.world.intake.cancel(run.ticket, "person")
                else:
                    self.world.intake.resume(run.id, "person", give_up=answer == "give up")

    @rule(how=st.sampled_from(("lose_reply", "unreachable", "blind")), on=st.booleans())
    def the_forge_is_moody(self, how: str, on: bool) -> None:
        setattr(self.world.forge, how, on)

    # ---- what must hold

    @invariant()
    def nothing_is_in_breach(self) -> None:
        assert list(fsck(self.graph)) == []
        for run in self.graph.rows.runs.values():
            if run.state is RunState.ENDED:
                landed = [commit for of, _, commit in self.world.forge.log if of == run.id]
                with self.graph.read() as tx:
                    referee(run, tx.effects.of(run.id), landed)

    def teardown(self) -> None:
        """When nothing breaks any more, everything comes to its end."""
        forge = self.world.forge
        forge.lose_reply = forge.unreachable = forge.blind = False
        self.world.bench.turns, self.world.bench.reports = [], []
        for _ in range(QUIET_ROUNDS):
            if all(r.state is RunState.ENDED for r in self.graph.rows.runs.values()):
                break
            self.world.clock.tick(60)
            self.a_person_acts("approve")
            self.a_person_acts("resume")
            self.world.sweep(self._worker(0)).once()
            while self.world.bell.messages:
                self._deliver(self._worker(0), 0)
        open_ = [
            (r.id, r.state, r.wait, r.step) for r in self.graph.rows.runs.values() if r.state is not RunState.ENDED
        ]
        assert open_ == []
        self.nothing_is_in_breach()


CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def play(stories: int, steps: int) -> None:
    run_state_machine_as_test(
        Story,
        settings=settings(max_examples=stories, stateful_step_count=steps, deadline=None, suppress_health_check=CALM),
    )


def test_no_short_story_breaks_an_invariant() -> None:
    play(25, 25)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_story_breaks_an_invariant() -> None:
    play(400, 50)
