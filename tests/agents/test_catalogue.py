from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopy.agents.catalogue import SHIPPED, load_catalog
from loopy.agents.launch import command_line
from loopy.agents.limits import classify, in_order
from loopy.agents.reading import Reading
from loopy.agents.rules import Channel
from loopy.domain.agent import Agent
from loopy.domain.errors import AgentError
from loopy.domain.failures import Failure
from tests.agents.support import CATALOG, NOW

AIDER = r"""
name = "Aider"
confidence = "documented"
version = "0.86.2"
source = "aider --help"
[install]
pypi = "aider-chat"
[detect]
bin = ["aider"]
[auth]
env = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]
base_url = { openai = "OPENAI_API_BASE", anthropic = "ANTHROPIC_API_BASE" }
[env]
set = { AIDER_ANALYTICS_DISABLE = "true", LITELLM_LOCAL_MODEL_COST_MAP = "True" }
[print]
argv = ["{bin}", "{*model}", "--message-file", "{prompt_file}", "--yes-always", "--no-check-update", "--no-pretty",
  "--no-gitignore", "--no-auto-commits", "--map-tokens", "0", "--chat-history-file", "{folder}/chat.md", "{*extra}"]
prompt = "file"
output = "text"
model = ["--model", "{model}"]
[watchdog]
idle_s = 120
[[limit]]
class = "auth"
on = "stdout"
regex = '(?m)^litellm\.AuthenticationError'
[[limit]]
class = "throttle"
on = "stdout"
regex = '(?m)^The API provider has rate limited you'
reset = "duration"
"""
KIMI = r"""
name = "Kimi Code"
confidence = "documented"
version = "2.1.0"
source = "kimi --help"
conflicts = ["kimi-cli"]
[install]
npm = "@moonshot-ai/kimi-code"
requires = ["node>=22.19"]
[detect]
bin = ["kimi"]
identity_regex = "(?i)kimi.?code|^2\\."
[auth]
env = ["KIMI_MODEL_API_KEY", "KIMI_MODEL_NAME", "KIMI_MODEL_BASE_URL", "KIMI_MODEL_PROVIDER_TYPE"]
home = [{ dir = ".kimi-code", env = "KIMI_CODE_HOME" }]
[print]
argv = ["{bin}", "{*session}", "-p", "{prompt}", "--output-format", "stream-json"]
prompt = "argv"
output = "jsonl"
resume = ["-S", "{session}"]
[acp]
argv = ["kimi", "acp"]
[[limit]]
class = "throttle"
on = "stderr"
regex = 'provider\.rate_limit: 429'
[[event]]
emit = "message"
when = { role = "assistant", content = { matches = "." } }
fields = { text = "content" }
[[event]]
emit = "tool"
when = { role = "assistant" }
each = "tool_calls"
fields = { id = "id", name = "function.name", text = "function.arguments" }
const = { phase = "start" }
[[event]]
emit = "tool"
when = { role = "tool" }
fields = { id = "tool_call_id" }
const = { phase = "end" }
[[event]]
emit = "limit"
when = { role = "meta", type = "turn.step.retrying", status_code = 429 }
fields = { text = "error_name", resets_in_ms = "delay_ms" }
const = { class = "throttle", stop_over_s = 120 }
[[event]]
emit = "session"
when = { role = "meta", type = "session.resume_hint" }
fields = { id = "session_id" }
"""
WORDS = {"bin": "/b", "prompt": "P", "prompt_file": "/f", "model": "m", "session": "s-1", "uuid": "u", "cwd": "/c",
         "folder": "/r"}  # fmt: skip


