"""What holds for every CLI of the catalogue, whoever wrote its entry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, combinations, product
from pathlib import Path

import pytest

from loopy.agents.catalogue import SHIPPED
from loopy.agents.environment import Operator
from loopy.agents.health import Health
from loopy.agents.launch import Launch, command_line, prepare
from loopy.agents.spec import PLACEHOLDER, WORDS, Print, Spec
from loopy.domain.agent import Agent, AgentKind, Turned
from loopy.domain.outward import OUTWARD
from loopy.ports import Brief
from tests.agents.support import CATALOG, FixedClock, PaperLeash, driver, place_in, program

CLIS = [spec for spec in CATALOG.values() if spec.id != "command"]
HEADLESS = [spec for spec in CLIS if spec.print is not None]
NASTY = "Fix it; $(touch gone) `id` \"quoted\" 'twice' {model} {*extra} {bin} --yolo\n-rf /\n"
FILLED = {name: f"<{name}>" for name in WORDS} | {"prompt": NASTY, "model": "m-1", "session": "s-1", "uuid": "u-1"}
MODES = list(product((False, True), ("", "m-1"), (AgentKind.CODE, AgentKind.REVIEW)))

# Packages that are not the CLI of that name, or are its old name.
NOT_ON_NPM = {
    "amp", "antigravity", "cursor-agent", "kiro-cli", "iflow", "kimi", "mux", "zencoder", "aide", "codebuff",
    "@sourcegraph/amp", "@zed-industries/codex-acp", "@zed-industries/claude-code-acp", "@mariozechner/pi-coding-agent",
}  # fmt: skip
NOT_ON_PYPI = {
    "antigravity", "devin-cli", "openclaw", "forgecode", "agentless", "aide", "codel", "goose-ai", "kimi-code",
    "poolside", "cursor-agent", "kiro-cli", "iflow", "kimi", "kimi-cli", "deepagents-cli", "aider-ce",
}  # fmt: skip

# Words that let an agent do what it likes.
FREELY = {
    "-y", "yolo", "--yolo", "--force", "--auto", "--auto-approve", "--always-approve", "--full-auto", "--yes-always",
    "--trust-all-tools", "--tools-all", "--approve-all", "bypass", "bypassPermissions", "acceptEdits", "workspace-write",
    "--dangerously-skip-permissions", "--dangerously-allow-all", "--dangerously-bypass-approvals-and-sandbox",
}  # fmt: skip


def each(specs: list[Spec]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", specs, ids=[spec.id for spec in specs])


def block(spec: Spec) -> Print:
    assert spec.print is not None
    return spec.print


def lines(spec: Spec) -> Iterator[tuple[bool, Agent, tuple[str, ...]]]:
    """Yield every command line that an entry can come to, with how it came about."""
    for resuming, model, kind in MODES:
        agent = Agent(name="a", cli=spec.id, model=model, kind=kind, argv=("--own", "flag"))
        resumed = resuming and block(spec).resumes
        yield resumed, agent, command_line(block(spec), agent, FILLED, resuming=resumed)


def test_there_are_more_than_peers_list() -> None:
    assert len(CLIS) >= 64
    assert {spec.id for spec in CLIS} >= {"claude", "codex", "gemini", "opencode"}


@each(CLIS)
def test_an_entry_says_whence_it_is_known(spec: Spec) -> None:
    assert spec.vendor
    assert spec.checked is not None
    assert spec.homepage.startswith("https://") or not spec.homepage
    assert spec.detect.bin
    assert spec.install.hint
    assert spec.acp is not None or spec.print is not None


@each(CLIS)
def test_a_hint_never_names_a_package_that_is_something_else(spec: Spec) -> None:
    assert spec.install.npm not in NOT_ON_NPM
    assert spec.install.pypi not in NOT_ON_PYPI


def test_no_two_entries_share_a_name() -> None:
    ids = Counter(chain.from_iterable((spec.id, *spec.aliases) for spec in CATALOG.values()))
    names = Counter(spec.name.lower() for spec in CATALOG.values())
    assert [name for name, times in (ids + names).items() if ids[name] > 1 or names[name] > 1] == []


def test_programs_of_one_name_know_of_each_other() -> None:
    for one, other in combinations(CLIS, 2):
        if shared := set(one.detect.bin) & set(other.detect.bin):
            assert other.id in one.conflicts, (one.id, other.id, shared)
            assert one.id in other.conflicts, (one.id, other.id, shared)
            assert one.detect.identity_regex, one.id
            assert other.detect.identity_regex, other.id


def test_a_conflict_is_one_of_both() -> None:
    for spec in CLIS:
        for other in spec.conflicts:
            assert other in CATALOG, (spec.id, other)
            assert spec.id in CATALOG[other].conflicts, (spec.id, other)


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("grok", "grok 1.0.41 (abc)", "grok-build"),
        ("grok", "0.0.34", "grok-cli"),
        ("agent", "2026.07.20-abc", "cursor"),
        ("agent", "agent 1.2.3", None),
        ("goose", " 1.43.0", "goose"),
        ("goose", "goose version: v3.24.1", None),
        ("forge", "forge 1.12.0", "forgecode"),
        ("forge", "forge Version: 1.3.5-stable", None),
        ("coder", "Coder v2.20.0+abc", None),
        ("hermes", "Hermes JavaScript compiler and Virtual Machine.\n HBC bytecode version: 96", None),
        ("hermes", "Hermes Agent v0.19.0", "hermes"),
    ],
)
def test_a_program_is_told_from_its_namesakes(tmp_path: Path, name: str, said: str, meant: str | None) -> None:
    program(tmp_path, f"print({said!r})", name)
    keys = dict.fromkeys(chain.from_iterable(s.auth.env for s in CLIS), "k")  # so that nobody asks for a login
    health = Health(Operator({**keys, "PATH": str(tmp_path)}), FixedClock())
    usable = {s.id for s in CLIS if name in s.detect.bin and health.look(s, Agent(name="a", cli=s.id)).healthy}
    assert usable == ({meant} if meant else set())


@each(HEADLESS)
def test_the_prompt_comes_in_whole_and_where_nothing_eats_it(spec: Spec) -> None:
    for resumed, _, argv in lines(spec):
        where, template = block(spec).prompt, block(spec).resume_argv if resumed else ()
        template = template or block(spec).argv
        assert argv.count(NASTY) == (1 if where == "argv" else 0)
        assert sum("<prompt_file>" in word for word in argv) == (1 if where == "file" else 0)
        if where == "argv":
            before = template[template.index("{prompt}") - 1]
            assert not before.startswith("{*"), "a group's last flag might take the prompt for its value"
        assert not {"sh", "bash", "-lc", "env", "eval"} & set(argv), "no shell sees the prompt"


@each(HEADLESS)
def test_nothing_is_left_unfilled(spec: Spec) -> None:
    for _, _, argv in lines(spec):
        for word in argv:
            assert word == NASTY or not PLACEHOLDER.search(word), word
            assert word


@each(HEADLESS)
def test_model_and_session_stand_where_they_are_asked_for_and_only_there(spec: Spec) -> None:
    one = block(spec)
    for resumed, agent, argv in lines(spec):
        assert any("m-1" in word for word in argv) is bool(agent.model and one.model)
        assert any("s-1" in word for word in argv) is resumed
        assert any("u-1" in word for word in argv) is bool(one.session and not resumed)


@each(HEADLESS)
def test_a_reader_never_gets_the_flags_of_a_worker(spec: Spec) -> None:
    read, work = block(spec).approve.read_only, block(spec).approve.work
    assert not FREELY & set(read)
    for _, agent, argv in lines(spec):
        mine, others = (read, work) if agent.kind is AgentKind.REVIEW else (work, read)
        assert any(argv[at : at + len(mine)] == mine for at in range(len(argv)))
        assert not ({word for word in others if word.startswith("-")} - set(mine)) & set(argv)


@each(HEADLESS)
def test_the_agents_own_words_stay_together_before_the_prompt_ends_the_options(spec: Spec) -> None:
    for _, _, argv in lines(spec):
        at = argv.index("--own")
        assert argv[at + 1] == "flag"
        assert "--" not in argv[:at]


@each(HEADLESS)
def test_a_launch_is_prepared_with_nothing_of_the_operators_that_no_list_names(tmp_path: Path, spec: Spec) -> None:
    program(tmp_path / "bin", "pass", spec.detect.bin[0])
    theirs = dict.fromkeys((*OUTWARD, "SECRET_OF_MINE", *spec.auth.env, *spec.auth.base_url.values()), "x")
    for place in spec.auth.home:
        (tmp_path / "operator" / place.dir).mkdir(parents=True)
    operator = Operator({**theirs, "PATH": str(tmp_path / "bin")}, tmp_path / "operator")
    agent = Agent(name="a", cli=spec.id, model="m-1")
    launch = prepare(spec, agent, Brief("do it", 1), place_in(tmp_path), 1, operator)
    assert isinstance(launch, Launch)
    assert not (set(launch.env) & OUTWARD) - set(spec.auth.env)
    assert "SECRET_OF_MINE" not in launch.env
    assert spec.env.set.items() <= launch.env.items()
    for place in spec.auth.home:
        reached = Path(launch.env[place.env]) if place.env else tmp_path / "run" / "agent" / "home" / place.dir
        assert reached.resolve() == (tmp_path / "operator" / place.dir).resolve()
    assert block(spec).model_env is None or launch.env[block(spec).model_env or ""] == "m-1"


SAYS = """import os, sys
seen = sys.stdin.read() + "\\0" + "\\0".join(sys.argv[1:])
for word in sys.argv[1:]:
    if os.path.isfile(word): seen += open(word, encoding="utf-8", newline="").read()
