"""The answer to an agent that asks before it acts: deny before allow, on the paths that the request names.

An answer here is a courtesy, not the fence: some agents do not ask, and a command can reach what it does not name. What
the policy asks of a person passes here, for the gate asks about it when it judges the change.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopy.domain.gate import denied
from loopy.domain.names import PATH_BYTES
from loopy.domain.policy import Finding, Policy, Verb

LOOKS = frozenset({"read", "search", "think", "fetch"})  # all that an agent which only reads may do
CHANGES = frozenset({"edit", "delete", "move"})
ALLOW, REJECT = ("allow_once", "allow_always"), ("reject_once", "reject_always")
PATH_KEY = re.compile(r"path|file|uri|director", re.IGNORECASE)
COMMAND_KEY = re.compile(r"^(?:command|cmd|script|args)$", re.IGNORECASE)
PATCHED = re.compile(
    r"^(?:\*\*\* (?:Add|Update|Delete) File: |\*\*\* Move to: |(?:\+\+\+|---) (?:[ab]/)?)(.+?)\s*$", re.MULTILINE
)
BETWEEN_WORDS = re.compile(r"[\s'\"`;|&<>()=,{}$]+")
NAMED = 500  # paths, and words of a command, that are looked at
DEPTH = 4  # of a request's own arguments


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a tool call: its kind, the paths that it names, the words of the command that it would run."""

    kind: str = ""
    paths: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def and_then(self, later: Request) -> Request:
        """Return what is known after a later word on the same call."""
        paths, words = dict.fromkeys(self.paths + later.paths), dict.fromkeys(self.words + later.words)
        return Request(later.kind or self.kind, tuple(paths)[:NAMED], tuple(words)[:NAMED])


def request(call: Mapping[str, Any]) -> Request:
    """Return what a tool call says of itself."""
    kind = call.get("kind")
    words = (word for text in _commands(call) for word in BETWEEN_WORDS.split(text) if 0 < len(word) <= PATH_BYTES)
    paths = dict.fromkeys(p for p in _named_paths(call) if 0 < len(p) <= PATH_BYTES and p != os.devnull)
    return Request(kind if isinstance(kind, str) else "", tuple(paths)[:NAMED], tuple(dict.fromkeys(words))[:NAMED])


@dataclass(frozen=True, slots=True)
class Rules:
    """What requests are judged by: the policy, the work tree, the run's scratch folder, and whether the agent only reads."""

    policy: Policy
    tree: Path
    scratch: Path
    reads_only: bool

    def denied(self, inside: str) -> Finding | None:
        """Return why the path of the tree may not be touched, None when it may."""
        return denied(self.policy, inside)

    def refusal(self, asked: Request) -> Finding | None:
        """Return why a tool call may not happen, None when it may."""
        if self.reads_only and asked.kind not in LOOKS:
            why = f"this agent only reads, and the request is of kind {asked.kind!r}"
            return Finding(rule="read-only", verb=Verb.DENY, why=why)
        for path in asked.paths:
            if found := self._path(path, outside=asked.kind not in CHANGES):
                return found
        likely = (word for word in asked.words if "/" in word or "." in word or os.path.lexists(self.tree / word))
        judged = (self._path(word, outside=True) for word in likely)
        return next((found for found in judged if found and found.rule != "bad-name"), None)  # "done." is no name

    def _path(self, path: str, *, outside: bool) -> Finding | None:
        """Judge a path as it is written and as the links of the tree lead."""
        whole = posixpath.normpath(posixpath.join(self.tree, path.removeprefix("file://")))
        for form in dict.fromkeys((whole, os.path.realpath(whole))):
            inside = self._inside(form)
            if inside and (found := self.denied(inside)):
                return found
            if inside is None and not outside and not _below(form, self.scratch):
                return Finding(
                    rule="outside-workspace", path=path[:500], verb=Verb.DENY, why="it does not lie in the work tree"
                )
        return None

    def shown(self, path: str) -> str:
        """Return the path as it stands in the tree, one outside of it as it is."""
        return self._inside(posixpath.normpath(posixpath.join(self.tree, path))) or path

    def _inside(self, whole: str) -> str | None:
        """Return the path relative to the tree, "" for the tree itself, None outside of it."""
        for root in (str(self.tree), os.path.realpath(self.tree)):
            if whole == root or whole.startswith(f"{root}/"):
                return whole[len(root) + 1 :]
        return None


def _named_paths(call: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths that a tool call names: its locations, its diffs, and what stands in its arguments."""
    for place in (*_nodes(call.get("locations")), *_nodes(call.get("content"))):
        if isinstance(path := place.get("path"), str):
            yield path
    for key, text in _texts(call.get("rawInput")):
        if PATH_KEY.search(key) and "\n" not in text:
            yield text
        yield from PATCHED.findall(text)


def _commands(call: Mapping[str, Any]) -> Iterator[str]:
    """Yield the commands that a tool call would run."""
    found = [text for key, text in _texts(call.get("rawInput")) if COMMAND_KEY.search(key)]
    if not found and call.get("kind") == "execute" and isinstance(title := call.get("title"), str):
        found = [title]
    yield from found


def chosen(options: Sequence[Mapping[str, Any]], kinds: tuple[str, ...]) -> str | None:
    """Return the id of the first option of the best of these kinds, None when the agent offers none."""
    ids = ((kind, option.get("optionId")) for kind in kinds for option in options if option.get("kind") == kind)
    return next((found for _, found in ids if isinstance(found, str)), None)


def _texts(node: Any, key: str = "", depth: int = DEPTH) -> Iterator[tuple[str, str]]:
    """Yield every text of the arguments with the key it stands under."""
    if isinstance(node, str):
        yield key, node
    elif depth and isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, str(name), depth - 1)
    elif depth and isinstance(node, list):
        for value in node:
            yield from _texts(value, key, depth - 1)


def _nodes(found: Any) -> Iterator[Mapping[str, Any]]:
    yield from (node for node in found if isinstance(node, dict)) if isinstance(found, list) else ()


def _below(whole: str, folder: Path) -> bool:
    return any(whole.startswith(f"{root}/") for root in (str(folder), os.path.realpath(folder)))
