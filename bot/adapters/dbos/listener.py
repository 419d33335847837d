"""Hears changes of the jobs' table, asks what they mean for this worker, and wakes whoever they are for.

SQLite counts what other connections have written (``PRAGMA data_version``, https://sqlite.org/pragma.html). That is
read often, and at once when somebody pulls the ``rope``. On PostgreSQL a trigger notifies
(https://www.postgresql.org/docs/current/sql-notify.html). Most changes are the steps that the worker itself records,
and concern nobody: so two small questions come first, on a connection that only reads.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import structlog

from bot.adapters.dbos.database import BELL, CONNECT_SECONDS, KEEPALIVES, SCHEMA, libpq_url, sqlite_path
from bot.adapters.dbos.doorbell import Awaited, Doorbells
from bot.adapters.dbos.rope import Rope

log = structlog.get_logger()

EAR = "slipway-doorbell"
"""What the listening connection calls itself, for whoever looks at ``pg_stat_activity``."""

LISTEN_SECONDS = 0.01
"""How often SQLite's counter is read while there is work; that takes microseconds, and a thread to be woken. On
PostgreSQL the pause between two questions: a busy database would be asked without end."""

DOZE_SECONDS = 0.1
"""How often it is read when nothing has changed for ``QUIET_SECONDS``."""

QUIET_SECONDS = 1.0

NOTIFY_SECONDS = 1.0
"""How long one wait for PostgreSQL's notifications lasts, before the thread sees whether it is to stop."""

DEAF_SECONDS = 2.0
"""Between two attempts to listen again after the database went away."""

_READY = """
SELECT name FROM {schema}queues AS queue WHERE EXISTS (
    SELECT 1 FROM {schema}workflow_status AS job
    WHERE job.queue_name = queue.name AND job.status = 'ENQUEUED' AND job.status IN ('ENQUEUED', 'PENDING')
    AND NOT EXISTS (
        SELECT 1 FROM {schema}workflow_status AS other
        WHERE other.queue_name = job.queue_name AND other.queue_partition_key = job.queue_partition_key
        AND other.status = 'PENDING' AND other.status IN ('ENQUEUED', 'PENDING')
    )
) AND (queue.worker_concurrency IS NULL OR queue.worker_concurrency > (
    SELECT COUNT(*) FROM {schema}workflow_status AS own
    WHERE own.queue_name = queue.name AND own.executor_id = ?
    AND own.status = 'PENDING' AND own.status IN ('ENQUEUED', 'PENDING')
))
"""
"""The queues that have a job whose lane is free, and for which this worker has room. The second condition on each
status is that of the index: SQLite uses a partial index only where it finds its words again."""

_ENDED = """
SELECT workflow_uuid FROM {schema}workflow_status
WHERE workflow_uuid IN ({ids}) AND status NOT IN ('ENQUEUED', 'PENDING', 'DELAYED')
"""

Ask = Callable[[str, Sequence[str]], Iterable[tuple[Any, ...]]]
"""Runs a query with ``?`` for its values."""


class Listener:
    """Rings the queues that have something to do, and tells of the jobs that have ended.

    Args:
        database_url: as in ``DATABASE_URL``.
        worker_id: whose room counts.
        bells: the queues' threads.
        awaited: the jobs whose end is waited for.
    """

    def __init__(self, database_url: str, worker_id: str, bells: Doorbells, awaited: Awaited) -> None:
        self._url = database_url
        self._worker_id = worker_id
        self._bells = bells
        self._awaited = awaited
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="doorbell", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and let go of the database."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(NOTIFY_SECONDS + LISTEN_SECONDS)

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
        with closing(sqlite3.connect(path, isolation_level=None)) as connection, closing(Rope(path)) as rope:

            def ask(query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
                return connection.execute(query.replace("{schema}", ""), values).fetchall()

            before, changed_at = None, time.monotonic()
            while not self._stopped.is_set():
                rope.wait(LISTEN_SECONDS if time.monotonic() - changed_at < QUIET_SECONDS else DOZE_SECONDS)
                (now,) = connection.execute("PRAGMA data_version").fetchone()
                if now != before:
                    before, changed_at = now, time.monotonic()
                    self._changed(ask)

    def _hear_postgres(self) -> None:
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": EAR, **KEEPALIVES}
        with psycopg.connect(libpq_url(self._url), autocommit=True, **arguments) as connection:

            def ask(query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
                words = query.replace("{schema}", f"{SCHEMA}.").replace("?", "%s")
                return connection.execute(words.encode(), values).fetchall()

            connection.execute(f"LISTEN {BELL}")
            self._changed(ask)  # for whatever was missed before
            while not self._stopped.is_set():
                if any(True for _ in connection.notifies(timeout=NOTIFY_SECONDS, stop_after=1)):
                    self._changed(ask)
                    self._stopped.wait(LISTEN_SECONDS)

    def _changed(self, ask: Ask) -> None:
        self._bells.ring(str(name) for (name,) in ask(_READY, (self._worker_id,)))
        awaited = self._awaited.ids()
        if awaited:
            marks = ", ".join("?" * len(awaited))
            self._awaited.tell(str(job_id) for (job_id,) in ask(_ENDED.replace("{ids}", marks), awaited))
