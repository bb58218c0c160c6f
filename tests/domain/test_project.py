"""A repository's loopy.toml: read strictly, rendered so that it reads back."""

from __future__ import annotations

import pytest

from loopy.domain.check import CheckSpec
from loopy.domain.errors import ConfigError
from loopy.domain.policy import PathRule, Policy
from loopy.domain.project import ProjectConfig, ShipTo, parse_project, render_project, ships_to

WHOLE = """
target = "develop"
setup = [["npm", "ci"], ["make", "assets"]]
copy = [".env.test"]

[[checks]]
name = "tests"
argv = ["npm", "test"]
timeout_s = 60

[[checks]]
name = "api"
argv = ["pytest", "--junitxml={junit}"]
cwd = "api"

[policy]
approve = "always"
[[policy.paths]]
ask = ["migrations/"]
why = "the schema is shared"

[ship]
target = "local"
prefix = "bot/"
"""


def test_every_key_of_a_repository_is_read() -> None:
    config = parse_project(WHOLE)
    assert config.target == "develop"
    assert config.setup == (("npm", "ci"), ("make", "assets"))
    assert config.copies == (".env.test",)
    assert config.checks == (
        CheckSpec(name="tests", argv=("npm", "test"), timeout_s=60),
        CheckSpec(name="api", argv=("pytest", "--junitxml={junit}"), cwd="api"),
    )
    rule = PathRule(ask=("migrations/",), why="the schema is shared")
    assert config.policy == Policy(approve="always", paths=(rule,))
    assert config.ship == ShipTo(target="local", prefix="bot/")


def test_an_empty_file_says_nothing() -> None:
    assert parse_project("") == ProjectConfig()


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("chekcs = []", "loopy.toml: chekcs", "did you mean 'checks'?"),
        ("copys = []", "loopy.toml: copys", "did you mean 'copy'?"),
        ("zzz = 1", "loopy.toml: zzz", "known keys: checks, copy, policy, setup, ship, target"),
        ("[[checks]]\nname='t'\nargv=['x']\ntimeout=3", "loopy.toml: checks[0].timeout", "did you mean 'timeout_s'?"),
        ("[policy]\naprove='never'", "loopy.toml: policy.aprove", "did you mean 'approve'?"),
        ("[[policy.paths]]\nden=['x']", "loopy.toml: policy.paths[0].den", "did you mean 'deny'?"),
        ("[[checks]]\nname='t'\nargv='pytest -q'", "loopy.toml: checks[0].argv", "a list of words"),
        ("[[checks]]\nname='t'", "loopy.toml: checks[0].argv", "is missing"),
        ("[[checks]]\nname='My Tests'\nargv=['x']", "loopy.toml: checks[0].name", "lower-case"),
        ("[[checks]]\nname='t'\nargv=['x']\ncwd='../x'", "loopy.toml: checks[0].cwd", "inside the repository"),
        ("[[checks]]\nname='setup'\nargv=['x']", "loopy.toml: checks", "call the check something else"),
        ("[[checks]]\nname='t'\nargv=['x']\n[[checks]]\nname='t'\nargv=['y']", "loopy.toml: checks", "two checks"),
        ("setup = ['npm', 'ci']", "loopy.toml: setup[0]", "list of commands"),
        ("setup = [[]]", "loopy.toml: setup", "at least one word"),
        ("copy = ['/etc/passwd']", "loopy.toml: copy", "'/etc/passwd' does not stay inside"),
        ("copy = ['a/../../b']", "loopy.toml: copy", "does not stay inside"),
        ("copy = ['.git/config']", "loopy.toml: copy", "does not stay inside"),
        ("[ship]\nprefix='-x/'", "loopy.toml: ship.prefix", "begin a branch name"),
        ("[ship]\nprefix='a..b/'", "loopy.toml: ship.prefix", "begin a branch name"),
        ("[ship]\ntarget='https://elsewhere.example/x'", "loopy.toml: ship.target", "the operator names other places"),
        ("[policy]\nturns = 0", "loopy.toml: policy.turns", "greater than or equal to 1"),
        ("target = main", "loopy.toml", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_remedy(text: str, where: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_project(text)
    assert caught.value.where == where
    assert words in str(caught.value)


def test_the_number_of_further_mistakes_is_told() -> None:
    with pytest.raises(ConfigError, match="and 2 more"):
        parse_project("a = 1\nb = 2\nc = 3")


@pytest.mark.parametrize(
    ("setup", "checks", "target"),
    [
        ((), (), None),
        ((("npm", "ci"), ("sh", "-c", 'echo "a\\b"')), (CheckSpec(name="t", argv=("x", 'say "hi"\n')),), "main"),
        ((), (CheckSpec(name="a", argv=("x",), cwd="sub", timeout_s=5), CheckSpec(name="b", argv=("é\x7f",))), None),
    ],
)
def test_a_rendered_file_reads_back_as_what_was_meant(
    setup: tuple[tuple[str, ...], ...], checks: tuple[CheckSpec, ...], target: str | None
) -> None:
    text = render_project(setup, checks, target, notes=["one line\nand [another]"])
    assert parse_project(text) == ProjectConfig(setup=setup, checks=checks, target=target)


def test_every_commented_key_of_a_rendered_file_is_a_real_one() -> None:
    text = render_project((), ())
    keys = [
        line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# [", "# ")) and "Loopy" not in line
    ]
    config = parse_project("\n".join(k for k in keys if k.startswith("[") or " = " in k))
    assert config.checks == (CheckSpec(name="tests", argv=("make", "test")),)
    assert config.policy is not None
    assert config.ship == ShipTo()
    assert config.copies == (".env.test",)


def test_the_operators_word_stands_above_the_repositorys() -> None:
    mine = ProjectConfig(checks=(CheckSpec(name="mine", argv=("true",)),))
    both = parse_project(WHOLE).under(mine)
    assert [c.name for c in both.checks] == ["mine"]
    assert both.target == "develop"
    assert parse_project(WHOLE).under(None) == parse_project(WHOLE)


def test_a_repository_may_stay_local_but_never_choose_another_place() -> None:
    outside = ShipTo(target="https://forge.example/me/app.git", prefix="me/")
    assert ships_to(outside, None) == outside
    assert ships_to(outside, ShipTo(target="origin")) == outside
    assert ships_to(outside, ShipTo(target="local")).target == "local"
    assert ships_to(ShipTo(target="local"), ShipTo(target="origin")).target == "local"
    assert ships_to(outside, ShipTo(prefix="bot/")).prefix == "bot/"
