"""What a CLI leaves in the tree for itself is no part of the change, unless the tree had it before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopy.agents.leaves import NOTED, left, note, sweep
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.errors import AgentError
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents.support import CATALOG, PaperLeash, command, driver, place_in
from tests.agents.test_catalogue import put

LEFT = ".tool/state.json"
WITH = {**CATALOG, "command": CATALOG["command"].model_copy(update={"leaves": (LEFT,)})}
LEAVES = f"""
import os
os.makedirs(".tool", exist_ok=True)
open("{LEFT}", "w").write("mine")
open("work.txt", "w").write("done")
"""


def turn(folder: Path, agent: Agent, number: int = 1, leash: PaperLeash | None = None) -> tuple[object, PaperLeash]:
    leash = leash or PaperLeash(number)
    return driver(catalog=WITH).turn(agent, Brief("go", number), place_in(folder), leash), leash


def test_it_is_taken_out_after_the_turn_and_said(tmp_path: Path) -> None:
    came_to, leash = turn(tmp_path, command(tmp_path, LEAVES))
    assert isinstance(came_to, Turned)
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == ["work.txt"]
    assert leash.texts("step.progress") == [f"took out of the tree what the agent left for itself: {LEFT}"]


def test_what_the_tree_had_before_stays_in_every_turn(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.tree / ".tool").mkdir()
    (place.tree / LEFT).write_text("the repository's")
    for number in (1, 2):
        _, leash = turn(tmp_path, command(tmp_path, LEAVES), number)
        assert (place.tree / LEFT).read_text() == "mine"  # it is a file of the repository, and this is a change of it
        assert leash.texts("step.progress") == []


def test_what_the_tree_had_before_and_an_agent_deleted_is_still_the_repositorys(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.tree / ".tool").mkdir()
    (place.tree / LEFT).write_text("the repository's")
    turn(tmp_path, command(tmp_path, f"import os; os.unlink('{LEFT}')"), 1)
    turn(tmp_path, command(tmp_path, LEAVES), 2)
    assert (place.tree / LEFT).read_text() == "mine"


def test_other_files_of_that_folder_stay(tmp_path: Path) -> None:
    turn(tmp_path, command(tmp_path, LEAVES + 'open(".tool/RULES.md", "w").write("asked for")'))
    assert [path.name for path in (tmp_path / "tree" / ".tool").iterdir()] == ["RULES.md"]


def test_after_a_failed_turn_it_is_taken_out_too(tmp_path: Path) -> None:
    came_to, _ = turn(tmp_path, command(tmp_path, LEAVES + "import time; time.sleep(60)", idle_s=1))
    assert isinstance(came_to, Tried)
    assert came_to.failure is Failure.AGENT_STALLED
    assert not (tmp_path / "tree" / ".tool").exists()


def test_after_a_worker_that_died_the_next_agent_sweeps_whoever_it_is(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    note([LEFT], place.tree, place.folder)  # the first agent began, left its file, and its worker was killed
    (place.tree / ".tool").mkdir()
    (place.tree / LEFT).write_text("mine")
    _, leash = turn(tmp_path, command(tmp_path, f"import os; os.path.exists('{LEFT}') or open('clean', 'w')"), 2)
    assert (place.tree / "clean").exists()
    assert not (place.tree / ".tool").exists()
    assert len(leash.texts("step.progress")) == 1


def test_whoever_lost_the_claim_touches_nothing(tmp_path: Path) -> None:
    place, leash = place_in(tmp_path), PaperLeash()
    note([LEFT], place.tree, place.folder)
    (place.tree / ".tool").mkdir()
    (place.tree / LEFT).write_text("mine")
    leash.allowed = False
    with pytest.raises(Exception, match=r"LP-1\.1"):
        turn(tmp_path, command(tmp_path, "import time; time.sleep(60)"), 2, leash)
    assert (place.tree / LEFT).exists()


def test_a_link_leads_nowhere_and_is_itself_taken(tmp_path: Path) -> None:
    outside, place = tmp_path / "outside", place_in(tmp_path)
    outside.mkdir()
    (outside / "state.json").write_text("the operator's")
    note([LEFT, "link"], place.tree, place.folder)
    (place.tree / ".tool").symlink_to(outside)
    (place.tree / "link").symlink_to(outside)
    assert sweep(left([LEFT, "link"], place.tree, place.folder), place.tree) == ["link"]
    assert not (place.tree / "link").is_symlink()
    assert (outside / "state.json").read_text() == "the operator's"


@pytest.mark.parametrize("text", ['{"../x": false, "work.txt": false}', "[]", "half", '{"' + LEFT + '": "no"}'])
def test_what_the_runs_folder_says_opens_no_other_path(tmp_path: Path, text: str) -> None:
    place = place_in(tmp_path)
    (place.folder / NOTED).write_text(text)
    (place.tree / ".tool").mkdir()
    for file in (tmp_path / "x", place.tree / "work.txt", place.tree / LEFT):
        file.write_text("kept")
    assert left([LEFT], place.tree, place.folder) == []
    assert (tmp_path / "x").exists()
    assert (place.tree / "work.txt").exists()


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".git/hooks", "a//b", ""])
def test_an_entry_may_name_only_paths_of_the_tree(tmp_path: Path, path: str) -> None:
    with pytest.raises(AgentError, match="leaves"):
        load(put(tmp_path, "x", f'name = "x"\nleaves = {json.dumps([path])}\n[print]\nargv = ["x"]'))


def load(folder: Path) -> None:
    from loopy.agents.catalogue import load_catalog

    load_catalog(folder)
