"""One turn of an agent in the box, by Loopy's own drivers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loopy.agents.environment import Operator
from loopy.agents.gitdir import own_git
from loopy.agents.launch import command_line
from loopy.agents.print_driver import PrintDriver
from loopy.domain.agent import Agent, AgentKind, Turned
from loopy.ports import Brief
from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.choose import Asked, choose_sandbox
from tests.agents.support import CATALOG, FixedClock, PaperLeash, place_in
from tests.support.boxes import needs_bwrap

GIT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null"}
DRIVERS = ("test_print_driver", "test_acp_driver", "test_acp_trouble", "test_live_stream")


def repository(folder: Path) -> Path:
    place = place_in(folder)
    for words in (("init", "-q"), ("config", "user.name", "A"), ("config", "user.email", "a@localhost")):
        subprocess.run(["git", *words], cwd=place.tree, env=GIT, check=True)
    (place.tree / "a.txt").write_text("hello\n")
    subprocess.run(["git", "add", "a.txt"], cwd=place.tree, env=GIT, check=True)
    subprocess.run(["git", "commit", "-qm", "Begin"], cwd=place.tree, env=GIT, check=True)
    return place.tree


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}


@needs_bwrap
def test_an_agent_works_with_git_as_it_likes_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    tree = repository(tmp_path)
    before = contents(tree / ".git")
    script = tmp_path / "tools/agent.sh"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\nset -e\necho done >> a.txt\ngit add a.txt\ngit commit -qm Mine\necho more >> a.txt\ngit stash -q\n"
        "git stash pop -q\ngit log --format=%s\nprintf '#!/bin/sh\\n' > .git/hooks/post-checkout\n"
        "git config core.hooksPath /tmp\nln -s /etc .git/link\nmkfifo .git/pipe\n! mv .git elsewhere\n! rm -rf .git\n"
        "ls .git && echo still\n"
    )
    script.chmod(0o755)
    box = choose_sandbox(Asked(path=os.environ["PATH"], home=tmp_path / "operator"))
    driver = PrintDriver(CATALOG, Operator({"PATH": os.environ["PATH"]}), box, FixedClock())
    for turn in (1, 2):  # the second finds it as Loopy made it
        leash = PaperLeash(turn)
        said = driver.turn(Agent(name="a", argv=(str(script),)), Brief("go", turn), place_in(tmp_path), leash)
        assert isinstance(said, Turned)
        assert said.held == box.held
        assert leash.output().split()[:2] == ["Mine", "Begin"], leash.output()
        assert leash.output().split()[-1] == "still"
    assert (tree / "a.txt").read_text() == "hello\ndone\nmore\ndone\nmore\n"
    assert contents(tree / ".git") == before
    assert not list((tmp_path / "run/agent").glob("git-*"))


def test_a_copy_of_the_git_dir_takes_no_pipe_and_follows_no_link(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    (tree / ".git/hooks").mkdir(parents=True)
    scratch.mkdir()
    (tree / ".git/config").write_text("[core]\n")
    (tree / ".git/link").symlink_to(tmp_path)
    os.mkfifo(tree / ".git/pipe")
    with own_git(tree, scratch) as stand_ins:
        copy = stand_ins[tree / ".git"]
        assert sorted(p.name for p in copy.iterdir()) == ["config", "hooks", "link"]
        assert (copy / "link").is_symlink()
        assert copy.parent == scratch
        (copy / "config").write_text("changed")
    assert not copy.exists()
    assert (tree / ".git/config").read_text() == "[core]\n"


@pytest.mark.parametrize("how", ["none", "a file", "a link"])
def test_a_tree_without_a_git_dir_of_its_own_gets_none(tmp_path: Path, how: str) -> None:
    if how == "a file":
        (tmp_path / ".git").write_text("gitdir: /elsewhere\n")
    elif how == "a link":
        (tmp_path / ".git").symlink_to("/etc")
    with own_git(tmp_path, tmp_path) as stand_ins:
        assert stand_ins == {}


@pytest.mark.parametrize(
    ("kind", "boxed", "flags"),
    [("code", False, "workspace-write"), ("review", False, "read-only"), ("code", True, "danger-full-access"),
     ("review", True, "danger-full-access")],
)  # fmt: skip
def test_a_cli_with_a_sandbox_of_its_own_is_told_that_it_is_in_one(kind: str, boxed: bool, flags: str) -> None:
    block = CATALOG["codex"].print
    assert block is not None
    words = {"bin": "codex", "cwd": "/tree"}
    argv = command_line(block, Agent(name="a", kind=AgentKind(kind)), words, resuming=False, boxed=boxed)
    assert argv[argv.index("-s") + 1] == flags
    gemini = CATALOG["gemini"].print
    assert gemini is not None
    said = [command_line(gemini, Agent(name="a"), words, resuming=False, boxed=b) for b in (True, False)]
    assert said[0] == said[1]


@needs_bwrap
def test_an_agent_whose_login_folder_is_a_whole_home_is_not_started(tmp_path: Path) -> None:
    repository(tmp_path)
    box = choose_sandbox(Asked(path=os.environ["PATH"], home=tmp_path / "run"))
    assert isinstance(box, Bubblewrap)
    driver = PrintDriver(
        CATALOG, Operator({"PATH": os.environ["PATH"]}), replace(box, home=tmp_path / "tree"), FixedClock()
    )
    said = driver.turn(Agent(name="a", argv=("true",)), Brief("go", 1), place_in(tmp_path), PaperLeash())
    assert not isinstance(said, Turned)
    assert "would open all of it" in said.detail


@needs_bwrap
@pytest.mark.slow
def test_the_drivers_do_in_the_box_all_that_they_do_without_one(tmp_path: Path) -> None:
    files = [f"tests/agents/{name}.py" for name in DRIVERS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.sandbox.in_the_box", "-p", "no:xdist", "-p", "no:cacheprovider",
         f"--basetemp={tmp_path / 'base'}", *files],
        cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
