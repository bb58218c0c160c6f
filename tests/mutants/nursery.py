"""Run pytest in forks of one process that has the heavy libraries loaded already; it starts a mutant in half the time.

A line of JSON brings pytest's words, a line of JSON takes its exit code and what it printed. Nothing of the project
itself is loaded before the fork, so each child sees the sources as they stand.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import alembic.command  # loaded for the children, as are those below
import alembic.config  # noqa: F401
import celery  # noqa: F401
import pydantic.main  # noqa: F401
import pytest
import sqlalchemy.dialects.sqlite  # noqa: F401


def child(words: list[str], out: int) -> int:
    """Run the tests with everything that is printed going to `out`."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    code = int(pytest.main(words))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main() -> None:
    """Answer each line until the input ends."""
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
            pid = os.fork()
            if pid == 0:
                os._exit(child(json.loads(line), out.fileno()))
            _, status = os.waitpid(pid, 0)
            out.seek(0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": out.read()}), flush=True)


if __name__ == "__main__":
    main()
