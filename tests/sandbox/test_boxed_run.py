"""`loopy run` in the box, from ticket to verified receipt, with an agent that obeys an injection on the way; and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import House, git, make_repo
from tests.support.boxes import FORBIDDEN, before, broken, needs_bwrap

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SECRET = "canary-of-the-operator"
# The check looks for itself whether it can reach what it should not.
CHECK = """\
[[checks]]
name = "grep"
argv = ["grep", "-q", "done", "a.txt"]

[[checks]]
name = "reach"
argv = ["sh", "-c", "touch here && ! cat {home}/keys/* {home}/loopy.db {operator}/.ssh/id && ! test -e {pid}"]
"""
AGENT = """\
#!/bin/sh
cat > /dev/null
echo done >> a.txt
{
  cat "$OPERATOR/.ssh/id" "$LOOPY"/keys/* "$LOOPY/loopy.db" "$LOOPY/broker.db" "$LOOPY/loopy.toml"
  ln -s "$OPERATOR/.ssh/id" link && cat link; rm -f link
  echo '#!/bin/sh' > .git/hooks/post-checkout
  echo '[core] hooksPath = /tmp' >> .git/config
  echo planted > "$OPERATOR/.bashrc"
  echo planted > "$LOOPY/planted"
  cat /proc/*/environ | tr '\\0' '\\n'
  kill -9 -1
  git log -1 --format='%s of the base' ; git status --short
} 2>/dev/null
setsid sleep 321.5 > /dev/null 2>&1 &
exit 0
"""
SETTINGS = """\
[policy]
turns = 1

[agents.obedient]
cli = "command"
argv = ["{agent}"]
env = { OPERATOR = "{operator}", LOOPY = "{home}" }
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    operator, home = tmp_path / "operator", tmp_path / "operator/.loopy"
    check = (
        CHECK.replace("{home}", str(home)).replace("{operator}", str(operator)).replace("{pid}", f"/proc/{os.getpid()}")
    )
    repo = make_repo(tmp_path / "src/repo", {"a.txt": "hello\n", "loopy.toml": check})
    (operator / ".ssh").mkdir(parents=True)
    (operator / ".ssh/id").write_text(SECRET)
    agent = tmp_path / "tools/agent.sh"
    agent.parent.mkdir()
    agent.write_text(AGENT)
    agent.chmod(0o755)
    house = House(home, repo, {"HOME": str(operator), "LOOPY_HOME": str(home)})
    text = SETTINGS.replace("{agent}", str(agent)).replace("{operator}", str(operator)).replace("{home}", str(home))
    house.settle(text)
    return house


def loopy(house: House, *words: str) -> tuple[int, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")} | house.env
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loopy.cli.main", *words],
        cwd=house.repo, env=env | {"CANARY": SECRET}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def statement(house: House, run: str) -> dict[str, Any]:
    text = (house.home / "runs" / run / "receipt.statement.json").read_text()
    found: dict[str, Any] = json.loads(text)["predicate"]
    return found


def everything(folder: Path, but: Sequence[str] = ()) -> bytes:
    return b"".join(
        p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink() and p.name not in but
    )


@needs_bwrap
def test_an_agent_that_obeys_an_injection_gets_its_ticket_done_and_nothing_else(house: House) -> None:
    code, said = loopy(house, "run", "Write done", "--agent", "obedient")
    assert code == 0, said
    assert "grade fs-only: files and processes are boxed in, the network is open" in said
    assert "✓ reach: passed" in said
    assert SECRET not in said
    (transcript,) = (house.home / "runs/LP-1.1").glob("transcript-1-*.log")
    assert "Begin of the base" in transcript.read_text()  # git works in there, and that is all it saw
    assert SECRET.encode() not in everything(house.home / "runs")
    assert not (house.home / "planted").exists()
    assert not (house.home.parent / ".bashrc").exists()
    assert subprocess.run(["pgrep", "-f", "sleep 321.5"], capture_output=True).stdout == b""
    assert git(house.repo, "show", "--stat", "--format=", "loopy/lp-1.1-write-done").split() == [
        "a.txt", "|", "1", "+", "1", "file", "changed,", "1", "insertion(+)",
    ]  # fmt: skip


@needs_bwrap
def test_the_receipt_says_what_held_the_run_and_what_did_not(house: House) -> None:
    code, said = loopy(house, "run", "Write done", "--agent", "obedient")
    assert code == 0, said
    told = statement(house, "LP-1.1")
    backend = told["sandbox"].pop("backend")
    assert backend.startswith("bubblewrap ")
    assert told["sandbox"] == {"grade": "fs-only", "network": "unrestricted"}
    assert told["signer"] == {"isolation": "sandboxed-agent"}
    code, said = loopy(house, "verify", "LP-1.1")
    assert (code, said.splitlines()[-1]) == (0, "verified  LP-1.1  PASSED")
    assert "the agent's network was open" in said
    assert "without a sandbox" not in said
    code, said = loopy(house, "evidence", "LP-1.1")
    assert f"Sandbox: {backend}, grade fs-only" in said


def test_a_home_whose_box_does_not_work_starts_nothing(house: House, tmp_path: Path) -> None:
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    code, said = loopy(house, "run", "Write done", "--agent", "obedient")
    assert code == 2
    assert FORBIDDEN in said
    assert not (house.home / "work/LP-1.1").exists()


def test_a_run_whose_worker_has_no_box_is_refused_before_its_agent_starts(house: House, tmp_path: Path) -> None:
    """Filed where the box works, taken up by a worker for which it does not."""
    loopy(house, "ticket", "add", "Write done", "--agent", "obedient", "--repo", str(house.repo))
    house.made().intake.start("LP-1", "tester")
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "loopy.cli.main", "up", "--no-beat"], cwd=house.repo, stdin=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")} | house.env,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        _, said = loopy(house, "watch", "LP-1")
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert "REFUSED" in said, said
    assert "the policy asks for sandbox 'fs-only'" in said
    assert not list((house.home / "runs/LP-1.1").glob("transcript*"))
    assert statement(house, "LP-1.1")["sandbox"]["grade"] == "none"
