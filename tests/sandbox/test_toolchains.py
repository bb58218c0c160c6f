"""Where programs lie, and that they run in the box wherever that is, with no more of the home than they need."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from loopy.process.capture import capture
from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.mounts import Mount, plan
from tests.support.boxes import needs_bwrap

from .scene import SECRET, Scene

Made = Callable[[Scene], Sequence[str]]  # what it puts there, and the argv that runs it


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def on_path(scene: Scene, folder: Path) -> None:
    scene.env["PATH"] = f"{folder}:{scene.env['PATH']}"


def in_npm(scene: Scene) -> Sequence[str]:
    prefix = scene.home / ".npm-global"
    script(
        prefix / "lib/node_modules/@x/tool/cli.js", '#!/bin/sh\ncat "$(dirname "$(readlink -f "$0")")/../../dep/data"\n'
    )
    script(prefix / "lib/node_modules/dep/data", "worked\n")
    (prefix / "bin").mkdir()
    (prefix / "bin/tool").symlink_to("../lib/node_modules/@x/tool/cli.js")
    on_path(scene, prefix / "bin")
    return ("tool",)


def in_local_share(scene: Scene) -> Sequence[str]:
    share = scene.home / ".local/share"
    script(share / "tool/versions/1.0.5", "#!/bin/sh\necho worked\n")
    script(share / "keyrings/login.keyring", SECRET)
    (scene.home / ".local/bin").mkdir()
    (scene.home / ".local/bin/tool").symlink_to(share / "tool/versions/1.0.5")
    on_path(scene, scene.home / ".local/bin")
    return ("sh", "-c", f"tool; cat {share}/keyrings/login.keyring; ls {share}/keyrings; true")


def in_a_version_manager(scene: Scene) -> Sequence[str]:
    root = scene.home / ".pyenv"
    script(root / "shims/tool", f'#!/bin/sh\nexec "{root}/libexec/pyenv" tool\n')
    script(root / "libexec/pyenv", f'#!/bin/sh\nexec "{root}/versions/3/bin/$1"\n')
    script(root / "versions/3/bin/tool", "#!/bin/sh\necho worked\n")
    on_path(scene, root / "shims")
    return ("tool",)


def in_a_virtual_environment(scene: Scene) -> Sequence[str]:
    """As uv makes them: the environment in a project, its interpreter in a folder of its own behind two links."""
    base = script(scene.home / ".local/share/uv/python/cpython-3/bin/python3.9", "#!/bin/sh\necho worked\n")
    (base.parent / "python3").symlink_to("python3.9")
    env = scene.home / "project/.venv"
    (env / "bin").mkdir(parents=True)
    (env / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (env / "bin/python").symlink_to(base.parent / "python3")
    script(scene.home / "project/secrets.txt", SECRET)
    return (str(env / "bin/python"), "-c", "pass")


def behind_a_linked_folder(scene: Scene) -> Sequence[str]:
    script(scene.home / "node-22/bin/tool", '#!/bin/sh\ncat "$(dirname "$0")/../lib/data"\n')
    script(scene.home / "node-22/lib/data", "worked\n")
    (scene.home / "node").symlink_to("node-22")
    on_path(scene, scene.home / "node/bin")
    return (str(scene.home / "node/bin/tool"),)


def with_its_interpreter_elsewhere(scene: Scene) -> Sequence[str]:
    script(scene.home / "opt/lang/bin/interp", '#!/bin/sh\n. "$1"\n')
    return (str(script(scene.home / "tools/tool", f"#!{scene.home}/opt/lang/bin/interp\necho worked\n")),)


def behind_a_link_into_a_folder_of_papers(scene: Scene) -> Sequence[str]:
    """A link on PATH opens the file that it leads to, not the folder that this is in."""
    script(scene.home / "papers/tool.sh", "#!/bin/sh\necho worked\n")
    script(scene.home / "papers/diary.txt", SECRET)
    (scene.home / "bin").mkdir()
    (scene.home / "bin/tool").symlink_to("../papers/tool.sh")
    on_path(scene, scene.home / "bin")
    return ("sh", "-c", "tool")


MADE: Sequence[Made] = (
    behind_a_link_into_a_folder_of_papers,
    in_npm, in_local_share, in_a_version_manager, in_a_virtual_environment, behind_a_linked_folder,
    with_its_interpreter_elsewhere,
)  # fmt: skip


@needs_bwrap
@pytest.mark.parametrize("made", MADE)
def test_a_program_runs_wherever_it_lies_and_sees_no_more_of_the_home(scene: Scene, made: Made) -> None:
    argv = made(scene)
    if scene.before:
        for path in scene.home.rglob("*"):
            os.chown(path, 65534, 65534, follow_symlinks=False)
    done = capture(scene.command(*argv))
    assert done.stdout.decode() == "worked\n", done.stderr
    said = capture(scene.command("sh", "-c", f"find {scene.home} -type f -exec cat {{}} +"))
    assert SECRET not in said.stdout.decode()


@needs_bwrap
def test_a_program_that_a_repository_names_opens_nothing(scene: Scene) -> None:
    """Checks come from the repository's own file: its word for a path must not open the folder that the path is in."""
    script(scene.home / "project/run", f"#!/bin/sh\ncat {scene.home}/project/secret\n")
    (scene.home / "project/secret").write_text(SECRET)
    argv = (str(scene.home / "project/run"),)
    assert SECRET in capture(scene.command(*argv)).stdout.decode()
    scene.trusted = False
    done = capture(scene.command(*argv))
    assert not done.exit.ok
    assert SECRET not in done.stdout.decode()


