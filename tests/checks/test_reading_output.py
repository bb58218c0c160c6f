"""Names and numbers out of test runners' output, JUnit XML, and the environment of a check."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopy.checks.environment import check_environment
from loopy.checks.junit import read_junit
from loopy.checks.output import Log
from loopy.checks.summary import Summary
from loopy.domain.errors import ConfigError


@pytest.mark.parametrize(
    ("lines", "failed", "tests"),
    [
        (
            ["FAILED tests/test_a.py::test_x[a b] - assert 1 == 2", "ERROR tests/test_b.py - ImportError", "=== 1 failed, 4 passed, 2 skipped, 1 error in 0.12s ==="],
            ("tests/test_a.py::test_x[a b]", "tests/test_b.py"),
            6,
        ),
        (["1 passed in 0.01s"], (), 1),
        (["======= 12 passed, 3 warnings in 65.20s (0:01:05) ======="], (), 12),
        (["FAIL: test_x (tests.test_a.TestA.test_x)", "Ran 7 tests in 0.001s"], ("test_x (tests.test_a.TestA.test_x)",), 7),
        (["    --- FAIL: TestAdd/negative (0.00s)", "--- FAIL: TestAdd (0.00s)"], ("TestAdd/negative", "TestAdd"), None),
        (
            ["test a::b ... ok", "test a::c ... FAILED", "test result: FAILED. 1 passed; 1 failed; 0 ignored;", "test result: ok. 4 passed; 0 failed; 0 ignored"],
            ("a::c",),
            6,
        ),
        (["  ● Login \u203a refuses a bad password", "Tests:       1 failed, 9 passed, 10 total"], ("Login \u203a refuses a bad password",), 10),
        (["not ok 2 - subtracts", "# tests 2"], ("subtracts",), 2),
        (["rspec ./spec/a_spec.rb:3 # A adds", "5 examples, 1 failure"], ("./spec/a_spec.rb:3",), 5),
        (["✗ adds numbers (3ms)"], ("adds numbers",), None),
        (["nothing of the kind", "FAILED to load"], (), None),
    ],
)  # fmt: skip
def test_the_well_known_runners_are_understood(lines: list[str], failed: tuple[str, ...], tests: int | None) -> None:
    summary = Summary()
    summary.read("\n".join(lines) + "\n")
    assert summary.failed == failed
    assert summary.tests == tests


def test_names_are_bounded() -> None:
    summary = Summary()
    summary.read("".join(f"FAILED t.py::test_{n}\n" for n in range(5000)))
    assert len(summary.failed) == 100
    summary = Summary()
    summary.read("FAILED t.py::" + "x" * 500 + "\nFAILED t.py::y\n")
    assert summary.failed == ("t.py::y",)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line",
    ["Tests: " + "1" * 16_000, "Tests: " + "1 " * 8000, "FAILED " + "x.py" * 4000, "FAILED a.py::" + "- " * 8000,
     "\u00d7 " + "1.1 " * 4000, "\u25cf " + "a \u203a " * 4000, "1 failed" * 2000, "=" * 16_000, " " * 16_000,
     "FAIL: a (" + "(" * 16_000, "not ok 1 " + "-" * 16_000, "test " + ". " * 8000],
)  # fmt: skip
def test_no_line_holds_the_worker_up(line: str) -> None:
    summary = Summary()
    for _ in range(300):
        summary.read(f"{line}\n")


def test_a_junit_report_counts_failures_and_errors(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(
        '<testsuites><testsuite><testcase classname="a.B" name="one"/><testcase name="two"><failure/></testcase>'
        '<testcase classname="a" name="th\nree"><error/></testcase><testcase name="four"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    report = read_junit(file)
    assert report is not None
    assert (report.tests, report.failed) == (4, ("two", "a::th ree"))


@pytest.mark.parametrize(
    "content", ["", "<a", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "\x00", "<?xml version='1.0' encoding='zz'?><a/>"]
)
def test_a_report_that_is_not_plain_xml_is_no_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "junit.xml").write_text(content)
    assert read_junit(tmp_path / "junit.xml") is None


def test_a_report_that_is_no_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.xml").write_text("<testsuite/>")
    (tmp_path / "link.xml").symlink_to("real.xml")
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "dir.xml").mkdir()
    for name in ("link.xml", "pipe.xml", "dir.xml", "absent.xml"):
        assert read_junit(tmp_path / name) is None
    assert read_junit(tmp_path / "real.xml") is not None


def test_a_log_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "x.log").symlink_to("precious")
    with pytest.raises(OSError):  # noqa: PT011 - the kernel's words for it differ
        Log(tmp_path / "x.log", lambda text: text)
    assert (tmp_path / "precious").read_text() == "keep"


def test_a_line_without_an_end_is_kept_within_bounds(tmp_path: Path) -> None:
    with Log(tmp_path / "x.log", lambda text: text, head_bytes=100, end_bytes=100) as log:
        for _ in range(100):
            log.feed("stdout", b"x" * 10_000)
        kept = log.close()
    assert (tmp_path / "x.log").stat().st_size < 20_000
    assert "more characters left out" in kept.tail


SECRETS = {"GITHUB_TOKEN": "s", "AWS_SECRET_ACCESS_KEY": "s", "PIP_INDEX_URL": "https://u:p@h", "SSH_AUTH_SOCK": "/x"}


def test_the_environment_is_a_list_of_what_may_pass() -> None:
    base = SECRETS | {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "TZ": "UTC",
        "VIRTUAL_ENV": "/v",
        "PYTHONPATH": "/p",
    }
    assert check_environment(base, is_folder=lambda _: False) == {
        "PATH": "/bin", "LC_ALL": "C", "TZ": "UTC", "LANG": "C.UTF-8", "CI": "1", "TERM": "dumb", "NO_COLOR": "1",
    }  # fmt: skip


def test_the_operator_may_pass_more_by_name() -> None:
    env = check_environment(SECRETS, pass_env=["PIP_INDEX_URL", "ABSENT"], is_folder=lambda _: False)
    assert env["PIP_INDEX_URL"] == SECRETS["PIP_INDEX_URL"]
    assert SECRETS.keys() & env.keys() == {"PIP_INDEX_URL"}
    assert "ABSENT" not in env


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN", "gh_token", "GITLAB_PAT", "SSH_AUTH_SOCK", "GIT_ASKPASS", "LINEAR_API_KEY", "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "NPM_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS", "DBUS_SESSION_BUS_ADDRESS",
    ],
)  # fmt: skip
def test_a_credential_never_passes_even_when_the_operator_names_it(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"checks.pass_env\[1\]: '{name}' would hand a credential .* \(take it out"):
        check_environment(SECRETS | {name: "s"}, pass_env=["PIP_INDEX_URL", name], is_folder=lambda _: False)


@pytest.mark.parametrize(
    "name", ["PIP_INDEX_URL", "GOFLAGS", "DATABASE_URL", "CARGO_NET_OFFLINE", "KEYBOARD", "PATTERN"]
)
def test_a_name_that_only_resembles_a_credential_passes(name: str) -> None:
    assert check_environment({name: "v"}, pass_env=[name], is_folder=lambda _: False)[name] == "v"


def test_toolchains_below_the_users_home_are_still_found() -> None:
    base = {"HOME": "/home/me", "PYENV_ROOT": "/opt/pyenv"}
    env = check_environment(base, is_folder=lambda path: path in {"/home/me/.rustup", "/opt/pyenv"})
    assert env["RUSTUP_HOME"] == "/home/me/.rustup"
    assert env["PYENV_ROOT"] == "/opt/pyenv"
    assert "HOME" not in env


def test_a_proxy_passes_unless_it_holds_a_password() -> None:
    base = {"https_proxy": "http://proxy:3128", "HTTP_PROXY": "http://me:pw@proxy:3128", "NO_PROXY": "localhost"}
    env = check_environment(base, is_folder=lambda _: False)
    assert env["https_proxy"] == "http://proxy:3128"
    assert "HTTP_PROXY" not in env
    assert env["NO_PROXY"] == "localhost"
