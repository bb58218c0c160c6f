"""One seed: a host under a nemesis until the tickets are done, then quiet, then the reckoning."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from loopy.domain import crashpoints
from loopy.domain.states import RunState, Step
from loopy.domain.ticket import TicketId
from loopy.engine.order import LEASE_S
from tests.simulation import people
from tests.simulation.clockwork import Owner
from tests.simulation.host import YIELDS, Host
from tests.simulation.invariants import InvariantError, at_rest
from tests.simulation.outside import QUIET, Chances

POINTS = (
    "claim.in_transaction",
    "claim.after_commit",
    "finish.before_transaction",
    "finish.in_transaction",
    "finish.after_commit",
    "pulse.after_beat",
    "sweep.after_free",
    "ship.after_intent",
    "ship.before_push",
    "ship.after_push",
    "end.after_head",
    "store.before_commit",
    "store.after_commit",
)
MISHAPS = (
    "kill",
    "doom",
    "doom",
    "stall",
    "stall",
    "stall",
    "freeze",
    "hire",
    "hire",
    "sleep",
    "clock",
    "pause",
    "whim",
)
STORM_S, QUIET_S = 400.0, 40_000.0


@dataclass(frozen=True)
class Told:
    """What one seed came to."""

    seed: int
    verdicts: Counter[str]
    kills: int
    visits: Counter[str]
    seconds: float  # of virtual time


def play(seed: int) -> Told:
    """Play one seed. Raises InvariantError, or whatever else the engine let escape."""
    rng = random.Random(seed)  # a schedule, not a secret
    host = Host(rng)
    crashpoints.install(host.reached)
    try:
        _storm(host, rng)
        _calm(host)
        at_rest(host.graph, list(host.graph.rows.runs.values()), host.forge.landed)
    finally:
        crashpoints.install(None)
        for owner in {t.owner for t in host.clockwork.tasks}:
            host.clockwork.kill(owner)
    verdicts = Counter(str(r.verdict) for r in host.graph.rows.runs.values())
    return Told(seed, verdicts, host.kills, Counter(host.visits), host.clockwork.time)


def _storm(host: Host, rng: random.Random) -> None:
    rough = rng.choice((0.0, 0.5, 1.0))
    chances = Chances(*(rough * c for c in (0.15, 0.15, 0.2, 0.2, 0.15)))
    host.broker.chances = host.forge.chances = chances
    host.witness.lossless = not rough
    for _ in range(rng.randint(1, 3)):
        host.hire()
    world = Owner("the world")
    host.clockwork.spawn(world, lambda: _people(host, rng))
    host.clockwork.spawn(world, lambda: _nemesis(host, rng))
    host.clockwork.run(STORM_S, lambda: host.filed and _all_ended(host))
    host.clockwork.kill(world)


def _people(host: Host, rng: random.Random) -> None:
    filed: list[TicketId] = []
    for n in range(rng.randint(1, 4)):
        after = (rng.choice(filed),) if filed and rng.random() < 0.2 else ()
        filed.append(people.file(host, f"ticket {n}", after))
        host.clockwork.sleep(rng.choice((0, 1, 30)))
    host.filed = True
    while True:
        host.clockwork.sleep(rng.uniform(5, 40))
        people.attend(host, patient=True)
        if rng.random() < 0.05:
            host.intake.cancel(rng.choice(filed), "person")


def _nemesis(host: Host, rng: random.Random) -> None:
    while True:
        host.clockwork.sleep(rng.uniform(1, 40))
        living = [p for p in host.processes if not p.dead]
        match rng.choice(MISHAPS):
            case "kill" if living:
                host.kill(rng.choice(living))
            case "doom" if living:
                rng.choice(living).doom = (rng.choice(POINTS), rng.randint(1, 5))
            case "stall" if living:
                line = rng.choice(("claim.after_commit", "finish.before_transaction", *sorted(YIELDS)))
                rng.choice(living).stall = (rng.choice((None, Step.CODE, Step.SHIP)), line)
            case "whim" if living:
                line = rng.choice(("claim.after_commit", "finish.before_transaction"))
                rng.choice(living).whim = (rng.choice((Step.CODE, Step.CHECK, Step.SHIP, Step.SHIP)), line)
            case "freeze" if living:
                host.freeze(rng.choice(living), rng.uniform(1, 90))
            case "hire" if len(living) < 4:
                host.hire()
            case "sleep":
                host.clockwork.drift += rng.uniform(0, 7200)
            case "pause":
                host.pause(rng.uniform(LEASE_S, 4 * LEASE_S))
            case "clock":
                host.clockwork.drift += rng.choice((-1, 1)) * rng.uniform(0, 3600)


def _calm(host: Host) -> None:
    """No more mishaps: everything must come to its end by itself, with people who answer."""
    host.broker.chances = host.forge.chances = QUIET
    host.outside.calm = True
    for process in host.processes:
        process.doom = process.stall = process.whim = None
        process.frozen_until = min(process.frozen_until, host.clockwork.time)
        host.witness.woken(process.name, process.frozen_until)
    host.hire()
    person = Owner("person")

    def answering() -> None:
        while True:
            host.clockwork.sleep(20)
            people.attend(host, patient=False)

    host.clockwork.spawn(person, answering)
    ended = host.clockwork.run(host.clockwork.time + QUIET_S, lambda: _all_ended(host))
    host.clockwork.kill(person)
    if not ended:
        open_ = [
            (r.id, r.state, r.wait, r.step) for r in host.graph.rows.runs.values() if r.state is not RunState.ENDED
        ]
        raise InvariantError(f"never came to rest: {open_}")


def _all_ended(host: Host) -> bool:
    runs = host.graph.rows.runs.values()
    return all(r.state is RunState.ENDED for r in runs)
