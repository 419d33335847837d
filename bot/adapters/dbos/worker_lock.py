"""One process for one ``WORKER_ID``: the lock that says a worker lives, and whose freedom says that it died.

A worker's running jobs carry its id. They may be taken over only when no process with that id is left, and that is
what this lock is for: beside an SQLite file an exclusive ``flock``, which the kernel frees when the process ends
however it ends; on PostgreSQL a session advisory lock, which the server frees when the connection is gone
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).

A pooler that hands each transaction to another session (PgBouncer's transaction mode) would break that promise
without a word, and is refused; session pooling is fine.
"""

import fcntl
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg

from bot.adapters.dbos.database import CONNECT_SECONDS, KEEPALIVES, libpq_url, sqlite_path
from bot.adapters.dbos.one_machine import Claim, claim
from bot.errors import Permanent, Transient

PATIENCE_SECONDS = 5.0
"""How long a worker waits for its id: a reaper may hold it for an instant, or a dead holder's connection live on."""

SLOTS = 64
"""How many workers of one machine find an id of their own."""

SERVER_KEEPALIVES = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"
"""So that the server, too, gives up a machine that vanished: after about 11 s."""

_WORKER_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class LostLockError(Exception):
    """The lock is not held any more; another process may hold it."""


class WorkerLock(Protocol):
    """A held lock on a worker's id, and the means to ask for others'."""

    @property
    def worker_id(self) -> str:
        """The id."""
        ...

    def check(self) -> None:
        """Ask whether it is still held.

        Raises:
            LostLockError: it is not.
        """
        ...

    def borrow(self, worker_id: str) -> AbstractContextManager[bool]:
        """Hold another id, where no process has it; yields whether that is so."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...


class _Session(Protocol):
    """Where locks are taken: a folder, or a connection."""

    def take(self, worker_id: str) -> WorkerLock | None:
        """The lock; None where another process holds it."""
        ...

    def close(self) -> None:
        """End it, where no lock was taken."""
        ...


def acquire(database_url: str, worker_id: str | None, *, patience: float = PATIENCE_SECONDS) -> WorkerLock:
    """The lock on an id; without one, on the first free ``HOST-SLOT``.

    Raises:
        Permanent: another process holds the id; or the database is behind a transaction pooler.
        Transient: the database cannot be reached.
    """
    path = sqlite_path(database_url)
    session: _Session = _Folder(path) if path is not None else _Connection.open(database_url)
    lock = _first_free_slot(session) if worker_id is None else _wait_for(session, worker_id, patience)
    if lock is None:
        session.close()
        raise Permanent(
            f"Another process runs as the worker {worker_id or f'{_host()}-0 to -{SLOTS - 1}'} on this database. Stop "
            "it first, or give this one an id of its own in WORKER_ID (without WORKER_ID each worker picks a free one)."
        )
    return lock


def _first_free_slot(session: _Session) -> WorkerLock | None:
    locks = (session.take(f"{_host()}-{slot}") for slot in range(SLOTS))
    return next((lock for lock in locks if lock is not None), None)


def _wait_for(session: _Session, worker_id: str, patience: float) -> WorkerLock | None:
    if not _WORKER_ID.fullmatch(worker_id):
        session.close()
        raise Permanent(f"WORKER_ID is {worker_id!r}; use up to 100 letters, digits, dots, dashes and underscores.")
    deadline = time.monotonic() + patience
    while True:
        lock = session.take(worker_id)
        if lock is not None or time.monotonic() > deadline:
            return lock
        time.sleep(0.1)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:90] or "worker"


# ---------------------------------------------------------------- files


class _Folder:
    """Lock files beside the database. They are left there: to remove one that another process opens is a race."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def take(self, worker_id: str) -> "_FileLock | None":
        path = self._database.with_name(f"{self._database.name}.{worker_id}.lock")
        with ExitStack() as undo:
            held = claim(self._database)
            undo.callback(held.release)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise Permanent(
                    f"The lock file {path} cannot be opened ({error.strerror}). See to the rights of the folder."
                ) from None
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return None
            undo.pop_all()
            return _FileLock(self, worker_id, path, descriptor, held)

    def close(self) -> None:
        """Nothing is open."""


