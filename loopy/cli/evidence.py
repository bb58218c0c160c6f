"""`loopy evidence` and `loopy receipt`: what a run left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, safe
from loopy.domain.errors import NotFoundError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from loopy.bootstrap.services import Services
    from loopy.domain.run import Run


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--markdown", "form", flag_value="markdown", help="The page as Markdown (the default).")
@click.option("--path", "form", flag_value="path", help="Only where the pack lies.")
@options.as_json
@options.example("loopy evidence LP-1.1", "loopy evidence LP-1.1 --json | jq .turns[-1].report")
def evidence(run_id: str, form: str | None, as_json: bool) -> None:
    """Show a run's evidence pack.

    Plan, route, turns, gate, checks, usage and cost, attempts, files, risks and open questions, as a page in Markdown.
    """
    from loopy.cli.home import open_home
    from loopy.engine.story import EVIDENCE_JSON, EVIDENCE_PAGE

    made = open_home()
    run = _run(made, run_id)
    if form == "path" and not as_json:
        echo(str(_pack(made, run, EVIDENCE_PAGE)))
    elif as_json:
        emit(json.loads(_pack(made, run, EVIDENCE_JSON).read_bytes()))
    else:
        echo(safe(_pack(made, run, EVIDENCE_PAGE).read_text(encoding="utf-8", errors="replace")).rstrip())


@click.command()
@click.argument("run_id", metavar="RUN")
@options.as_json
@options.example('loopy verify "$(loopy receipt LP-1.1)"')
def receipt(run_id: str, as_json: bool) -> None:
    """Print where a run's receipt lies."""
    from loopy.cli.home import open_home
    from loopy.receipts.bundle import ENVELOPE

    made = open_home()
    run = _run(made, run_id)
    with made.graph.read() as tx:
        row = tx.receipts.of(run.id)
    path = made.run_folder(run.id) / ENVELOPE
    if row is None:
        raise RefusedError(run.id, "has no receipt yet: it has not ended", hint=f"`loopy watch {run.id}`")
    _there(path, run)
    if as_json:
        facts = {"run": run.id, "path": path, "verdict": row.verdict, "seq": row.seq, "digest": row.digest}
        emit(facts | {"previous": row.previous, "pushed_at": row.pushed_at})
    else:
        echo(str(path))


def _run(made: Services, text: str) -> Run:
    from loopy.cli.home import run_named

    with made.graph.read() as tx:
        return run_named(tx, text)


def _pack(made: Services, run: Run, name: str) -> Path:
    """Return where the file lies that the graph has on record for the run's newest evidence."""
    from loopy.bootstrap.packs import find
    from loopy.engine.story import files_of

    with made.graph.read() as tx:
        journal = tx.runs.outcomes(run.id)
    on_record = [found[name] for turn in range(1, run.turn + 1) if name in (found := files_of(journal, turn))]
    return _there(find(made.run_folder(run.id), name, on_record[-1] if on_record else ""), run)


def _there(path: Path, run: Run) -> Path:
    if path.exists():
        return path
    if run.ended_at is None:
        raise RefusedError(run.id, f"has no {path.name} yet: it is at {run.step}", hint=f"`loopy watch {run.id}`")
    raise NotFoundError(run.id, f"there is no {path}", hint="a worker that is up writes it: `loopy up`")
