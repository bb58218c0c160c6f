"""Every error that Loopy raises on purpose; the sentence is built from the facts and ends with what to do now.

LoopyError
├── ConfigError          a setting, agent or policy is wrong (exit 2)
├── NotFoundError        no ticket, run, agent or file of that name (exit 2)
├── RefusedError         the act is not allowed in this state (exit 2)
├── StoreError           the work graph cannot be read or written (exit 3)
│   ├── AwayError        not now: it is locked, or its server is away; what was tried may be tried again
│   │   └── FullError    its disk is full
│   └── MigrationError   the graph's schema is not the one this version knows
├── BrokerError          the broker cannot be reached or is unfit (exit 3)
├── GitError             a git command failed
├── WorkspaceError       a mirror, clone or snapshot cannot be made
├── ProcessError         a child process could not be started or guarded
├── AgentError           a catalogue entry is invalid or an agent cannot be driven
├── KeyFileError         the signing key is missing, unreadable or too open
├── ReceiptError         a receipt cannot be built or parsed
└── LostError            the claim is not ours any more: stop, write nothing
"""

from __future__ import annotations


class LoopyError(Exception):
    """An error with its place and a hint; `str()` is the user's whole message."""

    exit_code = 1

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        self.where, self.what, self.hint = where, what, hint
        super().__init__(where, what, hint)

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        return f"{sentence} ({self.hint})" if self.hint else sentence


class ConfigError(LoopyError):
    """A setting, an agent or a policy is wrong; `where` is the dotted key."""

    exit_code = 2


class NotFoundError(LoopyError):
    """There is no ticket, run, agent or file of that name."""

    exit_code = 2


class RefusedError(LoopyError):
    """The act is not allowed in the present state."""

    exit_code = 2


class StoreError(LoopyError):
    """The work graph cannot be read or written."""

    exit_code = 3


class AwayError(StoreError):
    """The work graph cannot be read or written at this moment; nothing was half-written, so it may be tried again."""


class FullError(AwayError):
    """The disk of the work graph is full."""


class MigrationError(StoreError):
    """The schema of the work graph is not the one that this version of Loopy knows."""


class BrokerError(LoopyError):
    """The broker cannot be reached, or its configuration would lose messages."""

    exit_code = 3


class GitError(LoopyError):
    """A git command failed; `what` holds the end of its error output."""


class WorkspaceError(LoopyError):
    """A mirror, a clone or a snapshot cannot be made."""


class ProcessError(LoopyError):
    """A child process could not be started or guarded."""


class AgentError(LoopyError):
    """A catalogue entry is invalid, or an agent cannot be driven."""


class KeyFileError(LoopyError):
    """The signing key is missing, unreadable, or open to others."""


class ReceiptError(LoopyError):
    """A receipt cannot be built or parsed."""


class LostError(LoopyError):
    """The claim is not ours any more: stop and write nothing."""
