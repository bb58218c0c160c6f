"""Thousands of messages through processes that are killed at random moments and replaced at once: none lost, none doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import pytest
from kombu import Connection

from loopy.queue.embedded import messages
from tests.queue.mill import QUEUES, Book
from tests.queue.support import ROOT, open_channel, wait_until

MESSAGES = 2_000
PATIENCE_S = 90.0


@dataclass
class Told:
    """What the processes wrote down, line by line."""

    sending: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    killed: list[int] = field(default_factory=list)
    born: dict[int, str] = field(default_factory=dict)
    got: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # who was given the message, in order
    last: dict[int, str] = field(default_factory=dict)  # the last word on a message
    acked: dict[int, int] = field(default_factory=dict)  # who wrote last that it is acknowledged
    doubled: list[str] = field(default_factory=list)
    spent: bool = False  # all was sent

    def read(self, lines: Iterable[str]) -> int:
        """Judge the lines in the order in which they were written; return how many."""
        count = 0
        for line in lines:
            word, what, pid = line.split()
            self._line(word, what, int(pid))
            count += 1
        return count

    def _line(self, word: str, what: str, pid: int) -> None:
        match word:
            case "born":
                self.born[pid] = what
            case "killing":
                self.killed.append(int(what))
            case "spent":
                self.spent = True
            case "sending":
                self.sending.add(int(what))
            case "sent":
                self.sent.add(int(what))
            case _:
                self._delivery(word, int(what), pid)

    def _delivery(self, word: str, n: int, pid: int) -> None:
        if n in self.acked:
            self.doubled.append(f"{n}: {word} by {pid}, though {self.acked[n]} had acknowledged it")
        if word == "got":
            living = [p for p in self.got[n] if p not in self.killed]
            self.doubled += [f"{n}: given to {pid}, though {p} had it and lived" for p in living]
            self.got[n].append(pid)
        if word == "acked":
            self.acked[n] = pid
        self.last[n] = word

    @property
    def lost(self) -> list[str]:
        never = [f"{n}: sent, and never delivered" for n in sorted(self.sent - self.got.keys())]
        return never + [f"{n}: gone, though nobody began to acknowledge it" for n in self.last if self.last[n] == "got"]


@contextmanager
def mill(url: str, out: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the mill until the block ends."""
    with log.open("wb") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.queue.mill", url, str(out), str(MESSAGES)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
        )
    try:
        yield running
    finally:
        assert running.stdin is not None
        running.stdin.close()
        running.wait(20)


def kill_one(out: Path, told: Told, rng: random.Random) -> None:
    """Kill the publisher or a consumer, by the seed's choice; say so first. A publisher that has sent all is spared."""
    wanted = "consumer" if told.spent else rng.choice(("publisher", "consumer", "consumer"))
    living = [pid for pid, role in told.born.items() if role == wanted and pid not in told.killed]
    if not living:
        return
    victim = rng.choice(living[-2:])
    Book(out).say("killing", victim)
    with suppress(ProcessLookupError):  # a publisher that is done by now
        os.kill(victim, signal.SIGKILL)


def whole(book: TextIO) -> Iterator[str]:
    """Yield the lines that are new and whole."""
    while line := book.readline():
        if not line.endswith("\n"):
            book.seek(book.tell() - len(line))
            return
        yield line


def depth(url: str) -> tuple[int, int]:
    with Connection(url) as connection:
        return messages.depths(open_channel(connection).file).get("loop", (0, 0))


def tally(url: str) -> list[int]:
    """Return what lies in the queue that nobody consumed."""
    with Connection(url) as connection, open_channel(connection) as channel:
        found = []
        while message := channel.basic_get(QUEUES[1].name, no_ack=True):
            found.append(int(str(message.payload)))
        return found


def ground(url: str, folder: Path, rng: random.Random) -> Told:
    """Run the mill until all is sent and the queue is empty, killing by the seed's choice; return what was told."""
    out, told = folder / "out", Told()
    out.touch()
    with mill(url, out, folder / "log") as running, out.open() as book:
        give_up, due = time.monotonic() + PATIENCE_S, 0
        while not (told.spent and depth(url) == (0, 0)):
            assert running.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < give_up, depth(url)
            due -= told.read(whole(book))
            assert told.doubled == [], (folder / "log").read_text()
            if due < 0:
                time.sleep(rng.uniform(0.0, 0.005))
                kill_one(out, told, rng)
                due = rng.randint(40, 160)
            time.sleep(0.005)
        wait_until(lambda: told.read(whole(book)) == 0, 10)  # the last word of whoever settled last
        told.read(whole(book))
    return told


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_and_nothing_doubled_through_random_kills(url: str, tmp_path: Path, seed: int) -> None:
    """2,000 messages, two consumers and a publisher, some fifty SIGKILLs by seed, each replaced at once.

    Every process writes a line before and after each act, and the killer one before each kill. What is counted:

    - lost: a message whose publish returned and that was never delivered; or one that is gone though the last process that
      had it never began to acknowledge it. A consumer that dies while it acknowledges may have done so or not: either is
      right, but then the message comes to another or is gone, as the broker decided before it answered.
    - doubled: a message delivered after a process wrote that its acknowledgement had returned; or delivered while a process
      that got it before was still to be killed. A message whose consumer died unacknowledged comes again: that is the design.
    - torn: a publisher killed in the midst of a publish to two queues leaves the message in both or in none. It is not sent
      again by its successor, so one that is in both although "sent" was never written is counted as delivered, once.
    """
    told = ground(url, tmp_path, random.Random(seed))
    publishers = [pid for pid in told.killed if told.born[pid] == "publisher"]
    again = sum(len(who) - 1 for who in told.got.values())
    print(
        f"seed {seed}: {len(told.sent)} sent, {len(told.sending - told.sent)} cut off, {len(told.killed)} kills"
        f" ({len(publishers)} of the publisher), {again} came again"
    )
    assert (told.lost, told.doubled) == ([], [])
    kept = tally(url)
    assert sorted(kept) == sorted(told.got)
    assert told.sent <= set(kept) <= told.sending
    assert len(told.killed) > 20
    assert len(publishers) > 2
    assert again > 20
    assert len(told.sent) >= MESSAGES - len(publishers)