open("seen", "w", newline="").write(seen)
"""


@pytest.mark.slow
@each(HEADLESS)
def test_a_program_in_its_place_is_driven_and_gets_the_prompt_to_the_letter(tmp_path: Path, spec: Spec) -> None:
    program(tmp_path / "bin", SAYS, spec.detect.bin[0])
    env = {"PATH": str(tmp_path / "bin"), **dict.fromkeys(spec.auth.require_any, "a-key-of-mine")}
    place = place_in(tmp_path)
    got = driver(env).turn(Agent(name="a", cli=spec.id), Brief(NASTY, 1), place, PaperLeash())
    assert isinstance(got, Turned), got
    assert (place.tree / "seen").read_text(encoding="utf-8").count(NASTY) == 1


@each([spec for spec in CLIS if spec.acp is not None])
def test_an_acp_server_starts_by_a_plain_command(spec: Spec) -> None:
    assert spec.acp is not None
    first = spec.acp.argv[0]
    assert first in {"{bin}", *spec.detect.bin} or first.endswith("-acp")
    assert not {"{prompt}", "{prompt_file}"} & set(spec.acp.argv), "the prompt comes in the conversation"
    assert spec.print is not None or spec.acp.prefer, "ACP is the only way, so it is the preferred one"


@each(CLIS)
def test_every_pattern_compiles_and_finds_nothing_in_nothing(spec: Spec) -> None:
    for rule in spec.limit:
        assert not re.search(rule.regex, ""), rule.regex
    re.compile(spec.detect.identity_regex)
    assert re.compile(spec.detect.version_regex).groupindex.keys() == {"v"}


def test_each_file_tells_editors_its_schema_or_nothing() -> None:
    for path in SHIPPED.glob("*.toml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        if first.startswith("#:schema "):
            assert (SHIPPED / first.removeprefix("#:schema ")).resolve() == SHIPPED.parent / "entry.schema.json"
