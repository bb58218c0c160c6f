"""Slots that processes share: never more holders than slots, and a slot comes back however its holder ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loopy.process.slots import Slots
from tests.process.procs import ROOT, until

# Takes a slot, says so, and keeps it until its input ends.
HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from loopy.process.slots import Slots
with Slots(Path(sys.argv[2]), int(sys.argv[3])).one():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, many: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a slot."""
    argv = [sys.executable, "-S", "-c", HOLDER, str(ROOT), str(folder), str(many)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Waiter(threading.Thread):
    """Waits for a slot in this process, and leaves it as soon as it has it."""

    def __init__(self, slots: Slots) -> None:
        super().__init__(daemon=True)
        self.slots, self.waits, self.why = slots, threading.Event(), "not had"

    def run(self) -> None:
        with self.slots.one(lambda: None, self.waits.set) as why:
            self.why = why or ""


@pytest.mark.parametrize("how", ["kill -9", "an end in order"])
def test_who_waits_gets_the_slot_of_another_process_when_that_ends(how: str, tmp_path: Path) -> None:
    with holder(tmp_path, 1) as other:
        waiter = Waiter(Slots(tmp_path, 1))
        waiter.start()
        assert waiter.waits.wait(5)
        waiter.join(0.25)
        assert waiter.is_alive(), "the only slot is taken"
        if how == "kill -9":
            other.kill()
        else:
            other.communicate("")
        until(lambda: not waiter.is_alive(), within_s=1.5)
        assert waiter.why == ""


def test_two_slots_are_two_and_no_more(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    with holder(tmp_path, 2), slots.one() as first:
        assert first is None
        with slots.one(lambda: "enough") as second:
            assert second == "enough"
    with slots.one() as one, slots.one() as two:
        assert (one, two) == (None, None)


def test_who_stops_waiting_holds_nothing(tmp_path: Path) -> None:
    slots, asked = Slots(tmp_path, 1), iter([None, "cancelled"])
    with slots.one(), slots.one(lambda: next(asked)) as why:
        assert why == "cancelled"
    with slots.one(lambda: "still taken") as again:
        assert again is None


def test_an_error_in_the_block_gives_the_slot_back(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    with pytest.raises(ZeroDivisionError), slots.one():
        raise ZeroDivisionError
    with slots.one(lambda: "still taken") as again:
        assert again is None
