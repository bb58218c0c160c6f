"""The driver of headless CLIs: one turn is one guarded process whose output is read by the catalogue entry."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import replace

from loopy.agents.attempt import FINISHED, LIMIT, STALLED, Attempt
from loopy.agents.environment import Operator
from loopy.agents.health import Health
from loopy.agents.judge import judge, refused_session
from loopy.agents.launch import Launch, Refusal, missing, prepare
from loopy.agents.limits import Verdict
from loopy.agents.redact import Redactor
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream, printable
from loopy.agents.transcript import Transcript
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.errors import LostError, ProcessError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.ports import Brief, Clock, Leash, Sandbox, Workspace
from loopy.process.command import Command, Ending, Exit, Marker
from loopy.process.runner import run

OURS = frozenset({LIMIT, STALLED, FINISHED})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class PrintDriver:
    """Implements `Driver` for every entry with a `[print]` block; holds no state of a run."""

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
            return self._tried(agent, Verdict(Failure.AGENT_MISSING, self._unknown(agent)))
        launch = prepare(spec, agent, brief, place, leash.token, self._operator)
        if isinstance(launch, Refusal):
            return self._tried(agent, Verdict(launch.failure, launch.detail))
        try:
            return self._turn(spec, agent, brief, place, leash, launch)
        except ProcessError as error:
            failure = Failure.INTERNAL if place.tree.is_dir() else Failure.WORKSPACE
            return self._tried(agent, Verdict(failure, str(error)))
        except OSError as error:
            if error.errno not in FULL:
                raise
            return self._tried(agent, Verdict(Failure.DISK_FULL, str(error)))
        finally:
            shutil.rmtree(launch.scratch / "tmp", ignore_errors=True)

    def _turn(
        self, spec: Spec, agent: Agent, brief: Brief, place: Workspace, leash: Leash, launch: Launch
    ) -> Turned | Tried:
        name = f"transcript-{brief.turn}-{leash.token}.log"
        transcript = Transcript(place.folder / name, self._redactor)
        try:
            came_to = self._attempt(spec, agent, launch, place, leash, transcript)
            if came_to is None:
                fresh = prepare(spec, agent, replace(brief, session_id=""), place, leash.token, self._operator)
                assert isinstance(fresh, Launch)
                leash.emit(StreamEvent("step.progress", "the agent does not know its session any more; it starts anew"))
                came_to = self._attempt(spec, agent, fresh, place, leash, transcript)
            assert came_to is not None
        finally:
            digest = transcript.close()
        return came_to.model_copy(update={"transcript": name, "transcript_sha256": digest})

    def _attempt(
        self, spec: Spec, agent: Agent, launch: Launch, place: Workspace, leash: Leash, transcript: Transcript
    ) -> Turned | Tried | None:
        """Run one process; None when it refused to resume its session."""
        stream = LiveStream(leash.emit, self._redactor, self._clock.awake)
        attempt = Attempt(spec, agent, leash, self._clock, transcript, stream)
        try:
            ended = self._run(spec, agent, launch, place, leash, attempt)
        finally:
            attempt.close()
        self._check_claim(ended, leash)
        if ended.ending is Ending.STOPPED and ended.stopped_for not in OURS and attempt.stopped_for:
            return self._tried(agent, Verdict(Failure.CANCELLED, ended.stopped_for), attempt, launch)
        if ended.ending is Ending.NOT_FOUND:
            return self._tried(agent, Verdict(Failure.AGENT_MISSING, f"{ended.why}; {missing(spec, agent)}"))
        if launch.resuming and refused_session(spec, attempt.reading):
            return None
        if ended.stopped_for == FINISHED:
            ended = Exit(Ending.EXITED, code=None)
        verdict = judge(attempt.reading, ended, agent, self._clock.now())
        if verdict is not None:
            return self._tried(agent, verdict, attempt, launch)
        return self._turned(spec, agent, attempt, launch, ended)

    def _run(self, spec: Spec, agent: Agent, launch: Launch, place: Workspace, leash: Leash, attempt: Attempt) -> Exit:
        argv = self._sandbox.wrap(launch.argv, place.tree, launch.writable)
        command = Command(
            argv=tuple(argv),
            cwd=place.tree,
            env=launch.env,
            stdin=launch.stdin,
            lock=place.lock,
            marker=Marker(leash.run_id, leash.token),
            wall_s=float(agent.wall_s),
            idle_s=attempt.longest_idle_s,
            kill_grace_s=spec.watchdog.kill_grace_s,
        )
        return run(command, authorised=leash.authorised, on_output=attempt.output, stopping=attempt.stopping)

    def _check_claim(self, ended: Exit, leash: Leash) -> None:
        if ended.stopped_for == "lost" or (ended.ending is Ending.LOST and not leash.authorised()):
            raise LostError(leash.run_id, ended.why or "the claim is not ours any more")

    def _turned(self, spec: Spec, agent: Agent, attempt: Attempt, launch: Launch, ended: Exit) -> Turned:
        reading = attempt.reading
        return Turned(
            session_id=reading.session_id or launch.session_id,
            model=reading.model or agent.model,
            message=printable(self._redactor.text(reading.message)),
            usage=reading.usage,
            exit_code=ended.code,
            cli_version=reading.version or self._health.version(spec, agent),
        )

    def _tried(
        self, agent: Agent, verdict: Verdict, attempt: Attempt | None = None, launch: Launch | None = None
    ) -> Tried:
        session = (attempt.reading.session_id if attempt else "") or (launch.session_id if launch else "")
        return Tried(
            failure=verdict.failure,
            detail=printable(self._redactor.text(verdict.detail)),
            resets_at=verdict.resets_at,
            agent=agent.name,
            account=agent.billed_to,
            session_id=session,
        )

    def _unknown(self, agent: Agent) -> str:
        return f"the catalogue has no entry {agent.cli!r}; known: {', '.join(sorted(self._catalog))}"
