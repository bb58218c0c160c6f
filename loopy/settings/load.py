"""Read the settings: environment before file before default, and remember which of them spoke."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopy.domain.agent import Account, Agent, pooled
from loopy.domain.errors import ConfigError, LoopyError
from loopy.domain.repository import parse
from loopy.domain.tables import build, place, read_table, suggestion
from loopy.settings.model import Operator, Settings

# variable -> dotted key of the file
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "LOOPY_DATABASE_URL": ("database_url",),
    "LOOPY_BROKER_URL": ("broker_url",),
    "LOOPY_IDENTITY": ("identity",),
    "LOOPY_CONCURRENCY": ("worker", "concurrency"),
}
NUMBERS = frozenset({"LOOPY_CONCURRENCY"})
FILE_BYTES = 1_000_000


def load_settings(env: Mapping[str, str], home: Path | None = None) -> Settings:
    """Return the settings of the home: `home` if given, else LOOPY_HOME, else `~/.loopy`. Touches nothing.

    Raises ConfigError naming the file or variable, the dotted key and, for a near miss, the key that was meant.
    """
    where, spoke = _home(env, home)
    file = where / "loopy.toml"
    table = _with_names(_with_names(_read(file), "accounts", str(file)), "agents", str(file))
    sources = {"home": spoke} | {".".join(key): str(file) for key in _leaves(table)}
    _override(table, sources, env)
    operator = _build(table, sources, str(file))
    _check_agents(operator.agents, operator.accounts, str(file))
    _check_repos(operator, str(file))
    said: dict[str, Any] = {name: getattr(operator, name) for name in Operator.model_fields}
    said["agents"] = pooled(operator.agents, operator.accounts)
    said["identity"] = operator.identity or _user()
    said["database_url"] = operator.database_url or f"sqlite:///{where / 'loopy.db'}"
    return Settings(home=where, sources=_complete(sources), **said)


def _home(env: Mapping[str, str], home: Path | None) -> tuple[Path, str]:
    named = env.get("LOOPY_HOME", "").strip()
    if home is not None:
        return Path(os.path.abspath(home)), "argument"
    user = env.get("HOME", "")
    if named:
        path = Path(user, named[2:]) if named.startswith("~/") and user else Path(named)
        if not path.is_absolute():
            raise ConfigError("LOOPY_HOME", f"'{named}' is not an absolute path", hint="begin with / or ~/")
        return path, "LOOPY_HOME"
    if not user.startswith("/"):
        raise ConfigError("LOOPY_HOME", "is not set, and neither is HOME", hint="set LOOPY_HOME to a folder of yours")
    return Path(user, ".loopy"), "default"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES:
        raise ConfigError(str(file), f"{len(content):,} bytes is no settings file", hint=f"at most {FILE_BYTES:,}")
    try:
        return read_table(content.decode(), str(file))
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), "is not UTF-8 text", hint=f"see byte {error.start}") from error


def _with_names(table: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    """Give each `[agents.NAME]` or `[accounts.NAME]` table its name."""
    if kind not in table:
        return table
    rows = table[kind]
    if not isinstance(rows, dict):
        raise ConfigError(place(where, (kind,)), "should be tables", hint=f"[{kind}.claude]")
    for name, row in rows.items():
        if not isinstance(row, dict):
            raise ConfigError(place(where, (kind, name)), "should be a table", hint=f"[{kind}.{name}]")
        if "name" in row:
            noun = kind.removesuffix("s")
            raise ConfigError(place(where, (kind, name, "name")), f"the table's own name is the {noun}'s name")
        if "@" in name:
            raise ConfigError(place(where, (kind, name)), "`@` stands before an account in a name that Loopy gives")
    return table | {kind: {name: {"name": name, **row} for name, row in rows.items()}}


def _override(table: dict[str, Any], sources: dict[str, str], env: Mapping[str, str]) -> None:
    for variable, key in VARIABLES.items():
        value: str | int = env.get(variable, "").strip()
        if not value:
            continue
        if variable in NUMBERS:
            value = _number(variable, str(value))
        inner = table
        for part in key[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(part, "should be a table", hint=f"[{part}]")
        inner[key[-1]] = value
        sources[".".join(key)] = variable


def _number(variable: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigError(variable, f"'{value}' is not a whole number") from None


def _build(table: Mapping[str, Any], sources: Mapping[str, str], file: str) -> Operator:
    try:
        return build(Operator, table, file)
    except ConfigError as error:
        key = error.where.removeprefix(f"{file}: ")
        spoke = sources.get(key, "")
        raise (ConfigError(spoke, error.what, error.hint) if spoke in VARIABLES else error) from None


def _leaves(table: Mapping[str, Any], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in table.items():
        deeper = isinstance(value, Mapping) and value
        found += _leaves(value, (*at, key)) if deeper else [(*at, key)]
    return found


def _complete(sources: Mapping[str, str]) -> dict[str, str]:
    """Add "default" for each top-level key, and each key of a top-level table, that nobody said."""
    known = []
    for name, field in Operator.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        known += [f"{name}.{key}" for key in inner] if inner else [name]
    silent = (k for k in known if not any(s == k or s.startswith(f"{k}.") for s in sources))
    return {**sources, **dict.fromkeys(silent, "default")}


def _check_agents(agents: Mapping[str, Agent], accounts: Mapping[str, Account], file: str) -> None:
    for name, agent in agents.items():
        if agent.cli == "command" and not agent.argv:
            at = place(file, ("agents", name, "cli"))
            raise ConfigError(at, "an agent needs a program", hint='cli = "claude" (`loopy agents` lists all), or argv')
        if agent.accounts and (agent.account or agent.config_home):
            at = place(file, ("agents", name, "accounts"))
            raise ConfigError(at, "an agent has a pool, or an account and a config_home of its own, not both")
        for n, account in enumerate(agent.accounts):
            at = place(file, ("agents", name, "accounts", n))
            if account not in accounts:
                raise ConfigError(at, f"no account is called '{account}'", suggestion(account, accounts, "accounts"))
            if account in agent.accounts[:n]:
                raise ConfigError(at, f"'{account}' is there twice")
        for n, other in enumerate(agent.fallback):
            at = place(file, ("agents", name, "fallback", n))
            if other == name:
                raise ConfigError(at, f"'{name}' cannot stand in for itself")
            if other not in agents:
                raise ConfigError(at, f"no agent is called '{other}'", suggestion(other, agents, "agents"))


def _check_repos(operator: Operator, file: str) -> None:
    names: dict[str, str] = {}
    for repo in operator.repos:
        at = place(file, ("repos", repo))
        try:
            name = parse(repo).name
        except LoopyError as error:
            raise ConfigError(at, error.what, error.hint) from error
        if name in names:
            raise ConfigError(at, f"is the same repository as '{names[name]}'")
        names[name] = repo


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
