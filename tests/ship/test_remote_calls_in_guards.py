"""Rules 9 and 15: the worker never calls a forge itself; a guard does, under the run's lock, and a newer claim ends it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loopy.domain.errors import GitError, LoopyError, LostError
from loopy.git.runner import Git
from loopy.process.command import Marker
from loopy.process.groups import read_record, take_over
from loopy.ship.git_remote import GitRemote
from tests.ship.test_git_remote import REMOTE, Hand, shipment
from tests.workspace.support import World, git, make_world

# A git that first notes, for each remote call, whose it is and whether the run's lock is free for another.
NOTING = """#!/bin/sh
case " $* " in
  *" push "*|*" ls-remote "*)
    free=$('{python}' -c 'import fcntl,sys
try: fcntl.flock(open(sys.argv[1], "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: print("held")
else: print("free")' '{lock}')
    echo "$LOOPY_RUN $LOOPY_TOKEN $free" >> '{notes}' ;;
esac
exec git "$@"
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def bare(world: World) -> Path:
    git(world.root, "clone", "-q", "--bare", str(world.repo), str(world.root / "bare.git"))
    return world.root / "bare.git"


def program(world: World, text: str) -> GitRemote:
    at = world.root / "a-git"
    at.write_text(text)
    at.chmod(0o755)
    return GitRemote(Git(program=str(at)))


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


def test_every_remote_call_is_made_under_the_runs_lock_and_carries_the_claims_mark(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    notes = world.root / "notes"
    remote = program(world, NOTING.format(python=sys.executable, lock=place.lock, notes=notes))
    assert remote.look(effect, place, Hand(token=7)) == ""
    assert remote.push(effect, place, Hand(token=7), 30) == ""
    assert remote.look(effect, place, Hand(token=7)) == effect.commit
    assert notes.read_text().splitlines() == ["LP-1.1 7 held"] * 3


def test_a_newer_claim_ends_a_push_that_is_under_way_and_nothing_of_it_arrives(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    began, ended = world.root / "began", list[object]()
    hanging = f'#!/bin/sh\ncase " $* " in *" push "*) : > \'{began}\'; sleep 20 ;; esac\nexec git "$@"\n'
    remote = program(world, hanging)

    def push() -> None:
        try:
            ended.append(remote.push(effect, place, Hand(token=1), 60))
        except LoopyError as error:
            ended.append(type(error))

    worker = threading.Thread(target=push, daemon=True)
    worker.start()
    wait_until(began.exists)
    record = read_record(place.lock)
    assert (record.run, record.token) == ("LP-1.1", 1) if record else False
    take_over(place.lock, Marker("LP-1.1", 2))
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert set(ended) <= {LostError, GitError}
    assert len(ended) == 1
    assert REMOTE.look(effect, place, Hand(token=2)) == ""
