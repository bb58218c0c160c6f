"""Rule 6, a deaf worker: what is rung in vain by an idle worker, and taken by the broker each time, shows that it hears nothing."""

from __future__ import annotations

import pytest

from loopy.domain.errors import AwayError
from loopy.domain.states import Wait
from loopy.engine import moves
from loopy.engine.hearing import RINGS, SWEPT, Hearing
from tests.engine.world import QUEUES, World


def again(world: World, run_id: str) -> None:
    """Let the sweeps ring in vain; the messages are lost."""
    for _ in range(SWEPT):
        world.clock.tick(60)
        world.sweep().once()
    world.bell.messages.clear()
    assert world.run(run_id).rings >= SWEPT


def called(world: World, title: str = "Fix it") -> str:
    """Return a run that was rung again and again, in vain."""
    run = world.start(title)
    again(world, run.id)
    return run.id


def ears(world: World, *queues: str) -> Hearing:
    return Hearing(world.graph, world.bell, queues or QUEUES)


def looks(hearing: Hearing, times: int = RINGS) -> set[str]:
    return {hearing.look() for _ in range(times)}


def test_6_a_worker_that_hears_none_of_its_own_rings_knows_that_it_is_deaf(world: World) -> None:
    run_id = called(world)
    hearing = ears(world)
    assert looks(hearing) == {""}
    assert [message[0] for message in world.bell.messages] == [run_id] * RINGS
    assert hearing.look() == f"nothing is heard here: {run_id} was rung {RINGS + 1} times, and the broker took it"


def test_6_what_the_worker_rings_is_a_ring_like_any_other(world: World) -> None:
    run_id = called(world)
    looks(ears(world))
    world.pump()
    assert world.run(run_id).ended_at is not None


def test_6_a_worker_that_heard_anything_at_all_is_not_deaf(world: World) -> None:
    called(world)
    hearing = ears(world)
    for _ in range(3):
        assert looks(hearing) == {""}
        with hearing.message():
            pass
    assert hearing.look() == ""


def test_6_a_worker_that_is_busy_is_not_deaf_and_rings_nothing(world: World) -> None:
    called(world)
    hearing = ears(world)
    with hearing.message():
        assert looks(hearing, 3 * RINGS) == {""}
        assert world.bell.messages == []
    assert looks(hearing) == {""}
    assert hearing.look() != ""


def test_6_a_broker_that_is_away_makes_nobody_deaf(world: World) -> None:
    called(world)
    hearing = ears(world)
    for _ in range(3):
        assert looks(hearing) == {""}
        world.bell.deaf = True
        assert looks(hearing, 2 * RINGS) == {""}
        world.bell.deaf = False
    looks(hearing, RINGS - 1)
    world.bell.deaf = True
    hearing.look()
    world.bell.deaf = False
    assert looks(hearing) == {""}, "the count begins anew when the broker is back"
    assert hearing.look() != ""


def test_6_what_is_for_other_queues_makes_nobody_deaf(world: World) -> None:
    called(world)
    hearing = ears(world, "code", "checks")
    assert looks(hearing, 2 * RINGS) == {""}
    assert world.bell.messages == []


def test_6_a_run_that_waits_makes_nobody_deaf(world: World) -> None:
    run_id = called(world)
    with world.graph.write() as tx:
        row = tx.runs.get(run_id)
        assert row is not None
        moves.wait(tx, row, Wait.PAUSED, None)
    assert looks(ears(world), 2 * RINGS) == {""}


def test_6_what_was_just_rung_makes_nobody_deaf(world: World) -> None:
    world.start()
    world.bell.messages.clear()
    assert looks(ears(world), 2 * RINGS) == {""}
    assert world.bell.messages == []


def test_6_a_run_that_another_worker_goes_on_with_makes_nobody_deaf(world: World) -> None:
    run_id = called(world)
    hearing = ears(world)
    world.hire("w2")
    looks(hearing)
    at = world.run(run_id).step
    world.deliver("w2")
    again(world, run_id)
    assert world.run(run_id).step is not at
    assert looks(hearing) == {""}


def test_6_the_run_that_was_rung_first_stays_the_one_in_question(world: World) -> None:
    second = world.start("Second").id
    world.bell.messages.clear()
    run_id = called(world)
    hearing = ears(world)
    looks(hearing)
    (asked,) = {message[0] for message in world.bell.messages}
    assert asked in {second, run_id}
    assert asked in hearing.look()


def test_6_a_graph_that_is_away_makes_nobody_deaf(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    called(world)
    hearing = ears(world)
    looks(hearing)

    def locked() -> None:
        raise AwayError("work graph", "locked")

    with monkeypatch.context() as broken:
        broken.setattr(world.graph, "read", locked)
        with pytest.raises(AwayError):
            hearing.look()
    assert looks(hearing) == {""}
    assert hearing.look() != ""
