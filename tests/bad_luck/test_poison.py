"""A ticket that kills every worker that takes it ends with evidence, and the others go on."""

from __future__ import annotations

import pytest

from loopy.domain.failures import Failure
from tests.bad_luck.support import FAILED, HEAD, PASSED, WRITE, Yard, agent, assert_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

# The guard is the agent's parent, and the worker the guard's.
KILLER = """
print('here', flush=True)
worker = int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])
os.kill(worker, signal.SIGKILL)
time.sleep(50)
"""


def test_a_poison_ticket_ends_with_evidence_and_the_others_go_on(yard: Yard) -> None:
    yard.house.settle(HEAD + agent("killer", KILLER) + agent("good", WRITE))
    poison, others = yard.file("Poison", "killer"), [yard.file(f"Write done {n}", "good") for n in range(3)]

    def over() -> bool:
        if not yard.workers or not yard.workers[-1].alive:
            assert len(yard.workers) < 10, "the poison goes on killing"
            yard.hire()
        return all(yard.run(r).ended_at for r in (poison, *others))

    yard.until(over, "all have ended", 150)
    assert yard.came_to(poison) == (FAILED, "worker_lost")
    assert {yard.came_to(other)[0] for other in others} == {PASSED}
    dead = sum(not worker.alive for worker in yard.workers)
    assert 4 <= dead <= 6
    assert sum(a.failure is Failure.WORKER_LOST for a in yard.attempts(poison)) >= 4
    said = yard.loopy("evidence", poison)
    assert said.code == 0
    assert "worker_lost" in said.out.replace(" ", "_")
    yard.until(lambda: yard.loopy("verify", poison).code == 0, "the receipt is published", 20)
    assert_whole(yard, 4)
