"""`loopy fsck`: whether the work graph holds what the protocol promises, and whether the files it names are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.counted import counted

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.engine.fsck import Breach


@click.command()
@options.as_json
@options.example("loopy fsck", "loopy fsck --json")
def fsck(as_json: bool) -> int:
    """Check the work graph: every run's history, effects and receipt, and the chain.

    It reads only, and may run beside workers. Exit code 1 when something is there that the protocol makes impossible;
    each finding names the rule (docs/design.md) that is broken.
    """
    from loopy.cli.home import open_home

    made = open_home()
    breaches = list(_breaches(made))
    with made.graph.read() as tx:
        runs, receipts = tx.runs.count(), tx.receipts.head()[0]
    if as_json:
        emit({"ok": not breaches, "runs": runs, "receipts": receipts, "breaches": [asdict(b) for b in breaches]})
        return int(bool(breaches))
    for breach in breaches:
        echo(
            f"{ink('✗', 'bad')} {ink(breach.subject, 'strong')}  {line(breach.what)}  {ink(f'rule {breach.rule}', 'quiet')}"
        )
    told = f"{counted(runs, 'run')}, {counted(receipts, 'receipt')}: "
    echo(
        told + (ink(f"{counted(len(breaches), 'breach', 'breaches')}", "bad") if breaches else ink("all holds", "good"))
    )
    if breaches:
        echo(ink("keep a copy (`loopy backup FILE`) and report it: this should not be possible", "need"))
    return int(bool(breaches))


def _breaches(made: Services) -> Iterator[Breach]:
    from loopy.engine.fsck import fsck as check

    yield from check(made.graph)
    yield from _files(made)


def _files(made: Services) -> Iterator[Breach]:
    """Every published receipt lies in its run's folder as it was signed, with the evidence that the record names."""
    from loopy.engine.fsck import Breach, links
    from loopy.engine.story import files_of
    from loopy.receipts.bundle import ENVELOPE

    for row in links(made.graph):
        if row.pushed_at is None:
            continue  # the sweep still sees to it
        with made.graph.read() as tx:
            run = tx.runs.get(row.run)
            named = files_of(tx.runs.outcomes(row.run), run.turn) if run else {}
        folder, wanted = made.settings.runs / row.run, {ENVELOPE: sha256(row.envelope).hexdigest(), **named}
        for name in (n for n, digest in wanted.items() if _digest(folder / n) != digest):
            yield Breach(16, row.run, f"{folder / name} is not what the work graph has on record")


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
