"""`loopy run` and `loopy up` as real processes on a real repository."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loopy.bootstrap.services import Services
from loopy.cli.home import living_workers
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step

from .support import House, git, make_repo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FILES = {
    "a.txt": "hello\n",
    "loopy.toml": '[[checks]]\nname = "grep"\nargv = ["grep", "-q", "done", "a.txt"]\n',
    "workers/__init__.py": "raise SystemExit('a user has a package of that name, too')\n",
}
SETTINGS = """\
[policy]
sandbox = "none"
turns = 1

[agents.worker]
cli = "command"
argv = ["sh", "-c", "echo I am on it; echo done >> a.txt"]

[agents.idler]
cli = "command"
argv = ["true"]

[agents.slow]
cli = "command"
argv = ["sh", "-c", "for i in $(seq 600); do test -e {go} && break; echo part $i; sleep 0.1; done; echo done >> a.txt"]
"""


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House(tmp_path / "home", make_repo(tmp_path / "repo", FILES))
    house.settle(SETTINGS.replace("{go}", str(tmp_path / "go")))
    monkeypatch.chdir(house.repo)
    yield house
    while STARTED:
        process = STARTED.pop()
        process.kill()  # only when a test has failed is there anything left to kill
        process.communicate()


@pytest.fixture
def graph(stage: House) -> Iterator[Services]:
    made = stage.made()
    yield made
    made.graph.close()


def start(stage: House, *words: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "loopy.cli.main", *words],
        cwd=stage.repo,
        env={**env, "LOOPY_HOME": str(stage.home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


def run(stage: House, *words: str) -> tuple[int, str, str]:
    process = start(stage, *words)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def until(what: Callable[[], Any], seconds: float = 40.0) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.05)
    return found


def row(made: Services, run_id: str) -> Run | None:
    with made.graph.read() as tx:
        return tx.runs.get(run_id)


def coding(made: Services, run_id: str) -> bool:
    """Whether the agent of the run has said something."""
    return any(event.name == "agent.output" for event in made.graph.events(0, run_id))


def is_ended(made: Services, run_id: str) -> bool:
    found = row(made, run_id)
    return found is not None and found.state is RunState.ENDED


def test_what_a_cli_leaves_for_itself_is_not_shipped_and_what_the_repository_tracks_is(
    stage: House, graph: Services
) -> None:
    (stage.home / "agents").mkdir(mode=0o700, exist_ok=True)
    (stage.home / "agents" / "command.toml").write_text('leaves = [".tool/state.json", "notes.txt"]\n')
    (stage.repo / "notes.txt").write_text("ours\n")
    git(stage.repo, "add", "-A")
    git(stage.repo, "commit", "-qm", "notes")
    left = "mkdir -p .tool; echo mine > .tool/state.json; echo more >> notes.txt; echo done >> a.txt"
    stage.settle(SETTINGS + f'\n[agents.leaver]\ncli = "command"\nargv = ["sh", "-c", "{left}"]\n')
    code, out, err = run(stage, "run", "Write done", "--agent", "leaver")
    assert code == 0, out + err
    said = [event.text for event in graph.graph.events(0, "LP-1.1")]
    assert "took out of the tree what the agent left for itself: .tool/state.json" in said
    branch = git(stage.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads/loopy/")
    assert git(stage.repo, "diff", "--name-only", f"HEAD..{branch}").split() == ["a.txt", "notes.txt"]


def test_one_ticket_from_words_to_a_verified_receipt_without_a_worker(stage: House, graph: Services) -> None:
    code, out, err = run(stage, "run", "Write done", "--agent", "worker")
    assert code == 0, out + err
    assert "no worker is up: started one for this run" in out
    assert "✓ grep: passed" in out
    assert "PASSED   loopy/" in out
    assert living_workers(graph) == []
    code, out, _ = run(stage, "verify", "LP-1.1", "--rerun", "--yes")
    assert (code, out.splitlines()[-1]) == (0, "verified  LP-1.1  PASSED")
    code, out, _ = run(stage, "evidence", "LP-1.1", "--json")
    assert json.loads(out)["turns"][0]["report"]["results"][0]["exit_code"] == 0
    _, path, _ = run(stage, "receipt", "LP-1.1")
    assert Path(path.strip()).exists()


def test_a_run_that_does_not_pass_ends_with_exit_code_4_and_a_receipt(stage: House) -> None:
    code, out, _ = run(stage, "run", "Write done", "--agent", "idler", "--json")
    *events, result = [json.loads(text) for text in out.splitlines()]
    assert code == 4
    assert (result["verdict"], result["reason"]) == ("FAILED", "no_change")
    assert events[-1]["name"] == "run.ended"
    code, out, _ = run(stage, "verify", "LP-1")
    assert (code, out.splitlines()[-1]) == (0, "verified  LP-1.1  FAILED")


def test_ctrl_c_stops_following_and_the_run_goes_on_with_the_next_worker(stage: House, graph: Services) -> None:
    process = start(stage, "run", "Write done", "--agent", "slow")
    until(lambda: coding(graph, "LP-1.1"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "goes on with the next worker: loopy up" in out
    assert "loopy ticket cancel LP-1" in out
    found = row(graph, "LP-1.1")
    assert found is not None
    assert (found.state, found.step, found.owner) == (RunState.QUEUED, Step.CODE, None)
    (stage.home.parent / "go").touch()
    worker = start(stage, "up", "--no-beat")
    until(lambda: is_ended(graph, "LP-1.1"))
    worker.send_signal(signal.SIGINT)
    assert worker.wait(timeout=30) == 0
    found = row(graph, "LP-1.1")
    assert found is not None
    assert found.verdict == "PASSED"


def test_the_ephemeral_worker_ends_when_its_command_is_killed(stage: House, graph: Services) -> None:
    process = start(stage, "run", "Write done", "--agent", "slow")
    until(lambda: coding(graph, "LP-1.1"))
    (worker,) = living_workers(graph)
    process.kill()
    process.communicate()
    until(lambda: not living_workers(graph))
    with pytest.raises(ProcessLookupError):
        until(lambda: os.kill(worker.pid, 0))
    found = row(graph, "LP-1.1")
    assert found is not None
    assert found.state is RunState.QUEUED


def test_the_first_ctrl_c_of_a_worker_waits_for_what_runs(stage: House, graph: Services) -> None:
    worker = start(stage, "up")
    until(lambda: living_workers(graph))
    run(stage, "run", "Write done", "--agent", "slow", "--detach")
    until(lambda: coding(graph, "LP-1.1"))
    worker.send_signal(signal.SIGINT)
    time.sleep(1.0)  # long enough for a worker that would not wait
    assert worker.poll() is None
    (stage.home.parent / "go").touch()
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert git(stage.repo, "status", "--porcelain") == ""  # a worker leaves nothing where it was started
    assert "waiting for LP-1.1 (code); Ctrl-C again hands them back" in err
    found = row(graph, "LP-1.1")
    assert found is not None
    assert (found.state, found.step) == (RunState.QUEUED, Step.CHECK)


def test_the_second_ctrl_c_of_a_worker_hands_back_what_runs(stage: House, graph: Services) -> None:
    worker = start(stage, "up")
    until(lambda: living_workers(graph))
    run(stage, "run", "Write done", "--agent", "slow", "--detach")
    until(lambda: coding(graph, "LP-1.1"))
    worker.send_signal(signal.SIGINT)
    until(lambda: "stopping" if worker.poll() is None else None)
    time.sleep(0.3)
    worker.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert time.monotonic() - began < 10
    assert "handing back what runs" in err
    found = row(graph, "LP-1.1")
    assert found is not None
    assert (found.state, found.step, found.deaths) == (RunState.QUEUED, Step.CODE, 0)
    assert living_workers(graph) == []


def test_a_worker_of_some_queues_says_so_in_its_row(stage: House, graph: Services) -> None:
    worker = start(stage, "up", "--queues", "code,checks", "--no-beat", "--concurrency", "3")
    (found,) = until(lambda: living_workers(graph))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    assert set(found.queues) == {"code", "checks"}


def test_a_queue_that_is_not_there_is_refused(stage: House) -> None:
    code, _, err = run(stage, "up", "--queues", "cde")
    assert code == 2
    assert "there is no queue 'cde'" in err


def test_what_was_shipped_to_a_remote_is_verified_from_the_mirror_until_the_clone_has_fetched(
    stage: House, graph: Services, tmp_path: Path
) -> None:
    origin = tmp_path / "origin.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(stage.repo), str(origin))
    git(stage.repo, "remote", "add", "origin", str(origin))
    stage.settle(SETTINGS + '\n[ship]\ntarget = "origin"\n')
    code, out, err = run(stage, "run", "Write done", "--agent", "worker")
    assert code == 0, out + err
    code, out, err = run(stage, "verify", "LP-1.1")
    assert (code, out.splitlines()[-1]) == (0, "verified  LP-1.1  PASSED"), out + err
    (mirror,) = (stage.home / "repos").glob("*.git")
    assert f"commits read from Loopy's own mirror, {mirror} ({stage.repo} does not have them yet: git fetch" in out
    code, out, err = run(stage, "verify", "LP-1.1", "--rerun", "--yes")
    assert (code, out.splitlines()[-1]) == (0, "verified  LP-1.1  PASSED"), out + err
    git(stage.repo, "fetch", "--quiet", "origin")
    code, out, _ = run(stage, "verify", "LP-1.1")
    assert code == 0
    assert f"commits read from {stage.repo}" in out
    assert json.loads(run(stage, "verify", "LP-1.1", "--json")[1])["repository"]["kind"] == "repository"
