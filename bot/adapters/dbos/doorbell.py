"""A doorbell: whoever changes the queue is heard at once, so that an idle worker need not look all the time.

DBOS's queue threads sleep between two looks by waiting for the event that stops them. ``Doorbell`` is that event with
one addition: it can be rung, and then the threads look. A thread beside them listens for changes of the database:
SQLite counts what other connections have written (``PRAGMA data_version``, https://sqlite.org/pragma.html), and on
PostgreSQL a trigger notifies (https://www.postgresql.org/docs/current/sql-notify.html). Where nobody can be heard, the
threads still look at each polling interval.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import structlog

from bot.adapters.dbos.database import BELL, CONNECT_SECONDS, KEEPALIVES, libpq_url, sqlite_path

log = structlog.get_logger()

EAR = "slipway-doorbell"
"""What the listening connection calls itself, for whoever looks at ``pg_stat_activity``."""

GAP_SECONDS = 0.1
"""Between two rings: a busy database would ring without end."""

LISTEN_SECONDS = 0.05
"""How often SQLite's counter is read; that takes microseconds."""

NOTIFY_SECONDS = 1.0
"""How long one wait for PostgreSQL's notifications lasts, before the thread sees whether it is to stop."""

DEAF_SECONDS = 2.0
"""Between two attempts to listen again after the database went away."""


class Doorbell(threading.Event):
    """An event whose ``wait`` also ends, with False, when it is rung."""

    _cond: threading.Condition
    _flag: bool
    _rung: int
    _heard: threading.local

    @classmethod
    def attach(cls, event: threading.Event) -> None:
        """Make a bell of an event that nobody waits for yet."""
        vars(event).update(_rung=0, _heard=threading.local())
        event.__class__ = cls

    def wait(self, timeout: float | None = None) -> bool:
        """True where it is set; False after the timeout, or when it was rung, be it since this thread last waited.

        A ring while the thread was looking may have been for something that it did not see any more.
        """
        with self._cond:
            if not self._flag and getattr(self._heard, "rung", 0) == self._rung:
                self._cond.wait(timeout)
            self._heard.rung = self._rung
            return self._flag

    def ring(self) -> None:
        """Wake everybody who waits, and let nobody wait who has not heard it."""
        with self._cond:
            self._rung += 1
            self._cond.notify_all()


class Doorbells(list[threading.Event]):
    """DBOS's list of the events that stop its threads: it adds each before the thread starts, and it becomes a bell."""

    def append(self, event: threading.Event) -> None:
        """Add an event that nobody waits for yet."""
        Doorbell.attach(event)
        super().append(event)

    def ring(self) -> None:
        """Ring them all."""
        for event in self:
            if isinstance(event, Doorbell):
                event.ring()


class Listener:
    """Rings whenever the database's jobs may have changed.

    Args:
        database_url: as in ``DATABASE_URL``.
        ring: what to do then.
    """

    def __init__(self, database_url: str, ring: Callable[[], None]) -> None:
        self._url = database_url
        self._ring = ring
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="doorbell", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and let go of the database."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(NOTIFY_SECONDS + GAP_SECONDS)

    def _listen(self) -> None:
        path = sqlite_path(self._url)
        while not self._stopped.is_set():
            try:
                if path is not None:
                    self._hear_sqlite(path)
                else:
                    self._hear_postgres()
            except (sqlite3.Error, psycopg.Error) as error:
                log.warning("doorbell cannot be heard", reason=type(error).__name__)
                self._stopped.wait(DEAF_SECONDS)

    def _hear_sqlite(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            before = None
            while not self._stopped.wait(LISTEN_SECONDS):
                (now,) = connection.execute("PRAGMA data_version").fetchone()
                if now != before:
                    before = now
                    self._ring_once()

    def _hear_postgres(self) -> None:
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": EAR, **KEEPALIVES}
        with psycopg.connect(libpq_url(self._url), autocommit=True, **arguments) as connection:
            connection.execute(f"LISTEN {BELL}")
            self._ring()  # for whatever was missed before
            while not self._stopped.is_set():
                if any(True for _ in connection.notifies(timeout=NOTIFY_SECONDS, stop_after=1)):
                    self._ring_once()

    def _ring_once(self) -> None:
        self._ring()
        self._stopped.wait(GAP_SECONDS)
