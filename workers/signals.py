"""From Celery's life to ours: start before the first message, end after the last, and what Ctrl-C means."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from loopy.cli.exits import exit_code_of

if TYPE_CHECKING:
    from workers.app import Shell

log = logging.getLogger("loopy.worker")
LEAVE_S = 12.0


def connect(shell: Shell) -> None:
    """Connect the shell to Celery's worker signals; the receivers live as long as the shell does."""
    from celery import signals

    stops = Stops(shell)

    def init(sender: Any = None, **_: Any) -> None:
        stops.listen()  # first: a TERM while the worker starts must not leave its row open
        begin(shell, _queues(sender))
        stops.started()

    def ready(**_: Any) -> None:
        stops.listen()  # again: Celery has put its own handlers in their place meanwhile

    def end(**_: Any) -> None:
        shell.stop()

    signals.worker_init.connect(init, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutdown.connect(end, weak=False)


def begin(shell: Shell, queues: tuple[str, ...]) -> None:
    """Start the worker's life; what stands in its way is said in a line and ends the process before it consumes."""
    # Celery logs what a receiver of a signal raises, and goes on to consume; only an exit gets past it.
    if code := exit_code_of(lambda: shell.start(queues), as_json=shell.as_json):
        raise SystemExit(code)


def _queues(worker: Any) -> tuple[str, ...]:
    """Return the queues that this worker consumes: those of `-Q`, else all."""
    chosen = getattr(worker, "app", None)
    names = tuple(chosen.amqp.queues.consume_from) if chosen is not None else ()
    return names or ("loop", "code", "checks", "control", "integrations")


class Stops:
    """First Ctrl-C or TERM: claim nothing more and finish what runs. Second: hand it back and leave within 10 s."""

    def __init__(self, shell: Shell) -> None:
        self._shell, self._calls = shell, 0

    def listen(self) -> None:
        """Take both signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._heard)
            signal.signal(signal.SIGTERM, self._heard)

    def started(self) -> None:
        """Catch up with a stop that came while the worker started."""
        if self._calls:
            self._shell.running().close()

    def _heard(self, number: int, _frame: object) -> None:
        self._calls += 1
        if self._calls == 1:
            _close(self._shell)
        elif self._calls == 2:
            threading.Thread(target=_leave, args=(self._shell, number), name="loopy-leave", daemon=True).start()
        else:
            os._exit(128 + number)


def _close(shell: Shell) -> None:
    from celery.worker import state

    held = ""
    if (runtime := shell.runtime) is not None:
        runtime.close()
        held = ", ".join(f"{c.run.id} ({c.run.step})" for c in runtime.pulse.held)
    os.write(
        2, f"\nstopping: {f'waiting for {held}; Ctrl-C again hands them back' if held else 'nothing runs'}\n".encode()
    )
    state.should_stop = 0  # type: ignore[assignment]  # the exit code of Celery's warm shutdown


def hand_back(shell: Shell, exit_code: int = 0) -> None:
    """Stop what runs, hand it back and end this process; with `exit_code` if something would not stop in time."""
    runtime = shell.runtime
    if runtime is None:
        os._exit(exit_code)
    late = threading.Timer(LEAVE_S, os._exit, (exit_code,))  # a graph that cannot be written holds nobody up
    late.daemon = True
    late.start()
    runtime.drain()
    idle = runtime.wait_idle()
    runtime.stop()
    os._exit(0 if idle else exit_code)


def _leave(shell: Shell, number: int) -> None:
    os.write(2, b"\nhanding back what runs\n")
    hand_back(shell, 128 + number)
