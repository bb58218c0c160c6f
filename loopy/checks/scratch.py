"""A scratch folder beside the checkout: the commands' home and temporary files, gone when they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENDING = ".scratch"


@contextmanager
def scratch(at: Path) -> Iterator[Path]:
    """Give a fresh folder with `home` and `tmp` in it; what earlier, killed tries left there goes first."""
    folder = at.with_name(f"{at.name}{ENDING}")
    for old in at.parent.glob(f"*{ENDING}"):
        if old == folder or not old.with_suffix("").exists():  # its checkout is gone: nobody works there
            remove(old)
    for part in (folder, folder / "home", folder / "tmp"):
        part.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Delete the folder, read-only folders in it too (Go's module cache makes such); symbolic links are not followed."""
    if folder.is_symlink():
        folder.unlink()
    for root, folders, _files in os.walk(folder):
        for name in folders:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
