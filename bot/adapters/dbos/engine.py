"""The worker: runs the durable workflows on DBOS Transact, one process for one ``WORKER_ID``.

In order: take the lock on the id (before anything that could run a job), write the queues' settings, launch DBOS
(which puts this id's interrupted jobs back into their lanes), then watch the lock and take over the jobs of the dead.
DBOS is one for each process, and so is a worker.
"""

import dataclasses
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig
from dbos._error import DBOSInitializationError

from bot.adapters.dbos.database import APPLICATION, LISTEN_NOTIFY, SCHEMA, database_errors, open_engine
from bot.adapters.dbos.doorbell import Awaited, Doorbells
from bot.adapters.dbos.listener import Listener
from bot.adapters.dbos.queue import register_queue
from bot.adapters.dbos.reaper import Reaper, hand_back, running_jobs
from bot.adapters.dbos.run import DurableRun, Settings, explained, system_database
from bot.adapters.dbos.serializer import JsonSerializer, NotStorableError, storable
from bot.adapters.dbos.worker_lock import PATIENCE_SECONDS, acquire
from bot.adapters.dbos.worker_watchdog import Watchdog, end_process
from bot.errors import Permanent, SlipwayError
from bot.jobs import Ended
from bot.log_context import context_of
from bot.ports import Run

log = structlog.get_logger()

VERSION = "slipway"
"""DBOS's version of the application: constant, so that any version of the code carries on any work. See run."""

CONNECTIONS = 10
"""To the database, from one worker; one more holds its lock."""

STOP_SECONDS = 19.0
"""How long after SIGTERM a worker may live, however slow its machine or its database: 20 are promised. Others take over
what it could not hand to them, since its lock is free then."""

DATABASE_SECONDS = 30.0
"""How long a worker waits for SQLite's write lock, or for a connection."""

MOST_RECOVERIES = 1000
"""Each worker that dies with a job counts; DBOS itself gives a job up after 100. One that kills its process every time
(out of memory) has to end at last, so that it does not keep all others from being done."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """A workflow: what it does with a run and its job's input, and the queue its jobs wait in."""

    function: Callable[[Run, Mapping[str, Any]], Any]
    queue: str


