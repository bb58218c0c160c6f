"""The home on disk: made with tight modes, refused when others could write to it, and named by an install id."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from loopy.domain.errors import ConfigError
from loopy.settings.model import Settings

ID_FILE = "install-id"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def ensure_home(settings: Settings) -> None:
    """Make the home and its folders, 0700. Raises ConfigError when the home is not ours or others may enter it.

    The mode of a folder that holds something is never changed behind the user's back: the message has the command.
    """
    home = settings.home
    _make(home, parents=True)
    _refuse_foreign(home)
    if home.stat().st_mode & OTHERS and not any(home.iterdir()):
        home.chmod(0o700)  # just made by hand, or mounted
    _refuse_open(home)
    for folder in (
        settings.keys,
        settings.agents_dir,
        settings.mirrors,
        settings.work,
        settings.runs,
        settings.alive,
        settings.slots,
        settings.logs,
    ):
        _make(folder)
        _refuse_foreign(folder)


def _make(folder: Path, *, parents: bool = False) -> None:
    try:
        if parents:
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError("home", f"{folder} cannot be made: {error.strerror}", hint="set LOOPY_HOME") from error


def _refuse_foreign(folder: Path) -> None:
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise ConfigError(
            "home",
            f"{folder} belongs to user {owner}, and this is user {os.geteuid()}",
            hint="run Loopy as the owner, or set LOOPY_HOME to a folder of yours",
        )


def _refuse_open(folder: Path) -> None:
    mode = folder.stat().st_mode
    if mode & OTHERS:
        act = "write to" if mode & OTHERS_WRITE else "look into"
        raise ConfigError("home", f"others may {act} {folder}", hint=f"chmod 700 {shlex.quote(str(folder))}")


def install_id(home: Path, make: Callable[[], str] = lambda: secrets.token_hex(8)) -> str:
    """Return the random id of this installation, made once; of processes that race for it, one wins for all."""
    file = home / ID_FILE
    if not file.exists():
        _offer(file, make())
    found = file.read_text().strip()
    if not found.isalnum():
        raise ConfigError("home", f"{file} is damaged", hint="restore it: receipts and branches carry this id")
    return found


def _offer(file: Path, fresh: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as out:
            out.write(fresh + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)  # fails when another process was first: theirs counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()
