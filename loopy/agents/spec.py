"""A spec: everything that Loopy knows about one agent CLI, as one frozen value; a new CLI is one TOML file.

The driver reads specs and has no name of a CLI in it.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from loopy.agents.rules import EventRule, LimitRule, Regex
from loopy.domain.failures import Failure
from loopy.domain.value import Value

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
BELOW = r"^\.?[\w-][\w.-]*(?:/\.?[\w-][\w.-]*)*$"  # a path below some folder, never out of it
Argv = tuple[str, ...]
Scene = Literal[
    "ok", "resume", "unknown", "denied", "usage", "usage2", "quota", "auth", "overflow", "overload", "hang", "cut"
]
WORDS = frozenset({"bin", "prompt", "prompt_file", "model", "session", "uuid", "cwd", "folder", "usage_file"})
ACP_WORDS = frozenset({"bin", "model", "cwd", "folder"})
GROUPS = frozenset({"*model", "*session", "*cwd", "*approve", "*extra"})
PLACEHOLDER = re.compile(r"\{(\*?[a-z_]+)\}")


class Install(Value):
    """How a person installs the CLI; shown, never run, for names in registries are easily confused."""

    npm: str = ""
    pypi: str = ""
    brew: str = ""
    script: str = ""
    url: str = ""
    requires: tuple[str, ...] = ()
    note: str = ""

    @property
    def hint(self) -> str:
        """The one line that helps, "" if none is known."""
        ways = (
            self.npm and f"npm install -g {self.npm}",
            self.pypi and f"uv tool install {self.pypi}",
            self.brew and f"brew install {self.brew}",
            self.script,
            self.url and f"see {self.url}",
        )
        return next((way for way in ways if way), self.note)


class Detect(Value):
    """How to find the program and to tell it from others of the same name."""

    bin: tuple[str, ...] = ()  # names on the PATH, best first
    version_argv: Argv = ("--version",)  # () when there is none
    version_regex: Regex = r"(?P<v>\d+\.\d+[\w.+-]*)"
    min_version: str = Field(default="", pattern=r"^(\d+(\.\d+)*)?$")  # older ones cannot be driven as the entry says
    identity_regex: Regex = ""  # must be found in what `version_argv` prints
    timeout_s: int = Field(default=20, ge=1, le=120)


class Home(Value):
    """A folder of the operator's that holds the login; reached by a variable, or by a link in the scratch home."""

    dir: str = Field(pattern=r"^[^/].*$")  # below the operator's home
    env: VariableName | None = None


class Auth(Value):
    """How the CLI logs in: names only, never values."""

    env: tuple[VariableName, ...] = ()  # passed when set
    require_any: tuple[VariableName, ...] = ()  # without any of these it would wait for a browser: refuse to start
    base_url: dict[Literal["anthropic", "openai", "gemini"], VariableName] = Field(default_factory=dict)
    home: tuple[Home, ...] = ()
    login_hint: str = ""
    probe_argv: Argv = ()  # says whether it is logged in, without a model call and without a browser
    probe_regex: Regex = ""  # found in its output when logged in; "": exit code 0 says so


class Env(Value):
    """Settings for unattended runs; everything else of the operator's environment is dropped."""

    set: dict[VariableName, str] = Field(default_factory=dict)
    passed: tuple[VariableName, ...] = Field(default=(), alias="pass")


class SettingsFile(Value):
    """A settings file of Loopy's own that makes a CLI fit for unattended runs, in the scratch home; a variable says where."""

    path: str = Field(pattern=r"^[A-Za-z0-9_-][\w-]*(?:/[\w-]+)*(?:\.[a-z]+)?$")  # below the scratch home
    env: VariableName
    text: str = Field(min_length=1)  # the same for everybody: no secret, no address


class Approve(Value):
    """The flags that spare questions: for an agent that only reads, and for one that works.

    `boxed` stands for either in a sandbox of ours, for a CLI whose own cannot be made inside another.
    """

    read_only: Argv = ()
    work: Argv = ()
    boxed: Argv = ()


