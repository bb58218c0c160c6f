"""From Celery's life to ours: start before the first message, end after the last, and what Ctrl-C means."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.app import Shell

log = logging.getLogger("loopy.worker")


def connect(shell: Shell) -> None:
    """Connect the shell to Celery's worker signals; the receivers live as long as the shell does."""
    from celery import signals

    def begin(sender: Any = None, **_: Any) -> None:
        shell.start(_queues(sender))
        ready()  # a TERM between here and the first message must not leave the row open

    def ready(**_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            take_signals(shell)  # again: Celery has put its own handlers in their place meanwhile

    def end(**_: Any) -> None:
        shell.stop()

    signals.worker_init.connect(begin, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutdown.connect(end, weak=False)


def _queues(worker: Any) -> tuple[str, ...]:
    """Return the queues that this worker consumes: those of `-Q`, else all."""
    chosen = getattr(worker, "app", None)
    names = tuple(chosen.amqp.queues.consume_from) if chosen is not None else ()
    return names or ("loop", "code", "checks", "control", "integrations")


def take_signals(shell: Shell) -> None:
    """First Ctrl-C or TERM: claim nothing more and finish what runs. Second: hand it back and leave within 10 s."""
    calls = 0

    def handle(number: int, _frame: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            _close(shell)
        elif calls == 2:
            threading.Thread(target=_leave, args=(shell, number), name="loopy-leave", daemon=True).start()
        else:
            os._exit(128 + number)

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


def _close(shell: Shell) -> None:
    from celery.worker import state

    runtime = shell.running()
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
    runtime.drain()
    idle = runtime.wait_idle()
    runtime.stop()
    os._exit(0 if idle else exit_code)


def _leave(shell: Shell, number: int) -> None:
    os.write(2, b"\nhanding back what runs\n")
    hand_back(shell, 128 + number)
