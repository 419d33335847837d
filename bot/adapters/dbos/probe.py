"""Looks at the database as a worker would find it, and leaves nothing behind."""

import sqlalchemy as sa
from dbos._migration import get_migration_versions, get_sqlite_migration_versions

from bot.adapters.dbos.database import LISTEN_NOTIFY, SCHEMA, database_errors, open_engine, sqlite_path
from bot.errors import Permanent

SECONDS = 5.0
"""How long another process may hold SQLite's write lock."""


def check(database_url: str) -> str:
    """Reach it, compare the version of its tables, and try a write that is rolled back; what it is.

    Raises:
        Permanent: there is none, its tables are of another version, or it may not be written to.
        Transient: it cannot be reached.
    """
    path = sqlite_path(database_url)
    if path is not None and not path.is_file():  # to connect would create it
        raise Permanent(f"There is no database at {path} yet. Run: python -m bot migrate")
    engine = open_engine(database_url, patience=SECONDS, connections=1, full_sync=False)
    try:
        with database_errors("read the database"):
            _check_version(engine)
        with database_errors("write to the database"):
            _try_to_write(engine)
    finally:
        engine.dispose()
    return "SQLite" if path is not None else "PostgreSQL"


def _check_version(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        found, known = get_sqlite_migration_versions(engine)
    else:
        found, known = get_migration_versions(engine, SCHEMA, LISTEN_NOTIFY)
    if found < known:
        raise Permanent(
            f"The database's tables are at version {found}, and this version of Slipway needs {known}. "
            "Run: python -m bot migrate"
        )
    if found > known:
        raise Permanent(
            f"The database's tables are at version {found}, and this version of Slipway knows them up to {known}: a "
            "newer version has run on it. Run that version, or name another database in DATABASE_URL."
        )


def _try_to_write(engine: sa.Engine) -> None:
    table = "slipway_probe" if engine.dialect.name == "sqlite" else f"{SCHEMA}.slipway_probe"
    with engine.connect() as connection:
        connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - our own words
        connection.rollback()