class Print(Value):
    """The headless mode: argv templates with `{word}`, and `{*group}` for flags that may be absent.

    Words: bin, prompt, prompt_file, model, session (to resume), uuid (a new session's id), cwd, folder (the run's own),
    usage_file (where the CLI states its session's usage; `[[event]]` rows find the content under that name).
    Groups: *model, *session (`session` anew, `resume` to resume), *cwd, *approve, *extra (the agent's own arguments).
    """

    argv: Argv = Field(min_length=1)
    resume_argv: Argv = ()  # when resuming needs another order of words
    prompt: Literal["stdin", "argv", "file"] = "stdin"
    prompt_max_bytes: int = Field(default=100_000, ge=100)  # a longer argv prompt goes into a file (kernel: 128 KiB)
    output: Literal["jsonl", "json", "text"] = "text"
    dialect: str = ""  # whose stream it speaks: `[[event]]` and `[[limit]]` rows that come after the entry's own
    model: Argv = ()
    model_env: VariableName | None = None  # for a CLI whose model is chosen by a variable
    session: Argv = ()
    resume: Argv = ()
    resume_refused: Regex = ""  # what it says when it does not know the session
    cwd: Argv = ()
    approve: Approve = Approve()

    @property
    def resumes(self) -> bool:
        """Whether a session can be resumed."""
        return bool(self.resume or self.resume_argv)

    @property
    def states_usage(self) -> bool:
        """Whether it is told to write what its session used into a file."""
        return any("{usage_file}" in word for word in self.argv)

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        groups = (self.model, self.session, self.resume, self.cwd, self.approve.read_only, self.approve.work)
        for template, known in (
            (self.argv, WORDS | GROUPS),
            (self.resume_argv, WORDS | GROUPS),
            *((g, WORDS) for g in groups),
        ):
            for word in template:
                if unknown := set(PLACEHOLDER.findall(word)) - known:
                    msg = f"unknown placeholder {{{unknown.pop()}}} in {word!r}"
                    raise ValueError(msg)
        wanted = {"argv": "{prompt}", "file": "{prompt_file}"}.get(self.prompt, "")
        for template in filter(None, (self.argv, self.resume_argv)):
            if not any(wanted in word for word in template):
                msg = f"prompt = {self.prompt!r} needs {wanted} in the argv"
                raise ValueError(msg)
        return self


class Acp(Value):
    """How to start the CLI as an Agent Client Protocol server, and what its server can do.

    Words of the argv: bin, model, cwd, folder. Groups: *model (with `model = "argv"`), *extra (the agent's own arguments).
    """

    argv: Argv = Field(min_length=1)
    authenticate: str = ""  # method id
    model: Literal["config", "set_model", "argv", "none"] = "config"
    model_argv: Argv = ()
    mode: dict[Literal["read_only", "work"], str] = Field(default_factory=dict)
    load: Literal["load", "resume", "none"] = "none"
    asks_permission: Literal["always", "sometimes", "never", "unknown"] = "unknown"
    client_fs: bool = False  # it reads and writes files through the client, and does that well: Loopy offers it
    prefer: bool = False  # better than the headless mode

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        for template, known in ((self.argv, ACP_WORDS | {"*model", "*extra"}), (self.model_argv, ACP_WORDS)):
            for word in template:
                if unknown := set(PLACEHOLDER.findall(word)) - known:
                    msg = f"unknown placeholder {{{unknown.pop()}}} in {word!r}"
                    raise ValueError(msg)
        if (self.model == "argv") != ("{*model}" in self.argv and bool(self.model_argv)):
            msg = 'model = "argv" needs {*model} in the argv and a model_argv, and only then'
            raise ValueError(msg)
        return self


class Watchdog(Value):
    """Times after which silence means something for this CLI."""

    idle_s: int = Field(default=0, ge=0)  # a shorter silence is normal here, whatever the agent's `idle_s`
    tool_idle_s: int = Field(default=900, ge=0)  # the same while a tool is open
    after_result_s: int = Field(default=20, ge=1)  # it should have ended so long after its last event
    kill_grace_s: float = Field(default=5.0, ge=0)


