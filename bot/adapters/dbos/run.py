"""One durable run of a workflow, on DBOS: what ``ports.Run`` promises, and how a run ends that must not go on.

Every attempt of a step, every pause and every started job is a row of its own, written once; a replay reads them in
the same order. Where the rows do not fit the code any more (a new version came while the work waited) the run starts
afresh with the same input: its rows are dropped and the job goes back to its lane. Steps look before they act, so
that repeats nothing.
"""

import dataclasses
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import sqlalchemy as sa
import structlog
from dbos import DBOS
from dbos._context import assert_current_dbos_context
from dbos._error import (
    DBOSAwaitedWorkflowCancelledError,
    DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded,
    DBOSUnexpectedStepError,
    DBOSWorkflowIDInUseError,
)
from dbos._outcome import NoResult
from dbos._sys_db import SystemDatabase
from dbos._utils import INTERNAL_QUEUE_NAME

from bot.adapters.dbos.database import translated
from bot.adapters.dbos.doorbell import Awaited, Doorbells
from bot.adapters.dbos.queue import enqueue_options
from bot.adapters.dbos.serializer import NotStorableError, UnreadableRecord, storable
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome
from bot.facts import Job
from bot.log_context import context_of
from bot.repetition import TooEarly, first_time, taken_up, under_way

log = structlog.get_logger()

T = TypeVar("T")

LONGEST_PAUSE_SECONDS = 300.0
"""The bound on what the other side may ask us to wait (``Transient.retry_after``)."""

LONGEST_GROWTH = 32
"""Pauses double up to this many times the first one."""

CALL_POLLING_SECONDS = 2.0
"""How often a run looks for the end of a job that it waits for, where nobody tells it."""


class Interrupted(BaseException):
    """Unwinds a run that this process goes no further with. The queue has the job; another execution carries on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What all runs of a worker share.

    Attributes:
        dbos: the one that executes them.
        queues: the queue that each workflow runs on.
        stopping: set when the process is to end: no run begins another step.
        pause: seconds of the first pause between two attempts of a step.
        bells: wake the queues' threads.
        awaited: where a run hears of the end of a job; told of all of them when ``stopping`` is set.
    """

    dbos: DBOS
    queues: Mapping[str, str]
    stopping: threading.Event
    pause: float
    bells: Doorbells
    awaited: Awaited


