"""Agents that misbehave: the verdict comes from the change and the checks, and nothing of them outlives its turn."""

from __future__ import annotations

import re

import pytest

from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Wait
from tests.bad_luck.support import FAILED, HEAD, PASSED, WRITE, Yard, agent, assert_whole, marked

pytestmark = pytest.mark.timeout(180)

NOISE = r"""
out = sys.stdout.buffer
out.write(b'nul \0 here\nlatin caf\xe9\xff\xfe\n\x1b[2J\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x07red \x1b[31mtext\rover\n')
out.write(b'\xc2\x9b31m \xe2\x80\xae bidi \xed\xa0\x80 surrogate\n' + bytes(range(256)) * 200 + b'\n{"loopy": "message", "message": "\\u0000\\ud800 \\u001b[2J"}\n')
out.flush()
"""
DAEMON = r"""
for n in range(8):
    if os.fork() == 0:
        if n % 2: os.setsid()
        signal.alarm(60)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if n % 4 == 1:
            os.close(0); os.close(1); os.close(2)
        if os.fork() == 0: signal.alarm(60); time.sleep(60)
        time.sleep(60)
time.sleep(0.2)
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('never', flush=True)\nwhile True: time.sleep(1)\n"
BOMB = r"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(6):  # 64 processes, and no more
    os.fork()
signal.alarm(60)
print('boom', flush=True)
time.sleep(60)
"""
AGENTS = {
    "lazy": ("", {}),
    "grumpy": (f"{WRITE}sys.exit(1)\n", {}),
    "crasher": (f"{WRITE}os.kill(os.getpid(), signal.SIGSEGV)\n", {}),
    "noisy": (NOISE + WRITE, {}),
    "daemon": (WRITE + DAEMON, {}),
    "stubborn": (STUBBORN, {"wall_s": 2}),
    "silent": ("time.sleep(60)\n", {"idle_s": 1}),
    "bomb": (BOMB, {"wall_s": 2}),
}
STORED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def only(yard: Yard, name: str) -> str:
    """Make this agent the only one there is, so that nobody takes over; file its run, and hire a worker."""
    source, facts = AGENTS[name]
    yard.house.settle(HEAD + agent(name, source, **facts))
    run_id = yard.file("Write done", name)
    yard.hire()
    return run_id


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "came_to"),
    [
        ("lazy", (FAILED, "no_change")),
        ("grumpy", (PASSED, "")),
        ("crasher", (FAILED, "agent_crash")),
        ("noisy", (PASSED, "")),
        ("daemon", (PASSED, "")),
    ],
)
def test_an_agent_is_judged_by_its_change_and_leaves_nobody_behind(
    yard: Yard, name: str, came_to: tuple[str, str]
) -> None:
    run_id = only(yard, name)
    yard.until_ended(run_id)
    assert yard.came_to(run_id) == came_to
    yard.until(lambda: marked(yard.home, run_id) == [], "nobody is left", 5)
    assert [e.text for e in yard.made.graph.events(0, run_id, 10_000) if STORED.search(e.text)] == []
    for words in (("watch", run_id), ("evidence", run_id), ("ticket", "show", "LP-1")):
        said = yard.loopy(*words)
        assert not SHOWN.search(said.out), words
    assert_whole(yard, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stubborn", "silent", "bomb"])
def test_an_agent_that_never_ends_is_ended_with_all_below_it_and_its_run_waits_visibly(yard: Yard, name: str) -> None:
    run_id = only(yard, name)
    yard.until(lambda: yard.run(run_id).state is RunState.WAITING, "waits")
    run = yard.run(run_id)
    assert (run.wait, run.wake_at is not None) == (Wait.LIMIT, True)
    assert {a.failure for a in yard.attempts(run_id)} == {Failure.AGENT_STALLED}
    assert marked(yard.home, run_id) == []
    assert "agent_stalled; no agent is free" in yard.loopy("board").out.replace("agent stalled", "agent_stalled")
    assert yard.loopy("ticket", "cancel", "LP-1").code == 0
    yard.until_ended(run_id)
    assert yard.came_to(run_id) == ("ABORTED", "cancelled")
    assert_whole(yard, 1)


def test_a_missing_program_is_refused_before_anything_is_filed(yard: Yard) -> None:
    yard.house.settle(HEAD + '\n[agents.gone]\ncli = "command"\nargv = ["no-such-agent-anywhere"]\n')
    said = yard.loopy("run", "x", "--agent", "gone", "--detach")
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "no-such-agent-anywhere" in said.err
    assert yard.loopy("ticket", "list", "--json").json == []


@pytest.mark.slow
def test_a_program_that_vanishes_after_its_run_was_filed_is_a_persons_question(yard: Yard) -> None:
    yard.house.settle(HEAD + '\n[agents.gone]\ncli = "command"\nargv = ["no-such-agent-anywhere"]\n')
    run_id = yard.file("Write done", "gone")
    yard.hire()
    yard.until(lambda: yard.run(run_id).wait, "waits")
    assert yard.run(run_id).wait is Wait.QUESTION
    assert {a.failure for a in yard.attempts(run_id)} == {Failure.AGENT_MISSING}
    assert "install the agent's program" in yard.loopy("inbox").out
    assert yard.loopy("resume", run_id, "--give-up").code == 0
    yard.until_ended(run_id)
    assert yard.came_to(run_id) == ("ABORTED", "given up")
    assert_whole(yard, 1)
