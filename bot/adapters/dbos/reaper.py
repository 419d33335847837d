"""Takes over what a dead worker left running, and what this one lost sight of.

DBOS recovers a worker's jobs only when that very worker starts again; without this, the jobs of a machine that never
comes back would be stuck for ever, and so would their lanes. A job that is taken over keeps its place: it goes back
to its own queue and lane, where it is the oldest, and nothing younger in the lane runs before it.
"""

import threading
import time

import sqlalchemy as sa
import structlog
from dbos import DBOS
from dbos._sys_db import SystemDatabase
from dbos._utils import INTERNAL_QUEUE_NAME

from bot.adapters.dbos.database import database_errors
from bot.adapters.dbos.retention import forget
from bot.adapters.dbos.run import system_database
from bot.adapters.dbos.worker_lock import LostLockError, WorkerLock
from bot.errors import SlipwayError

log = structlog.get_logger()

FORGET_EVERY_SECONDS = 3600.0


class Reaper:
    """Looks after the work of the dead for as long as it is started.

    Args:
        dbos: the launched DBOS of this worker.
        lock: this worker's lock, which can try the locks of others.
        seconds: from one look to the next.
    """

    def __init__(self, dbos: DBOS, lock: WorkerLock, seconds: float) -> None:
        self._dbos = dbos
        self._lock = lock
        self._seconds = seconds
        self._stopped = threading.Event()
        self._unseen: frozenset[str] = frozenset()
        self._forgets_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin with a look at once: the machine's name may have changed since the last start."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with database_errors("look for the jobs of dead workers"):
                    self.look()
            except LostLockError:
                return  # the watchdog ends the process
            except SlipwayError as error:
                log.warning("reaper cannot look", reason=str(error))
            except Exception:
                log.exception("reaper failed")  # a look that fails must not be the last one
            self._stopped.wait(self._seconds)

    def look(self) -> None:
        """Take over the jobs of workers whose lock is free, and of this one those without a thread; forget old ones."""
        database = system_database(self._dbos)
        for worker_id in running_workers(database):
            if worker_id != self._lock.worker_id:
                with self._lock.borrow(worker_id) as dead:
                    if dead:
                        taken = hand_back(database, worker_id)
                        log.warning("took over a dead worker's jobs", worker=worker_id, jobs=taken)
        self._look_for_lost_sight_of(database)
        if time.monotonic() >= self._forgets_at:
            self._forgets_at = time.monotonic() + FORGET_EVERY_SECONDS
            forget(database)

    def _look_for_lost_sight_of(self, database: SystemDatabase) -> None:
        """Put back a running job without a thread, such as a claim whose answer was lost with its connection.

        It must be seen so twice: once may be a job just between its claim and its thread.
        """
        active = set(self._dbos._active_workflows_set.activeList())  # noqa: SLF001 - no public word for it
        unseen = frozenset(running_jobs(database, self._lock.worker_id)) - active
        lost = self._unseen & unseen
        if lost:
            hand_back(database, self._lock.worker_id, lost)
            log.warning("put jobs without a thread back", jobs=sorted(lost))
        self._unseen = unseen - lost


def running_workers(database: SystemDatabase) -> list[str]:
    """The ids of the workers that have running jobs."""
    table = database.tables.workflow_status
    query = sa.select(table.c.executor_id).where(table.c.status == "PENDING", table.c.executor_id.is_not(None))
    with database.engine.begin() as connection:
        return list(connection.execute(query.distinct()).scalars())


def running_jobs(database: SystemDatabase, worker_id: str) -> list[str]:
    """The ids of the jobs that run, or ran when it died, on a worker."""
    return [found.workflow_id for found in database.get_pending_workflows(worker_id, DBOS.application_version)]


def hand_back(database: SystemDatabase, worker_id: str, jobs: frozenset[str] | None = None) -> list[str]:
    """Put a worker's running jobs (or those of them) back into their lanes; the ids of those that were."""
    candidates = running_jobs(database, worker_id) if jobs is None else sorted(jobs)
    return [job for job in candidates if database.reenqueue_for_recovery(job, [worker_id], INTERNAL_QUEUE_NAME)]
