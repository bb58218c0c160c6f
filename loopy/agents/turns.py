"""The driver that all others are made from: one turn is one guarded process, whatever is spoken with it."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from loopy.agents.attempt import Attempt
from loopy.agents.catalogue import called
from loopy.agents.environment import Operator, secrets
from loopy.agents.gitdir import own_git
from loopy.agents.health import Health
from loopy.agents.judge import FINISHED
from loopy.agents.launch import Launch, Refusal, missing
from loopy.agents.leaves import left, note, sweep
from loopy.agents.limits import Verdict
from loopy.agents.redact import Redactor
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream, printable
from loopy.agents.transcript import Transcript
from loopy.agents.usage_file import UsageFile
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.errors import LostError, ProcessError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import FULL_DISK, Failure
from loopy.ports import Brief, Clock, Leash, Reach, Sandbox, Workspace
from loopy.process.command import Command, Ending, Exit, Limits, Marker
from loopy.process.runner import run
from loopy.process.space import is_full


@dataclass(frozen=True, slots=True)
class Turn:
    """What stays the same during one turn."""

    spec: Spec
    agent: Agent
    brief: Brief
    place: Workspace
    leash: Leash
    hide: Redactor

    def said(self, text: str) -> str:
        """Return words of the agent as they may be kept."""
        return printable(self.hide.text(text))


class TurnDriver(ABC):
    """Implements `Driver` but for how a process is launched and who listens to it; holds no state of a run."""

    def __init__(
        self,
        catalog: Mapping[str, Spec],
        operator: Operator,
        sandbox: Sandbox,
        clock: Clock,
        redactor: Redactor | None = None,
    ) -> None:
        self._catalog, self._operator, self._sandbox, self._clock = catalog, operator, sandbox, clock
        self._redactor = redactor or Redactor()
        self._health = Health(operator, clock)

    @property
    def boxed(self) -> bool:
        """Whether agents' files are held by a sandbox of ours."""
        return self._sandbox.held.grade != "none"

    @abstractmethod
    def launch(self, spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int) -> Launch | Refusal:
        """Return with what the agent's process is started."""

    @abstractmethod
    def listen(self, on: Turn, transcript: Transcript, stream: LiveStream) -> Attempt:
        """Return the receiving end of the process."""

    def health(self, agent: Agent) -> tuple[bool, str]:
        """Return whether the agent's program is there and usable, and the version or the reason; cached for a minute."""
        spec = self._catalog.get(agent.cli)
        if spec is None:
            return False, self._unknown(agent)
        found = self._health.look(spec, agent)
        return found.healthy, found.version if found.healthy else self._redactor.text(found.reason)

    def turn(self, agent: Agent, brief: Brief, place: Workspace, leash: Leash) -> Turned | Tried:
        """Run the agent to its end.

        Limits, crashes, silence and cancels come back as `Tried`; one that ended by itself is `Turned`, whatever its
        exit code. Writes prompt, transcript and scratch home into the run's folder. Raises LostError when the claim is
        not ours any more: then nothing may be written.
        """
        spec = self._catalog.get(agent.cli)
        if spec is None:
            return tried(agent, Verdict(Failure.AGENT_MISSING, self._unknown(agent)))
        launch = self.launch(spec, agent, brief, place, leash.token)
        if isinstance(launch, Refusal):
            return tried(agent, Verdict(launch.failure, launch.detail))
        on = Turn(spec, agent, brief, place, leash, self._redactor.also(secrets(launch.env)))
        try:
            self._sweep(on)
            note(spec.leaves, place.tree, place.folder)
            came_to = self._turn(on, launch)
            self._sweep(on)
            return came_to
        except ProcessError as error:
            failure = Failure.INTERNAL if place.tree.is_dir() else Failure.WORKSPACE
            return tried(agent, Verdict(failure, str(error)))
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            return tried(agent, Verdict(Failure.DISK_FULL, str(error)))
        finally:
            shutil.rmtree(launch.scratch / "tmp", ignore_errors=True)

    def _sweep(self, on: Turn) -> None:
        """Take out of the tree what CLIs of this run left there for themselves."""
        known = {path for spec in self._catalog.values() for path in spec.leaves}
        found = left(known, on.place.tree, on.place.folder)
        if found and on.leash.authorised() and (gone := sweep(found, on.place.tree)):
            said = f"took out of the tree what the agent left for itself: {', '.join(gone)}"
            on.leash.emit(StreamEvent("step.progress", said))

    def _turn(self, on: Turn, launch: Launch) -> Turned | Tried:
        name = f"transcript-{on.brief.turn}-{on.leash.token}.log"
        transcript = Transcript(on.place.folder / name, on.hide)
        try:
            came_to = self._attempt(on, launch, transcript)
            if came_to is None:
                on.leash.emit(StreamEvent("step.progress", "the agent does not know its session; it starts anew"))
                anew = replace(on.brief, session_id="")
                fresh = self.launch(on.spec, on.agent, anew, on.place, on.leash.token)
                assert isinstance(fresh, Launch)
                came_to = self._attempt(on, fresh, transcript)
            assert came_to is not None
        finally:
            digest = transcript.close()
        held = {"held": self._sandbox.held} if isinstance(came_to, Turned) else {}
        return came_to.model_copy(update={"transcript": name, "transcript_sha256": digest, **held})

    def _attempt(self, on: Turn, launch: Launch, transcript: Transcript) -> Turned | Tried | None:
        """Run one process; None when it refused to resume its session."""
        stream = LiveStream(on.leash.emit, on.hide, self._clock.awake)
        attempt = self.listen(on, transcript, stream)
        attempt.budget_micros = on.brief.budget_micros
        if launch.usage_file is not None:
            attempt.usage_file = UsageFile(launch.usage_file, resuming=launch.resuming)
        try:
            ended = self._run(on, launch, attempt)
        finally:
            attempt.close()
        if ended.ending is Ending.SILENT:  # this worker stood still: whose run it is now, the lease says
            raise LostError(on.leash.run_id, "the agent's guard heard nothing from its worker")
        if ended.stopped_for == "lost" or (ended.ending is Ending.LOST and not on.leash.authorised()):
            raise LostError(on.leash.run_id, ended.why or "the claim is not ours any more")
        reading, session = attempt.reading, attempt.reading.session_id or launch.session_id
        if asked := attempt.stopped_by_leash(ended):
            return tried(on.agent, Verdict(Failure.CANCELLED, asked), session)
        if ended.ending is Ending.NOT_FOUND:
            return tried(on.agent, Verdict(Failure.AGENT_MISSING, f"{ended.why}; {missing(on.spec, on.agent)}"))
        if launch.resuming and attempt.session_refused:
            return None
        if not ended.ok and is_full(on.place.tree):
            said = f"no room on the disk of {on.place.tree}; the agent ended with {ended.ending}"
            return tried(on.agent, Verdict(Failure.DISK_FULL, said), session)
        if ended.stopped_for == FINISHED:
            ended = Exit(Ending.EXITED, code=None)
        verdict = attempt.verdict(ended)
        if verdict is not None:
            return tried(on.agent, replace(verdict, detail=on.said(verdict.detail)), session)
        return Turned(
            session_id=session,
            model=reading.model or on.agent.model,
            message=on.said(reading.message),
            usage=reading.usage,
            exit_code=ended.code,
            cli_version=reading.version or self._health.version(on.spec, on.agent),
        )

    def _run(self, on: Turn, launch: Launch, attempt: Attempt) -> Exit:
        tree = on.place.tree
        git: AbstractContextManager[Mapping[Path, Path]]
        git = own_git(tree, launch.scratch) if self.boxed else nullcontext({})
        with git as stand_ins:
            reach = Reach(tree, launch.writable, launch.readable, launch.env, stand_ins, opens_program=True)
            return self._run_wrapped(on, launch, attempt, self._sandbox.wrap(launch.argv, reach))

    def _run_wrapped(self, on: Turn, launch: Launch, attempt: Attempt, argv: Sequence[str]) -> Exit:
        command = Command(
            argv=tuple(argv),
            cwd=on.place.tree,
            env=launch.env,
            stdin=launch.stdin,
            duplex=attempt.duplex,
            lock=on.place.lock,
            marker=Marker(on.leash.run_id, on.leash.token),
            wall_s=float(on.agent.wall_s),
            idle_s=attempt.longest_idle_s,
            kill_grace_s=on.spec.watchdog.kill_grace_s,
            limits=Limits(file_size_bytes=on.agent.file_mb << 20 or None),
            boxed=self._sandbox.keeper,
        )
        return run(
            command,
            authorised=on.leash.authorised,
            on_output=attempt.output,
            stopping=attempt.stopping,
            on_input=attempt.opened,
        )

    def _unknown(self, agent: Agent) -> str:
        return f"the catalogue has no entry {agent.cli!r}: {called(self._catalog, agent.cli)}"


def tried(agent: Agent, verdict: Verdict, session: str = "") -> Tried:
    """Return the attempt's row: what stopped the agent, whose account it is, and the session to resume later."""
    return Tried(
        failure=verdict.failure,
        detail=verdict.detail,
        resets_at=verdict.resets_at,
        agent=agent.name,
        account=agent.billed_to,
        session_id=session,
    )
