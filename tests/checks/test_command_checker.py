"""Set-up and checks in a clean checkout: exit codes decide, everything is kept, nothing of the operator leaks."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from loopy.checks.environment import PASSED
from loopy.domain.agent import Tried
from loopy.domain.check import CheckSpec
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from tests.checks.checks_bench import Bench, Box, Leash, sh

# Without the plugins of whoever runs these tests: a start of half the time.
PYTEST = ("env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", sys.executable, "-m", "pytest")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_check_passes_by_its_exit_code_alone(bench: Bench) -> None:
    report = bench.report(sh("echo FAILED; exit 0"), sh("echo all tests pass; exit 3", "liar"))
    assert [r.passed for r in report.results] == [True, False]
    assert [(r.exit_code, r.why) for r in report.results] == [(0, ""), (3, "exit 3")]
    assert report.tree == "7ree"
    assert not report.passed


def test_every_check_runs_whatever_failed_before(bench: Bench) -> None:
    report = bench.report(sh("exit 1", "a"), sh("exit 2", "b"), sh("exit 0", "c"), setup=[("false",)])
    assert [(r.name, r.passed) for r in report.results] == [("setup", False), ("a", False), ("b", False), ("c", True)]


def test_set_up_runs_in_the_checkout_before_the_checks_and_leaves_no_result(bench: Bench) -> None:
    report = bench.report(sh("test -f made && test -f too"), setup=[("touch", "made"), ("cp", "made", "too")])
    assert [r.name for r in report.results] == ["tests"]
    assert report.passed


def test_a_set_up_stops_at_its_first_failure(bench: Bench) -> None:
    report = bench.report(sh("test ! -e later"), setup=[("sh", "-c", "echo broken >&2; exit 9"), ("touch", "later")])
    setup, check = report.results
    assert (setup.name, setup.exit_code, setup.tail) == ("setup", 9, "broken\n")
    assert check.passed


def test_a_working_set_up_without_checks_is_no_pass(bench: Bench) -> None:
    assert not bench.report(setup=[("true",)]).passed


def test_the_whole_output_is_kept_with_its_digest(bench: Bench) -> None:
    (result,) = bench.report(sh("echo out; echo err >&2; printf '\\033[31mred\\033[0m'")).results
    log = bench.log(result.log_path)
    assert sorted(log.splitlines()) == ["err", "out", "red"]
    assert hashlib.sha256(log.encode()).hexdigest() == result.log_sha256
    assert result.log_path == "checks/00007-01-tests.log"
    assert set(result.tail.splitlines()) == {"out", "err", "red"}


def test_secrets_are_redacted_before_anything_is_stored(tmp_path: Path) -> None:
    bench = Bench(tmp_path, redact=lambda text: text.replace("hunter2", "[redacted]"))
    (result,) = bench.report(sh("echo 'FAILED t.py::hunter2'; exit 1")).results
    assert "hunter2" not in bench.log(result.log_path) + result.tail + str(result.failed_tests)
    assert "[redacted]" in result.tail


@pytest.mark.slow
def test_long_output_keeps_its_beginning_and_its_end(bench: Bench) -> None:
    (result,) = bench.report(
        sh("echo first; yes 0123456789012345678901234567890 | head -c 11000000; echo last")
    ).results
    log = bench.log(result.log_path)
    assert len(log) < 10.1 * 1024 * 1024
    assert log.startswith("first\n")
    assert log.endswith("last\n")
    (mark,) = [line for line in log.splitlines() if "left out" in line]
    assert int(mark.split()[0].strip("[").replace(",", "")) + len(log) - len(mark) - 1 == 11000000 + len(
        "first\nlast\n"
    )
    assert len(result.tail) <= 4096
    assert result.tail.endswith("last\n")


def test_a_check_that_takes_too_long_is_ended_and_told(bench: Bench) -> None:
    hasty = sh("sleep 60").model_copy(update={"timeout_s": 0.2})  # the model wants whole seconds, the test has no time
    (result,) = bench.report(hasty).results
    assert (result.passed, result.exit_code, result.why) == (False, None, "timed out after 0.2 s")


def test_a_check_that_dies_by_a_signal_did_not_pass(bench: Bench) -> None:
    (result,) = bench.report(sh("kill -SEGV $$")).results
    assert not result.passed
    assert result.exit_code is None or result.exit_code != 0
    assert "SIGSEGV" in result.why or "139" in result.why


def test_what_a_check_leaves_running_is_gone_when_it_is_over(bench: Bench) -> None:
    (result,) = bench.report(sh("sleep 300 & echo $!")).results
    assert result.passed
    pid = int(result.tail)
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        os.sched_yield()
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("program", ["no-such-program", "./no/such", "README"])
def test_a_program_that_is_not_there_is_a_failed_check_with_a_hint(bench: Bench, program: str) -> None:
    (result, after) = bench.report(CheckSpec(name="tests", argv=(program,)), sh("exit 0", "after")).results
    assert not result.passed
    assert result.why.startswith(f"not found: '{program}'")
    assert program in result.tail
    assert after.passed


def test_a_program_made_by_the_set_up_is_found(bench: Bench) -> None:
    make = ("sh", "-c", "mkdir bin; printf '#!/bin/sh\\nexit 0\\n' > bin/run; chmod +x bin/run")
    assert bench.report(CheckSpec(name="tests", argv=("bin/run",)), setup=[make]).passed


def test_a_check_has_its_own_folder(bench: Bench) -> None:
    (bench.at / "api").mkdir()
    assert bench.report(sh("test $(basename $PWD) = api", cwd="api")).passed


def test_a_folder_that_leads_out_of_the_tree_is_refused(bench: Bench) -> None:
    (bench.at / "api").symlink_to("/")
    for folder in ("api", "absent"):
        (result,) = bench.report(sh("exit 0", cwd=folder)).results
        assert not result.passed
        assert result.why == f"its folder '{folder}' is not in the tree"


def test_a_check_sees_nothing_of_the_operators_environment_beyond_the_list(bench: Bench) -> None:
    (result,) = bench.report(sh("env")).results
    names = {line.partition("=")[0] for line in result.tail.splitlines()}
    ours = {"HOME", "TMPDIR", "CI", "TERM", "NO_COLOR", "PATH", "LANG", "BOXED"}
    shells = {"PWD", "OLDPWD", "SHLVL", "_"}
    marker = {name for name in names if name.startswith("LOOPY_")}
    toolchains = {n for n in names if n.endswith(("_ROOT", "_HOME", "_DIR"))}
    assert names - ours - shells - marker - toolchains - {n for n in names if n.startswith("LC_")} <= PASSED
    assert ours <= names


def test_home_and_temporary_files_are_fresh_and_gone_afterwards(bench: Bench) -> None:
    leave = 'test -z "$(ls -A $HOME)" && echo x > $HOME/x && mktemp && mkdir -p $TMPDIR/ro/a && chmod -R 500 $TMPDIR/ro'
    report = bench.report(sh(leave))
    assert report.passed, report.results[0].tail
    assert [p.name for p in bench.at.parent.iterdir()] == ["check-7"]


def test_scratch_folders_of_killed_tries_are_cleared_but_not_those_in_use(bench: Bench) -> None:
    for name in ("check-3.scratch", "check-7.scratch", "check-5.scratch", "check-5"):
        (bench.at.parent / name / "home").mkdir(parents=True)
    assert bench.report(sh('test -z "$(ls -A $HOME)"')).passed
    assert {p.name for p in bench.at.parent.iterdir()} == {"check-5", "check-5.scratch", "check-7"}


def test_commands_are_boxed_with_the_checkout_and_the_scratch_folder_writable(bench: Bench) -> None:
    bench.report(sh('test "$BOXED" = yes'), setup=[("true",)])
    assert [asked[0][0] for asked in bench.box.asked] == ["true", "sh"]
    assert {(work, writable) for _, work, writable in bench.box.asked} == {
        (bench.at, (bench.at.with_name("check-7.scratch"),)),
    }


def test_a_cancel_ends_the_checks_as_a_try(tmp_path: Path) -> None:
    mark = tmp_path / "running"
    bench = Bench(tmp_path / "b", Leash(stop=lambda: "cancelled" if mark.exists() else None))
    tried = bench.run(sh(f"touch {mark}; sleep 60"), sh("exit 0", "never"))
    assert tried == Tried(failure=Failure.CANCELLED, detail="cancelled")
    assert [e.name for e in bench.leash.said] == ["check.started"]


def test_a_claim_that_is_lost_writes_nothing_more(tmp_path: Path) -> None:
    mark = tmp_path / "running"
    with pytest.raises(LostError):
        Bench(tmp_path / "a", Leash(stop=lambda: "lost" if mark.exists() else None)).run(sh(f"touch {mark}; sleep 60"))
    mark.unlink()
    with pytest.raises(LostError):
        Bench(tmp_path / "b", Leash(current=False)).run(sh(f"touch {mark}"))
    assert not mark.exists()


def test_a_full_disk_is_a_try_and_no_verdict(tmp_path: Path) -> None:
    def full(text: str) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tried = Bench(tmp_path, redact=full).run(sh("echo hello; sleep 60"))
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.DISK_FULL


def test_each_check_is_announced_and_reported_live(bench: Bench) -> None:
    bench.report(sh("exit 4"), setup=[("true",)])
    assert [(e.name, e.facts.get("name", e.text)) for e in bench.leash.said] == [
        ("check.started", "setup"),
        ("check.finished", "setup"),
        ("check.started", "tests"),
        ("check.finished", "tests"),
    ]
    assert bench.leash.said[-1].text == "tests: exit 4"
    assert bench.leash.said[-1].facts["passed"] is False
    assert bench.leash.said[-1].facts["exit_code"] == 4


def test_pytests_summary_names_the_failed_tests(bench: Bench) -> None:
    (bench.at / "test_it.py").write_text("def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 1 - 1\n")
    python = CheckSpec(name="pytest", argv=(*PYTEST, "-q", "-p", "no:cacheprovider"))
    (result,) = bench.report(python).results
    assert result.failed_tests == ("test_it.py::test_a", "test_it.py::test_c")
    assert result.tests == 3
    assert result.exit_code == 1


@pytest.mark.slow
def test_junit_xml_is_read_where_the_command_was_given_a_place_for_it(bench: Bench) -> None:
    (bench.at / "test_it.py").write_text("class TestIt:\n  def test_a(self): assert 0\n  def test_b(self): pass\n")
    argv = (*PYTEST, "-q", "--junitxml={junit}", "-p", "no:cacheprovider", "--no-summary")
    (result,) = bench.report(CheckSpec(name="pytest", argv=argv)).results
    assert result.failed_tests == ("test_it.TestIt::test_a",)
    assert result.tests == 2
    assert result.argv == argv


def test_a_folder_in_the_place_of_a_report_harms_nobody(bench: Bench) -> None:
    specs = [CheckSpec(name=name, argv=("mkdir", "{junit}")) for name in ("a", "b")]
    assert bench.report(*specs).passed


def test_a_planted_report_changes_no_verdict(bench: Bench) -> None:
    script = 'echo "<testsuite><testcase name=\'x\'/></testsuite>" > "$1"; exit 1'
    (result,) = bench.report(CheckSpec(name="t", argv=("sh", "-c", script, "sh", "{junit}"))).results
    assert not result.passed
    assert (result.tests, result.failed_tests) == (1, ())


def test_the_sandbox_is_asked_in_the_words_that_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, box=Box())
    bench.report(CheckSpec(name="t", argv=("echo", "--out={junit}")))
    assert bench.box.asked[0][0] == ("echo", f"--out={bench.at}.scratch/junit-01.xml")