class Instructions(Value):
    """The files of a repository that the CLI reads by itself."""

    files: tuple[str, ...] = ()


class OwnFile(Value):
    """A settings file below the operator's home; `{base}` and `{key}` in its text are filled in."""

    path: str = Field(pattern=BELOW)
    text: str = Field(min_length=1)


class Pointing(Value):
    """What makes the CLI talk to a model server of one's own: as an operator would, so nothing of Loopy's stands in it.

    `{base}` is the server's address without a path, `{key}` a key that is nobody's.
    """

    env: dict[VariableName, str] = Field(default_factory=dict)
    file: tuple[OwnFile, ...] = ()
    model: str = ""  # the agent's
    argv: Argv = ()  # the agent's
    # What comes of a scenario where it is not what comes of it with others: "turned", "anew" or names of failures.
    comes_to: dict[Scene, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_ends(self) -> Self:
        for name, ends in self.comes_to.items():
            if unknown := set(ends) - {"turned", "anew", *Failure}:
                msg = f"{name}: {unknown.pop()!r} is neither `turned` nor `anew` nor a failure"
                raise ValueError(msg)
        return self


class OwnModel(Pointing):
    """How to point the CLI at a model server of one's own; `loopy agents test` points it at a scripted one."""

    unknown_session: str = ""  # an id that is nobody's, where a UUID is no id
    acp: Pointing = Pointing()  # what is different over the Agent Client Protocol; each key that it names

    def over(self, drive: Literal["print", "acp"]) -> Pointing:
        """Return what holds for this way to drive it: variables and ends key by key, files by their path."""
        if drive == "print":
            return self
        own: dict[str, object] = {
            str(name): getattr(self.acp, name) for name in ("model", "argv") if name in self.acp.model_fields_set
        }
        files = {file.path: file for file in (*self.file, *self.acp.file)}
        env, comes_to = {**self.env, **self.acp.env}, {**self.comes_to, **self.acp.comes_to}
        return self.model_copy(update={"env": env, "file": tuple(files.values()), "comes_to": comes_to, **own})


class Spec(Value):
    """One entry of the catalogue."""

    id: str = Field(pattern=NAME)
    name: str
    vendor: str = ""
    license: str = ""
    homepage: str = ""
    confidence: Literal["tested", "documented", "community"] = "community"
    version: str = ""  # the version that was looked at
    checked: date | None = None
    source: str = ""
    aliases: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()  # entries whose program has the same name
    install: Install = Install()
    detect: Detect = Detect()
    auth: Auth = Auth()
    env: Env = Env()
    file: tuple[SettingsFile, ...] = ()
    print: Print | None = None
    acp: Acp | None = None
    instructions: Instructions = Instructions()
    leaves: tuple[Annotated[str, Field(pattern=BELOW)], ...] = ()  # what it puts into the tree for itself: swept
    watchdog: Watchdog = Watchdog()
    own_model: OwnModel | None = None
    common_limits: bool = True  # also try the patterns that hold for every CLI
    limit: tuple[LimitRule, ...] = ()
    event: tuple[EventRule, ...] = ()

    def driven_by(self, drive: Literal["", "print", "acp"]) -> Literal["print", "acp"]:
        """Return how an agent that asks for `drive` is driven: as it says, else as suits this CLI best."""
        suits: Literal["print", "acp"] = "acp" if self.acp and (self.acp.prefer or self.print is None) else "print"
        return drive or suits

    @model_validator(mode="after")
    def _can_be_driven(self) -> Self:
        if any(path.partition("/")[0] == ".git" for path in self.leaves):
            msg = "leaves: .git is the repository's own"
            raise ValueError(msg)
        if self.print is None and self.acp is None:
            msg = "an entry needs a [print] or an [acp] block"
            raise ValueError(msg)
        return self
