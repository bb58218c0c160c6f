"""A worker that is frozen, not dead: its agents are gone before anybody takes its run over, and it finds itself superseded."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

import psutil
import pytest

from loopy.domain.states import Verdict
from tests.stack.house import house, living, wait_until
from tests.stack.test_kill import assert_chain_whole, assert_shipped_once

LEASE_S = 5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_frozen_workers_agent_is_dead_before_its_short_lease_ends() -> None:
    with house() as on:
        file = on.stage.made.settings.file
        file.write_text(f"lease_s = {LEASE_S}\n{file.read_text()}")
        on.hire()
        on.hire()
        run_id = on.file("fix")
        on.until_it_speaks(run_id)
        frozen = on.owner(run_id)
        family = psutil.Process(frozen.pid).children(recursive=True)
        assert len(family) >= 2, "a guard and an agent were there"
        os.kill(frozen.pid, signal.SIGSTOP)
        stopped, at = time.monotonic(), datetime.now(UTC)
        try:
            wait_until(lambda: not living(family), "the guard and the agent are gone", LEASE_S)
            gone = time.monotonic() - stopped
            assert on.rows()[str(on.run(run_id).owner)] == frozen.pid, "nobody had to take it over for that"
            resumed = on.resumed_after(run_id, at)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        print(f"lease {LEASE_S} s: agent gone after {gone:.2f} s, run claimed by the other after {resumed:.2f} s")
        assert gone < LEASE_S - 1 < resumed
        on.until_ended(run_id)
        assert on.run(run_id).verdict is Verdict.PASSED
        assert_shipped_once(on, run_id)
        assert_chain_whole(on, 1)
