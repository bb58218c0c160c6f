"""The entry point `loopy`: the commands by name, and what the process says and returns when one does not end well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import click

import loopy
from loopy.cli.exits import exit_code_of
from loopy.cli.lazy import Late, LateGroup
from loopy.cli.words import demand_words

PARTS: Mapping[str, Mapping[str, Late]] = {
    "Work": {
        "run": Late("loopy.cli.run:run", "File a ticket and follow its run to the receipt."),
        "ticket": Late("loopy.cli.ticket:ticket", "Add, list, start and close tickets."),
        "board": Late("loopy.cli.board:board", "Show where every ticket is."),
        "watch": Late("loopy.cli.watch:watch", "Follow a run, from its start to its end."),
    },
    "What needs you": {
        "inbox": Late("loopy.cli.inbox:inbox", "Show what waits for a person, with the command that answers it."),
        "approve": Late("loopy.cli.inbox:approve", "Answer a run's approval."),
        "resume": Late("loopy.cli.inbox:resume", "Let a parked run go on, or give it up."),
    },
    "Trust": {
        "evidence": Late("loopy.cli.evidence:evidence", "Show a run's evidence pack."),
        "receipt": Late("loopy.cli.evidence:receipt", "Print where a run's receipt lies."),
        "verify": Late("loopy.cli.verify:verify", "Check a receipt, and run its checks again if asked."),
    },
    "House": {
        "init": Late("loopy.cli.init:init", "Write a repository's loopy.toml from what is detected in it."),
        "up": Late("loopy.cli.up:up", "Run a worker with beat, until Ctrl-C."),
        "agents": Late("loopy.cli.agents:agents", "List agents and programs, and whether each is usable."),
        "agent": Late("loopy.cli.agent:agent", "Create an agent."),
        "drill": Late(
            "loopy.cli.drill:drill", "Rehearse a usage limit: who takes over, how soon, and does the work hold."
        ),
        "doctor": Late("loopy.cli.doctor:doctor", "Look at the house, and say what to mend and how."),
        "fsck": Late(
            "loopy.cli.fsck:fsck", "Check the work graph: every run's history, effects and receipt, and the chain."
        ),
        "migrate": Late("loopy.cli.migrate:migrate", "Bring the work graph to the schema of this version."),
        "backup": Late("loopy.cli.backup:backup", "Copy the work graph into one file, while workers work."),
        "restore": Late("loopy.cli.backup:restore", "Put a backup in the work graph's place."),
        "flower": Late("loopy.cli.flower:flower", "Open Flower on the workers, on this machine only."),
        "demo": Late("loopy.cli.demo:demo", "Take four tickets through the real stack in a scratch home."),
    },
}
HELP = """Tickets in, verified work and a signed receipt out.

\b
Example:
  loopy init
  loopy run "Fix the failing date parser" --agent claude

\b
Exit codes:
  0    done
  1    failed, or invalid
  2    usage, or refused
  3    the work graph or the broker cannot be reached
  4    `loopy run`: the run did not end as PASSED
  70   a defect of Loopy
  130  interrupted
"""


class Loopy(LateGroup):
    """The root command: every way in passes through the one place that turns errors into words and exit codes."""

    def main(  # type: ignore[override]  # click overloads it by whether it returns
        self, args: Any = None, prog_name: str | None = None, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Run the command line; exit with its code, or return it when not standalone."""
        words = [str(word) for word in (sys.argv[1:] if args is None else args)]
        as_json = "--json" in takewhile(lambda word: word != "--", words)

        def act() -> Any:
            return click.Group.main(self, demand_words(words), prog_name or "loopy", standalone_mode=False, **extra)

        code = exit_code_of(act, as_json=as_json)
        if standalone_mode:
            sys.exit(code)
        return code


cli = Loopy("loopy", parts=PARTS, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
click.version_option(loopy.__version__, message="loopy %(version)s")(cli)


def main() -> None:
    """Run the command line of this process."""
    cli.main(prog_name="loopy")


if __name__ == "__main__":
    main()
