"""Where a worker's log goes: short lines on stderr above the live line, and a rotating file in the home."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from loopy.cli.live import LiveLine
from loopy.cli.paper import ink, safe

FILE_BYTES, FILES = 5_000_000, 3
LONG = "%(asctime)s %(levelname)s %(name)s %(threadName)s: %(message)s"


class ShortLines(logging.Handler):
    """Writes each record as one clean line."""

    def __init__(self, live: LiveLine, level: int) -> None:
        super().__init__(level)
        self._live = live

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; its traceback is in the file."""
        try:
            loud = record.levelno >= logging.WARNING
            text = safe(record.getMessage())
            if record.exc_info and record.exc_info[1] is not None:
                text += f": {safe(repr(record.exc_info[1]))}"
            mark = ink("! ", "bad") if loud else "  "
            self._live.above(f"{mark}{text if loud else ink(text, 'quiet')}")
        except Exception:  # logging never raises
            self.handleError(record)


def set_up(live: LiveLine, file: Path | None) -> None:
    """Log to the live line and, unless None, to the file; Celery and kombu from warnings on. Celery configures nothing."""
    from celery.signals import setup_logging

    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logging.getLogger("loopy").setLevel(logging.INFO)
    root.addHandler(ShortLines(live, logging.WARNING if file else logging.INFO))
    if file is not None:
        kept = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8", delay=True)
        kept.setFormatter(logging.Formatter(LONG))
        root.addHandler(kept)
    setup_logging.connect(_ours, weak=False)


def _ours(**_: Any) -> None:
    """Stand where Celery would set up its own logging."""
