"""A launch: the argv, environment and standard input with which one attempt of an agent is started."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loopy.agents.environment import Operator, allowed, inner, refused, with_homes
from loopy.agents.spec import Acp, Print, Spec
from loopy.domain.agent import Agent, AgentKind
from loopy.domain.failures import Failure
from loopy.ports import Brief, Workspace

POINTER = "Read the file {path} and do what it says. It holds your whole task."
READERS = frozenset({AgentKind.REVIEW, AgentKind.SECURITY})


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a process needs. `session_id` is the one resumed or chosen, "" when the CLI will choose."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(repr=False)
    session_id: str
    resuming: bool
    scratch: Path  # home and temporary files of the run's agents
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]
    usage_file: Path | None = None  # where the CLI was told to state what its session used


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was started."""

    failure: Failure
    detail: str


def program(spec: Spec, agent: Agent, path: str) -> str | None:
    """Return the program's path; for a command's own relative path that path as it is, for it belongs to the tree."""
    names = spec.detect.bin or agent.argv[:1]
    for name in names:
        if os.sep in name and not os.path.isabs(name):
            return name
        if found := shutil.which(name, path=path or os.defpath):
            return found
    return None


def missing(spec: Spec, agent: Agent) -> str:
    """Return the sentence for a program that is not there, with the way to get it."""
    names = " or ".join(spec.detect.bin or agent.argv[:1])
    if not names:
        return f"agent {agent.name} names no command: set its `argv`"
    hint = spec.install.hint
    return f"{spec.name}: no program `{names}` on the PATH" + (f"; install it: {hint}" if hint else "")


@dataclass(frozen=True, slots=True)
class Ground:
    """What every launch stands on, whatever is spoken then: the environment, the program, the run's own folders."""

    env: Mapping[str, str] = field(repr=False)
    bin: str
    prompt_file: Path
    scratch: Path
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]


def ground(
    spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int, operator: Operator
) -> Ground | Refusal:
    """Return what a launch stands on; writes the prompt's file and the scratch home into the run's folder."""
    if bad := refused(spec, agent):
        return Refusal(Failure.POLICY_REFUSED, f"an agent never gets {', '.join(bad)}: take it out of `env`/`pass_env`")
    env = allowed(spec, agent, operator)
    if spec.auth.require_any and not any(env.get(name) for name in spec.auth.require_any):
        names = " or ".join(spec.auth.require_any)
        return Refusal(Failure.AUTH, f"{spec.name} would wait for a browser: set {names}")
    found = program(spec, agent, env.get("PATH", ""))
    if found is None:
        return Refusal(Failure.AGENT_MISSING, missing(spec, agent))
    scratch = place.folder / "agent"
    env, opened = with_homes(spec, env, scratch / "home", operator, agent.config_home)
    env |= {"TMPDIR": str(inner(scratch, "tmp")), "LOOPY_TURN": str(brief.turn)}
    prompt_file = place.folder / f"prompt-{brief.turn}-{token}.md"
    _write(prompt_file, brief.prompt)
    env["LOOPY_PROMPT_FILE"] = str(prompt_file)
    readable = (prompt_file, *_named(spec, agent), *((place.objects,) if place.objects else ()))
    return Ground(env, found, prompt_file, scratch, (scratch, *opened), readable)


def _named(spec: Spec, agent: Agent) -> tuple[Path, ...]:
    """Return what the operator's own words for the agent and its entry name, a script mostly; never what a prompt does."""
    argv = (*agent.argv, *(spec.print.argv if spec.print else ()), *(spec.acp.argv if spec.acp else ()))
    words = (Path(word) for word in (*argv, *agent.env.values(), *spec.env.set.values()) if os.path.isabs(word))
    return tuple(path for path in words if path.exists())


