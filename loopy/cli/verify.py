"""`loopy verify`: what can be said about a receipt, from nothing but what is given."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from loopy.cli import options
from loopy.cli.home import names_run
from loopy.cli.paper import echo, emit, ink, line, safe, table
from loopy.domain.errors import NotFoundError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.cli.reader import Place
    from loopy.cli.rerun import Again
    from loopy.domain.run import Run
    from loopy.receipts.bundle import Bundle
    from loopy.receipts.findings import Verification
    from loopy.receipts.signers import TrustedKey

MARKS = {True: ("✓", "good"), False: ("✗", "bad"), None: ("?", "plain")}
WORDS = {0: ("verified", "good"), 1: ("INVALID", "alarm"), 2: ("could not verify", "plain")}
ALARMING = ("sandbox", "clock")
PUBLIC_KEY = "ship_ed25519.pub"


@dataclass(frozen=True, slots=True)
class Source:
    """The repository that commits are read from, and what it is to the run."""

    place: Place
    kind: Literal["given", "repository", "mirror"]
    lacking: str = ""  # the run's own repository, where that has not fetched the commit

    def __str__(self) -> str:
        if self.kind != "mirror":
            return str(self.place.top)
        why = f"{self.lacking} does not have them yet: git fetch there" if self.lacking else "the run was on a URL"
        return f"Loopy's own mirror, {self.place.top} ({why}, or give a clone: --repo PATH)"


@dataclass(frozen=True, slots=True)
class Given:
    """A receipt, and what the home adds for one of its own runs: the receipt before it, and where its commits are."""

    receipt: Path | Bundle
    previous: bytes | None = None
    source: Source | None = None


@click.command()
@click.argument("receipt", metavar="FILE|RUN")
@click.option("--key", type=click.Path(path_type=Path), help="The signer's public key, a .pub file.")
@click.option("--allowed-signers", type=click.Path(path_type=Path), help="Whom to trust, as ssh-keygen reads it.")
@click.option("--revoked", type=click.Path(path_type=Path), help="Public lines of keys to trust no more.")
@click.option("--repo", type=click.Path(path_type=Path), help="A clone to compare commit, tree, diff and base with.")
@click.option("--rerun", is_flag=True, help="Run the receipt's checks again on a fresh checkout; shows them and asks.")
@click.option("--yes", is_flag=True, help="With --rerun: do not ask.")
@options.as_json
@options.example(
    "loopy verify LP-1.1",
    "loopy verify receipt.dsse.json --allowed-signers signers --repo ~/src/app",
    "loopy verify LP-1.1 --rerun",
)
def verify(
    receipt: str,
    key: Path | None,
    allowed_signers: Path | None,
    revoked: Path | None,
    repo: Path | None,
    rerun: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Check a receipt, and run its checks again if asked.

    Its signature, its agreement with itself and, where a clone is given, with the repository.

    A FILE needs no database, no network and no home. A signer is trusted when its key is given, or when it is the key
    of this very installation; otherwise the answer is "could not verify", for a key that comes along proves nothing.

    A run's commits are read from its repository, and from Loopy's own mirror where that has not fetched them.

    Exit codes: 0 verified, 1 invalid, 2 could not verify, or no such run or file.
    """
    given = _given(receipt)
    source = _said(repo) if repo else given.source
    place = source.place if source else None
    found = _verified(given, place, _signers(key, allowed_signers), _revoked(revoked))
    if not as_json:
        _tell(found, source)
    again = None
    if rerun and found.statement and found.exit_code != 1:
        from loopy.cli.rerun import rerun as run_again

        again = run_again(found.statement, place.top if place else None, yes=yes, quiet=as_json)
    code = 1 if again and not again.same else found.exit_code
    if as_json:
        emit(_facts(found, again, code) | {"repository": _where(source)})
        return code
    word, name = WORDS[code]
    said = found.statement.predicate if found.statement and code == 0 else None
    echo(ink(word, name) + (f"  {said.run.id}  {said.verdict}" if said else ""))
    return code


def _said(repo: Path) -> Source:
    from loopy.cli.reader import demand

    return Source(demand(repo, "--repo"), "given")


