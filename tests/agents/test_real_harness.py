"""The harness that drives real CLIs notices what it is there for."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from loopy.agents.scripted.play import still_alive
from loopy.domain.agent import Tried, Turned
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from tests.agents.support import CATALOG
from tests.agents_real.__main__ import asked, verdict
from tests.agents_real.drive import Drove
from tests.agents_real.install import Cli, Installed, rows, unpinned
from tests.agents_real.journey import Arrived
from tests.agents_real.record import shortened
from tests.agents_real.table import MARKS, Row, markdown, put

FIXED = Drove(cli="pi", scenario="ok", came_to=Turned(session_id="s"), asked=1, mended=True, noted=True)


def test_every_cli_of_the_versions_file_is_an_entry_and_pinned() -> None:
    _, clis = rows()
    assert set(clis) <= set(CATALOG)
    for cli in clis.values():
        assert cli.program in CATALOG[cli.name].detect.bin
        assert CATALOG[cli.name].own_model is not None
        assert all(unpinned(package) != package for package in (*cli.npm, *cli.pypi))


def test_the_newest_are_the_same_packages_without_a_version() -> None:
    assert rows(latest=True)[1]["claude"] == Cli("claude", npm=("@anthropic-ai/claude-code",), prints="Claude Code")
    assert [unpinned(name) for name in ("cline@3.0.65", "aider-chat==0.86.2")] == ["cline", "aider-chat"]


def test_a_process_that_knows_the_scratch_folder_is_found(tmp_path: Path) -> None:
    left = subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], env={"HOME": f"{tmp_path}/h"}, stdin=subprocess.PIPE
    )
    try:
        assert [found.split()[0] for found in still_alive(tmp_path)] == [str(left.pid)]
    finally:
        left.communicate()
    assert list(still_alive(tmp_path)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"mended": False},
        {"noted": False},
        {"asked": 0},
        {"alive": ["1 pi"]},
        {"came_to": Tried(failure=Failure.QUOTA)},
        {"scenario": "resume", "session": "other"},
        {"scenario": "unknown", "anew": False},
        {"scenario": "auth"},
    ],
)
def test_a_run_that_is_not_as_it_must_be_is_a_fault(change: dict[str, object]) -> None:
    assert not FIXED.faults
    wrong = replace(FIXED, **change)  # type: ignore[arg-type]  # fields by name
    assert wrong.faults
    row = Row(Installed("pi", "1"), drove={wrong.scenario: wrong})
    assert row.faults
    assert "✗" in markdown([row], [wrong.scenario], [], "")


def test_what_was_not_installed_is_named_and_no_fault_and_no_receipt() -> None:
    row = Row(Installed("pi", problem="no such version"))
    assert (row.faults, row.verified) == ([], False)
    assert "- pi: not installed: no such version" in markdown([row], [], [], "")
    assert Row(Installed("pi"), Arrived(1.0, "exit 4", "exit 4: …")).faults


def test_a_recording_keeps_what_a_row_reads_and_little_else() -> None:
    rules = CATALOG["pi"].event
    known = '{"type":"session","id":"s-1"}\n'
    assert shortened(known, rules) == known
    assert shortened('{"type":"odd","deep":{"a":1},"n":2}\n' * 9, rules) == '{"type":"odd","n":2}\n' * 3


def test_the_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}old\n{MARKS[1]}\nafter\n")
    put(page, "new\n")
    put(page, "newer\n")
    assert page.read_text() == f"before\n{MARKS[0]}\nnewer\n{MARKS[1]}\nafter\n"


def spoken(scenario: str, **fields: object) -> Drove:
    told: dict[str, object] = {"cli": "gemini", "drive": "acp", "scenario": scenario, "came_to": Turned(), "asked": 1}
    return Drove(**{**told, **fields})  # type: ignore[arg-type]  # fields by name


REFUSED = [StreamEvent("agent.tool", "refused by policy", {"phase": "refused"})]


@pytest.mark.parametrize(
    ("edit", "denied", "good"),
    [
        ({"mended": True, "noted": True}, {"events": REFUSED}, True),
        ({"mended": True, "noted": True}, {}, False),
        ({"mended": True, "noted": True}, {"events": REFUSED, "noted": True}, False),
        ({}, {"events": REFUSED}, False),
    ],
)
def test_over_acp_an_edit_and_a_refusal_are_wanted_of_so_many(
    capsys: pytest.CaptureFixture[str], edit: dict[str, object], denied: dict[str, object], good: bool
) -> None:
    row = Row(Installed("gemini", "1"))
    for drove in (spoken("ok", **edit), spoken("denied", **denied)):
        row.of("acp")[drove.scenario] = drove
    page = markdown([row], [], ["ok", "denied"], "")
    assert "Over the Agent Client Protocol" in page
    assert ("✗" not in page) is good
    assert (verdict([row], [], Namespace(at_least=0, at_least_acp=1)) == 0) is good
    assert verdict([row], [], Namespace(at_least=0, at_least_acp=2)) == 1
    assert "at least 2 must" in capsys.readouterr().out


def test_the_whole_set_must_speak_acp_with_four(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked([]).at_least_acp == 4
    assert asked(["--agents", "pi"]).at_least_acp == 0
    assert asked(["--acp", ""]).at_least_acp == 0
    with pytest.raises(SystemExit):
        asked(["--acp", "useage"])
