"""Where a seed's work graph lies: a SQLite file in its own folder, or a database of its own on a Postgres that we started."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loopy.store.migrate import migrate
from tests.support.databases import new_template
from tests.support.servers import Postgres, postgres

DATABASES = ("sqlite", "postgres")


class Ground(Protocol):
    """Makes work graphs, each a copy of one that was migrated once; it may be sent to another process."""

    @property
    def folder(self) -> Path | None:
        """Where the seeds' folders are made; None: in memory, if there is such a place."""
        ...

    def graph(self, folder: Path) -> str:
        """Return the URL of a new work graph for the seed whose folder this is."""
        ...

    def drop(self, url: str) -> None:
        """Remove what lies outside the folder."""
        ...


@dataclass(frozen=True)
class Files:
    """On SQLite."""

    template: Path
    folder: Path | None = None

    def graph(self, folder: Path) -> str:
        shutil.copy(self.template, folder / "loopy.db")
        return f"sqlite:///{folder / 'loopy.db'}"

    def drop(self, url: str) -> None:
        return  # it goes with the folder


@dataclass(frozen=True)
class Server:
    """On Postgres."""

    url: str  # of the server's own database
    template: str
    folder: Path | None = None

    @property
    def _server(self) -> Postgres:
        return Postgres(self.url, lambda _how: None)

    def graph(self, folder: Path) -> str:
        return self._server.fresh(self.template)

    def drop(self, url: str) -> None:
        self._server.drop(url)


@contextmanager
def grounds(database: str, folder: Path | None = None) -> Iterator[Ground]:
    """Yield where graphs can be made. Raises RuntimeError where Postgres is asked for and not installed."""
    if database == "postgres":
        with postgres() as server:
            yield Server(server.url, _migrated(server), folder)
        return
    with tempfile.TemporaryDirectory(prefix="loopy-chaos-", dir=folder) as made:
        yield Files(new_template(Path(made) / "template.db"), folder)


def _migrated(server: Postgres) -> str:
    url = server.fresh()
    migrate(url, None)
    return url
