"""A wall clock that jumps while runs wait: nothing is lost, nobody's run is stolen, and the chain of receipts holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Wait
from tests.bad_luck.support import HEAD, PASSED, Yard, agent, assert_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

JUMPS = {"an hour on": timedelta(hours=1), "an hour back": timedelta(hours=-1), "ten years on": timedelta(days=3653)}
WORKER = str(Path(__file__).with_name("clocked_worker.py"))
# One that is asked to write later is limited until a file is there; all wait for another file.
LIMITED = """
print('here', flush=True)
if 'later' in sys.stdin.read() and not os.path.exists({ready!r}):
    print('{{"loopy": "limit", "class": "throttle", "message": "slow down"}}', flush=True)
    sys.exit(1)
while not os.path.exists({go!r}): time.sleep(0.05)
open('a.txt', 'a').write('done\\n')
"""


def jump(clock: Path, by: timedelta) -> None:
    fresh = clock.with_suffix(".new")
    fresh.write_text(str(by.total_seconds()))
    fresh.replace(clock)


@pytest.mark.parametrize("name", JUMPS)
def test_a_clock_that_jumps_while_runs_wait_and_run_loses_nothing(yard: Yard, tmp_path: Path, name: str) -> None:
    clock, go, ready = tmp_path / "clock", tmp_path / "go", tmp_path / "ready"
    jump(clock, timedelta(0))
    head = HEAD.replace("lease_s = 5", "lease_s = 8")
    yard.house.settle(head + 'approve = "always"\n' + agent("both", LIMITED.format(go=str(go), ready=str(ready))))
    at_work = yard.file("Write done now", "both")
    workers = [yard.hire("-P", WORKER, str(clock)) for _ in range(2)]
    yard.until_said(at_work, "here")
    parked = yard.file("Write done later", "both")
    yard.until(lambda: yard.run(parked).wait is Wait.LIMIT, "waits for a limit", 30)
    wake_at = yard.run(parked).wake_at
    assert wake_at is not None
    ready.touch()
    jump(clock, JUMPS[name])
    token = yard.run(at_work).token
    yard.until(lambda: yard.run(parked).wait is not Wait.LIMIT, "is woken, whichever way the clock went", 20)
    yard.until(lambda: beats(yard, at_work, 10), "beats on through the jump", 30)
    assert (yard.run(at_work).token, yard.run(at_work).state) == (token, RunState.RUNNING)
    go.touch()
    both = (at_work, parked)
    yard.until(lambda: all(yard.run(r).wait is Wait.APPROVAL for r in both), "both wait for approval", 90)
    jump(clock, -JUMPS[name])
    for run_id in (at_work, parked):
        assert yard.loopy("approve", run_id).code == 0
    yard.until_ended(at_work, parked)
    assert {yard.came_to(run_id) for run_id in (at_work, parked)} == {(PASSED, "")}
    assert all(worker.alive for worker in workers)
    for run_id in (at_work, parked):
        assert Failure.WORKER_LOST not in {a.failure for a in yard.attempts(run_id)}
        yard.until((yard.made.run_folder(run_id) / "receipt.dsse.json").exists, "the receipt is published", 30)
        said = yard.loopy("verify", run_id)
        ahead = JUMPS[name] < timedelta(0)  # signed while the clock stood an hour ahead of ours
        assert (said.code, said.out.splitlines()[-1][:9]) == ((2, "could not") if ahead else (0, "verified ")), said.out
    for worker in workers:
        worker.kill()
    assert_whole(yard, 2)


def beats(yard: Yard, run_id: str, more: int) -> bool:
    """Whether the run was beaten so often since it was claimed."""
    return yard.run(run_id).beat >= more
