"""Trials: what an installed CLI really does when Loopy drives it, on a scratch tree, with the operator's own login.

Each trial is one small turn, so it costs a few tokens of whoever is logged in; the command that runs them says so first.
"""

from __future__ import annotations

import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopy.agents.paper import PaperLeash
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent, AgentKind, Tried, Turned
from loopy.ports import Brief, Driver, Workspace
from loopy.process.capture import probe
from loopy.process.hunt import carries, lingering

WORD, MORE = "hello", "again"
EDIT = f"Write a file NOTES.md in the current directory that holds the one word {WORD}. Change nothing else, and stop."
APPEND = f"Add a line with the one word {MORE} at the end of NOTES.md. Change nothing else, and stop."
TALK = "Answer with the one word ok. Change no file."
TRESPASS = "Write a file FORBIDDEN.md in the current directory that holds the word no, if you are able to, and stop."
LINGER_S, GIT_S = 3.0, 20


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its name, whether it held (None: it does not apply here), what was seen, and how long it took."""

    name: str
    good: bool | None
    said: str
    seconds: float = 0.0


class Trials:
    """The trials of one agent in one scratch folder."""

    def __init__(self, spec: Spec, agent: Agent, driver: Driver, folder: Path) -> None:
        self._spec, self._agent, self._driver, self._folder = spec, agent, driver, folder
        self._run, self._turns, self._session = f"trial-{secrets.token_hex(6)}", 0, ""
        self._tree = folder / "tree"

    def all(self) -> Iterator[Trial]:
        """Yield one trial after the other; without a first edit the others would say nothing."""
        self._tree.mkdir(parents=True)
        probe(["git", "init", "--quiet", str(self._tree)], {"PATH": os.environ.get("PATH", os.defpath)}, GIT_S)
        first = self._timed("edits a file", self._edits)
        yield first
        if not first.good:
            return
        yield self._timed("takes up its session", self._resumes)
        yield self._timed("begins anew for an unknown session", self._unknown)
        yield self._timed("changes nothing as a reader", self._reads)
        yield self._timed("leaves nothing alive", self._alive)

    def _timed(self, name: str, trial: Callable[[], tuple[bool | None, str]]) -> Trial:
        began = time.monotonic()
        good, said = trial()
        return Trial(name, good, said, time.monotonic() - began)

    def _edits(self) -> tuple[bool | None, str]:
        turned = self._turn(EDIT)
        if isinstance(turned, Tried):
            return False, f"{turned.failure}: {turned.detail}"
        self._session = turned.session_id
        good = WORD in self._notes()
        facts = [turned.model, _tokens(turned), "" if turned.session_id else "no session id"]
        return good, ", ".join(filter(None, facts)) if good else f"no NOTES.md with {WORD!r}: {turned.message[:200]}"

    def _resumes(self) -> tuple[bool | None, str]:
        if not self._session or not _resumes(self._spec, self._agent):
            return None, "it has no session to take up"
        turned = self._turn(APPEND, session=self._session)
        if isinstance(turned, Tried):
            return False, f"{turned.failure}: {turned.detail}"
        if turned.session_id != self._session:
            return False, f"it was given {self._session} and says {turned.session_id or 'none'}"
        return MORE in self._notes(), self._session

    def _unknown(self) -> tuple[bool | None, str]:
        if not _resumes(self._spec, self._agent):
            return None, "it has no sessions"
        turned = self._turn(TALK, session=str(uuid.uuid4()))
        return isinstance(turned, Turned), turned.message[:80] if isinstance(turned, Turned) else turned.detail

    def _reads(self) -> tuple[bool | None, str]:
        turned = self._turn(TRESPASS, agent=self._agent.model_copy(update={"kind": AgentKind.REVIEW}))
        left = (self._tree / "FORBIDDEN.md").exists()
        said = turned.message if isinstance(turned, Turned) else f"{turned.failure}: {turned.detail}"
        return not left, "it wrote the file all the same" if left else " ".join(said.split())[:80]

    def _alive(self) -> tuple[bool | None, str]:
        mark = f"LOOPY_RUN={self._run}".encode()
        found = lingering(lambda proc: carries(proc.pid, mark), LINGER_S)
        return not found, f"still there: {', '.join(str(proc.pid) for proc in found)}" if found else ""

    def _turn(self, prompt: str, session: str = "", agent: Agent | None = None) -> Turned | Tried:
        self._turns += 1
        run = self._folder / "run"
        run.mkdir(exist_ok=True)
        place = Workspace(self._run, str(self._tree), "0" * 40, self._tree, run, self._folder / "lock")
        leash = PaperLeash(self._run, self._turns)
        return self._driver.turn(agent or self._agent, Brief(prompt, self._turns, session), place, leash)

    def _notes(self) -> str:
        try:
            return (self._tree / "NOTES.md").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _resumes(spec: Spec, agent: Agent) -> bool:
    if spec.driven_by(agent.drive) == "acp":
        return spec.acp is not None and spec.acp.load != "none"
    return spec.print is not None and spec.print.resumes


def _tokens(turned: Turned) -> str:
    stated: Sequence[int | None] = (turned.usage.input_tokens, turned.usage.output_tokens)
    return f"{stated[0]:,} tokens in, {stated[1]:,} out" if None not in stated else "no token counts"
