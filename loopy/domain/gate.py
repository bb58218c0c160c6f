"""The gate: what a policy says to one immutable change; deny before ask before allow. Pure and total.

The change's entries come from the raw tree diff, its notes (`rule: path (detail)`) from the look at the work tree and the
scan of added lines. Renames are a deletion and an addition, so moving a file out of a denied folder is denied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache

from loopy.domain.added import Line, scan_added
from loopy.domain.change import Change, Entry
from loopy.domain.errors import ConfigError
from loopy.domain.gate_rules import CI, EXEC_SURFACE, NOTES, TESTS
from loopy.domain.held import GRADES, Grade
from loopy.domain.names import bad_name, collisions, fold, invisible, resolved
from loopy.domain.patterns import first_match, matches
from loopy.domain.policy import Decision, Finding, PathRule, Policy, Verb
from loopy.domain.repository import parse
from loopy.domain.risk import tier
from loopy.domain.ticket import Trust
from loopy.domain.value import Value

ABSENT, LINK, GITLINK = "000000", "120000", "160000"
_STRICTEST = (Verb.DENY, Verb.ASK, Verb.ALLOW)


class Facts(Value):
    """What the gate looks at: the change, and under which circumstances it came to be."""

    change: Change = Change(base="", tree="", digest="")
    repo: str = ""
    source_trust: Trust = Trust.OWNER
    sandbox_grade: Grade = "none"
    scripted: bool = False  # the agent is a stand-in
    message: str = ""  # of the commit that would ship
    branch: str = ""  # that would be pushed


def evaluate(policy: Policy, facts: Facts) -> Decision:
    """Return the decision on a change: the strictest verb of all findings, the risk tier and its reasons."""
    findings = tuple(_unique(_findings(policy, facts)))
    verdict = next((verb for verb in _STRICTEST if any(f.verb is verb for f in findings)), Verb.ALLOW)
    number, reasons = tier(facts.change, findings, facts.source_trust, facts.sandbox_grade)
    return Decision(verdict=verdict, tier=number, reasons=reasons, findings=findings)


def denied(policy: Policy, path: str) -> Finding | None:
    """Return why the path may not be touched at all, None when the gate would let it pass or ask for it later."""
    if why := bad_name(path):
        return Finding(rule="bad-name", path=path, verb=Verb.DENY, why=f"the name {why}")
    return next((finding for finding in _path(policy.paths, path) if finding.verb is Verb.DENY), None)


@lru_cache(maxsize=256)
def policy_digest(policy: Policy) -> str:
    """Return the sha256 of the policy's canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _unique(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings, strictest first, each (rule, path) once."""
    seen: set[tuple[str, str]] = set()
    for finding in sorted(findings, key=lambda f: (_STRICTEST.index(f.verb), f.path, f.rule)):
        if (finding.rule, finding.path) not in seen:
            seen.add((finding.rule, finding.path))
            yield finding


def _findings(policy: Policy, facts: Facts) -> Iterator[Finding]:
    yield from _circumstances(policy, facts)
    for entry in facts.change.entries:
        yield from _path(policy.paths, entry.path)
        yield from _name(entry)
        yield from _kind(policy, entry)
        yield from _surface(policy, entry)
    yield from _whole(policy, facts.change)
    paths = frozenset(entry.path for entry in facts.change.entries)
    for note in facts.change.notes:
        yield _noted(note, paths)
    words = [Line(1, facts.branch), *(Line(n, text) for n, text in enumerate(facts.message.split("\n"), 1))]
    yield from map(_noted, scan_added("(commit message or branch)", words))


def _circumstances(policy: Policy, facts: Facts) -> Iterator[Finding]:
    if policy.repos and not _allowed_repo(policy.repos, facts.repo):
        yield Finding(
            rule="repo-not-allowed", path=facts.repo, verb=Verb.DENY, why="the policy names other repositories"
        )
    if GRADES.index(facts.sandbox_grade) < GRADES.index(policy.sandbox):
        yield Finding(
            rule="sandbox-too-weak", verb=Verb.DENY,
            why=f"the policy asks for sandbox {policy.sandbox!r}, the agent ran with {facts.sandbox_grade!r}",
            hint='`loopy doctor` says what there is and what is missing; sandbox = "none" is for the operator\'s policy to say',
        )  # fmt: skip
    if facts.source_trust is Trust.PUBLIC:
        boxed = facts.sandbox_grade != "none"
        yield Finding(
            rule="public-source", verb=Verb.ASK if boxed else Verb.DENY,
            why="the ticket was written by someone unknown" + ("" if boxed else " and the agent ran without a sandbox"),
            hint="read the ticket and the change before you say yes" if boxed else "public tickets need a sandbox",
        )  # fmt: skip


