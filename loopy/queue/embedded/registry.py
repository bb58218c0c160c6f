"""The broker files this process has open: one object per path, shared by all its connections, none across a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from loopy.domain.errors import BrokerError
from loopy.queue.embedded.file import BEFORE_FORK, PATIENCE_S, BrokerFile
from loopy.queue.embedded.owners import OwnerLock

# Held while a file or an owner's lock is being made and while the process forks, so that no child can inherit a lock
# that nobody knows of yet.
_guard = threading.Lock()
_open: dict[Path, BrokerFile] = {}
_inherited: list[BrokerFile] = []  # a child never closes its parent's SQLite handles, so it must never collect them


def borrow(path: Path, patience_s: float = PATIENCE_S) -> BrokerFile:
    """Return the open broker file at `path`, opening it at need; give it back with `give_back`."""
    _follow_forks()
    with _guard:
        file = _open.get(path)
        if file is None or file.gone:
            file = _open[path] = BrokerFile(path, patience_s)
        file.users += 1
        return file


def give_back(file: BrokerFile) -> None:
    """Give a borrowed file back; the last user closes it and ends its ownership."""
    with _guard:
        file.users -= 1
        if file.users > 0 or file.gone == BEFORE_FORK:
            return
        if _open.get(file.path) is file:
            del _open[file.path]
    try:
        with suppress(sqlite3.Error, BrokerError):  # the lock falls with the descriptor, and a survivor closes the row
            _disown(file)
    finally:
        file.close()


def owner_of(file: BrokerFile, now: float) -> str:
    """Return the id under which this process owns messages of the file, taking the kernel lock at first."""
    if file.owner is None:
        with _guard:
            if file.owner is None:
                file.owner = _new_owner(file, now)
    return file.owner.id


def _new_owner(file: BrokerFile, now: float) -> OwnerLock:
    lock = OwnerLock(file.owners)
    try:
        with file.write() as con:
            con.execute("INSERT INTO owner VALUES(?,?,?)", (lock.id, os.getpid(), now))
    except BaseException:
        lock.release()
        raise
    return lock


def _disown(file: BrokerFile) -> None:
    if file.owner is None:
        return
    with file.write(patience_s=1.0) as con:
        con.execute("UPDATE message SET owner=NULL WHERE owner=?", (file.owner.id,))
        con.execute("DELETE FROM consumer WHERE owner=?", (file.owner.id,))
        con.execute("DELETE FROM owner WHERE id=?", (file.owner.id,))


@cache
def _follow_forks() -> None:
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget)


def _forget() -> None:
    for file in _open.values():
        _inherited.append(file)
        file.forsake()
    _open.clear()
    _guard.release()
