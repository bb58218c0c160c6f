"""A worker that hears nothing any more notices it and starts anew, in the place and with the words it was started with."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from loopy.domain.errors import LoopyError
from loopy.engine.hearing import RINGS, Hearing

if TYPE_CHECKING:
    from workers.runtime import Runtime

log = logging.getLogger("loopy.worker")
ANEW = "LOOPY_STARTED_ANEW"  # how often in a row, for the process that comes next
DOUBLINGS = 4  # of the patience: a start that does not help is not repeated at the same pace
LEAVE_S, FAILED = 12.0, 3


class Watchdog:
    """A thread that looks now and then; `bark` gets what it has to say, once."""

    def __init__(self, hearing: Hearing, deaf_s: float, before: int, bark: Callable[[str], None]) -> None:
        self._hearing, self._before, self._bark = hearing, before, bark
        self.pause_s = deaf_s * 2 ** min(before, DOUBLINGS) / RINGS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loopy-watchdog", daemon=True)

    def start(self) -> None:
        """Start to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    @property
    def next(self) -> int:
        """How often in a row a process that starts now was started anew."""
        return 1 if self._hearing.heard else self._before + 1

    def _run(self) -> None:
        while not self._stop.wait(self.pause_s):
            try:
                said = self._hearing.look()
            except LoopyError as error:  # the graph is away: that says nothing of our ears
                log.debug("watchdog: %s", error)
                continue
            except Exception:
                log.exception("the watchdog failed")
                continue
            if said and not self._stop.is_set():
                self._bark(said)
                return


def started_anew(env: Mapping[str, str]) -> int:
    """Return how often in a row this process was started anew because it heard nothing."""
    said = env.get(ANEW, "")
    return int(said) if said.isdecimal() and len(said) < 4 else 0


def start_anew(runtime: Runtime, times: int) -> None:
    """End this worker's life in order, then become a new one: same process id, same words, same terminal.

    A process of its own above the worker would do it as well, at the price of a second Python that only waits.
    """
    late = threading.Timer(LEAVE_S, _become, (times,))  # a graph that cannot be written holds nobody up
    late.daemon = True
    late.start()
    runtime.drain()  # it was idle a moment ago: what came since is handed back
    runtime.wait_idle()
    runtime.stop()
    _become(times)


def _become(times: int) -> None:
    from celery.worker import state

    if state.should_stop is not None:  # a TERM came meanwhile
        os._exit(0)
    try:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, ANEW: str(times)})  # noqa: S606
    except OSError:
        os._exit(FAILED)
