"""One seed: a few tickets on the real stack, a few faults, then quiet, and the reckoning."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Wait
from loopy.domain.ticket import Ticket, TicketId
from tests.chaos_stack.crew import BEAT, UP, Crew, Post
from tests.chaos_stack.ground import Ground, Servers, servers
from tests.chaos_stack.nemesis import Fault, Nemesis, weights_on
from tests.chaos_stack.reckon import Reckoning, left_over, reckon
from tests.chaos_stack.scenery import MANNERS, Scene, set_scene

START_S, QUIET_S, MOMENT_S = 60.0, 180.0, 3.0
MOMENTS = (Step.PLAN, Step.ROUTE, Step.CODE, Step.CODE, Step.CHECK, Step.EVIDENCE, Step.SHIP, Step.SHIP, None)
ANSWER_EVERY_S = 0.3


@dataclass(frozen=True)
class Plan:
    """What is the seed's alone; the rest of a play depends on who is faster."""

    posts: tuple[tuple[str, tuple[str, ...]], ...]  # one worker or two; beat in the workers, or by itself
    manners: tuple[str, ...]  # of the first tickets
    faults: tuple[tuple[Step | None, Fault], ...]  # when, and what
    cancels: bool

    @classmethod
    def of(cls, rng: random.Random, on: Ground) -> Plan:
        """Draw the plan of a seed."""
        many, own_beat = rng.choice((1, 2)), rng.random() < 0.2
        argv: tuple[str, ...] = (*UP, "--no-beat") if own_beat else UP
        posts = [(f"worker-{n}", argv) for n in range(many)]
        posts += [("beat", BEAT)] if own_beat else []
        manners = tuple(rng.choices(MANNERS, k=rng.choice((1, 2, 3))))
        weights = weights_on(on) | ({Fault.BEAT: 4} if own_beat else {})
        kinds = rng.choices(list(weights), list(weights.values()), k=rng.randint(3, 6))
        return cls(tuple(posts), manners, tuple((rng.choice(MOMENTS), kind) for kind in kinds), rng.random() < 0.15)


@dataclass(frozen=True)
class Told:
    """What one seed came to; `folder` is kept when it is broken."""

    seed: int
    on: Ground
    faults: Counter[Fault]
    moments: Counter[str]  # the steps that were being done when a fault came
    verdicts: Counter[str]
    found: Reckoning
    took_s: float
    quiet_s: float
    folder: str


@dataclass
class Play:
    """A seed that is being played."""

    scene: Scene
    crew: Crew
    rng: random.Random
    filed: list[str] = field(default_factory=list)
    kept: bool = False
    answered_at: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def tidy(self) -> None:
        """Leave no process behind, and no folder that nobody wants."""
        self.crew.kill()
        self.scene.close()
        if not self.kept:
            shutil.rmtree(self.scene.folder)

    def note(self, text: str) -> None:
        """Keep the story, for whoever looks into a broken seed."""
        with (self.scene.folder / "story.txt").open("a") as story:
            story.write(f"{datetime.now(UTC):%H:%M:%S.%f} {time.monotonic() - self.began:7.2f} {text}\n")

    def runs(self) -> list[Run]:
        with self.scene.made.graph.read() as tx:
            return list(tx.runs.page("", 1000))

    def under_way(self) -> list[Run]:
        return [r for r in self.runs() if r.state is not RunState.ENDED]

    def file(self, manner: str = "") -> None:
        """File a ticket for the agent of this manner, or for any, and start its run."""
        manner = manner or self.rng.choice(MANNERS)
        repo, now = str(self.scene.repo), datetime.now(UTC)
        wanted = Ticket(id=TicketId(""), title=f"Make x ({manner})", repo=repo, assignee=manner, created_at=now)
        intake = self.scene.made.intake
        run = intake.start(intake.file(wanted).id, "chaos")
        self.filed.append(run.id)
        self.note(f"{run.id} filed for {manner}")

    def live(self, seconds: float) -> None:
        """Let the home live for so long, with its supervisor and its person."""
        until = time.monotonic() + seconds
        while True:
            self.crew.look()
            if time.monotonic() - self.answered_at > ANSWER_EVERY_S:
                self._answer()
            if (left := until - time.monotonic()) <= 0:
                return
            time.sleep(min(0.02, left))

    def doing(self) -> list[str]:
        """Return the steps that are being done."""
        return [str(r.step) for r in self.under_way() if r.state is RunState.RUNNING] or ["none"]

    def until_in(self, step: Step | None) -> None:
        """Live until some run is in this step (any moment: None), or long enough."""
        give_up = time.monotonic() + (MOMENT_S if step else self.rng.uniform(0.0, 1.0))
        while time.monotonic() < give_up:
            if not (under_way := self.under_way()):
                self.file()
            if any(r.state is RunState.RUNNING and r.step is step for r in under_way):
                return
            self.live(0.005)

    def until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        """Live until it holds; return whether that came true in time."""
        give_up = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > give_up:
                return False
            self.live(0.1)
        return True

    def _answer(self) -> None:
        """Answer what waits for a person, and shorten what waits for time."""
        self.answered_at = time.monotonic()
        intake = self.scene.made.intake
        for run in self.under_way():
            with suppress(LoopyError):  # somebody moved it meanwhile
                if run.wait is Wait.APPROVAL:
                    intake.answer(run.id, "approve" if self.rng.random() < 0.9 else "reject", "chaos")
                elif run.wait is Wait.QUESTION:
                    intake.resume(run.id, "chaos", give_up=self.rng.random() < 0.2)
                elif run.wait is Wait.BACKOFF:
                    intake.resume(run.id, "chaos")

    def worker_listens(self) -> bool:
        """Whether a worker is on record that lives and is not frozen."""
        awake = {post.pid for post in self.crew.workers if not post.frozen_until}
        with self.scene.made.graph.read() as tx:
            return any(worker.pid in awake for worker in tx.fleet.workers())

    def settled(self) -> bool:
        """Whether every run has ended and every receipt is where it belongs."""
        with self.scene.made.graph.read() as tx:
            return not self.under_way() and not tx.receipts.unpushed()


