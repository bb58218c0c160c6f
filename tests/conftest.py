"""A migrated database, made once a process and copied for every test that wants one; and the table of dead mutants."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.databases import new_template

# A shell that puts the tests into the background has them ignore Ctrl-C, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_template(tmp_path_factory.mktemp("graph") / "template.db")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which test killed which mutant of the protocol."""
    passed = terminalreporter.stats.get("passed", ())
    dead = sorted(str(text) for report in passed for name, text in report.user_properties if name == "mutant")
    if dead:
        terminalreporter.section(f"{len(dead)} mutants died")
        for line in dead:
            terminalreporter.write_line(line)