def put(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def test_every_shipped_entry_names_its_source_version_and_confidence() -> None:
    assert sorted(CATALOG) == sorted(path.stem for path in SHIPPED.glob("*.toml"))
    for spec in CATALOG.values():
        assert spec.source
        assert spec.version
        assert spec.confidence in {"tested", "documented", "community"}
        assert spec.install.hint or not spec.detect.bin


def test_an_odd_text_cli_is_one_file(tmp_path: Path) -> None:
    spec = load_catalog(put(tmp_path, "aider", AIDER))["aider"]
    assert spec.print is not None
    argv = command_line(spec.print, Agent(name="a", model="m"), WORDS, resuming=False)
    assert argv[:5] == ("/b", "--model", "m", "--message-file", "/f")
    assert "/r/chat.md" in argv
    said = "Retrying\nThe API provider has rate limited you. Retrying in 32 seconds...\n"
    verdict = classify(in_order(spec.limit), Channel.STDOUT, said, NOW)
    assert verdict is not None
    assert verdict.failure is Failure.THROTTLE
    assert classify(in_order(spec.limit), Channel.STDOUT, "I handle litellm.AuthenticationError", NOW) is None


def test_an_odd_json_cli_is_one_file(tmp_path: Path) -> None:
    spec = load_catalog(put(tmp_path, "moon", KIMI))["moon"]
    assert spec.print is not None
    assert command_line(spec.print, Agent(name="a"), WORDS, resuming=True)[:4] == ("/b", "-S", "s-1", "-p")
    reading = Reading(spec, lambda: NOW)
    call = '{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"Bash","arguments":"{}"}}]}'
    retry = '{"role":"meta","type":"turn.step.retrying","status_code":429,"error_name":"E","delay_ms":3600000}'
    hint = '{"role":"meta","type":"session.resume_hint","session_id":"k-1"}'
    names = [event.name for line in (call, hint, retry) for event, _ in reading.stdout(line)]
    assert names == ["agent.tool", "agent.started", "agent.limit"]
    assert reading.open_tools == {"c"}
    assert reading.stop  # an hour of sleep is not waited for
    assert reading.session_id == "k-1"


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ('name = "x"\ncolour = 1\n[print]\nargv = ["x"]', "colour", "no such key"),
        ('name = "x"\n[print]\nargv = ["x"]\nresme = ["x"]', "print.resme", "no such key"),
        ('name = "x"\n[print]\nargv = ["x"]\nresme = ["x"]', "print.resme", "did you mean 'resume'?"),
        ('name = "x"\n[env]\npas = ["X"]\n[print]\nargv = ["x"]', "env.pas", "did you mean 'pass'?"),
        ('nme = "x"\n[print]\nargv = ["x"]\nresme = ["x"]', "name", "and 2 more"),
        ('name = "x"\n[print]\nargv = ["x"]\n[[limit]]\nclas = "quota"\non = "event"\nregex = "x"', "limit.0.class", ""),
        ('name = "x"\n[print]\nargv = ["x"]\n[[event]]\nemit = "tool"\nfeilds = {}', "event.0.feilds", "'fields'?"),
        ('name = "x"\n[print]\nargv = ["x"]\ndialect = "claud"', "print.dialect", "did you mean 'claude'?"),
        ('name = "x"\n[print]\nargv = ["x"]\nmodel_env = "A B"', "print.model_env", ""),
        ('name = "x"\n[print]\nargv = ["{bin}", "{promt}"]', "print", "unknown placeholder {promt}"),
        ('name = "x"\n[print]\nprompt = "argv"\nargv = ["{bin}"]', "print", "needs {prompt}"),
        ('name = "x"\n[print]\nargv = ["x"]\n[[limit]]\nclass = "quta"\non = "event"\nregex = "x"', "limit.0.class", ""),
        ('name = "x"\n[print]\nargv = ["x"]\n[[limit]]\nclass = "quota"\non = "event"\nregex = "("', "limit.0.regex",
         "not a regular expression"),
        ('name = "x"\n[print]\nargv = ["x"]\n[[event]]\nemit = "tool"\nfields = { nme = "x" }', "event.0", "nme"),
        ('name = "x"\n[print]\nargv = ["x"]\n[[event]]\nemit = "limit"\nconst = { class = "x" }', "event.0.const", "'x'"),
        ('name = "x"\n[print]\nargv = ["x"]\n[[event]]\nemit = "tool"\nwhere = { a = 1 }', "event.0", "needs `each`"),
        ('name = "x"\n[print]\nargv = ["x"]\n[own_model.comes_to]\nusage = ["quta"]', "own_model", "'quta' is neither"),
        ('name = "x"\n[print]\nargv = ["x"]\n[own_model.comes_to]\nuseage = ["quota"]', "own_model.comes_to.useage", ""),
        ('name = "x"\n[print]\nargv = ["x"]\n[[own_model.file]]\npath = "../x"\ntext = "t"', "own_model.file.0.path", ""),
        ('name = "x"', "x.toml", "needs a [print] or an [acp] block"),
        ("name = ", "x.toml", ""),
        ('extends = "cladue"', "extends", "did you mean 'claude'?"),
        ('id = "y"\nname = "x"\n[print]\nargv = ["x"]', "id", "not the file's name"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, key: str, word: str) -> None:
    with pytest.raises(AgentError) as told:
        load_catalog(put(tmp_path, "x", text))
    assert str(tmp_path / "x.toml") in str(told.value)
    assert key in str(told.value)
    assert word in str(told.value)


def test_a_row_of_the_operators_changes_only_what_it_names(tmp_path: Path) -> None:
    put(tmp_path, "claude", '[env]\nset = { EXTRA = "1" }\n[[limit]]\nclass = "capacity"\non = "event"\nregex = "busy"')
    changed = load_catalog(tmp_path)["claude"]
    assert changed.env.set == {**CATALOG["claude"].env.set, "EXTRA": "1"}
    assert changed.print == CATALOG["claude"].print
    assert changed.limit[0].regex == "busy"
    assert changed.limit[1:] == CATALOG["claude"].limit


def test_a_second_account_extends_an_entry(tmp_path: Path) -> None:
    put(tmp_path, "claude-work", 'extends = "claude"\nname = "Claude at work"\n[detect]\nbin = ["claude-work"]')
    specs = load_catalog(tmp_path)
    assert specs["claude-work"].print == specs["claude"].print
    assert specs["claude-work"].detect.bin == ("claude-work",)
    assert specs["claude"] == CATALOG["claude"]


def test_a_folder_that_is_not_there_adds_nothing(tmp_path: Path) -> None:
    assert load_catalog(tmp_path / "none") == CATALOG


def test_every_pattern_compiles_without_surprising_matches_of_nothing() -> None:
    for spec in CATALOG.values():
        for rule in spec.limit:
            assert not re.search(rule.regex, ""), (spec.id, rule.regex)
