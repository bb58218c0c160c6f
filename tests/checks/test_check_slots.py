"""Checks wait for a slot of the host, visibly, and stay on their leash meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loopy.checks.runner import CommandChecker
from loopy.checks.slots import SlottedChecker
from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.process.slots import Slots
from tests.checks.checks_bench import Bench, Ticks, sh


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path / "slots", 1)


@contextmanager
def taken(slots: Slots) -> Iterator[None]:
    with slots.one(lambda: "taken") as why:
        assert why is None
        yield


def checked(bench: Bench, slots: Slots, script: str = "true") -> CheckReport | Tried:
    checker = SlottedChecker(CommandChecker(bench.box, bench.env, Ticks()), slots)
    return checker.run([sh(script)], (), "7ree", bench.at, bench.place, bench.leash)


def test_a_free_slot_is_taken_without_a_word_and_held_while_the_checks_run(bench: Bench, slots: Slots) -> None:
    lock = slots.folder / "0"
    report = checked(bench, slots, f"! python3 -c \"import fcntl; fcntl.flock(open('{lock}'), 6)\" 2>/dev/null")
    assert isinstance(report, CheckReport)
    assert report.passed, "the check could not lock what its worker holds"
    assert "step.progress" not in [event.name for event in bench.leash.said]
    with taken(slots):
        pass


def test_a_cancel_ends_the_wait_for_a_slot_and_says_what_was_waited_for(bench: Bench, slots: Slots) -> None:
    bench.leash.stop = lambda: "cancelled"
    with taken(slots):
        tried = checked(bench, slots)
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.detail) == (Failure.CANCELLED, "cancelled")
    assert [(e.name, e.text) for e in bench.leash.said] == [
        ("step.progress", "waits for a check slot (1 on this host)")
    ]


def test_a_claim_that_is_lost_while_it_waits_for_a_slot_starts_nothing(bench: Bench, slots: Slots) -> None:
    bench.leash.stop = lambda: "lost"
    with taken(slots), pytest.raises(LostError):
        checked(bench, slots)
    assert "check.started" not in [event.name for event in bench.leash.said]
