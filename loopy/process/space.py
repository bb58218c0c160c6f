"""Whether a disk is full: what failed on one proves nothing about who failed, and is to be tried again with room."""

from __future__ import annotations

import os
from pathlib import Path

LEAST_BYTES = 256 * 1024  # programs fail before the last block is gone


def is_full(folder: Path) -> bool:
    """Whether next to nothing more can be written below the folder; False when that cannot be told."""
    try:
        seen = os.statvfs(folder)
    except OSError:
        return False
    no_inodes = seen.f_files > 0 and seen.f_favail == 0
    return no_inodes or seen.f_bavail * seen.f_frsize < LEAST_BYTES
