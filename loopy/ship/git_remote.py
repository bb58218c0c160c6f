"""Push commits and receipts to a repository, and ask what its refs hold: each call in a guard (rules 9 and 15).

A push names the address itself, so no `pushurl`, `insteadOf` or remote of anyone redirects it, and takes the objects from
the run's private git dir. Hooks of our side are off. Hooks of the receiving repository do run, on its side, with its
configuration: that is its right, also when it lies on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.repository import Repository, parse
from loopy.git.private import private_dir
from loopy.git.remote import Operator, all_hex, checked_ref, refs, transport
from loopy.git.runner import Git
from loopy.ports import Leash, Workspace
from loopy.process.capture import Captured, capture
from loopy.process.command import Command, Ending, Marker

RECEIPTS = "refs/loopy/receipts/"
LOOK_S = 30.0
_NOT_AN_ANSWER = ("[remote failure]",)  # the other side went away before it said what it did


class GitRemote:
    """`Remote` of the ports, for local paths (bare or not) and URLs."""

    def __init__(self, git: Git | None = None, operator: Operator | None = None) -> None:
        self.git = git or Git()
        self.operator = operator or Operator()

    def look(self, effect: Effect, place: Workspace, leash: Leash) -> str | None:
        """Return the object id that the target's ref holds, "" when it is absent; None when it cannot be asked.

        Raises LostError when the claim is not current any more.
        """
        ref = checked_ref(effect.ref)
        try:
            seen = self._call(["ls-remote", "--", effect.target, ref], effect.target, place, leash, LOOK_S)
        except GitError:
            return None
        return refs(seen.stdout)[0].get(ref, "") if seen.exit.ok else None

    def push(self, effect: Effect, place: Workspace, leash: Leash, timeout_s: float) -> str:
        """Push the effect's commit to its ref if the ref still holds `expected`; "" for sent, else the refusal's words.

        "" is also the answer when we were told to stop in the middle: look. Raises GitError when the other side cannot
        be reached or does not answer in time (then, too, only a look tells), LostError when the claim is not current.
        """
        return self.push_ref(effect.commit, effect.target, effect.ref, effect.expected, place, leash, timeout_s)

    def push_ref(
        self, commit: str, target: str, ref: str, expected: str, place: Workspace, leash: Leash, timeout_s: float
    ) -> str:
        """Push any commit of the run's private git dir to a ref, as `push` does."""
        if not all_hex([commit, *([expected] if expected else [])]):
            raise GitError("push", f"{commit[:50]!r} or {expected[:50]!r} is not a full object id")
        lease = f"--force-with-lease={checked_ref(ref)}:{expected}"
        flags = ["--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"]
        argv = ["push", *flags, lease, "--", target, f"{commit}:{ref}"]
        pushed = self._call(argv, target, place, leash, timeout_s)
        return "" if pushed.exit.ok or pushed.exit.ending is Ending.STOPPED else _refusal(pushed, target, expected)

    def push_receipt(
        self, files: Mapping[str, bytes], target: str, place: Workspace, leash: Leash, when: datetime, timeout_s: float
    ) -> str:
        """Push a commit that holds the receipt's files to `refs/loopy/receipts/<run>`; "" for sent, else a refusal.

        Equal files and time make an equal commit, so that pushing again is harmless; another receipt of that name is
        never overwritten.
        """
        commit = self.receipt_commit(files, place, when)
        return self.push_ref(commit, target, f"{RECEIPTS}{place.run_id}", "", place, leash, timeout_s)

    def receipt_commit(self, files: Mapping[str, bytes], place: Workspace, when: datetime) -> str:
        """Return the id of a parentless commit that holds the files, made in the run's private git dir."""
        private, rows = private_dir(place.folder), []
        for name, content in sorted(files.items()):
            if "/" in name or name in {"", ".", ".."} or "\0" in name:
                raise GitError("receipt", f"{name!r} cannot be a file of a receipt")
            blob = self.git.run(["hash-object", "-w", "--stdin"], private, stdin=content).out.decode().strip()
            rows.append(f"100644 blob {blob}\t{name}\0")
        tree = self.git.run(["mktree", "-z"], private, stdin="".join(rows).encode()).out.decode().strip()
        stamp = f"@{int(when.astimezone(UTC).timestamp())} +0000"
        people = [f"GIT_{who}_" for who in ("AUTHOR", "COMMITTER")]
        facts = (("NAME", "Loopy"), ("EMAIL", "loopy@localhost"), ("DATE", stamp))
        env = {who + what: value for who in people for what, value in facts}
        words = ["commit-tree", tree, "-m", f"Receipt of {place.run_id}"]
        return self.git.run(words, private, env=env).out.decode().strip()

    def _call(self, args: Sequence[str], target: str, place: Workspace, leash: Leash, timeout_s: float) -> Captured:
        """Run one remote call in a guard of the run; GitError for no answer, LostError for no right to act."""
        address, private = parse(target), private_dir(place.folder)
        command = Command(
            argv=tuple(self.git.argv(args, private, settings=transport(address))),
            cwd=private,
            env=self.git.env(self._env(address, private)),
            wall_s=timeout_s,
            lock=place.lock,
            marker=Marker(leash.run_id, leash.token),
            kill_grace_s=1.0,
        )
        seen = capture(command, authorised=leash.authorised, stopping=_but_not_for_a_cancel(leash))
        match seen.exit.ending:
            case Ending.EXITED | Ending.STOPPED if seen.exit.stopped_for != "lost":
                return seen
            case Ending.LOST | Ending.STOPPED:
                raise LostError(leash.run_id, seen.exit.why or "stopped, for the claim is lost")
            case Ending.DEADLINE:
                raise GitError(f"git {args[0]}", f"{address.name} did not answer within {timeout_s:g} s")
            case _:
                raise GitError(f"git {args[0]}", f"{seen.exit.ending}: {seen.exit.why or _tail(seen)}")

    def _env(self, address: Repository, private: Path) -> dict[str, str]:
        return {} if address.local else self.operator.env(self.git, private)


def _but_not_for_a_cancel(leash: Leash) -> Callable[[], str | None]:
    """A cancel stops only later effects (rule 13): what was begun is brought to its end, a lost claim is not."""

    def stopping() -> str | None:
        reason = leash.stopping()
        return None if reason == "cancelled" else reason

    return stopping


def _refusal(pushed: Captured, target: str, expected: str) -> str:
    """Return the words of a refusal; raises GitError when the other side did not answer at all."""
    lines = pushed.stdout.decode("utf-8", "replace").splitlines()
    words = next((line.split("\t", 2)[-1] for line in lines if line.startswith("!\t")), "")
    if not words or any(mark in words for mark in _NOT_AN_ANSWER):
        raise GitError(
            "git push", f"{parse(target).name} gave no answer: {_tail(pushed)}", hint="look before trying again"
        )
    if "stale info" in words:
        held = f"does not hold {expected[:12]} any more" if expected else "exists already"
        return f"the branch {held}: {words}"
    said = [line for line in pushed.stderr.decode("utf-8", "replace").splitlines() if line.startswith("remote:")]
    return " ".join([words, *said])[:1000]


def _tail(seen: Captured) -> str:
    return seen.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit {seen.exit.code}"
