"""Each wall of the box, taken out once: the attack that it stops goes through, so the tests of the box can fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

import pytest

from loopy.process.capture import capture
from loopy.process.command import Ending
from tests.support.boxes import needs_bwrap

from .scene import SECRET, Scene, alive, sentinel, until

pytestmark = needs_bwrap
Change = Callable[[Sequence[str]], Sequence[str]]


def without(*words: str, instead: Sequence[str] = ()) -> Change:
    """Return the change that takes out these arguments, which stand side by side, and puts others in their place."""

    def change(argv: Sequence[str]) -> Sequence[str]:
        at = next(n for n in range(len(argv)) if tuple(argv[n : n + len(words)]) == words)
        assert at < argv.index("--")
        return (*argv[:at], *instead, *argv[at + len(words) :])

    return change


def shared_processes(argv: Sequence[str]) -> Sequence[str]:
    """Share the host's processes; a fresh /proc could not be had then."""
    return without("--proc", "/proc", instead=("--ro-bind", "/proc", "/proc"))(without("--unshare-pid")(argv))


def test_without_the_wall_around_processes_they_are_seen_and_signalled(scene: Scene) -> None:
    with sentinel({"CANARY": SECRET}, scene.before) as pid:
        assert "sleep" in scene.steal("cat /proc/*/cmdline", shared_processes)
        assert scene.do(f"kill -0 {pid}", shared_processes).exit.code == 0
        assert scene.do(f"kill -0 {pid}").exit.code != 0


def test_without_the_wall_around_the_git_dir_it_is_written(scene: Scene) -> None:
    git = str(scene.tree / ".git")
    assert scene.do("echo x >> .git/config", without("--ro-bind", git, git)).exit.code == 0
    assert (scene.tree / ".git/config").read_text() == "[core]\nx\n"


def test_without_the_seal_on_the_root_it_is_written(scene: Scene) -> None:
    assert scene.do("echo x > /planted").exit.code != 0
    assert scene.do("echo x > /planted", without("--remount-ro", "/")).exit.code == 0


def test_without_the_ban_on_namespaces_one_can_be_made(scene: Scene) -> None:
    assert scene.do("unshare -U true", without("--disable-userns")).exit.code == 0


def test_without_a_session_of_its_own_the_command_is_in_the_guards(scene: Scene) -> None:
    assert scene.steal("cut -d' ' -f6 /proc/self/stat", without("--new-session")).strip() == "0"


@pytest.mark.parametrize("name", ["ipc", "uts"])
def test_without_a_namespace_of_its_own_the_command_is_in_the_hosts(scene: Scene, name: str) -> None:
    said = scene.steal(f"readlink /proc/self/ns/{name}", without(f"--unshare-{name}")).strip()
    assert said == os.readlink(f"/proc/self/ns/{name}")


def test_without_dropping_rights_root_keeps_them(scene: Scene) -> None:
    if scene.before or os.geteuid():
        pytest.skip("a plain user has none to drop")
    rights = scene.steal("grep CapEff /proc/self/status", without("--cap-drop", "ALL"))
    assert rights.split()[1] != "0" * 16


def test_without_the_cover_on_the_kernels_switches_root_can_throw_them(scene: Scene) -> None:
    if scene.before or os.geteuid():
        pytest.skip("they are root's")
    bare = without("--ro-bind-try", "/proc/sys", "/proc/sys")
    assert scene.do(": >> /proc/sys/kernel/core_pattern", bare).exit.code == 0


def test_without_hiding_them_the_private_files_of_etc_are_read(scene: Scene) -> None:
    if scene.before or os.geteuid():
        pytest.skip("a plain user may not read them anyway")
    assert ":" in scene.steal("cat /etc/shadow", without("--ro-bind", "/dev/null", "/etc/shadow"))


@pytest.mark.parametrize("dies", [True, False])
def test_without_dying_with_its_parent_the_inside_outlives_the_outside(scene: Scene, dies: bool) -> None:
    n = f"200.{os.getpid()}{int(dies)}"
    argv = scene.command("/bin/sh", "-c", f"sleep {n}", change=tuple if dies else without("--die-with-parent")).argv
    pid = os.spawnve(os.P_NOWAIT, "/usr/bin/env", ["env", *argv], scene.env)
    inside = until(lambda: next((found for found in alive(n) if is_sleep(found)), 0))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not dies:
        time.sleep(0.3)  # time enough to die, if it would
        assert is_sleep(inside)
        os.kill(inside, signal.SIGKILL)
    until(lambda: not alive(n))


def is_sleep(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip() == "sleep"
    except OSError:
        return False


def test_without_telling_the_guard_that_it_is_a_box_nobody_could_end_in_order(scene: Scene) -> None:
    script = "trap 'sleep 0.3; echo saved > saved; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    for boxed in (True, False):
        saved = scene.tree / "saved"
        saved.unlink(missing_ok=True)
        began = [0]

        def stopping(began: list[int] = began) -> str | None:
            began[0] += 1
            return "enough" if began[0] > 2 else None

        done = capture(scene.command("/bin/sh", "-c", script, boxed=boxed), stopping=stopping)
        assert (done.exit.ending, done.exit.stopped_for) == (Ending.STOPPED, "enough")
        assert saved.exists() is boxed
