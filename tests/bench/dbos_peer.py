"""DBOS beside us: seven steps that do nothing, journaled in SQLite, from a queue that is polled every 50 ms.

Runs in an environment of its own that has `dbos` (and neither Loopy nor Celery): `python dbos_peer.py URL` is a worker,
`python dbos_peer.py URL N` files N workflows, waits for all of them and prints {"filed": s, "ended": s}.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

STEPS, POLL_S, SLOTS = 7, 0.05, 4


def serve(url: str) -> None:
    """Be one worker process, until it is killed."""
    from dbos import DBOS  # type: ignore[import-not-found]

    DBOS(config={"name": "bench", "system_database_url": url, "application_version": "1", "log_level": "ERROR"})

    @DBOS.step()  # type: ignore[untyped-decorator]
    def nothing(n: int) -> dict[str, Any]:
        return {"step": n, "words": "x" * 200}

    @DBOS.workflow(name="seven")  # type: ignore[untyped-decorator]
    def seven() -> None:
        for n in range(STEPS):
            nothing(n)

    DBOS.launch()
    DBOS.register_queue("bench", worker_concurrency=SLOTS, polling_interval_sec=POLL_S)
    while True:
        time.sleep(60)


def file(url: str, n: int) -> dict[str, float]:
    """File so many workflows and wait for their ends."""
    from dbos import DBOSClient

    client = DBOSClient(system_database_url=url)
    began = time.monotonic()
    for _ in range(n):
        client.enqueue({"queue_name": "bench", "workflow_name": "seven", "app_version": "1"})
    filed = time.monotonic() - began
    while client.list_workflows(status=["ENQUEUED", "PENDING"], limit=1):
        time.sleep(0.005 if n == 1 else 0.05)
    return {"filed": filed, "ended": time.monotonic() - began}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    print(json.dumps(file(sys.argv[1], int(sys.argv[2]))))