def _allowed_repo(allowed: tuple[str, ...], repo: str) -> bool:
    """Whether the repository's canonical name (`host/owner/name` or its path) is one of the allowed patterns'.

    Part by part, `*` standing for one whole part: never a substring.
    """
    try:
        parts = parse(repo).name.split("/")
    except ConfigError:
        return False
    return any(
        len(want) == len(parts) and all(w in {"*", part} for w, part in zip(want, parts, strict=True))
        for want in (pattern.rstrip("/").split("/") for pattern in allowed)
    )


def _path(rules: tuple[PathRule, ...], path: str, via: str = "") -> Iterator[Finding]:
    for rule in rules:
        for verb, patterns, name in ((Verb.DENY, rule.deny, "denied-path"), (Verb.ASK, rule.ask, "asked-path")):
            if patterns and matches(patterns, path):
                why = rule.why or f"the policy's pattern {first_match(patterns, path)!r} names it"
                yield Finding(
                    rule=f"symlink-to-{name.split('-')[0]}" if via else name, path=via or path, verb=verb, why=why
                )


def _name(entry: Entry) -> Iterator[Finding]:
    if entry.new_mode == ABSENT:
        return
    if why := bad_name(entry.path):
        yield Finding(rule="bad-name", path=entry.path, verb=Verb.DENY, why=f"the name {why}")
    if any(invisible(letter) for letter in entry.path):
        yield Finding(
            rule="invisible-char", path=entry.path, verb=Verb.DENY, why="the name holds characters nobody sees"
        )


def _kind(policy: Policy, entry: Entry) -> Iterator[Finding]:
    limits, path = policy.limits, entry.path
    if entry.new_mode == LINK:
        yield Finding(rule="symlink", path=path, verb=limits.symlink, why=f"a symbolic link to {entry.link_target!r}")
        target = resolved(path, entry.link_target)
        if target is None or bad_name(target):
            yield Finding(rule="symlink-escape", path=path, verb=Verb.DENY, why="the link leads out of the tree")
        else:
            yield from _path(policy.paths, target, via=path)
    if GITLINK in {entry.old_mode, entry.new_mode}:
        yield Finding(
            rule="submodule", path=path, verb=limits.submodule, why="points to a commit of another repository"
        )
    if ABSENT not in {entry.old_mode, entry.new_mode} and entry.old_mode != entry.new_mode:
        why = f"the mode changes from {entry.old_mode} to {entry.new_mode}"
        yield Finding(rule="mode-change", path=path, verb=limits.mode_change, why=why)
    elif (entry.old_mode, entry.new_mode) == (ABSENT, "100755"):
        yield Finding(rule="new-executable", path=path, verb=Verb.ALLOW, why="a new file that can be started")
    if entry.binary:
        yield Finding(rule="binary", path=path, verb=limits.binary, why="its content cannot be read in a review")
    if entry.size_bytes > limits.file_bytes:
        why = f"{entry.size_bytes:,} bytes, more than {limits.file_bytes:,}"
        yield Finding(rule="large-file", path=path, verb=Verb.ASK, why=why)


def _surface(policy: Policy, entry: Entry) -> Iterator[Finding]:
    for patterns, why in (*EXEC_SURFACE, CI):
        if matches(patterns, entry.path):
            verb = Verb.DENY if fold(entry.path) == ".gitmodules" and policy.limits.submodule is Verb.DENY else None
            yield Finding(rule="exec-surface", path=entry.path, verb=verb or policy.limits.exec_surface, why=why)
            return


def _whole(policy: Policy, change: Change) -> Iterator[Finding]:
    limits = policy.limits
    if len(change.entries) > limits.files:
        yield Finding(
            rule="many-files", verb=Verb.ASK, why=f"{len(change.entries):,} files, more than {limits.files:,}"
        )
    if change.added > limits.added_lines:
        why = f"{change.added:,} added lines, more than {limits.added_lines:,}"
        yield Finding(rule="many-lines", verb=Verb.ASK, why=why)
    present = [e.path for e in change.entries if e.new_mode != ABSENT]
    for path in collisions(present, ()):
        yield _noted(f"case-collision: {path}")
    tests = [e for e in change.entries if matches(TESTS, e.path)]
    for entry in tests:
        if entry.status == "D":
            yield Finding(rule="tests-deleted", path=entry.path, verb=Verb.ASK, why="a deleted test can no longer fail")
    if sum(e.deleted for e in tests) > sum(e.added for e in tests):
        yield Finding(rule="tests-shrunk", verb=Verb.ALLOW, why="more lines of tests are deleted than added")


def _noted(note: str, paths: frozenset[str] = frozenset()) -> Finding:
    """Return the finding of a note; a note of an unknown rule asks, for it was written down for a reason."""
    rule, _, path = note.partition(": ")
    detail = ""
    if path not in paths and path.endswith(")") and " (" in path:
        path, _, detail = path.removesuffix(")").rpartition(" (")
    verb, why, hint = NOTES.get(rule, (Verb.ASK, "noted while the work tree was looked at", ""))
    return Finding(rule=rule, path=path, verb=verb, why=f"{why}: {detail}" if detail else why, hint=hint)
