from __future__ import annotations

import hashlib
import json
import resource
import time
from datetime import timedelta
from pathlib import Path

import pytest

from loopy.domain.agent import Tried, Turned
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents.support import NOW, PaperLeash, command, driver, place_in

OURS = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
BRIEF = Brief("fix add()", turn=1)


def test_a_command_turns_and_everything_it_said_is_kept(tmp_path: Path) -> None:
    agent = command(tmp_path, "print('reading'); open('app.py','w').write('x'); print('done')")
    place, leash = place_in(tmp_path), PaperLeash(token=7)
    turned = driver().turn(agent, BRIEF, place, leash)
    assert isinstance(turned, Turned)
    assert turned.exit_code == 0
    assert (place.tree / "app.py").read_text() == "x"
    assert leash.output() == "reading\ndone"
    assert turned.transcript == "transcript-1-7.log"
    transcript = (place.folder / turned.transcript).read_bytes()
    assert transcript == b"reading\ndone\n"
    assert turned.transcript_sha256 == hashlib.sha256(transcript).hexdigest()


def test_the_prompt_is_on_stdin_and_in_a_file(tmp_path: Path) -> None:
    source = "import os,sys\nprint(sys.stdin.read()); print(open(os.environ['LOOPY_PROMPT_FILE']).read())\n"
    source += "print(os.environ['LOOPY_RUN'], os.environ['LOOPY_TURN'])"
    leash = PaperLeash()
    driver().turn(command(tmp_path, source), Brief("fix add() größer", turn=3), place_in(tmp_path), leash)
    assert leash.output().splitlines() == ["fix add() größer", "fix add() größer", "LP-1.1 3"]


def test_a_command_that_exits_1_without_a_limit_has_turned(tmp_path: Path) -> None:
    source = "import sys; print('usage limit reached, 429', file=sys.stderr); sys.exit(1)"
    turned = driver().turn(command(tmp_path, source), BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(turned, Turned)
    assert turned.exit_code == 1


def test_a_command_reports_its_limit_in_one_line_of_json(tmp_path: Path) -> None:
    line = json.dumps({"loopy": "limit", "message": "usage limit reached", "resets_in_s": 3600})
    leash = PaperLeash()
    tried = driver().turn(command(tmp_path, f"print({line!r}); raise SystemExit(1)"), BRIEF, place_in(tmp_path), leash)
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.detail) == (Failure.QUOTA, "usage limit reached")
    assert tried.resets_at == NOW + timedelta(hours=1)
    assert (tried.agent, tried.account) == ("scripted", "scripted")
    assert leash.texts("agent.limit") == ["usage limit reached"]