def _verified(
    given: Given, place: Place | None, signers: Sequence[TrustedKey], revoked: Collection[str]
) -> Verification:
    from datetime import UTC, datetime

    from loopy.cli.reader import Objects
    from loopy.receipts.verify import verify as verified

    return verified(
        given.receipt,
        signers=signers,
        now=datetime.now(UTC),
        repo=Objects(place.git_dir) if place else None,
        previous=given.previous,
        revoked=revoked,
    )


def _given(text: str) -> Given:
    """Return the receipt that a path or a run's id names; a path that is there comes first."""
    path = Path(text).expanduser()
    if path.exists() or not names_run(text):
        return Given(path)
    from loopy.cli.home import open_home, run_named
    from loopy.receipts import bundle
    from loopy.store.board import envelope_at

    made = open_home()
    with made.graph.read() as tx:
        run = run_named(tx, text)
        row = tx.receipts.of(run.id)
        previous = envelope_at(tx, row.seq - 1) if row is not None and row.seq > 1 else None
    if row is None:
        raise NotFoundError(run.id, "has no receipt yet: it has not ended", hint=f"`loopy watch {run.id}`")
    folder = made.run_folder(run.id)
    written = (folder / bundle.ENVELOPE).exists()
    receipt = folder if written else bundle.Bundle(row.envelope, row.statement, row.sshsig)
    return Given(receipt, previous, _source(made, run))


def _source(made: Services, run: Run) -> Source | None:
    """Return the run's repository if it has the commit that shipped, else Loopy's mirror of it if that has it."""
    from loopy.cli.reader import Objects, Place, find
    from loopy.domain.repository import parse

    if not run.repo:
        return None
    local = find(Path(run.repo)) if parse(run.repo).local else None
    if not run.head or (local is not None and Objects(local.git_dir).has(run.head)):
        return Source(local, "repository") if local else None
    if made.repositories.has(run.repo, run.head):
        mirror = made.repositories.path(run.repo)
        return Source(Place(mirror, mirror), "mirror", lacking=str(local.top) if local else "")
    return Source(local, "repository") if local else None


def _where(source: Source | None) -> dict[str, str] | None:
    return {"path": str(source.place.top), "kind": source.kind} if source else None


def _signers(key: Path | None, allowed: Path | None) -> Sequence[TrustedKey]:
    """Return whom to trust: the keys that were given, else this installation's own, if there is one."""
    from loopy.receipts.signers import parse_allowed_signers, trusted_key

    trusted: list[TrustedKey] = []
    if key is not None:
        trusted.append(trusted_key(_text(key, "--key")))
    if allowed is not None:
        trusted.extend(parse_allowed_signers(_text(allowed, "--allowed-signers")))
    if key is None and allowed is None and (own := _own_key()):
        trusted.append(trusted_key(own, "this installation"))
    return trusted


def _own_key() -> str:
    """Return the public line of this installation, "" when there is none; makes and opens nothing else."""
    home = os.environ.get("LOOPY_HOME") or Path("~/.loopy").expanduser()
    try:
        return Path(home, "keys", PUBLIC_KEY).read_text(encoding="utf-8")
    except OSError:
        return ""


def _revoked(path: Path | None) -> Collection[str]:
    from loopy.receipts.signers import parse_revoked

    return parse_revoked(_text(path, "--revoked")) if path else ()


def _text(path: Path, option: str) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(option, f"{path} cannot be read", hint=str(error)) from error


def _tell(found: Verification, source: Source | None) -> None:
    for row in table([(MARKS[f.ok], f.name, safe(f.text)) for f in found.findings], gap=1):
        echo(row)
    for note in (*(f"note: {text}" for text in found.notes), *(f"not checked: {text}" for text in found.not_checked)):
        words = safe(note)
        echo(f"  {ink(words, 'alarm' if any(word in words for word in ALARMING) else 'quiet')}")
    if source and found.statement and found.statement.commit:
        echo(f"  {ink(f'commits read from {line(str(source))}', 'quiet')}")


def _facts(found: Verification, again: Again | None, code: int) -> dict[str, Any]:
    statement = found.statement
    return {
        "result": WORDS[code][0],
        "exit_code": code,
        "signed_by": found.signed_by,
        "run": statement.predicate.run.id if statement else None,
        "verdict": statement.predicate.verdict if statement else None,
        "commit": statement.commit if statement else None,
        "findings": [asdict(finding) for finding in found.findings],
        "notes": found.notes,
        "not_checked": found.not_checked,
        "rerun": [asdict(each) for each in again.checks] if again else None,
    }
