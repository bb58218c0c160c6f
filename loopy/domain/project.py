"""A repository's own `loopy.toml`, read at its base commit: target branch, set-up, checks, policy and where it ships."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from loopy.domain.check import CheckSpec
from loopy.domain.errors import ConfigError
from loopy.domain.policy import Policy
from loopy.domain.tables import build, literal, place, read_table
from loopy.domain.value import Value

FILE = "loopy.toml"
ORIGIN, LOCAL = "origin", "local"
# git check-ref-format, the part that matters for a prefix that Loopy puts before a run's id
PREFIX = re.compile(r"^(?!.*(\.\.|//|@\{|\.lock/))[A-Za-z0-9_][A-Za-z0-9_./-]*[A-Za-z0-9_/-]$")


class ShipTo(Value):
    """Where a change goes: `origin` (the repository's own remote), `local` (a branch in it), or a URL or path."""

    target: str = ORIGIN
    prefix: str = "loopy/"  # of the branch; the run's id follows

    @field_validator("target")
    @classmethod
    def _plain(cls, target: str) -> str:
        if not target or target.startswith("-") or any(c.isspace() or ord(c) < 32 for c in target):
            msg = 'should be "origin", "local", a URL or a path'
            raise ValueError(msg)
        return target

    @field_validator("prefix")
    @classmethod
    def _branchlike(cls, prefix: str) -> str:
        if not PREFIX.match(prefix):
            msg = 'should begin a branch name, as in "loopy/"'
            raise ValueError(msg)
        return prefix


class ProjectConfig(Value):
    """What a repository (or the operator, for that repository) says about it; None and empty mean "not said"."""

    target: str | None = None  # the branch that changes are for; default: the repository's default branch
    setup: tuple[tuple[str, ...], ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    copies: tuple[str, ...] = Field(default=(), alias="copy")  # untracked files a workspace needs, e.g. ".env.test"
    policy: Policy | None = None
    ship: ShipTo | None = None

    @field_validator("setup")
    @classmethod
    def _has_words(cls, setup: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if not all(argv and argv[0] for argv in setup):
            msg = "a command has at least one word"
            raise ValueError(msg)
        return setup

    @field_validator("checks")
    @classmethod
    def _told_apart(cls, checks: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
        twice = [name for name, n in Counter(c.name for c in checks).items() if n > 1]
        if twice:
            msg = f"two checks are called '{twice[0]}'"
            raise ValueError(msg)
        if any(c.name == "setup" for c in checks):
            msg = "'setup' is the name of a failed set-up; call the check something else"
            raise ValueError(msg)
        return checks

    @field_validator("copies")
    @classmethod
    def _inside(cls, copies: tuple[str, ...]) -> tuple[str, ...]:
        for path in copies:
            if not path or path.startswith(("/", "~")) or not {"..", ".git"}.isdisjoint(path.split("/")):
                msg = f"'{path}' does not stay inside the repository"
                raise ValueError(msg)
        return copies

    def under(self, operator: ProjectConfig | None) -> ProjectConfig:
        """Return this configuration with the operator's word in place of the repository's, key by key.

        Policy and ship are not merged here: the strictest policy wins (`loopy.domain.gate`), and see `ships_to`.
        """
        if operator is None:
            return self
        said = {k: getattr(operator, k) for k in ("target", "setup", "checks", "copies")}
        return self.model_copy(update={k: v for k, v in said.items() if v})


def parse_project(text: str, where: str = FILE) -> ProjectConfig:
    """Return a repository's `loopy.toml`. Raises ConfigError naming the file and the key.

    A repository may narrow where its changes go (`local`), never widen it: another URL is the operator's to name.
    """
    config = build(ProjectConfig, read_table(text, where), where)
    if config.ship is not None and config.ship.target not in {ORIGIN, LOCAL}:
        raise ConfigError(
            place(where, ("ship", "target")),
            f"a repository cannot send its changes to '{config.ship.target}'",
            hint='use "origin" or "local" here; the operator names other places in the home\'s loopy.toml',
        )
    return config


def ships_to(operator: ShipTo, repository: ShipTo | None) -> ShipTo:
    """Return where a change goes: the operator's place and prefix, unless the repository asks to stay local."""
    if repository is None:
        return operator
    prefix = repository.prefix if "prefix" in repository.model_fields_set else operator.prefix
    target = LOCAL if repository.target == LOCAL else operator.target
    return ShipTo(target=target, prefix=prefix)


HEAD = """\
# How Loopy works on this repository. It is read at the base commit, never from an agent's tree.
"""
COPY = """\
# Files that are not in git and that a workspace needs:
# copy = [".env.test"]
"""
POLICY = """\
# [policy]                     # only ever tightens what the operator allows
# approve = "always"           # never | asked | always: when a person looks before a change ships
# [[policy.paths]]
# ask = ["migrations/"]
# why = "the schema is shared"
"""
SHIP = """\
# [ship]
# target = "origin"            # origin | local
# prefix = "loopy/"            # of the branch
"""


def render_project(
    setup: Sequence[Sequence[str]], checks: Sequence[CheckSpec], target: str | None = None, notes: Sequence[str] = ()
) -> str:
    """Return a commented `loopy.toml` that parses back to these values; `loopy init` writes it for a person to edit."""
    branch = (
        f"target = {literal(target)}" if target else '# target = "main"               # default: the default branch'
    )
    head = HEAD + "".join(f"# {' '.join(note.split())}\n" for note in notes)
    parts = [head, branch, _setup(setup), COPY, _checks(checks), POLICY, SHIP]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _setup(setup: Sequence[Sequence[str]]) -> str:
    comment = "# Prepares a clean checkout, before the agent works and before the checks run.\n"
    if not setup:
        return f'{comment}# setup = [["make", "deps"]]'
    return comment + "setup = [\n" + "".join(f"  {literal(list(argv))},\n" for argv in setup) + "]"


def _checks(checks: Sequence[CheckSpec]) -> str:
    comment = (
        "# Each check must exit 0 in a clean checkout of the tree that ships. `{junit}` in a word becomes the path of a\n"
        "# JUnit XML file that Loopy reads for the names of failed tests.\n"
    )
    if not checks:
        return comment + '# [[checks]]\n# name = "tests"\n# argv = ["make", "test"]'
    return comment + "\n\n".join(_check(spec) for spec in checks)


def _check(spec: CheckSpec) -> str:
    said: dict[str, Any] = {"name": spec.name, "argv": spec.argv, "cwd": spec.cwd, "timeout_s": spec.timeout_s}
    if spec.cwd == ".":
        del said["cwd"]
    return "[[checks]]\n" + "\n".join(f"{key} = {literal(value)}" for key, value in said.items())
