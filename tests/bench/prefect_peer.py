"""Prefect beside us: a flow of seven tasks that do nothing, four flows at a time, on a server of its own with SQLite.

Runs in an environment of its own that has `prefect`: `python prefect_peer.py URL` is the server (URL its API on loopback),
`python prefect_peer.py URL N` runs N flows in four threads of its own process, which spares Prefect every dispatch, and
prints {"filed": s, "ended": s}; nothing is filed ahead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

STEPS, SLOTS = 7, 4
QUIET = {
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def serve(url: str) -> None:
    """Become the server."""
    at = urlsplit(url)
    words = ["-m", "prefect", "server", "start", "--host", str(at.hostname), "--port", str(at.port), "--no-ui"]
    os.execve(sys.executable, [sys.executable, *words], os.environ | QUIET)


def run(url: str, n: int) -> dict[str, float]:
    """Run so many flows."""
    os.environ.update(QUIET | {"PREFECT_API_URL": url})
    from prefect import flow, task  # type: ignore[import-not-found]

    @task  # type: ignore[untyped-decorator]
    def nothing(n: int) -> dict[str, Any]:
        return {"step": n, "words": "x" * 200}

    @flow  # type: ignore[untyped-decorator]
    def seven() -> None:
        for n in range(STEPS):
            nothing(n)

    seven()  # the first one opens what the others share
    began = time.monotonic()
    with ThreadPoolExecutor(SLOTS) as pool:
        for done in [pool.submit(seven) for _ in range(n)]:
            done.result()
    return {"filed": 0.0, "ended": time.monotonic() - began}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]))))
