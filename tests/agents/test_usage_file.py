"""A CLI that states its tokens in a file, of its whole session; a turn's tokens are what came since."""

from __future__ import annotations

import json
import os
from pathlib import Path

from loopy.agents.usage_file import UsageFile
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents.support import CATALOG, PaperLeash, driver, place_in, program

# As Copilot: it counts the tokens of a session over its turns, and writes them at its end, unless it is told to hang.
SOURCE = """
import json, os, sys, time
words, home = sys.argv[1:], os.environ["HOME"]
said = sys.stdin.read()
file = words[words.index("--usage-output-file") + 1]
resumed = [word.partition("=")[2] for word in words if word.startswith("--resume=")]
session = resumed[0] if resumed else words[words.index("--session-id") + 1]
kept = os.path.join(home, session)
old = int(open(kept).read()) if os.path.exists(kept) else 0
if resumed and "unknown" in said:
    print("no session " + session + " found", file=sys.stderr); sys.exit(1)
total = old + int(said.split()[0])
open(kept, "w").write(str(total))
print(json.dumps({"type": "session.start", "data": {"sessionId": session}}), flush=True)
if "hang" in said: time.sleep(60)
rows = [{"modelId": "m", "metrics": {"usage": {"inputTokens": total, "outputTokens": 1}}},
        {"modelId": "n", "metrics": {"usage": {"inputTokens": 5, "outputTokens": 1}}}]
if "broken" in said: open(file, "w").write("{"); sys.exit()
if "mute" not in said: open(file, "w").write(json.dumps({"providerModelMetrics": rows}))
print(json.dumps({"type": "result", "sessionId": session, "exitCode": 0}))
"""


def turn(folder: Path, number: int, said: str, session: str = "") -> Turned | Tried:
    program(folder / "bin", SOURCE, "copilot")
    agent = Agent(name="a", cli="copilot", idle_s=2, wall_s=30)
    brief = Brief(f"{said}", number, session)
    return driver({"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}).turn(agent, brief, place_in(folder), PaperLeash(number))


def tokens(came_to: Turned | Tried) -> tuple[int | None, int | None]:
    assert isinstance(came_to, Turned), came_to
    return came_to.usage.input_tokens, came_to.usage.output_tokens


def test_a_turns_tokens_are_what_its_session_used_since_the_turn_before(tmp_path: Path) -> None:
    first = turn(tmp_path, 1, "1000 please")
    assert tokens(first) == (1005, 2)
    assert tokens(turn(tmp_path, 2, "300 more", first.session_id)) == (300, 0)
    assert tokens(turn(tmp_path, 3, "20 more", first.session_id)) == (20, 0)


def test_a_new_session_counts_from_nothing(tmp_path: Path) -> None:
    turn(tmp_path, 1, "1000 please")
    assert tokens(turn(tmp_path, 2, "300 please")) == (305, 2)
    assert tokens(turn(tmp_path, 3, "70 unknown", "11111111-1111-4111-8111-111111111111")) == (75, 2)


def test_what_is_not_stated_is_unknown_and_never_the_turn_before(tmp_path: Path) -> None:
    first = turn(tmp_path, 1, "1000 please")
    assert tokens(turn(tmp_path, 2, "300 mute", first.session_id)) == (None, None)
    assert tokens(turn(tmp_path, 3, "9 broken", first.session_id)) == (None, None)
    tried = turn(tmp_path, 4, "50 hang", first.session_id)
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_STALLED


def test_what_a_turn_did_not_state_is_in_the_next_ones(tmp_path: Path) -> None:
    first = turn(tmp_path, 1, "1000 please")
    turn(tmp_path, 2, "300 mute", first.session_id)
    assert tokens(turn(tmp_path, 3, "20 more", first.session_id)) == (320, 0)


def test_a_file_without_numbers_says_nothing(tmp_path: Path) -> None:
    file = UsageFile(tmp_path / "usage-a.json", resuming=False)
    for text in (
        "[]",
        "{}",
        '{"providerModelMetrics": [{"metrics": {"usage": {"inputTokens": "many"}}}]}',
        "[" * 99_999,
    ):
        (tmp_path / "usage-a.json").write_text(text)
        assert file.of_this_turn(CATALOG["copilot"]) == {}
    (tmp_path / "usage-a.json").write_text(
        json.dumps({"providerModelMetrics": [{"metrics": {"usage": {"inputTokens": 3}}}]})
    )
    assert file.of_this_turn(CATALOG["copilot"]) == {"input_tokens": 3}


def test_a_pipe_or_a_link_in_its_place_says_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "usage-a.json"
    file = UsageFile(path, resuming=False)
    (tmp_path / "outside").write_text(
        json.dumps({"providerModelMetrics": [{"metrics": {"usage": {"inputTokens": 3}}}]})
    )
    os.mkfifo(path)
    assert file.of_this_turn(CATALOG["copilot"]) == {}
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    assert file.of_this_turn(CATALOG["copilot"]) == {}
