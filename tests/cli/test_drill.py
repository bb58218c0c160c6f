"""`loopy drill`: the operator's own chain, scripts in the place of its agents, the real stack."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from .support import House

FAKE = '#!/bin/sh\n[ "$1" = login ] && exit 0\necho codex-cli 0.169.0\n'


def path_with_codex(folder: Path) -> dict[str, str]:
    folder.mkdir()
    (folder / "codex").write_text(FAKE)
    (folder / "codex").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


CHAIN = """
[accounts.work]
[accounts.private]
[agents.claude]
cli = "claude"
[agents.main]
cli = "codex"
accounts = ["work", "private"]
fallback = ["claude", "script"]
[agents.script]
argv = ["true"]
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_next_usable_agent_of_the_chain_finishes_what_the_limited_one_began(house: House, tmp_path: Path) -> None:
    house.settle(CHAIN)
    before = set(Path(tempfile.gettempdir()).glob("loopy-drill-*"))
    said = house.loopy("drill", "main", "--json", env=path_with_codex(tmp_path / "bin"))
    assert said.code == 0, said.out + said.err
    found = said.json
    assert [(link["agent"], link["usable"]) for link in found["chain"]] == [
        ("main", True), ("main@private", True), ("claude", False), ("script", True),
    ]  # fmt: skip
    assert (found["limited"], found["successor"], found["verified"]) == ("main", "main-at-private", True)
    assert set(Path(tempfile.gettempdir()).glob("loopy-drill-*")) <= before


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_where_nobody_can_take_over_the_drill_says_so_and_what_mends_it(house: House, tmp_path: Path) -> None:
    house.settle('[agents.alone]\ncli = "codex"\n')
    said = house.loopy("drill", env=path_with_codex(tmp_path / "bin"))
    assert said.code == 1
    assert "nobody can take over from alone" in said.out
    assert 'fallback = ["OTHER"]' in said.out


def test_a_chain_without_a_usable_agent_is_told_before_anything_is_started(house: House) -> None:
    house.settle('[agents.gone]\nargv = ["no-such-program"]\n')
    said = house.loopy("drill", "--json")
    assert (said.code, said.json["fault"]) == (1, "no agent of the chain is usable")


def test_a_drill_of_nobody_is_refused(house: House) -> None:
    house.settle("")
    assert house.loopy("drill").code == 2
    house.settle('[agents.a]\nargv = ["true"]\n')
    assert "no agent is called 'b'" in house.loopy("drill", "b").err