def test_a_commands_own_words_become_events(tmp_path: Path) -> None:
    said = [
        {"loopy": "session", "id": "s-1", "model": "m-1"},
        {"loopy": "message", "message": "hello"},
        {"loopy": "usage", "input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5},
        {"loopy": "file", "path": "app.py", "kind": "edit"},
        {"loopy": "limit", "message": "short", "class": "throttle"},
        {"loopy": "result", "message": "all done"},
        {"other": "json"},
    ]
    leash = PaperLeash()
    turned = driver().turn(
        command(tmp_path, f"import json\nfor line in {said!r}: print(json.dumps(line))"),
        BRIEF,
        place_in(tmp_path),
        leash,
    )
    assert isinstance(turned, Turned)
    assert (turned.session_id, turned.model, turned.message) == ("s-1", "m-1", "all done")
    assert (turned.usage.input_tokens, turned.usage.cost_micros) == (10, 500_000)
    assert leash.texts("agent.message") == ["hello"]
    assert leash.texts("agent.file") == ["app.py"]
    assert leash.output() == '{"other": "json"}'


def test_death_by_a_signal_is_a_crash(tmp_path: Path) -> None:
    source = "import os,sys; print('about to die', file=sys.stderr, flush=True); os.kill(os.getpid(), 11)"
    tried = driver().turn(command(tmp_path, source), BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_CRASH
    assert "signal 11" in tried.detail
    assert "about to die" in tried.detail
    assert tried.transcript


def test_a_program_that_is_not_there_is_missing(tmp_path: Path) -> None:
    agent = command(tmp_path, "pass").model_copy(update={"argv": ("no-such-agent",)})
    tried = driver().turn(agent, BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_MISSING
    assert "no-such-agent" in tried.detail


def test_an_agent_of_an_unknown_cli_is_missing(tmp_path: Path) -> None:
    agent = command(tmp_path, "pass").model_copy(update={"cli": "codx"})
    tried = driver().turn(agent, BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_MISSING
    assert "did you mean 'codex'?" in tried.detail


@pytest.mark.slow
def test_a_silent_agent_has_stalled(tmp_path: Path) -> None:
    source = "import time; print('thinking', flush=True); time.sleep(60)"
    began = time.monotonic()
    tried = driver().turn(command(tmp_path, source, idle_s=1), BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_STALLED
    assert "thinking" in tried.detail
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_an_endless_agent_ends_at_its_deadline(tmp_path: Path) -> None:
    source = "import time\nwhile True: print('.', flush=True); time.sleep(0.05)"
    tried = driver().turn(command(tmp_path, source, wall_s=1), BRIEF, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.detail[:18]) == (Failure.AGENT_STALLED, "not done after 1 s")


@pytest.mark.parametrize("reason", ["cancelled", "draining"])
def test_an_agent_stops_when_the_leash_says_so(tmp_path: Path, reason: str) -> None:
    leash = PaperLeash()
    leash.stop_when = lambda seen: reason if seen.texts("agent.output") else None
    source = "import time; print('begun', flush=True); time.sleep(60)"
    tried = driver().turn(command(tmp_path, source), BRIEF, place_in(tmp_path), leash)
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.detail) == (Failure.CANCELLED, reason)


def test_without_authority_nothing_starts(tmp_path: Path) -> None:
    leash = PaperLeash()
    leash.allowed = False
    place = place_in(tmp_path)
    with pytest.raises(LostError):
        driver().turn(command(tmp_path, "open('app.py','w')"), BRIEF, place, leash)
    assert list(place.tree.iterdir()) == []
    assert leash.events == []


def test_a_claim_that_is_lost_on_the_way_writes_nothing_more(tmp_path: Path) -> None:
    leash = PaperLeash()
    leash.stop_when = lambda seen: "lost" if seen.texts("agent.output") else None
    with pytest.raises(LostError):
        driver().turn(
            command(tmp_path, "import time; print('x', flush=True); time.sleep(60)"), BRIEF, place_in(tmp_path), leash
        )


def test_output_that_is_no_utf8_and_control_codes_are_made_safe(tmp_path: Path) -> None:
    source = 'import sys; sys.stdout.buffer.write(b\'a\\xff\\xfeb\\x1b[31mred\\x1b[0m\\x00\\n\' + b\'{"loopy": "message", "message": "\\\\u0000\\\\ud800x"}\\n\')'
    leash = PaperLeash()
    assert isinstance(driver().turn(command(tmp_path, source), BRIEF, place_in(tmp_path), leash), Turned)
    assert leash.output() == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}bred"
    assert leash.texts("agent.message") == ["?x"]


def test_a_secret_reaches_neither_transcript_nor_events_nor_result(tmp_path: Path) -> None:
    secret = "sk-very-secret-0123456789abcdef"
    source = (
        "import os,json,sys\nkey=os.environ['MY_KEY']\nprint('key', key)\nprint(key[:16], file=sys.stderr)\n"
        "print(json.dumps({'loopy':'message','message':key}))\n"
        "print(json.dumps({'loopy':'limit','message':'limit of '+key}))"
    )
    agent = command(tmp_path, source).model_copy(update={"pass_env": ("MY_KEY",)})
    place, leash = place_in(tmp_path), PaperLeash()
    tried = driver({"MY_KEY": secret}, secrets=(secret,)).turn(agent, BRIEF, place, leash)
    assert isinstance(tried, Tried)
    everything = tried.detail + repr(leash.events) + (place.folder / tried.transcript).read_text()
    assert tried.detail == "limit of [redacted]"
    assert everything.count("[redacted]") >= 6
    assert not any(secret[i : i + 12] in everything for i in range(len(secret) - 11))


def test_the_key_that_an_agent_logs_in_with_is_hidden_without_being_named_a_secret(tmp_path: Path) -> None:
    agent = command(tmp_path, "import os; print(os.environ['SOME_API_KEY'])")
    agent = agent.model_copy(update={"env": {"SOME_API_KEY": "sk-0123456789abcdef"}})
    leash = PaperLeash()
    driver().turn(agent, BRIEF, place_in(tmp_path), leash)
    assert leash.output() == "[redacted]"


def test_a_workspace_that_is_gone_is_a_failure_of_the_workspace(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.tree.rmdir()
    tried = driver().turn(command(tmp_path, "pass"), BRIEF, place, PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.WORKSPACE


@pytest.mark.parametrize(("file_mb", "most"), [(16_384, 16 << 30), (3, 3 << 20), (0, OURS)])
def test_an_agent_leaves_no_core_and_writes_no_file_beyond_its_limit(tmp_path: Path, file_mb: int, most: int) -> None:
    source = "import resource as r; print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_FSIZE)[0])"
    agent, leash = command(tmp_path, source).model_copy(update={"file_mb": file_mb}), PaperLeash()
    driver().turn(agent, BRIEF, place_in(tmp_path), leash)
    assert leash.output() == f"(0, 0) {most}"


def test_an_agent_that_says_it_cost_more_than_it_may_is_ended(tmp_path: Path) -> None:
    line = json.dumps({"loopy": "usage", "cost_usd": 0.75, "add": True})
    source = f"import time\nfor _ in range(3):\n    print({line!r}, flush=True); time.sleep(0.3)\ntime.sleep(60)"
    brief = Brief("p", 1, budget_micros=2_000_000)
    tried = driver().turn(command(tmp_path, source), brief, place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.detail) == (Failure.BUDGET, "the turn cost $2.25 and was ended")
