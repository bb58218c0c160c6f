"""Bring a database to the schema that this version knows, by Alembic; a newer schema is refused."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from loopy.domain.errors import MigrationError, StoreError
from loopy.store.files import WriterLock

HEAD = "0001"
SCRIPTS = Path(__file__).with_name("migrations")


def migrate(url: str, database: Path | None) -> bool:
    """Migrate if needed; return whether anything was done. One process at a time, others wait."""
    if database is not None and not database.exists():
        database.touch(mode=0o600)  # its WAL gets the same mode; no connection is open yet that closing could disturb
    if _revision(url) == HEAD:
        return False
    lock = WriterLock(None if database is None else database.with_name(database.name + ".migrate"), 60)
    with lock:
        found = _revision(url)
        if found == HEAD:
            return False
        _upgrade(url, found)
    lock.close()
    return True


def _revision(url: str) -> str | None:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    except Exception as error:
        raise StoreError("work graph", f"cannot be opened: {error}", hint="`loopy doctor` looks at it") from error
    finally:
        engine.dispose()


def _upgrade(url: str, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["url"] = url
    known = {r.revision for r in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise MigrationError(
            "work graph",
            f"has schema {found}, this version knows up to {HEAD}",
            hint="upgrade Loopy, or use another home",
        )
    command.upgrade(config, "head")
