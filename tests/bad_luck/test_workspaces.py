"""A workspace that vanishes under a run is made anew, and the run goes on."""

from __future__ import annotations

import shutil

import pytest

from loopy.domain.failures import Failure
from tests.bad_luck.support import HEAD, PASSED, WRITE, Yard, agent, assert_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WAITING = f"""
print('here', flush=True)
while not os.path.exists({{go!r}}): time.sleep(0.05)
{WRITE}
"""


@pytest.mark.parametrize("what", ["work", "run's work", "tree", "mirror", "transcripts"])
def test_what_is_deleted_in_the_middle_of_a_run_is_made_anew(yard: Yard, what: str) -> None:
    go = yard.home.parent / "go"
    yard.house.settle(HEAD + agent("waiting", WAITING.format(go=str(go))))
    run_id = yard.file("Write done", "waiting")
    yard.hire()
    yard.until_said(run_id, "here")
    places = {"work": ["work"], "run's work": [f"work/{run_id}"], "transcripts": [f"runs/{run_id}"]}
    trees = [p.parent for p in (yard.home / "work" / run_id).rglob(".git")]
    mirrors = list((yard.home / "repos").glob("*.git"))
    for place in {"tree": trees, "mirror": mirrors}.get(what) or [yard.home / p for p in places[what]]:
        shutil.rmtree(place)
    go.touch()
    took = yard.until_ended(run_id, patience_s=90)
    print(
        f"{what}: ended after {took:.1f} s; attempts {[(str(a.failure), a.detail[:80]) for a in yard.attempts(run_id)]}"
    )
    assert yard.came_to(run_id) == (PASSED, "")
    assert {a.failure for a in yard.attempts(run_id)} <= {Failure.WORKSPACE, Failure.INTERNAL}
    assert_whole(yard, 1)
