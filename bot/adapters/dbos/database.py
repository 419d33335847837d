"""The database behind the durable queue: its URL, its engine, its schema, and its errors in our words.

Source of what DBOS expects of an engine: ``dbos/_sys_db_sqlite.py`` and ``dbos/_sys_db_postgres.py`` (3.4.0), which
set the same things on the engines that they make themselves. Ours adds write-ahead logging and the waiting times.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos._migration import get_migration_versions, get_sqlite_migration_versions
from dbos._sys_db import SystemDatabase

from bot.adapters.dbos.one_machine import claim
from bot.adapters.dbos.serializer import JsonSerializer
from bot.adapters.dbos.sqlite_errors import note_file, sqlite_error
from bot.errors import Permanent, Transient

APPLICATION = "slipway"

SCHEMA = "dbos"
"""Where DBOS keeps its tables on PostgreSQL; SQLite has no schemas."""

LISTEN_NOTIFY = False
"""Slipway uses none of DBOS's messages and events; without their triggers an insert is cheaper."""

CONNECT_SECONDS = 5

KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,  # milliseconds
}
"""libpq's names (https://www.postgresql.org/docs/current/libpq-connect.html): a dead peer is known in about 10 s."""


PAGES_LEFT_TO_WORKERS = 16_000
"""Pages (64 MB) of SQLite's log after which whoever stores deliveries tidies up, too; workers do so after 1,000. The
commit that happens to tidy takes many times as long as any other, and nobody waits for a worker's answer."""

CLAIM = "slipway_machine"
"""Where a connection keeps its ``one_machine.Claim``."""

_STAMP_BY_THE_MILLISECOND = """
CREATE TRIGGER IF NOT EXISTS slipway_created_at AFTER INSERT ON workflow_status BEGIN
    UPDATE workflow_status SET created_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
    WHERE workflow_uuid = NEW.workflow_uuid;
END
"""
"""A lane runs in the order of this stamp. Under Python 3.11 DBOS's own has whole seconds on SQLite
(``dbos/_migration.py``), and jobs of one second would run in the order of their ids."""


BELL = "slipway_bell"
"""PostgreSQL's channel on which changed jobs are notified; see doorbell."""

_RING = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.slipway_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('{BELL}', ''); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER slipway_ring AFTER INSERT OR UPDATE OF status ON {SCHEMA}.workflow_status
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.slipway_ring();
"""
"""A job was stored, or its lane is free again. Equal notifications of a transaction are sent once."""


SAID_COLUMNS = "(job TEXT PRIMARY KEY, step TEXT, text TEXT, left_out BIGINT, began BIGINT, at BIGINT)"
"""Times are milliseconds since 1970."""


def normalise_url(database_url: str) -> str:
    """``DATABASE_URL`` as SQLAlchemy reads it: PostgreSQL through psycopg 3, SQLite as it is.

    Raises:
        Permanent: it names neither, or no file.
    """
    scheme, separator, rest = database_url.partition("://")
    match scheme:
        case "postgres" | "postgresql" if separator and rest:
            return f"postgresql+psycopg://{rest}"
        case "sqlite" if rest.startswith("/") and rest not in ("/", "/:memory:"):
            return database_url
    raise Permanent(
        "DATABASE_URL must be sqlite:///PATH (three slashes and a path from the working directory, four and an "
        "absolute one) or postgresql://USER:PASSWORD@HOST/DATABASE."
    )


def sqlite_path(database_url: str) -> Path | None:
    """The file of an SQLite URL, absolute; None for PostgreSQL."""
    url = normalise_url(database_url)
    if not url.startswith("sqlite"):
        return None
    return Path(url.removeprefix("sqlite:///").partition("?")[0]).absolute()


def libpq_url(database_url: str) -> str:
    """The URL as libpq reads it, for connections beside SQLAlchemy's."""
    return normalise_url(database_url).replace("postgresql+psycopg://", "postgresql://", 1)


def open_engine(database_url: str, *, patience: float, connections: int, full_sync: bool) -> sa.Engine:
    """An engine of our own for DBOS; it connects when first used, so it may be made before a fork.

    Args:
        database_url: as in ``DATABASE_URL``.
        patience: seconds to wait for SQLite's write lock, or for a free connection.
        connections: how many at once.
        full_sync: SQLite syncs each commit to disk. Without it a power cut (not a killed process) may lose the last
            commits, never their order; workers can live with that since steps look before they act.
    """
    path = sqlite_path(database_url)
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": patience}
    if path is not None:
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": patience}, **pool)
        sa.event.listen(engine, "connect", _set_up_sqlite(path, patience, full_sync=full_sync))
        sa.event.listen(engine, "close", lambda _connection, record: _give_up(record))
        sa.event.listen(engine, "handle_error", partial(note_file, path))
        return engine
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION, **KEEPALIVES}
    engine = sa.create_engine(normalise_url(database_url), connect_args=arguments, pool_pre_ping=True, **pool)
    sa.event.listen(engine, "connect", _set_up_postgres)
    return engine


def _set_up_sqlite(path: Path, patience: float, *, full_sync: bool) -> Any:
    def set_up(connection: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        with ExitStack() as undo:
            undo.callback(connection.close)
            held = claim(path)
            undo.callback(held.release)
            # DBOS counts on BEGIN IMMEDIATE: a transaction that only reads first would fail when it comes to write.
            connection.isolation_level = "IMMEDIATE"
            connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA case_sensitive_like=ON")  # as on PostgreSQL; a prefix then finds the index
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if full_sync else 'NORMAL'}")
            if full_sync:
                connection.execute(f"PRAGMA wal_autocheckpoint={PAGES_LEFT_TO_WORKERS}")
            record.info[CLAIM] = held
            undo.pop_all()

    return set_up


