"""Reach another repository: the one transport that is allowed, and of the operator only the credentials.

A remote call runs with the operator's own HOME, agent sockets and the like (passed in by name and value), but of the
operator's git configuration only `credential.*`, `http.*` and `core.sshCommand` are taken over: no URL is rewritten
(`insteadOf`), no hook of our side runs, nothing of the repository that is worked on is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loopy.domain.errors import GitError
from loopy.domain.repository import Repository
from loopy.git.runner import Git

TAKEN = r"^(credential\..*|credential\.|http\..*|core\.sshcommand|ssh\.variant)$"
# Faults that old but honest histories have; everything else that `git fsck` calls an error refuses the fetch.
TOLERATED = (
    "zeroPaddedFilemode",
    "missingSpaceBeforeDate",
    "badTimezone",
    "missingEmail",
    "badDate",
    "badDateOverflow",
)


@dataclass(frozen=True, slots=True)
class Operator:
    """What a remote call may use of the operator: variables by name and value (HOME, SSH_AUTH_SOCK, GIT_ASKPASS …)."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def env(self, git: Git, git_dir: Path) -> dict[str, str]:
        """Return the variables for a remote call, the operator's credential settings among them; reads them anew."""
        settings = self._settings(git, git_dir) if self.variables.get("HOME") else []
        given = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(settings)}
        given |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(settings)}
        return {**self.variables, "GIT_CONFIG_COUNT": str(len(settings)), **given}

    def _settings(self, git: Git, git_dir: Path) -> list[tuple[str, str]]:
        # An empty GIT_CONFIG_GLOBAL would mean "no file", so the usual places are named by leaving it out.
        env = {k: v for k, v in git.env(self.variables).items() if not k.startswith("GIT_CONFIG_")}
        found = git.run(
            ["config", "--includes", "--null", "--get-regexp", TAKEN], git_dir, only_env=env, ok=(0, 1), timeout_s=10
        ).out
        pairs = [pair.partition(b"\n") for pair in found.split(b"\0") if pair]
        return [(os.fsdecode(key), os.fsdecode(value) if newline else "true") for key, newline, value in pairs]


def transport(repository: Repository) -> dict[str, str]:
    """Return the settings that allow the address's own transport and no other."""
    return {"protocol.allow": "never", f"protocol.{repository.scheme or 'file'}.allow": "always"}


def fetching(repository: Repository) -> dict[str, str]:
    """Return the settings of a fetch: the transport, and every object checked on arrival."""
    lenient = {f"fetch.fsck.{name}": "warn" for name in TOLERATED}
    return {**transport(repository), "fetch.fsckObjects": "true", "fetch.unpackLimit": "100", **lenient}


def refs(listing: bytes) -> tuple[dict[str, str], str]:
    """Return ref → object id of an `ls-remote --symref` listing, and the branch that HEAD points to ("" if none)."""
    found: dict[str, str] = {}
    head = ""
    for line in listing.decode("utf-8", "surrogateescape").splitlines():
        value, _, ref = line.partition("\t")
        if value.startswith("ref: "):
            head = value.removeprefix("ref: ").removeprefix("refs/heads/") if ref == "HEAD" else head
        elif ref:
            found[ref] = value
    return found, head


def checked_ref(ref: str) -> str:
    """Return the ref if it is a plain full name (`refs/…`), else raise GitError: options and wildcards never pass."""
    parts = ref.split("/")
    strange = any(letter in ref for letter in " ~^:?*[\\\x7f") or any(ord(letter) < 32 for letter in ref)
    bad_part = any(not p or p.startswith((".", "-")) or p.endswith((".", ".lock")) or ".." in p for p in parts)
    if len(parts) < 3 or parts[0] != "refs" or strange or bad_part or "@{" in ref:
        raise GitError("ref", f"{ref[:80]!r} is not a full ref name", hint="like refs/heads/name")
    return ref


def all_hex(ids: Iterable[str]) -> bool:
    """Whether every id is a full object id in lower-case hexadecimal."""
    return all(len(i) in {40, 64} and set(i) <= set("0123456789abcdef") for i in ids)
