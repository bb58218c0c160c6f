"""What a compliant agent that obeys every bad word can do from inside the box: nothing of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from loopy.domain.errors import ProcessError
from loopy.sandbox.bubblewrap import Bubblewrap
from tests.support.boxes import needs_bwrap

from .scene import ENV, SECRET, Scene, alive, sentinel, until

pytestmark = needs_bwrap


def test_the_work_tree_is_the_agents_to_write(scene: Scene) -> None:
    done = scene.do("echo done >> a.txt; mkdir -p src; echo x > src/new.py; rm -f gone; pwd")
    assert done.stdout.decode().strip() == str(scene.tree)
    assert (scene.tree / "a.txt").read_text() == "hello\ndone\n"
    assert (scene.tree / "src/new.py").read_text() == "x\n"
    scene.do(f"echo y > {scene.scratch}/home/state; echo z > /tmp/own")
    assert (scene.scratch / "home/state").read_text() == "y\n"
    assert not Path("/tmp/own").exists()


def test_a_key_outside_cannot_be_read(scene: Scene) -> None:
    assert SECRET not in scene.steal(
        f"cat {scene.key}; cat ~/.netrc {scene.home}/.netrc; cat /proc/self/cwd/../../../../../.ssh/*"
    )
    assert SECRET not in scene.steal(
        f"find / -xdev -type f -size -10k -path '*operator*' -exec cat {{}} + ; ls -laR {scene.home}"
    )


def test_a_key_outside_cannot_be_read_through_a_link(scene: Scene) -> None:
    (scene.tree / "key").symlink_to(scene.key)
    (scene.tree / "up").symlink_to("../../../..")
    said = scene.steal(f"ln -s {scene.key} own; ln {scene.key} hard; cat key own hard up/.ssh/id_ed25519 up/../.netrc")
    assert SECRET not in said


@pytest.mark.parametrize(
    "name",
    ["loopy.db", "broker.db", "loopy.toml", "keys/ed25519.pem", "runs/LP-1.1/git/config", "runs/LP-1.1/run.lock",
     "runs/LP-9.1/transcript-1-1.log", "work/LP-9.1/tree/a.txt", "repos/x.git/config"],
)  # fmt: skip
def test_what_loopy_keeps_can_be_neither_read_nor_replaced(scene: Scene, name: str) -> None:
    path = scene.loopy / name
    said = scene.steal(f"cat {path}; rm -f {path}; mkdir -p {path.parent}; echo planted > {path}; cat {path}")
    assert SECRET not in said
    assert path.read_text() == SECRET  # what was planted stands in the box alone


def test_the_mirrors_objects_can_be_read_and_not_written(scene: Scene) -> None:
    path = scene.loopy / "repos/x.git/objects/info/packs"
    assert scene.steal(f"cat {path}; echo planted > {path}; rm -rf {path.parents[1]}") == "an object"
    assert path.read_text() == "an object"


def test_nothing_outside_the_tree_can_be_written(scene: Scene) -> None:
    for path in (Path("/usr/local/bin/planted"), Path("/etc/planted"), Path("/opt/planted"), Path("/planted")):
        assert scene.do(f"echo planted > {path}").exit.code != 0
    for path in (scene.home / ".bashrc", scene.loopy / "planted", scene.tree.parent / "planted"):
        scene.do(f"mkdir -p {path.parent}; echo planted > {path}")
        assert not path.exists()
    assert scene.do(f"mv {scene.tree} {scene.tree}2 || mv {scene.scratch} /tmp/").exit.code != 0
    assert scene.tree.is_dir()
    assert scene.scratch.is_dir()


@pytest.mark.parametrize(
    "act",
    ["echo x > .git/hooks/pre-commit", "echo x >> .git/config", "mv .git .git2", "rm -rf .git", "chmod 777 .git/config",
     "ln -sf /tmp .git/hooks/link", "mkdir .git/hooks/pre-push", "mount -o remount,rw .git", "umount .git"],
)  # fmt: skip
def test_the_git_dir_can_be_read_and_not_written(scene: Scene, act: str) -> None:
    assert scene.do(f"cat .git/config && {act}").exit.code != 0
    assert (scene.tree / ".git/config").read_text() == "[core]\n"
    assert [p.name for p in (scene.tree / ".git/hooks").iterdir()] == ["README"]


def test_no_process_of_the_host_is_seen(scene: Scene) -> None:
    with sentinel({"CANARY": SECRET}, scene.before) as pid:
        said = scene.steal("cat /proc/*/cmdline /proc/*/environ; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'")
        assert f"/proc/{pid}" not in said
    assert SECRET not in said
    first, many = said.replace("\0", "\n").strip().splitlines()[-2:]
    assert first == "bwrap"
    assert int(many) < 6


def test_the_environment_of_the_hosts_first_process_cannot_be_read(scene: Scene) -> None:
    said = scene.steal("cat /proc/1/environ | tr '\\0' '\\n'")
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names <= {"PATH", "PWD"}


def test_no_process_of_the_host_can_be_signalled(scene: Scene) -> None:
    with sentinel(before=scene.before) as pid:
        done = scene.do(
            f"kill -9 {pid}; kill -9 {os.getpid()}; kill -9 {os.getppid()}; kill -9 -- -1 2>/dev/null; true"
        )
        assert alive("sleep")
        os.kill(pid, 0)
    assert done.exit.code in {0, 137}


@pytest.mark.parametrize(
    "how",
    ["setsid sleep {n} &", "(setsid setsid sleep {n} &) &", "nohup sleep {n} > /dev/null 2>&1 < /dev/null & disown 2>/dev/null",
     "env -i /usr/bin/setsid /usr/bin/sleep {n} &", "(trap '' HUP TERM INT; sleep {n}) &"],
)  # fmt: skip
def test_nothing_lives_on_when_the_agent_has_ended(scene: Scene, how: str) -> None:
    n = f"300.{os.getpid()}{abs(hash(how)) % 10_000}"
    scene.do(f"{how.format(n=n)}\nsleep 0.1; grep -q . /proc/self/stat")
    until(lambda: not alive(n))


def test_the_operators_environment_is_not_there(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATORS_TOKEN", SECRET)
    assert SECRET not in scene.steal("env; cat /proc/*/environ")


def test_no_right_is_left_and_none_can_be_had(scene: Scene) -> None:
    said = scene.steal("grep -h Cap /proc/self/status; grep NoNewPrivs /proc/self/status")
    assert {line.split()[1] for line in said.splitlines()} == {"0" * 16, "1"}
    for act in ("unshare -U true", "unshare -r true", "unshare -m true", "mount -t tmpfs x /tmp", "chroot / true"):
        assert scene.do(act).exit.code != 0, act


@pytest.mark.parametrize(
    "name", ["sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/vm/drop_caches", "sysrq-trigger"]
)
def test_the_kernels_switches_cannot_be_thrown(scene: Scene, name: str) -> None:
    """Not even by root, whose files they are: a core pattern is a program that the kernel starts outside of every box."""
    assert scene.do(f": >> /proc/{name}").exit.code != 0  # opened to write, nothing written: the host stays as it is
    found = scene.steal("find /proc -type f -writable -not -path '/proc/[0-9]*' -not -path '/proc/self/*'").split()
    assert found == []


def test_what_is_not_for_everybody_in_etc_is_not_for_the_agent(scene: Scene) -> None:
    assert ":" not in scene.steal("cat /etc/shadow /etc/gshadow; ls -A /etc/ssl/private | grep :")
    assert "root:" in scene.steal("cat /etc/passwd")


def test_every_namespace_is_its_own_but_that_of_the_network(scene: Scene) -> None:
    names = ("user", "pid", "ipc", "uts", "mnt", "net")
    said = scene.steal("".join(f"readlink /proc/self/ns/{name};" for name in names)).split()
    same = [name for name, link in zip(names, said, strict=True) if link == os.readlink(f"/proc/self/ns/{name}")]
    assert same == ["net"]


def test_the_terminal_of_the_worker_is_out_of_reach(scene: Scene) -> None:
    assert scene.do("echo x > /dev/tty").exit.code != 0
    session = scene.steal("cut -d' ' -f6 /proc/self/stat").strip()
    assert session != "0"  # a session that began outside would show as 0


def test_devices_of_the_host_are_not_there(scene: Scene) -> None:
    assert set(scene.steal("ls /dev").split()) <= {
        "console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    }  # fmt: skip


def test_a_home_below_a_folder_of_the_system_stays_shut(scene: Scene) -> None:
    assert scene.steal("ls /usr/share") != ""
    assert isinstance(scene.box, Bubblewrap)
    scene.box = replace(scene.box, shut=(Path("/usr/share"),))
    assert scene.steal("ls /usr/share; echo x > /usr/share/new") == ""


def test_what_the_operator_opens_is_opened_as_said_and_never_a_whole_home(scene: Scene) -> None:
    assert isinstance(scene.box, Bubblewrap)
    (scene.home / "models").mkdir()
    (scene.home / "cache").mkdir(mode=0o777)
    (scene.home / "cache").chmod(0o777)
    (scene.home / "models/m.bin").write_text("weights")
    opened = replace(scene.box, readable=(scene.home / "models",), writable=(scene.home / "cache",))
    for path in (scene.home, scene.root, scene.loopy, Path("/")):
        for wrong in (replace(opened, readable=(path,)), replace(opened, writable=(path,))):
            scene.box = wrong
            with pytest.raises(ProcessError, match="would open all of it"):
                scene.do("true")
    scene.box = opened
    said = scene.steal(
        f"cat {scene.home}/models/m.bin; echo new > {scene.home}/models/m.bin; echo x > {scene.home}/cache/x"
    )
    assert said == "weights"
    assert (scene.home / "models/m.bin").read_text() == "weights"
    assert (scene.home / "cache/x").exists()


def test_an_environment_of_its_own_holds(scene: Scene) -> None:
    scene.env = {**ENV, "LOOPY_TURN": "1"}
    assert "LOOPY_TURN=1" in scene.steal("env")