def _give_up(record: sa.pool.ConnectionPoolEntry) -> None:
    held = record.info.pop(CLAIM, None)
    if held is not None:
        held.release()


def _set_up_postgres(connection: Any, _record: object) -> None:
    """A frozen process must not hold row locks for ever. Not a startup option: session poolers refuse those."""
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def migrate(database_url: str) -> None:
    """Create the database's tables, or bring them up to date. Safe to run again, and by several at once.

    Raises:
        Permanent: the database was written by a newer version, or may not be changed.
        Transient: it cannot be reached.
    """
    path = sqlite_path(database_url)
    if path is not None:
        _make_folder(path.parent)
    engine = open_engine(database_url, patience=30, connections=3, full_sync=True)
    try:
        with database_errors("bring the database up to date"):
            _refuse_newer(engine)
            _system_database(engine).run_migrations()
            with engine.begin() as connection:
                connection.execute(
                    sa.text(f"CREATE TABLE IF NOT EXISTS {_probe(engine)} (id INTEGER PRIMARY KEY, at TEXT)")
                )
                connection.execute(sa.text(f"CREATE TABLE IF NOT EXISTS {said(engine)} {SAID_COLUMNS}"))
                connection.execute(sa.text(_STAMP_BY_THE_MILLISECOND if path is not None else _RING))
    finally:
        engine.dispose()


def refuse_other_machines(database_url: str) -> None:
    """Say at the start what the first connection would say; nothing where there is no database yet.

    Raises:
        Permanent: it is an SQLite file that processes of another machine use.
    """
    path = sqlite_path(database_url)
    if path is not None and path.is_file():
        claim(path).release()


def check_writable(engine: sa.Engine) -> None:
    """Commit a row, as storing a delivery would.

    Raises:
        Transient: it cannot be stored now.
        Permanent: the tables are not there.
    """
    update = "ON CONFLICT (id) DO UPDATE SET at = EXCLUDED.at"
    statement = f"INSERT INTO {_probe(engine)} VALUES (1, CURRENT_TIMESTAMP) {update}"  # noqa: S608 - our own words
    with database_errors("write to the database"), engine.begin() as connection:
        connection.execute(sa.text(statement))


def said(engine: sa.Engine) -> str:
    """The table of what steps say (``journal``): a row a job, of its last step that says anything."""
    return "slipway_said" if engine.dialect.name == "sqlite" else f"{SCHEMA}.slipway_said"


def _probe(engine: sa.Engine) -> str:
    return "slipway_probe" if engine.dialect.name == "sqlite" else f"{SCHEMA}.slipway_probe"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(
            f"The folder {folder} of the database cannot be made ({error.strerror}). Make it, or name another one in "
            "DATABASE_URL."
        ) from None


def _refuse_newer(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        found, known = get_sqlite_migration_versions(engine)
    else:
        found, known = get_migration_versions(engine, SCHEMA, LISTEN_NOTIFY)
    if found > known:
        raise Permanent(
            f"The database is at version {found} of its tables, and this version of Slipway knows them up to {known}: "
            "a newer version has run on it. Run that version, or name another database in DATABASE_URL."
        )


def _system_database(engine: sa.Engine) -> SystemDatabase:
    return SystemDatabase.create(
        system_database_url="sqlite:///" if engine.dialect.name == "sqlite" else "postgresql://",
        engine_kwargs={},
        engine=engine,
        schema=SCHEMA,
        serializer=JsonSerializer(),
        executor_id=None,
        use_listen_notify=LISTEN_NOTIFY,
        app_name=APPLICATION,
    )


# ---------------------------------------------------------------- errors


_HELPS = {
    "": "See to the database that DATABASE_URL names.",
    "53100": "Make room on the disk of the server that DATABASE_URL names; Slipway goes on by itself.",
    "25006": "DATABASE_URL must lead to the server that takes writes, not to a standby of it.",
}
"""What helps, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


@contextmanager
def database_errors(action: str) -> Iterator[None]:
    """Translate what the database says into our errors. ``action`` completes "could not ..."."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise translated(action, error) from None


def translated(action: str, error: sa.exc.DBAPIError | sa.exc.TimeoutError) -> Permanent | Transient:
    """Our error for one of the database's. ``action`` completes "could not ..."."""
    if isinstance(error, sa.exc.TimeoutError):
        return Transient(f"Slipway could not {action}: every connection to it is in use.")
    if (found := sqlite_error(action, error.orig)) is not None:
        return found
    reason = str(error.orig).partition("\n")[0]
    state = getattr(error.orig, "sqlstate", None) or ""
    if "no such table" in reason or state in ("42P01", "3F000"):
        return Permanent(f"Slipway could not {action}: its tables are not there. Run: python -m bot migrate")
    if state.startswith("42"):
        return Permanent(f"Slipway could not {action}: {reason}. See to the rights of DATABASE_URL's user.")
    return Transient(
        f"Slipway could not {action}: {reason}. {_HELPS.get(state, _HELPS[''])} Until then nothing new is accepted, "
        "and what was accepted is safe."
    )