def prepare(
    spec: Spec,
    agent: Agent,
    brief: Brief,
    place: Workspace,
    token: int,
    operator: Operator,
    *,
    boxed: bool = False,
) -> Launch | Refusal:
    """Return the launch of one headless attempt; writes the prompt's file and the scratch home into the run's folder.

    `boxed` says that a sandbox of ours holds the agent's files.
    """
    block = spec.print
    if block is None:
        return Refusal(Failure.AGENT_MISSING, f"{spec.name} has no headless mode that this driver can use")
    on = ground(spec, agent, brief, place, token, operator)
    if isinstance(on, Refusal):
        return on
    words = _words(spec, agent, brief, place, token) | {"bin": on.bin, "prompt_file": str(on.prompt_file)}
    usage_file = on.scratch / f"usage-{agent.name}.json"
    words["usage_file"] = str(usage_file)
    prompt = brief.prompt
    if block.prompt == "argv" and len(prompt.encode()) > block.prompt_max_bytes:
        prompt = POINTER.format(path=on.prompt_file)
    words["prompt"] = prompt
    resuming = bool(brief.session_id and block.resumes)
    argv = command_line(block, agent, words, resuming=resuming, boxed=boxed)
    stdin = prompt.encode() if block.prompt == "stdin" else b""
    session = brief.session_id if resuming else words["uuid"] if block.session else ""
    states = usage_file if block.states_usage else None
    return Launch(argv, on.env, stdin, session, resuming, on.scratch, on.writable, on.readable, states)


def prepare_acp(
    spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int, operator: Operator
) -> Launch | Refusal:
    """Return the launch of the CLI as a server of the Agent Client Protocol; what it is told comes in the conversation."""
    if spec.acp is None:
        return Refusal(
            Failure.AGENT_MISSING, f"{spec.name} does not speak the Agent Client Protocol, as far as is known"
        )
    on = ground(spec, agent, brief, place, token, operator)
    if isinstance(on, Refusal):
        return on
    argv = acp_command_line(spec.acp, agent, _words(spec, agent, brief, place, token) | {"bin": on.bin})
    if lacking := missing_server(spec, on.env.get("PATH", "")):
        return Refusal(Failure.AGENT_MISSING, lacking)
    return Launch(argv, on.env, b"", brief.session_id, False, on.scratch, on.writable, on.readable)


def missing_server(spec: Spec, path: str) -> str:
    """Return the sentence for a CLI whose server is not there, an adapter's program mostly; "" when it is."""
    if spec.acp is None:
        return f"{spec.name} does not speak the Agent Client Protocol, as far as is known"
    first = spec.acp.argv[0]
    if "{" in first or shutil.which(first, path=path or os.defpath):
        return ""
    return f"{spec.name}: no program `{first}` on the PATH, which speaks the Agent Client Protocol for it"


def acp_command_line(block: Acp, agent: Agent, words: Mapping[str, str]) -> tuple[str, ...]:
    """Return the argv of the server, filled and spliced as `command_line` does."""
    groups = {
        "{*model}": tuple(_filled(part, words) for part in block.model_argv) if agent.model else (),
        "{*extra}": agent.argv,
    }
    return tuple(part for word in block.argv for part in groups.get(word, (_filled(word, words),)))


def command_line(
    block: Print, agent: Agent, words: Mapping[str, str], *, resuming: bool, boxed: bool = False
) -> tuple[str, ...]:
    """Return the argv: the template with its words filled in and its groups spliced, each word staying one word."""
    by_kind = block.approve.read_only if agent.kind in READERS else block.approve.work
    groups = {
        "{*model}": block.model if agent.model else (),
        "{*session}": block.resume if resuming else block.session,
        "{*cwd}": block.cwd,
        "{*approve}": block.approve.boxed if boxed and block.approve.boxed else by_kind,
    }
    out: list[str] = []
    for word in block.resume_argv if resuming and block.resume_argv else block.argv:
        if word == "{*extra}":
            out += agent.argv
        else:
            out += (_filled(part, words) for part in groups.get(word, (word,)))
    return tuple(out)


def _filled(word: str, words: Mapping[str, str]) -> str:
    """Fill the placeholders in one pass, so that braces in a prompt stay what they are."""
    parts = word.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        out.append(words[name] + rest if closed and name in words else "{" + part)
    return "".join(out)


def _words(spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int) -> dict[str, str]:
    # chosen, not drawn: after a crash the same attempt is known by the same session
    chosen = uuid.uuid5(uuid.NAMESPACE_URL, f"loopy:{place.run_id}:{brief.turn}:{token}:{agent.name}:{spec.id}")
    return {
        "uuid": str(chosen),
        "session": brief.session_id,
        "model": agent.model,
        "cwd": str(place.tree),
        "folder": str(place.folder),
    }


def _write(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
