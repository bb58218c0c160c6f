"""Bring a database to the schema that this version knows, by Alembic; a newer schema is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from loopy.domain.errors import ConfigError, MigrationError, StoreError
from loopy.store.engines import MIGRATING
from loopy.store.files import WriterLock

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"
SCRIPTS = Path(__file__).with_name("migrations")
PATIENCE_S = 60
DRIVER, INSTALL = "postgresql+psycopg", "pip install 'loopy-os[postgres]'"


def migrate(url: str, database: Path | None) -> bool:
    """Migrate if needed; return whether anything was done. One process at a time, others wait.

    Raises StoreError naming the file when it is damaged or cannot be opened, ConfigError when its driver is missing.
    """
    if database is not None and not database.exists():
        database.touch(mode=0o600)  # its WAL gets the same mode; no connection is open yet that closing could disturb
    if revision(url) == HEAD:
        return False
    with _alone(url, database):
        found = revision(url)
        if found == HEAD:
            return False
        _upgrade(url, found)
    return True


@contextmanager
def _alone(url: str, database: Path | None) -> Iterator[None]:
    """Be the only process that migrates: by a file beside SQLite's, by an advisory lock of a session on Postgres."""
    if database is not None:
        lock = WriterLock(database.with_name(database.name + ".migrate"), PATIENCE_S)
        try:
            with lock:
                yield
        finally:
            lock.close()
        return
    engine = _engine(url)
    try:
        with _translated(url), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE_S}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATING})")  # ends with the connection
            yield
    finally:
        engine.dispose()


def revision(url: str) -> str | None:
    """Return the schema that the database has, None before its first migration. Raises as `migrate` does."""
    engine = _engine(url)
    try:
        with _translated(url), engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    try:
        return create_engine(url)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        said = make_url(url).drivername
        url_too = "" if said == DRIVER else f", and begin the URL with {DRIVER}://"
        hint = "begin it with sqlite:///" if said.startswith("sqlite") else f"{INSTALL}{url_too}"
        raise ConfigError("database_url", f"the driver for {said}:// is not installed", hint=hint) from error


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what a driver says into one line that names the file, or the server without its password."""
    try:
        yield
    except DBAPIError as error:
        made = make_url(url)
        where = (made.database if url.startswith("sqlite") else "") or made.render_as_string(hide_password=True)
        said = " ".join(str(error.orig).split())
        raise StoreError(where, f"cannot be opened: {said}", hint="`loopy doctor` looks at the home") from error


def known_revisions() -> frozenset[str]:
    """Return every schema that this version can bring up to date."""
    from alembic.script import ScriptDirectory

    return frozenset(r.revision for r in ScriptDirectory.from_config(_config()).walk_revisions())


def check(url: str, database: Path | None) -> str | None:
    """Return the schema that the database has, None for none yet; change nothing. Raises MigrationError for a newer one."""
    found = revision(url) if database is None or database.exists() else None  # to open a file would make it
    if found is not None and found != HEAD:
        _demand_known(found)
    return found


def _demand_known(found: str) -> None:
    if found not in known_revisions():
        raise MigrationError(
            "work graph",
            f"has schema {found}, this version knows up to {HEAD}",
            hint="upgrade Loopy, or use another home",
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def _upgrade(url: str, found: str | None) -> None:
    from alembic import command

    if found is not None:
        _demand_known(found)
    config = _config()
    config.attributes["url"] = url
    with _translated(url):
        command.upgrade(config, "head")