class _FileLock:
    """``WorkerLock`` by ``flock``."""

    def __init__(self, folder: _Folder, worker_id: str, path: Path, descriptor: int, claim: Claim) -> None:
        self.worker_id = worker_id
        self._folder = folder
        self._path = path
        self._descriptor = descriptor
        self._claim = claim

    def check(self) -> None:
        """A lock on a file that was removed or replaced keeps nobody out; nor does one that another machine ignores."""
        if not self._claim.named():
            raise LostLockError(
                f"{self._claim.path} does not name this machine any more: another one uses the database"
            )
        ours = os.fstat(self._descriptor)
        with suppress(OSError):
            theirs = self._path.stat()
            if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
                return
        raise LostLockError(f"the lock file {self._path} was removed or replaced")

    @contextmanager
    def borrow(self, worker_id: str) -> Iterator[bool]:
        lock = self._folder.take(worker_id)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def release(self) -> None:
        os.close(self._descriptor)
        self._claim.release()


# ---------------------------------------------------------------- PostgreSQL


class _Connection:
    """A connection of its own for the locks, since a pool would hand it to others."""

    def __init__(self, connection: "psycopg.Connection[Any]", backend: int) -> None:
        self._connection = connection
        self._backend = backend

    @classmethod
    def open(cls, database_url: str) -> "_Connection":
        """Connect, and make sure that it is one session for as long as it lives."""
        try:
            connection = _connect(database_url)
            backend = _backend(connection)
            with closing(_connect(database_url)) as other, other.transaction():
                shared = _backend(other) == backend or _backend(connection) != backend
        except psycopg.Error as error:
            raise Transient(
                f"The worker cannot connect to its database: {str(error).partition(chr(10))[0]}. See to the database "
                "that DATABASE_URL names."
            ) from None
        if shared:
            connection.close()
            raise Permanent(
                "DATABASE_URL leads through a pooler in transaction mode, where a worker's lock would be lost without "
                "notice. Give the address of PostgreSQL itself, or of a pool in session mode."
            )
        return cls(connection, backend)

    def take(self, worker_id: str) -> "_AdvisoryLock | None":
        if not self._ask("SELECT pg_try_advisory_lock(%s)", _key(worker_id)):
            return None
        return _AdvisoryLock(self, worker_id)

    def give_back(self, worker_id: str) -> None:
        self._ask("SELECT pg_advisory_unlock(%s)", _key(worker_id))

    def check(self) -> None:
        """An advisory lock lives and dies with its session: the same server process still answers."""
        if self._ask("SELECT pg_backend_pid()") != self._backend:
            raise LostLockError("the connection leads to another session now")

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    def _ask(self, question: str, *values: int) -> Any:
        try:
            row = self._connection.execute(question.encode(), values).fetchone()
        except psycopg.Error as error:
            raise LostLockError(f"the database does not answer: {str(error).partition(chr(10))[0]}") from None
        return None if row is None else row[0]


class _AdvisoryLock:
    """``WorkerLock`` by a session advisory lock."""

    def __init__(self, connection: _Connection, worker_id: str) -> None:
        self.worker_id = worker_id
        self._connection = connection

    def check(self) -> None:
        self._connection.check()

    @contextmanager
    def borrow(self, worker_id: str) -> Iterator[bool]:
        # The same session may take its own lock again, which would say nothing.
        free = worker_id != self.worker_id and self._connection.take(worker_id) is not None
        try:
            yield free
        finally:
            if free:
                self._connection.give_back(worker_id)

    def release(self) -> None:
        self._connection.close()


def _connect(database_url: str) -> "psycopg.Connection[Any]":
    parameters: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "slipway worker lock",
        **KEEPALIVES,
    }
    connection = psycopg.connect(libpq_url(database_url), autocommit=True, **parameters)
    connection.prepare_threshold = None
    connection.execute(SERVER_KEEPALIVES)
    return connection


def _backend(connection: "psycopg.Connection[Any]") -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def _key(worker_id: str) -> int:
    """A signed 64-bit number, as advisory locks want it."""
    digest = hashlib.sha256(f"slipway worker {worker_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