def play(seed: int, template: Path, on: Ground, *, keep: bool = False) -> Told:
    """Play one seed; its folder is removed unless something is broken or `keep`."""
    began, rng = time.monotonic(), random.Random(f"{seed} {on}")
    plan = Plan.of(random.Random(f"plan {seed} {on}"), on)
    with ExitStack() as after:
        running = after.enter_context(servers(on, template))
        scene = set_scene(template, f"{on.broker}-{on.database}-{seed}", rng, running.env)
        playing = Play(scene, Crew(scene, rng, [Post(*post) for post in plan.posts]), rng, kept=keep)
        after.callback(playing.tidy)
        try:
            faults, moments = _storm(playing, running, plan)
            found, quiet_s = _quiet(playing)
        except Exception as error:
            playing.kept = True
            error.add_note(f"its home: {scene.folder}")
            raise
        playing.kept = keep or bool(found.all)
        verdicts = Counter(str(run.verdict) for run in playing.runs())
    took_s = time.monotonic() - began
    return Told(seed, on, faults, moments, verdicts, found, took_s, quiet_s, str(scene.folder))


def _storm(playing: Play, running: Servers, plan: Plan) -> tuple[Counter[Fault], Counter[str]]:
    """Harm the home as planned; there is always work that it is harmed in."""
    faults, moments = Counter[Fault](), Counter[str]()
    nemesis = Nemesis(playing.crew, running, playing.rng, playing.live)
    for manner in plan.manners:
        playing.file(manner)
    for n, (step, wanted) in enumerate(plan.faults):
        playing.until(playing.worker_listens, START_S)
        if len(playing.under_way()) < 2:
            playing.file()
        playing.until_in(step)
        for fault in (wanted, Fault.WORKER):
            if said := nemesis.strike(fault):
                faults[fault] += 1
                moments.update(doing := playing.doing())
                playing.note(f"{fault}: {said} (in {', '.join(doing)})")
                break
            playing.note(f"{fault}: nobody was there")
        if plan.cancels and n == 1:
            _cancel_one(playing)
    return faults, moments


def _cancel_one(playing: Play) -> None:
    for run in playing.under_way()[:1]:
        with suppress(LoopyError):
            playing.scene.made.intake.cancel(run.ticket, "chaos")
            playing.note(f"{run.id} cancelled")


def _quiet(playing: Play) -> tuple[Reckoning, float]:
    """Let everything come to its end, then judge it; return also how many seconds that took."""
    began = time.monotonic()
    playing.note("quiet")
    playing.until(lambda: not any(p.frozen_until for p in playing.crew.posts), QUIET_S)
    settled = playing.until(playing.settled, QUIET_S)
    quiet_s = time.monotonic() - began
    playing.note(f"settled after {quiet_s:.1f} s" if settled else f"not settled after {quiet_s:.1f} s")
    posts = frozenset(post.pid for post in playing.crew.posts)
    strays = left_over(playing.scene.folder, posts) if settled else []
    late = playing.crew.stop()
    found = reckon(playing.scene, playing.filed)
    found.other += [*strays, *late, *left_over(playing.scene.folder, frozenset())]
    with playing.scene.made.graph.read() as tx:
        found.other += [f"the row of worker {w.pid} is still open" for w in tx.fleet.workers()]
    for said in found.all:
        playing.note(f"BROKEN {said}")
    return found, quiet_s
