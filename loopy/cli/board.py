"""`loopy board`: where every ticket is, those that need a person first."""

from __future__ import annotations

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, table

ENDED = 6  # ranks above it are over


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every ticket that is over, too.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="How many tickets to look at.")
@options.as_json
@options.example("loopy board", "loopy board --json")
def board(everything: bool, limit: int, as_json: bool) -> None:
    """Show where every ticket is.

    What needs you comes first, what is over last. A status is derived from the ticket and its newest run: open, ready,
    queued, running, waiting, needs approval, needs an answer, shipped, failed, refused, aborted, closed.
    """
    from loopy.cli.home import open_home, tell_sandbox, worker_hint
    from loopy.cli.status import status_of
    from loopy.cli.views import card_json, card_row
    from loopy.store.board import cards, tickets_in_all

    made = open_home()
    with made.graph.read() as tx:
        found, in_all = cards(tx, limit), tickets_in_all(tx)
    now, hint = made.clock.now(), worker_hint(made)
    if as_json:
        held = made.sandbox.held
        facts = {"sandbox": held.grade, "network": held.network, "tickets": [card_json(card, now) for card in found]}
        emit(facts | {"in_all": in_all, "hint": hint})
        return
    told = [(status_of(card, now), card) for card in found]
    told.sort(key=lambda each: each[0].rank)
    over = [each for each in told if each[0].rank > ENDED]
    shown = told if everything else [each for each in told if each[0].rank <= ENDED] + over[:10]
    for row in table([card_row(card, status) for status, card in shown]):
        echo(row)
    hidden = in_all - len(shown)
    if not told:
        echo(ink('no tickets; begin: loopy run "What should be done"', "quiet"))
    elif hidden:
        echo(ink(f"{hidden:,} more: loopy board --all --limit {in_all}", "quiet"))
    if hint:
        echo(ink(hint, "strong"))
    tell_sandbox(made)