@needs_bwrap
def test_this_very_interpreter_runs_with_its_packages(scene: Scene) -> None:
    if scene.before:
        pytest.skip("it may lie in a home that only its owner can enter")
    scene.env["PATH"] = f"{Path(sys.executable).parent}:{scene.env['PATH']}"
    own = [
        name
        for name in ("pydantic", "click")
        if Path(str(importlib.import_module(name).__file__)).is_relative_to(sys.prefix)
    ]
    words = ", ".join(("ssl", "sqlite3", *own))
    done = capture(scene.command(sys.executable, "-I", "-c", f"import {words}; print('worked')"))
    assert done.stdout == b"worked\n", done.stderr


@needs_bwrap
def test_a_program_of_the_work_tree_is_not_found_by_its_bare_name(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(scene.tree / "ls", "#!/bin/sh\necho planted\n")
    monkeypatch.chdir(scene.tree)
    scene.env["PATH"] = f".::{scene.env['PATH']}"
    assert b"planted" not in capture(scene.command("ls")).stdout
    assert capture(scene.command("./ls")).stdout == b"planted\n"


def test_what_lies_above_is_mounted_first_and_nothing_twice(tmp_path: Path) -> None:
    for name in ("a/b/c", "d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    wanted = [Mount(tmp_path / "a/b/c"), Mount(tmp_path / "a/b", writable=True), Mount(tmp_path / "a"),
              Mount(tmp_path / "d"), Mount(tmp_path / "d"), Mount(tmp_path / "absent"), Mount(Path("/usr/bin")),
              Mount(Path("/dev/null")), Mount(Path("/proc/self"))]  # fmt: skip
    made = [(str(m.path.relative_to(tmp_path)), m.writable) for m in plan(wanted, ())]
    assert made == [("a", False), ("a/b", True), ("a/b/c", False), ("d", False)]


def test_a_place_behind_a_link_is_there_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    made = plan([Mount(tmp_path / "link/b", writable=True)], ())
    assert [(m.path.relative_to(tmp_path).as_posix(), m.writable) for m in made] == [("a/b", True), ("link/b", True)]
    seen = plan([Mount(tmp_path), Mount(tmp_path / "link/b")], ())
    assert [m.path for m in seen] == [tmp_path]  # the link itself is there to be followed


def test_what_is_shut_is_emptied_only_where_it_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a/home").mkdir(parents=True)
    assert plan([Mount(tmp_path / "a")], [tmp_path / "a/home"])[-1] == Mount(tmp_path / "a/home", empty=True)
    assert plan([], [tmp_path / "a/home"]) == []
    assert plan([], [Path("/usr/bin")]) == []  # the "home" of users that are none


@needs_bwrap
def test_a_login_folder_that_is_a_whole_home_is_refused(scene: Scene) -> None:
    assert isinstance(scene.box, Bubblewrap)
    scene.box = replace(scene.box, home=scene.scratch)
    with pytest.raises(Exception, match="would open all of it"):
        scene.do("true")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="this host has no folder in memory")
def test_a_folder_in_memory_is_mounted_like_any_other_and_devices_are_not() -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        wanted = [Mount(Path(path), writable=True) for path in (folder, "/dev/shm", "/dev", "/dev/null", "/proc/self")]
        assert plan(wanted, ()) == [Mount(Path(folder), writable=True)]
