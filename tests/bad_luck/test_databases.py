"""A work graph that is locked, cut off or damaged: nobody hangs, readers go on, and no event that was seen is lost."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from loopy.domain.states import RunState
from loopy.process.capture import probe
from tests.bad_luck.support import HEAD, PASSED, WRITE, Yard, agent, alike, assert_whole

LOCKED_S = 62.0
TALKER = "for n in range(900):\n    print(f'part {n:03d}', flush=True)\n    time.sleep(0.1)\n    if os.path.exists(GO): break\n"
TALKER += "print('last', n, flush=True)\n"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_database_that_is_locked_for_a_minute_loses_no_word_and_blocks_no_reader(yard: Yard) -> None:
    go = yard.home.parent / "go"
    source = f"signal.alarm(100)\nGO = {str(go)!r}\n" + TALKER + WRITE
    yard.house.settle(HEAD.replace("lease_s = 5", "") + agent("talker", source))
    run_id = yard.file("Write done", "talker")
    worker = yard.hire()
    yard.until_said(run_id, "part 003")
    other = sqlite3.connect(yard.home / "loopy.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    until, slowest = time.monotonic() + LOCKED_S, 0.0
    try:
        while time.monotonic() < until:
            began = time.monotonic()
            assert yard.run(run_id).state is RunState.RUNNING
            assert yard.loopy("board").code == 0
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.5)
    finally:
        other.execute("ROLLBACK")
        other.close()
    go.touch()
    took = yard.until_ended(run_id, patience_s=90)
    print(f"ended {took:.1f} s after the lock; slowest look {slowest:.2f} s; attempts {yard.attempts(run_id)}")
    assert worker.alive
    assert slowest < 5
    assert yard.came_to(run_id) == (PASSED, "")
    words = "\n".join(e.text for e in yard.made.graph.events(0, run_id, 100_000) if e.name == "agent.output")
    said = [int(part) for part in words.replace("part ", "").split() if part.isdigit()]
    for turn in [said[i:] for i, n in enumerate(said) if n == 0][-1:]:  # the last try, if there was more than one
        assert turn[: max(turn) + 1] == list(range(max(turn) + 1))
    assert_whole(yard, 1)


def logged(yard: Yard, folder: Path) -> bytes:
    """Copy the graph as a power cut would leave it: the file, and a log with tickets that nobody has folded back."""
    for n in range(6):
        yard.file(f"Ticket {n}")
    shutil.copy(yard.home / "loopy.db", folder / "loopy.db")
    return (yard.home / "loopy.db-wal").read_bytes()


def test_a_log_that_is_cut_off_anywhere_leaves_a_sound_graph_with_the_oldest_tickets(
    yard: Yard, tmp_path: Path
) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    whole = logged(yard, folder)
    pristine, found = (folder / "loopy.db").read_bytes(), []
    for part in range(21):
        for beside in folder.glob("loopy.db*"):
            beside.unlink()
        (folder / "loopy.db").write_bytes(pristine)
        (folder / "loopy.db-wal").write_bytes(whole[: len(whole) * part // 20])
        assert alike(folder / "loopy.db") == "ok"
        connection = sqlite3.connect(folder / "loopy.db")
        found.append([row[0] for row in connection.execute("SELECT title FROM ticket ORDER BY rowid")])
        events = connection.execute("SELECT count(*) FROM run WHERE id NOT IN (SELECT run FROM event)").fetchone()[0]
        connection.close()
        assert events == 0, "a run without the event of its beginning"
    assert all(found[n] == found[-1][: len(found[n])] for n in range(21))
    assert (len(found[0]), len(found[-1])) == (0, 6)


@pytest.mark.slow
def test_work_goes_on_after_the_end_of_the_log_was_lost(yard: Yard) -> None:
    runs = [yard.file(f"Ticket {n}", "good") for n in range(6)]
    database, log = (yard.home / "loopy.db").read_bytes(), (yard.home / "loopy.db-wal").read_bytes()
    yard.made.graph.close()
    for beside in yard.home.glob("loopy.db-*"):
        beside.unlink()
    (yard.home / "loopy.db").write_bytes(database)
    (yard.home / "loopy.db-wal").write_bytes(log[: len(log) * 2 // 3])
    left = [t["id"] for t in yard.loopy("ticket", "list", "--all", "--json").json]
    assert 0 < len(left) <= 6
    there = []
    for run_id in runs:
        with yard.made.graph.read() as tx:
            there += [run_id] if tx.runs.get(run_id) else []
    yard.hire()
    yard.until_ended(*there)
    assert {yard.came_to(run_id) for run_id in there} == {(PASSED, "")}
    assert_whole(yard, len(there))


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_a_file_that_is_cut_off_starts_no_worker_and_stays_as_it_is(yard: Yard, keep: float) -> None:
    assert yard.loopy("ticket", "add", "Before").code == 0
    file = yard.home / "loopy.db"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep)])
    kept = file.read_bytes()
    env = {"LOOPY_HOME": str(yard.home), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    seen = probe((sys.executable, "-P", "-m", "workers", "--no-beat"), env, 30.0)
    said = seen.stderr.decode()
    assert (seen.exit.code, len(said.splitlines())) == (3, 1), said
    assert said.startswith(f"error: {file}: the work graph is damaged")
    assert "keep a copy" in said
    assert yard.loopy("board").code == 3
    assert file.read_bytes() == kept