@dataclasses.dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue of lanes. ``worker_concurrency``: how many of its jobs one worker runs at once, None without a bound.

    The settings live in the database, for all workers: the worker that started last has the say.
    """

    name: str
    worker_concurrency: int | None = None


class Worker:
    """Runs workflows until it is stopped.

    Args:
        database_url: as in ``DATABASE_URL``; the database is migrated.
        worker_id: as in ``WORKER_ID``; None takes the first free ``HOST-SLOT``.
        workflows: by name, as jobs name them.
        queues: every queue that a workflow names.
        polling_seconds: how often each queue is looked at where no doorbell rings (each look costs some milliseconds).
        pause_seconds: the first pause between two attempts of a step.
        reaper_seconds: how often dead workers are looked for.
        grace_seconds: how long ``stop`` waits for steps that run.
        lock_seconds: how long to wait for the id.

    Raises:
        Permanent: another process has the id; or the database is behind a transaction pooler.
        Transient: the database cannot be reached.
    """

    def __init__(
        self,
        database_url: str,
        worker_id: str | None,
        workflows: Mapping[str, WorkflowSpec],
        queues: Sequence[QueueSpec],
        *,
        polling_seconds: float = 10.0,
        pause_seconds: float = 1.0,
        reaper_seconds: float = 10.0,
        grace_seconds: float = 15.0,
        lock_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._workflows = dict(workflows)
        self._queues = tuple(queues)
        unknown = {spec.queue for spec in workflows.values()} - {queue.name for queue in queues}
        if unknown:
            raise ValueError(f"workflows name queues that are not given: {sorted(unknown)}")
        self._polling_seconds = polling_seconds
        self._grace_seconds = grace_seconds
        self._stopping = threading.Event()
        self._lock = acquire(database_url, worker_id, patience=lock_seconds)
        self._engine = open_engine(database_url, patience=DATABASE_SECONDS, connections=CONNECTIONS, full_sync=False)
        self._dbos = DBOS(config=self._config())
        self._dbos.background_thread_stop_events = bells = Doorbells(polling_seconds)
        bells.append(self._dbos._background_jobs_stop_event)  # noqa: SLF001 - no public word for it
        _quieten_dbos()
        self._settings = Settings(
            dbos=self._dbos,
            queues={name: spec.queue for name, spec in self._workflows.items()},
            stopping=self._stopping,
            pause=pause_seconds,
            bells=bells,
            awaited=Awaited(),
        )
        self._watchdog = Watchdog(self._lock, end_process)
        self._reaper = Reaper(self._dbos, self._lock, reaper_seconds)
        self._listener = Listener(database_url, self._lock.worker_id, bells, self._settings.awaited)

    @property
    def worker_id(self) -> str:
        """The id it has."""
        return self._lock.worker_id

    def start(self) -> None:
        """Begin to take work.

        Raises:
            Permanent: the database is not migrated.
            Transient: it cannot be reached.
        """
        self._watchdog.start()
        for queue in self._queues:
            register_queue(
                self._engine,
                queue.name,
                worker_concurrency=queue.worker_concurrency,
                polling_seconds=self._polling_seconds,
            )
        for name, spec in self._workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=MOST_RECOVERIES)(self._workflow(spec))
        DBOS.listen_queues([queue.name for queue in self._queues])
        try:
            with database_errors("start the worker"):
                DBOS.launch()
        except DBOSInitializationError:
            raise Permanent("The database is older than this version of Slipway. Run: python -m bot migrate") from None
        self._listener.start()
        self._reaper.start()
        log.info("worker started", worker=self.worker_id)

    def run(self) -> None:
        """Start, and work until SIGTERM or SIGINT; then stop, and end the process where a step does not end in time."""
        # A pipe, not an Event: a handler that sets an Event which this thread waits for can wait for itself. And the
        # wake-up file, not the handler, writes to it: a signal that another thread gets does not wake this one.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self.start()
        os.read(reading, 1)
        last_moment = threading.Timer(STOP_SECONDS, os._exit, (0,))
        last_moment.daemon = True
        last_moment.start()
        if not self.stop():
            os._exit(0)

    def stop(self) -> bool:
        """Take no more work, wait for the steps that run, and hand everything unfinished to other workers.

        A run ends before its next step. False where steps still ran at the end of the grace: they are taken over when
        this process has ended.
        """
        self._stopping.set()
        self._settings.awaited.tell(self._settings.awaited.ids())
        self._reaper.stop()
        self._listener.stop()
        for event in self._dbos.background_thread_stop_events:
            event.set()
        deadline = time.monotonic() + self._grace_seconds
        while (idle := self._is_idle()) is False and time.monotonic() < deadline:
            time.sleep(0.05)
        log.info(
            "worker stopped", worker=self.worker_id, handed_back=self._handed_back(), abandoned=sorted(self._active())
        )
        if idle:
            self._close()
        return idle

    # ------------------------------------------------------------ how

    def _handed_back(self) -> list[str]:
        """Hand everything unfinished to others. Where the database is not well, they find this worker's lock free."""
        database = system_database(self._dbos)
        try:
            with database_errors("hand its jobs to other workers"):
                unfinished = frozenset(running_jobs(database, self.worker_id)) - self._active()
                return hand_back(database, self.worker_id, unfinished)
        except SlipwayError as error:
            log.warning("jobs not handed over", worker=self.worker_id, reason=str(error))
            return []

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name=APPLICATION,
            system_database_engine=self._engine,
            dbos_system_schema=SCHEMA,
            serializer=JsonSerializer(),
            executor_id=self._lock.worker_id,
            application_version=VERSION,
            run_migrations=False,
            use_listen_notify=LISTEN_NOTIFY,
            enable_otlp=False,
            log_level=_dbos_level(),
        )

    def _workflow(self, spec: WorkflowSpec) -> Callable[[Mapping[str, Any]], Any]:
        def workflow(job_input: Mapping[str, Any]) -> Any:
            run = DurableRun(self._settings)
            structlog.contextvars.clear_contextvars()  # whatever this thread ran before is over
            structlog.contextvars.bind_contextvars(job=run.id, **context_of(job_input))
            return _outcome(spec, run, job_input)

        return workflow

    def _active(self) -> frozenset[str]:
        return frozenset(self._dbos._active_workflows_set.activeList())  # noqa: SLF001 - no public word for it

    def _is_idle(self) -> bool:
        """No run is under way, and no queue's thread could be about to begin one."""
        claiming = any(thread.name.startswith("queue-worker-") for thread in threading.enumerate())
        return not claiming and not self._active()

    def _close(self) -> None:
        self._watchdog.stop()
        DBOS.destroy(destroy_registry=True)
        self._engine.dispose()
        self._lock.release()


def _outcome(spec: WorkflowSpec, run: DurableRun, job_input: Mapping[str, Any]) -> Any:
    """The workflow's result as it is stored. The only place that catches whatever a workflow raises."""
    log.info("job begins")
    try:
        result = storable(spec.function(run, job_input))
    except SlipwayError as error:
        log.warning("job failed", reason=str(error))
        raise
    except NotStorableError as error:
        log.exception("job failed unexpectedly")
        raise Permanent(f"The result of {run.id} cannot be stored: {error}") from error
    except Exception as error:
        log.exception("job failed unexpectedly")
        raise explained(f"The job {run.id}", error) from error
    if isinstance(result, Ended):
        log.info("job ended", outcome=result.outcome, detail=result.detail)
    else:
        log.info("job ended")
    return result


# ---------------------------------------------------------------- DBOS's log


def _dbos_level() -> str:
    return "DEBUG" if logging.getLogger().isEnabledFor(logging.DEBUG) else "WARNING"


def _quieten_dbos() -> None:
    """DBOS writes to its own console; its words go where everybody's go, without those that ``_outcome`` said."""
    logger = logging.getLogger("dbos")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
    logger.addFilter(lambda record: "Exception encountered in background workflow" not in record.getMessage())
