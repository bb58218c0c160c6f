"""Write the journal of this release, `python -m tests.engine.journal VERSION`: a fixture that every later one must resume."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

from loopy.domain.agent import Tried
from loopy.domain.failures import Failure
from loopy.domain.states import Step
from loopy.store.migrate import migrate
from tests.engine.acts import take
from tests.engine.world import World, make_world

JOURNALS = Path(__file__).with_name("journals")


def play(world: World) -> None:
    """Leave four runs as a worker that died leaves them: shipped, in the second turn, failed over, about to push."""
    world.hire("w1")
    world.start("Shipped")
    world.pump()
    second = world.start("In its second turn")
    world.bench.reports = [False]
    while world.run(second.id).turn == 1:
        world.deliver()
    take(world, second.id)
    world.bell.messages.clear()
    third = world.start("With the next agent")
    world.bench.turns = [Tried(failure=Failure.QUOTA, detail="usage limit reached")]
    while world.run(third.id).agent != "b":
        world.deliver()
    world.bell.messages.clear()
    fourth = world.start("About to push", agent="b")
    world.pump_until(fourth.id, Step.SHIP)
    with world.dying("ship.after_intent"):
        world.deliver()


def main() -> None:
    """Play, and keep what the database holds as SQL text."""
    with tempfile.TemporaryDirectory() as folder:
        template, path = Path(folder, "template.db"), Path(folder, "loopy.db")
        migrate(f"sqlite:///{template}", template)
        connection = sqlite3.connect(template)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        world = make_world(path, template)
        play(world)
        world.graph.close()
        connection = sqlite3.connect(path)
        lines = [line for line in connection.iterdump() if "sqlite_sequence" not in line]
        connection.close()
    JOURNALS.mkdir(exist_ok=True)
    (JOURNALS / f"{sys.argv[1]}.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
