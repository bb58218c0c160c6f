"""New entries from outside: a command line, or the index of an ACP registry; each becomes one TOML file of the home."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from loopy.agents.catalogue import load_catalog
from loopy.agents.spec import NAME
from loopy.domain.errors import AgentError, ConfigError
from loopy.domain.tables import literal, render_table
from loopy.domain.value import Value

LINES = 200  # of a registry's index; the public one has some thirty agents


@dataclass(frozen=True, slots=True)
class Entry:
    """A file for the operator's folder of entries, by the id that is its name."""

    id: str
    text: str


class Package(Value):
    """A package that a runner starts: `npx` or `uvx`."""

    package: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)


class Binary(Value):
    """A program of an archive."""

    archive: str = ""
    sha256: str = ""
    cmd: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)


class Distribution(Value, extra="ignore"):
    """The ways in which an agent comes."""

    binary: dict[str, Binary] = Field(default_factory=dict)
    npx: Package | None = None
    uvx: Package | None = None


class Listed(Value, extra="ignore"):
    """One agent of a registry's index (agentclientprotocol/registry, FORMAT.md)."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    name: str
    version: str = ""
    repository: str | None = ""
    license: str | None = ""
    distribution: Distribution = Distribution()


def from_command(name: str, command: str, *, output: str = "text", dialect: str = "") -> Entry:
    """Return the entry for a CLI that is driven by this command line. Raises ConfigError for one that cannot be.

    `{prompt}`, `{prompt_file}`, `{cwd}`, `{model}` and `{session}` are filled in; without one for the prompt it goes to
    standard input.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError("--command", f"{error}", hint="quote it as for a shell") from error
    if not words:
        raise ConfigError("--command", "is empty")
    way = "argv" if "{prompt}" in command else "file" if "{prompt_file}" in command else "stdin"
    block: dict[str, Any] = {"argv": ["{bin}", *words[1:], "{*extra}"], "prompt": way, "output": output}
    row = {"name": name, "confidence": "community", "source": "loopy agents add"}
    return Entry(
        name, rendered(row, {"detect": _detect(words[0]), "print": block | ({"dialect": dialect} if dialect else {})})
    )


def _detect(program: str) -> dict[str, Any]:
    return {"bin": [program], "version_argv": []}


def from_registry(text: str) -> Iterator[Entry | str]:
    """Yield an entry for each agent of an index, or the sentence why there is none. Raises ConfigError for no index.

    Nothing is installed and no package runner is ever started: the program must be on the PATH, and the entry says how
    its makers ship it.
    """
    try:
        listed = json.loads(text)["agents"]
        assert isinstance(listed, list)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ConfigError("index", "is not a registry's index", hint='it is JSON with a list "agents"') from error
    for row in listed[:LINES]:
        try:
            one = Listed.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            name = row.get("id") if isinstance(row, Mapping) else row
            yield f"{str(name)[:40]}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            continue
        yield _listed(one)


def _listed(one: Listed) -> Entry | str:
    way = one.distribution
    binary = next(iter(way.binary.values()), None)
    start = way.npx or way.uvx
    if binary is not None:
        name, args, env = Path(binary.cmd.replace("\\", "/")).name.removesuffix(".exe"), binary.args, binary.env
    elif start is not None:
        name, args, env = _program(start.package), start.args, start.env
    else:
        return f"{one.id}: the index names no way to get it"
    if not name:
        return f"{one.id}: the index names no program"
    install: dict[str, Any] = {"npm": way.npx.package} if way.npx else {"pypi": way.uvx.package} if way.uvx else {}
    row = {"name": one.name, "license": one.license or "", "homepage": one.repository or "", "version": one.version}
    row |= {"confidence": "community", "source": "an ACP registry's index"}
    tables: dict[str, Any] = {"install": install or {"url": one.repository or (binary.archive if binary else "")}}
    tables |= {"detect": _detect(name), "env": {"set": env}, "acp": {"argv": [name, *args], "load": "load"}}
    return Entry(one.id, rendered({k: v for k, v in row.items() if v}, {k: v for k, v in tables.items() if v}))


def _program(package: str) -> str:
    """Return what a package most probably calls its program: its bare name, without scope, version and extras."""
    bare = package.rpartition("/")[2] if package.startswith("@") else package
    return re.split(r"[@\[=<>~!]", bare, maxsplit=1)[0]


def rendered(row: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """Return an entry's TOML."""
    keys = "\n".join(f"{key} = {literal(value)}" for key, value in row.items())
    return "\n\n".join((keys, *(render_table(name, table) for name, table in tables.items()))) + "\n"


def keep(entry: Entry, folder: Path) -> Path:
    """Write the entry into the folder, whole or not at all. Raises ConfigError when it is there, or is no good entry."""
    if not re.fullmatch(NAME, entry.id):
        raise ConfigError(
            "NAME", f"{entry.id!r} is no good name", hint="lower-case letters, digits and `-`, at most 40"
        )
    file = folder / f"{entry.id}.toml"
    if file.exists():
        raise ConfigError(str(file), "is there already", hint="edit it, or choose another name")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{entry.id}.toml.new"
    draft.write_text(entry.text, encoding="utf-8")
    try:
        os.replace(draft, file)
        load_catalog(folder)
    except AgentError as error:
        file.unlink(missing_ok=True)
        raise ConfigError(error.where, error.what, hint=error.hint) from error
    finally:
        draft.unlink(missing_ok=True)
    return file
