"""A guard bears its worker's silence for a part of the worker's lease, whatever length the operator gave that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise

import pytest

from loopy.engine.order import BEAT_S, FLUSH_S, acting_s
from loopy.process import silence
from loopy.process.command import Command
from tests.process.procs import command, lives, read_pids, until, worker

LEASES = [2, 3, 5, 8, 12, 20, 30, 60, 3600]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = silence.silence_s()
    yield
    silence.set_silence(before)


@pytest.mark.parametrize("lease", LEASES)
def test_a_silent_workers_command_is_over_before_its_lease_can_be_judged_expired(lease: int) -> None:
    last_beat = BEAT_S + FLUSH_S  # the beat that the others saw may be so old when the worker falls silent
    assert silence.over_s(acting_s(lease)) < lease - last_beat


def test_a_longer_lease_bears_a_longer_silence() -> None:
    assert all(acting_s(a) < acting_s(b) for a, b in pairwise(LEASES))
    assert acting_s(30) == 24


def test_what_the_worker_sets_holds_for_every_command_that_says_nothing_else() -> None:
    silence.set_silence(0.7)
    assert command("true").silence_s == 0.7
    assert command("true", silence_s=3.0).silence_s == 3.0
    assert isinstance(command("true"), Command)


def test_a_command_that_ignores_sigterm_is_dead_in_time_when_its_worker_is_stopped() -> None:
    """The shortest lease: half a second of silence, and the whole end within eight tenths."""
    lease = 2
    stubborn = ("sh", "-c", "trap '' TERM; echo $$; while :; do sleep 60; done")
    process = worker(stubborn, silence_s=acting_s(lease), kill_grace_s=9.0)
    (child,) = read_pids(process, 1)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        until(lambda: not lives(child), within_s=lease - BEAT_S - FLUSH_S + 1.0)  # a second for a busy machine
    finally:
        process.kill()
        process.communicate()
