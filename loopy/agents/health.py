"""Health: whether an agent's program is there, is the one that is meant, and is logged in; asked without a model call."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopy.agents.environment import Operator, allowed, with_homes
from loopy.agents.launch import missing, program
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.errors import ProcessError
from loopy.ports import Clock
from loopy.process.capture import probe
from loopy.process.command import Ending
from loopy.process.text import plain

FRESH_S, FRESH_BAD_S = 60.0, 2.0  # whoever mends an agent does not want to wait for it


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a program found; `version` is "" when it says none."""

    healthy: bool
    version: str
    reason: str


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

    def _probe(self, spec: Spec, agent: Agent, found: str) -> Finding:
        if not spec.detect.bin or not spec.detect.version_argv:
            return Finding(True, "", "")
        with tempfile.TemporaryDirectory(prefix="loopy-health-") as scratch:
            home = Path(scratch)
            env, _ = with_homes(spec, allowed(spec, agent, self._operator), home / "home", self._operator)
            env["TMPDIR"] = scratch
            said, code = self._ask(spec, (found, *spec.detect.version_argv), env, home)
            if code != 0:
                how = "did not answer in time" if code is None else f"exited with {code}"
                last = said.strip().splitlines()[-1:] or [""]
                return Finding(False, "", f"{found} {' '.join(spec.detect.version_argv)} {how}: {last[0][:200]}")
            if not re.search(spec.detect.identity_regex, said):
                return Finding(False, "", f"{found} is another program than {spec.name}: {said.strip()[:100]!r}")
            match = re.search(spec.detect.version_regex, said)
            version = match.group(match.re.groupindex.get("v", 0)) if match else ""
            return self._login(spec, agent, found, env, home, version)

    def _login(self, spec: Spec, agent: Agent, found: str, env: Mapping[str, str], cwd: Path, version: str) -> Finding:
        """Ask for the login, unless a key is given or the agent brings settings of its own."""
        given = any(env.get(name) for name in spec.auth.env) or agent.env or agent.argv
        if spec.auth.require_any and not any(env.get(name) for name in spec.auth.require_any):
            return Finding(False, version, f"not logged in: set {' or '.join(spec.auth.require_any)}")
        if given or not spec.auth.probe_argv:
            return Finding(True, version, "")
        said, code = self._ask(spec, (found, *spec.auth.probe_argv), env, cwd)
        logged_in = re.search(spec.auth.probe_regex, said) if spec.auth.probe_regex else code == 0
        hint = spec.auth.login_hint or f"log in with {spec.detect.bin[0]}"
        return Finding(True, version, "") if logged_in else Finding(False, version, f"not logged in: {hint}")

    def _ask(self, spec: Spec, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, int | None]:
        """Return what the program printed and its exit code, None for one that had to be ended."""
        try:
            got = probe(argv, env, spec.detect.timeout_s, cwd=cwd)
        except ProcessError as error:
            return str(error), None
        said = plain(got.stdout) + "\n" + plain(got.stderr)
        return said, got.exit.code if got.exit.ending is Ending.EXITED else None


def _key(spec: Spec, agent: Agent, found: str) -> tuple[object, ...]:
    try:
        changed = os.stat(found).st_mtime_ns
    except OSError:
        changed = 0
    return spec.id, found, changed, bool(agent.env or agent.argv), agent.pass_env
