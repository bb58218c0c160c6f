"""After the end: the files of evidence and receipt, its ref in the repository, and the work tree of what shipped; all repeatable."""

from __future__ import annotations

import logging

from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.statement import SignedReceipt
from loopy.domain.states import Verdict
from loopy.engine.desk import Desk
from loopy.engine.story import files_of

log = logging.getLogger("loopy.engine")


def publish(desk: Desk, run: Run) -> bool:
    """Write the receipt's files and push its ref; return whether it is done with. Failures are tried again by the sweep."""
    with desk.graph.read() as tx:
        row = tx.receipts.of(run.id)
    if row is None or row.pushed_at is not None:
        return row is not None
    signed = SignedReceipt(
        statement_bytes=row.statement, envelope_bytes=row.envelope, sshsig_bytes=row.sshsig, digest=row.digest
    )
    try:
        with desk.graph.read() as tx:
            files = files_of(tx.runs.outcomes(run.id), run.turn)
        desk.archive.place(run.id, files)
        desk.archive.put_receipt(run.id, signed)
        if not desk.push_receipt(run):
            return False
        with desk.graph.write() as tx:
            tx.receipts.pushed(run.id, tx.now)
        desk.archive.tidy(run.id)
        if run.verdict is Verdict.PASSED:  # what did not ship stays, for whoever wants to look
            desk.workspaces.remove(run.id)
    except (LoopyError, OSError) as error:
        log.warning("receipt of %s is not published yet: %s", run.id, error)
        return False
    return True