class DurableRun:
    """``ports.Run``; made within a workflow that DBOS executes, and used by its thread alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._id = assert_current_dbos_context().workflow_id
        self._begun_at = time.monotonic()
        self._begun_before: bool | None = None
        self._acted = False

    @property
    def id(self) -> str:
        """The job's id."""
        return self._id

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        """Run a step once; again after ``Transient`` and ``UnknownOutcome``, with growing pauses, up to ``attempts``.

        ``TooEarly`` is none of them, and after its pause it is early no more.

        Raises:
            SlipwayError: what the last attempt raised.
            Permanent: also for any other exception: it is a mistake of ours, and its traceback is in the log.
            TypeError: the result cannot be stored; it names the step.
        """

        def timed() -> T:
            began = time.monotonic()
            result = function()
            log.info("step done", step=name, seconds=round(time.monotonic() - began, 3))
            return result

        attempt, broke_off = 1, None
        while True:
            try:
                return self._recorded(_label(name, attempt), partial(self._told, timed, attempt, broke_off))
            except TooEarly as early:
                self.sleep(early.retry_after or 0.0)
            except (Transient, UnknownOutcome) as error:
                if attempt == attempts:
                    raise
                if isinstance(error, UnknownOutcome) and error.unfinished:
                    broke_off = time.monotonic()
                pause = self._pause(attempt, error)
                log.warning("step is tried again", step=name, attempt=attempt, pause=pause, reason=str(error))
                self.sleep(pause)
                attempt += 1

    def sleep(self, seconds: float) -> None:
        """Sleep durably: a restart sleeps only the rest. The clock of the machine counts, bounded by ``seconds``."""
        wake = self._recorded("sleep", lambda: time.time() + seconds)
        rest = min(seconds, wake - time.time())
        if rest > 0 and self._settings.stopping.wait(rest):
            raise Interrupted

    def start(self, job: Job) -> bool:
        """Start another workflow and do not wait; False where its id is known already.

        The job and the record of having started it are one transaction: a replay tells the same.
        """
        self._stop_here_if_asked()
        try:
            options = enqueue_options(job, self._settings.queues)
            with _stops_without_database():
                handle = DBOS.enqueue_workflow_with_options(options, _storable_input(job))
            known, started = False, handle.get_workflow_id()
        except DBOSWorkflowIDInUseError as error:
            known, started = True, error.workflow_id
        except (DBOSUnexpectedStepError, UnreadableRecord) as error:
            self._start_afresh(str(error))
        if started != job.id:
            self._start_afresh(f"it started {started} where it starts {job.id} now")
        log.info("job known" if known else "job asked for", next=job.id, **context_of(job.input))
        self._settings.bells.ring([self._settings.queues[job.workflow]])
        return not known

    def call(self, job: Job) -> Any:
        """Start another workflow, or join the one with that id, and wait for its result.

        It waits in its lane: never call a job of a queue whose room this one takes up.

        Raises:
            Permanent: that workflow failed, with its message.
        """
        self.start(job)
        return self._recorded(f"result of {job.id}", lambda: self._wait_for(job.id))

    # ------------------------------------------------------------ how

    def _told(self, function: Callable[[], T], attempt: int, broke_off: float | None) -> T:
        """Run it, and have it know whether it may have run before: by an earlier attempt, or before a crash.

        Of the steps that a crash left without a record, only the first one was under way. ``broke_off`` is when an
        attempt ended that the other side may be at still.
        """
        begun_before, acted, self._acted = self._was_begun_before(), self._acted, True
        left_off = broke_off if broke_off is not None or not begun_before else self._begun_at
        with (
            first_time(certain=attempt == 1 and not begun_before),
            taken_up(left_off),
            under_way(perhaps=broke_off is not None or not acted),
        ):
            return function()

    def _was_begun_before(self) -> bool:
        """Whether another execution of this job came first; DBOS counts how often it was handed out."""
        if self._begun_before is None:
            database = system_database(self._settings.dbos)
            jobs = database.tables.workflow_status.c
            query = sa.select(jobs.recovery_attempts).where(jobs.workflow_uuid == self._id)
            with database.engine.begin() as connection:
                self._begun_before = connection.execute(query).scalar_one() != 1
        return self._begun_before

    def _recorded(self, name: str, function: Callable[[], T]) -> T:
        self._stop_here_if_asked()
        try:
            with _stops_without_database():
                return DBOS.run_step({"name": name}, lambda: _result(name, function))
        except (DBOSUnexpectedStepError, UnreadableRecord) as error:
            self._start_afresh(str(error))

    def _stop_here_if_asked(self) -> None:
        if self._settings.stopping.is_set():
            raise Interrupted

    def _pause(self, attempt: int, error: SlipwayError) -> float:
        growing = self._settings.pause * min(2.0 ** (attempt - 1), LONGEST_GROWTH)
        asked = error.retry_after if isinstance(error, Transient) else None
        return growing if asked is None else min(max(asked, growing), LONGEST_PAUSE_SECONDS)

    def _wait_for(self, job_id: str) -> Any:
        with self._settings.awaited.end_of(job_id) as told:
            while isinstance(result := self._result_of(job_id), NoResult):
                told.wait(CALL_POLLING_SECONDS)
                told.clear()
                self._stop_here_if_asked()
        return result

    def _result_of(self, job_id: str) -> Any:
        """A job's result, or that there is none yet."""
        try:
            with _stops_without_database():
                return system_database(self._settings.dbos).check_workflow_result(job_id, fail_if_missing=True)
        except SlipwayError as error:
            raise Permanent(str(error)) from None
        except UnreadableRecord as error:
            raise Permanent(
                f"{job_id} was done by another version, and its result is not understood: {error}"
            ) from None
        except (DBOSAwaitedWorkflowCancelledError, DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded) as error:
            raise Permanent(f"{job_id} did not end: {error.message}.") from None

    def _start_afresh(self, reason: str) -> NoReturn:
        """Drop what was recorded and put the job back into its lane, unless another execution has it by now."""
        log.warning("run starts afresh", reason=reason)
        database = system_database(self._settings.dbos)
        owner = assert_current_dbos_context().owner_xid or ""
        steps = database.tables.operation_outputs
        with _stops_without_database():
            with database.engine.begin() as connection:
                database._check_owner_txn(connection, self._id, owner)  # noqa: SLF001 - no public word for it
                connection.execute(sa.delete(steps).where(steps.c.workflow_uuid == self._id))
            # Should the process die here, the run is recovered, and finds nothing recorded.
            database.reenqueue_for_recovery(self._id, [DBOS.executor_id], INTERNAL_QUEUE_NAME)
        raise Interrupted


@contextmanager
def _stops_without_database() -> Iterator[None]:
    """A run whose records cannot be kept or read goes no further here; the reaper puts it back into its lane.

    This is about DBOS's own reads and writes: whatever a step raises has become one of our errors by then. What the
    database refuses for what it says, and would refuse again, is a defect and stays one.
    """
    try:
        yield
    except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.NotSupportedError):
        raise
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        log.warning("run stops here", reason=str(translated("keep what was done", error)))
        raise Interrupted from None


def system_database(dbos: DBOS) -> SystemDatabase:
    """DBOS's own access to its tables. The version of DBOS is pinned, and this is the one place that reaches in."""
    return dbos._sys_db  # noqa: SLF001 - see above


def explained(what: str, error: Exception) -> SlipwayError:
    """An error that nobody translated: a mistake of ours. Its text stays out, since it may quote anything."""
    if isinstance(error, SlipwayError):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Permanent(
        f"{what} met a mistake in Slipway itself: {type(error).__name__} at {place}. The worker's log has its "
        "traceback; please report it."
    )


def _result(name: str, function: Callable[[], T]) -> T:
    try:
        result = function()
    except SlipwayError:
        raise
    except Exception as error:
        log.exception("step failed unexpectedly", step=name)
        raise explained(f"The step {name!r}", error) from error
    try:
        return cast("T", storable(result))
    except NotStorableError as error:
        raise NotStorableError(f"The result of the step {name!r} cannot be stored: {error}") from None


def _storable_input(job: Job) -> Any:
    try:
        return storable(dict(job.input))
    except NotStorableError as error:
        raise NotStorableError(f"The input of {job.id} cannot be stored: {error}") from None


def _label(name: str, attempt: int) -> str:
    return name if attempt == 1 else f"{name} (attempt {attempt})"
