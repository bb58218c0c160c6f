"""Which sandbox a home gets, and in what words it gets none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from loopy.domain.errors import ConfigError, ProcessError
from loopy.domain.held import UNBOXED, Grade, Held, weakest
from loopy.ports import Reach
from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.choose import APPARMOR, INSTALL, SWITCHES, UNTOLD, Asked, Lacking, choose_sandbox, mend
from loopy.sandbox.none import NoSandbox
from tests.support.boxes import FORBIDDEN, broken, fake, needs_bwrap


@pytest.mark.parametrize("asked", [Asked("none", "full"), Asked("none", "none"), Asked("auto", "none")])
def test_no_sandbox_is_the_operators_word_alone(asked: Asked) -> None:
    box = choose_sandbox(asked)
    assert isinstance(box, NoSandbox)
    assert box.wrap(["a", "b c"], Reach(Path("/w"), (Path("/x"),))) == ("a", "b c")
    assert (box.held, box.keeper) == (UNBOXED, False)


@needs_bwrap
@pytest.mark.parametrize(
    "asked", [("auto", "fs-only"), ("auto", "full"), ("bubblewrap", "fs-only"), ("bubblewrap", "none")]
)
def test_bubblewrap_is_taken_where_it_works(asked: tuple[str, Grade]) -> None:
    backend, grade = asked
    box = choose_sandbox(Asked(backend, grade, path=os.environ["PATH"], home=Path("/home/x")))
    assert isinstance(box, Bubblewrap)
    assert box.held.backend.startswith("bubblewrap ")
    assert (box.held.grade, box.held.network) == ("fs-only", "unrestricted")
    assert "the network is open" in box.held.words
    assert box.home == Path("/home/x")


def test_one_that_is_not_installed_is_lacking_and_nothing_runs_without_it(tmp_path: Path) -> None:
    box = choose_sandbox(Asked(path=str(tmp_path)))
    assert isinstance(box, Lacking)
    assert (box.held, box.fix) == (UNBOXED, INSTALL)
    with pytest.raises(ProcessError, match="bubblewrap is not installed"):
        box.wrap(["true"], Reach(tmp_path))


def test_one_that_the_host_forbids_is_lacking_in_its_own_words(tmp_path: Path) -> None:
    box = choose_sandbox(Asked(path=broken(tmp_path / "bin")))
    assert isinstance(box, Lacking)
    assert FORBIDDEN in box.why


def test_one_that_holds_nothing_and_says_so_by_its_exit_code_is_lacking(tmp_path: Path) -> None:
    mute = fake(tmp_path / "mute", "exit 3")
    box = choose_sandbox(Asked(path=mute))
    assert isinstance(box, Lacking)
    assert "does not say its version" in box.why
    odd = fake(tmp_path / "odd", '[ "$1" = --version ] && echo bubblewrap 0.9.0 || exit 4')
    box = choose_sandbox(Asked(path=odd))
    assert isinstance(box, Lacking)
    assert "code 4" in box.why


def test_a_backend_that_was_named_is_never_replaced_by_less(tmp_path: Path) -> None:
    for path in (str(tmp_path), broken(tmp_path / "bin")):
        with pytest.raises(ConfigError, match="'bubblewrap' is not available here"):
            choose_sandbox(Asked("bubblewrap", "none", path=path))
    for wanted in ("bwrap", "", "None", "landlock"):
        with pytest.raises(ConfigError, match="not available here"):
            choose_sandbox(Asked(wanted, "none", path=os.environ["PATH"]))


def test_the_probe_is_run_once_in_a_process(tmp_path: Path) -> None:
    count = tmp_path / "count"
    path = fake(tmp_path / "bin", f'echo x >> {count}; [ "$1" = --version ] && echo bubblewrap 0.9.0; exit 0')
    boxes = [choose_sandbox(Asked(path=path, home=tmp_path / str(n))) for n in range(3)]
    assert [box.held.backend for box in boxes] == ["bubblewrap 0.9.0"] * 3
    assert count.read_text() == "x\nx\n"  # the version, and `true`


def test_an_old_release_is_used_without_the_switch_that_it_lacks_and_is_known_for_it(tmp_path: Path) -> None:
    old = fake(tmp_path / "old", '[ "$1" = --version ] && echo bubblewrap 0.4.1; exit 0')
    box = choose_sandbox(Asked(path=old))
    assert isinstance(box, Bubblewrap)
    assert box.nests
    assert "--disable-userns" not in box.wrap(["true"], Reach(tmp_path))


@pytest.mark.parametrize(
    ("switches", "fix"),
    [({SWITCHES[0][0]: "1"}, APPARMOR), ({SWITCHES[0][0]: "0", SWITCHES[1][0]: "0"}, SWITCHES[1][2]),
     ({SWITCHES[2][0]: "0"}, SWITCHES[2][2]), ({SWITCHES[2][0]: "31000"}, UNTOLD), ({}, UNTOLD)],
)  # fmt: skip
def test_what_mends_it_is_told_by_the_kernels_switches(switches: dict[str, str], fix: str) -> None:
    assert mend(switches) == fix


def test_the_least_of_what_held_a_runs_commands_counts() -> None:
    box = Held(backend="bubblewrap 0.8.0", grade="fs-only")
    assert weakest([]) is None
    assert weakest([box, box]) == box
    assert weakest([box, UNBOXED, Held(backend="vm", grade="full", network="denied")]) == UNBOXED
    assert weakest([box, None]) == UNBOXED  # an outcome of a release that had no sandbox


def test_bubblewrap_is_looked_up_on_the_operators_path_only() -> None:
    assert shutil.which("bwrap", path="/nonexistent") is None
    assert isinstance(choose_sandbox(Asked(path="relative/bin:/nonexistent")), Lacking)
