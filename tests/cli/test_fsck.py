"""`loopy fsck` as a person calls it."""

from __future__ import annotations

from sqlalchemy import update

from loopy.store import schema as s

from .support import House, file_and_start


def test_an_empty_graph_holds(settled: House) -> None:
    said = settled.loopy("fsck")
    assert (said.code, said.out) == (0, "0 runs, 0 receipts: all holds\n")


def test_a_breach_is_told_with_its_rule_and_exit_code_1(settled: House) -> None:
    made = settled.made()
    run = file_and_start(made, "fix it", settled.repo)
    with made.graph.write() as tx:
        tx.connection.execute(update(s.run).where(s.run.c.id == run.id).values(version=7))
    made.graph.close()
    said = settled.loopy("fsck")
    assert said.code == 1
    assert f"✗ {run.id}" in said.out
    assert "rule 5" in said.out
    assert settled.loopy("fsck", "--json").json["breaches"][0]["subject"] == run.id
