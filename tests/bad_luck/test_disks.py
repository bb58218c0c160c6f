"""A full disk and a home that cannot be written: said in one line, nothing torn, and work goes on when there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Wait
from tests.bad_luck.support import HEAD, PASSED, WRITE, Yard, agent, alike, assert_whole, tmpfs
from tests.cli.support import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
GREEDY = "open('big', 'wb').write(bytes(64 << 20))\n"


def fill(disk: Path, name: str = "ballast") -> Path:
    """Write until nothing more goes in."""
    ballast = disk / name
    with ballast.open("wb", buffering=0) as file:
        for piece in (65536, 4096, 1):
            while True:
                try:
                    if not file.write(bytes(piece)):
                        break
                except OSError:
                    break
    return ballast


@pytest.mark.parametrize("folder", ["work", "runs", "repos"])
def test_a_run_waits_for_room_and_goes_on_when_there_is_some(yard: Yard, folder: str) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(tmpfs(yard.home / folder, "size=4m"))
        stack.callback(yard.close)
        ballast = fill(disk)
        run_id = yard.file("Write done", "good")
        yard.hire()
        yard.until(lambda: yard.run(run_id).state in {RunState.WAITING, RunState.ENDED}, "waits", 40)
        assert (yard.run(run_id).state, yard.run(run_id).wait) == (RunState.WAITING, Wait.DISK), yard.attempts(run_id)
        assert {a.failure for a in yard.attempts(run_id)} == {Failure.DISK_FULL}
        assert "disk" in yard.loopy("board").out
        ballast.unlink()
        assert yard.loopy("resume", run_id).code == 0
        yard.until_ended(run_id)
        assert yard.came_to(run_id) == (PASSED, "")
        assert_whole(yard, 1)


def test_an_agent_that_fills_the_disk_makes_its_run_wait_and_not_fail(yard: Yard) -> None:
    yard.house.settle(HEAD + agent("greedy", GREEDY + WRITE))
    with ExitStack() as stack:
        stack.enter_context(tmpfs(yard.home / "work", "size=4m"))
        stack.callback(yard.close)
        run_id = yard.file("Write done", "greedy")
        yard.hire()
        yard.until(lambda: yard.run(run_id).state in {RunState.WAITING, RunState.ENDED}, "waits", 40)
        assert yard.run(run_id).wait is Wait.DISK, yard.attempts(run_id)
        (tried,) = yard.attempts(run_id)
        assert (tried.failure, "no room on the disk" in tried.detail) == (Failure.DISK_FULL, True)
        (big,) = (yard.home / "work").rglob("big")
        big.unlink()
        yard.house.settle(HEAD + agent("greedy", WRITE))
        assert yard.loopy("resume", run_id).code == 0
        yard.until_ended(run_id)
        assert yard.came_to(run_id) == (PASSED, "")


def moved(yard: Yard, onto: Path) -> Yard:
    """Return the same yard with its home on this disk."""
    shutil.copytree(yard.home, onto, dirs_exist_ok=True)
    return Yard(House(onto, yard.house.repo, {**yard.house.env, "LOOPY_HOME": str(onto)}))


def test_a_home_on_a_full_disk_says_so_tears_nothing_and_goes_on_after_room_is_made(yard: Yard, tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(tmpfs(tmp_path / "disk", "size=24m"))
        on = moved(yard, disk)
        stack.callback(on.close)
        assert on.loopy("ticket", "add", "Before", "--agent", "good").code == 0
        ballast = fill(disk)
        refused = []
        for n in range(40):  # the log of the database may have some room left
            said = on.loopy("ticket", "add", f"Ticket {n}", "--body", "x" * 100_000)
            refused += [said] if said.code else []
        assert refused
        assert {(said.code, len(said.err.splitlines())) for said in refused} == {(3, 1)}
        assert all("full" in said.err and "nothing was half-written" in said.err for said in refused), refused[0].err
        os.truncate(ballast, ballast.stat().st_size - (6 << 20))
        listed = on.loopy("ticket", "list", "--json")
        assert (listed.code, len(listed.json)) == (0, 41 - len(refused))  # all that was said to be kept
        run_id = on.file("Write done", "good")
        on.hire()
        on.until(lambda: on.run(run_id).state is not RunState.QUEUED, "begins")
        filled = fill(disk, "more")
        ballast.unlink()
        filled.unlink()
        on.until_ended(run_id, patience_s=100)
        assert on.came_to(run_id) == (PASSED, "")
        assert alike(disk / "loopy.db") == "ok"
        assert_whole(on, 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("board",), 3),
        (("ticket", "add", "x"), 3),
        (("run", "x", "--agent", "good", "--detach"), 3),
        (("agent", "create", "z", "--cli", "claude"), 1),
        (("doctor",), 1),
    ],
)
@pytest.mark.parametrize("fault", ["is on a read-only file system", "the disk is full"])
def test_a_home_that_cannot_be_written_to_is_told_in_a_line_that_names_it(
    yard: Yard, tmp_path: Path, words: tuple[str, ...], code: int, fault: str
) -> None:
    with tmpfs(tmp_path / "disk", "size=8m") as disk:
        on = moved(yard, disk)
        assert on.loopy("ticket", "add", "Before").code == 0
        if fault == "the disk is full":
            fill(disk)
        else:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        said = on.loopy(*words)
        assert said.code == code, said.err
        told = said.out if words == ("doctor",) else said.err
        assert fault in told
        assert str(disk) in told or words[0] == "agent"  # a write that fails later names no file
        assert words == ("doctor",) or len(said.err.splitlines()) == 1
        if words == ("board",):
            kind = json.loads(on.loopy("board", "--json").err)["error"]["kind"]
            assert kind == "FullError" if fault == "the disk is full" else kind != "FullError"
    assert yard.loopy("ticket", "list").code == 0


@pytest.mark.parametrize("fault", ["is on a read-only file system", "the disk is full"])
def test_a_worker_does_not_start_on_a_home_that_cannot_be_written_to(yard: Yard, tmp_path: Path, fault: str) -> None:
    with tmpfs(tmp_path / "disk", "size=8m") as disk:
        on = moved(yard, disk)
        assert on.loopy("ticket", "add", "Before").code == 0
        if fault == "the disk is full":
            fill(disk)
        else:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        env = {**os.environ, **on.house.env, "PYTHONWARNINGS": "ignore"}
        argv = [sys.executable, "-P", "-m", "workers", "--no-beat"]
        ended = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=40)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (3, 1), ended.stderr
        assert fault in ended.stderr
        assert str(disk) in ended.stderr
