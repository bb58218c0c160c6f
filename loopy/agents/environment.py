"""The environment of an agent: complete, by allow-list; what no list names does not reach it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loopy.agents.spec import Home, Spec
from loopy.domain.agent import Agent
from loopy.domain.outward import OUTWARD, is_ours

LOCALE = ("LANG", "LC_ALL", "LC_CTYPE")
PROXIES = tuple(
    case(name) for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for case in (str.lower, str.upper)
)
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
ALWAYS = ("PATH", *LOCALE, *PROXIES, *TRUST)
FIXED: Mapping[str, str] = {
    "TZ": "UTC",  # several CLIs print reset times without a zone
    "TERM": "dumb",
    "NO_COLOR": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
}

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
SECRET_LENGTH = 8  # a shorter value is no secret worth spoiling the text for


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose machine it is: the environment that the allow-lists choose from, and the home that holds the logins."""

    env: Mapping[str, str] = field(repr=False)
    home: Path | None = None


def refused(spec: Spec, agent: Agent) -> tuple[str, ...]:
    """Return the variables that the agent asks for and must not have."""
    asked = {*agent.pass_env, *agent.env}
    own = {name for name in asked if is_ours(name)}
    return tuple(sorted(((asked & OUTWARD) - set(spec.auth.env)) | own))


def allowed(spec: Spec, agent: Agent, operator: Operator) -> dict[str, str]:
    """Return the part of the operator's environment that the lists name, then the settings of entry and agent."""
    names = (*ALWAYS, *spec.auth.env, *spec.auth.base_url.values(), *spec.env.passed, *agent.pass_env)
    passed = {name: operator.env[name] for name in names if operator.env.get(name)}
    by_variable = spec.print.model_env if spec.print and agent.model else None
    model = {by_variable: agent.model} if by_variable else {}
    return {**passed, **FIXED, **spec.env.set, **model, **agent.env}


def secrets(env: Mapping[str, str]) -> frozenset[str]:
    """Return the values that are secret by the name of their variable, such as the key that the CLI logs in with."""
    return frozenset(value for name, value in env.items() if SECRET_NAME.search(name) and len(value) >= SECRET_LENGTH)


def with_homes(
    spec: Spec, env: Mapping[str, str], home: Path, operator: Operator, config_home: str = ""
) -> tuple[dict[str, str], tuple[Path, ...]]:
    """Return the environment with a scratch HOME in which the CLI still finds its login, and the folders this opens.

    A login folder is reached by the CLI's own variable, else by a link in the scratch home. Without one of the
    operator's the CLI gets an empty folder, for some refuse to make it themselves. `config_home` is the login folder to
    use instead of the operator's, or, for a CLI with several, the folder that holds them. Makes folders, links and the
    entry's settings files in `home`.
    """
    chosen = operator.home / config_home[2:] if config_home.startswith("~/") and operator.home else Path(config_home)
    home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    inner(home.parent, home.name)
    out = {**env, "HOME": str(home)}
    out = {**_settings(spec, home), **out}
    opened: list[Path] = []
    for place in spec.auth.home:
        own = chosen if len(spec.auth.home) == 1 else chosen / place.dir
        real = own if config_home else _real(place, env, operator)
        scratch = home / place.dir
        if real is not None:
            opened.append(real)
        if place.env is not None:
            if real is None:
                inner(home, place.dir)
            out[place.env] = str(real or scratch)
        elif real is not None:
            inner(home, os.path.dirname(place.dir))
            if scratch.is_symlink():
                scratch.unlink()
            if not scratch.exists():
                scratch.symlink_to(real, target_is_directory=True)
    return out, tuple(opened)


def _settings(spec: Spec, home: Path) -> dict[str, str]:
    """Write the entry's settings files and return the variables that name them."""
    for file in spec.file:
        inner(home, os.path.dirname(file.path))
        path = home / file.path
        if path.is_symlink():
            path.unlink()
        path.write_text(file.text, encoding="utf-8")
    return {file.env: str(home / file.path) for file in spec.file}


def inner(top: Path, below: str) -> Path:
    """Make a folder below one that agents write to. A link that one left on the way would lead us out: it goes first."""
    path = top
    for part in Path(below).parts:
        path /= part
        if path.is_symlink():
            path.unlink()
        path.mkdir(exist_ok=True, mode=0o700)
    return path


def _real(place: Home, env: Mapping[str, str], operator: Operator) -> Path | None:
    """Return the operator's login folder, None when there is none; a value of the agent's own comes first."""
    if place.env and (own := env.get(place.env) or operator.env.get(place.env)):
        return Path(own)
    if operator.home is not None and (operator.home / place.dir).is_dir():
        return operator.home / place.dir
    return None
