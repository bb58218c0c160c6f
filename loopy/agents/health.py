"""Health: whether an agent's program is there, is the one that is meant, and is logged in; asked without a model call."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loopy.agents.environment import Operator, allowed, with_homes
from loopy.agents.launch import missing, program
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.errors import ProcessError
from loopy.ports import Clock
from loopy.process.capture import probe
from loopy.process.command import Ending
from loopy.process.text import plain

UNASKED = "cannot be asked without a call of the model"
FRESH_S, FRESH_BAD_S = 60.0, 2.0  # whoever mends an agent does not want to wait for it


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a program found; `version` is "" when it says none."""

    healthy: bool
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an agent's program: what was looked for, whether all is well, what was seen, and what mends it."""

    name: Literal["program", "answer", "identity", "version", "login", "acp"]
    good: bool
    text: str
    fix: str = ""


class Health:
    """Looks at programs and remembers what it found for a while, by the program's path and the time it was last changed."""

    def __init__(self, operator: Operator, clock: Clock) -> None:
        self._operator, self._clock = operator, clock
        self._seen: dict[tuple[object, ...], tuple[float, Finding]] = {}

    def look(self, spec: Spec, agent: Agent) -> Finding:
        """Return the finding, at most a minute old, a bad one two seconds; may start the program to ask for its version and its login."""
        found = program(spec, agent, self._operator.env.get("PATH", ""))
        if found is None:
            return Finding(False, "", missing(spec, agent))
        key = _key(spec, agent, found)
        seen = self._seen.get(key)
        if seen is not None and self._clock.awake() - seen[0] < (FRESH_S if seen[1].healthy else FRESH_BAD_S):
            return seen[1]
        finding = self._probe(spec, agent, found)  # two threads may ask at once, which does no harm
        self._seen[key] = self._clock.awake(), finding
        return finding

    def version(self, spec: Spec, agent: Agent) -> str:
        """Return the version that was last seen of this program, "" if nobody has looked yet; starts nothing."""
        found = program(spec, agent, self._operator.env.get("PATH", ""))
        seen = self._seen.get(_key(spec, agent, found)) if found else None
        return seen[1].version if seen else ""

    def examine(self, spec: Spec, agent: Agent) -> Iterator[Look]:
        """Yield each look at the program, now; after one that is not good the next would say nothing."""
        found = program(spec, agent, self._operator.env.get("PATH", ""))
        if found is None:
            yield Look("program", False, missing(spec, agent))
            return
        yield Look("program", True, found)
        yield from self._looks(spec, agent, found)

    def _probe(self, spec: Spec, agent: Agent, found: str) -> Finding:
        version = ""
        for look in self._looks(spec, agent, found):
            if look.name == "version" and look.good:
                version = look.text
            if not look.good:
                return Finding(False, version, f"{look.text}: {look.fix}" if look.fix else look.text)
        return Finding(True, version, "")

    def _looks(self, spec: Spec, agent: Agent, found: str) -> Iterator[Look]:
        if not spec.detect.bin or not spec.detect.version_argv:
            return
        with tempfile.TemporaryDirectory(prefix="loopy-health-") as scratch:
            home = Path(scratch)
            env, _ = with_homes(
                spec, allowed(spec, agent, self._operator), home / "home", self._operator, agent.config_home
            )
            env["TMPDIR"] = scratch
            said, code = self._ask(spec, (found, *spec.detect.version_argv), env, home)
            if code != 0:
                how = "did not answer in time" if code is None else f"exited with {code}"
                last = said.strip().splitlines()[-1:] or [""]
                yield Look("answer", False, f"{found} {' '.join(spec.detect.version_argv)} {how}: {last[0][:200]}")
                return
            if not re.search(spec.detect.identity_regex, said):
                yield Look("identity", False, f"{found} is another program than {spec.name}: {said.strip()[:100]!r}")
                return
            match = re.search(spec.detect.version_regex, said)
            version = match.group(match.re.groupindex.get("v", 0)) if match else ""
            old = bool(version) and _numbers(version) < _numbers(spec.detect.min_version)
            if old:
                yield Look("version", False, f"{version} is older than {spec.detect.min_version}", spec.install.hint)
                return
            yield Look("version", True, version)
            yield self._login(spec, agent, found, env, home)

    def _login(self, spec: Spec, agent: Agent, found: str, env: Mapping[str, str], cwd: Path) -> Look:
        """Ask for the login, unless a key is given or the agent brings settings of its own."""
        keys = [name for name in spec.auth.env if env.get(name)]
        if spec.auth.require_any and not any(env.get(name) for name in spec.auth.require_any):
            return Look("login", False, "not logged in", f"set {' or '.join(spec.auth.require_any)}")
        if keys or agent.env or agent.argv:
            return Look("login", True, f"by {keys[0]}" if keys else "by the agent's own settings")
        if not spec.auth.probe_argv:
            return Look("login", True, UNASKED)
        said, code = self._ask(spec, (found, *spec.auth.probe_argv), env, cwd)
        logged_in = re.search(spec.auth.probe_regex, said) if spec.auth.probe_regex else code == 0
        hint = spec.auth.login_hint or f"log in with {spec.detect.bin[0]}"
        return Look("login", True, "logged in") if logged_in else Look("login", False, "not logged in", hint)

    def _ask(self, spec: Spec, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, int | None]:
        """Return what the program printed and its exit code, None for one that had to be ended."""
        try:
            got = probe(argv, env, spec.detect.timeout_s, cwd=cwd)
        except ProcessError as error:
            return str(error), None
        said = plain(got.stdout) + "\n" + plain(got.stderr)
        return said, got.exit.code if got.exit.ending is Ending.EXITED else None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, for comparing: "1.0.41-beta" as (1, 0, 41)."""
    leading = re.match(r"v?((?:\d+\.)*\d+)", version)
    return tuple(int(number) for number in leading[1].split(".")) if leading else ()


def _key(spec: Spec, agent: Agent, found: str) -> tuple[object, ...]:
    try:
        changed = os.stat(found).st_mtime_ns
    except OSError:
        changed = 0
    return spec.id, found, changed, bool(agent.env or agent.argv), agent.pass_env, agent.config_home
