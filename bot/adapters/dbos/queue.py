"""The durable queue as the web process, the commands and the workflows see it: jobs go in, and can be asked about.

It writes rows of DBOS's tables and runs nothing. A row's workflow id is the job's id, which is what makes a job be
done once; its partition is the lane in which it runs alone. Nothing is opened before the first call, so a queue made
before gunicorn forks is safe.
"""

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions, WorkflowStatus
from dbos._error import DBOSWorkflowIDInUseError

from bot.adapters.dbos.database import APPLICATION, SCHEMA, check_writable, database_errors, open_engine, sqlite_path
from bot.adapters.dbos.rope import pull
from bot.adapters.dbos.serializer import JsonSerializer
from bot.adapters.together import Take, Together
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Job, JobRecord, JobState

_STATES = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
}
"""DBOS's words; whatever else it says (an error, cancelled, too many recoveries) is a failure."""


IDS_AT_ONCE = 500
"""Ids that one question names; SQLite takes some thousands of values, older ones 999."""


class DbosQueue:
    """``ports.Queue``.

    Args:
        database_url: as in ``DATABASE_URL``.
        queues: the queue that each workflow runs on, by the workflow's name.
        patience: seconds until a busy database counts as one that cannot store. GitHub waits 10.
        connections: how many threads write at once.
    """

    def __init__(
        self, database_url: str, queues: Mapping[str, str], *, patience: float = 4, connections: int = 4
    ) -> None:
        self._queues = dict(queues)
        self._file = sqlite_path(database_url)
        self._engine = open_engine(database_url, patience=patience, connections=connections, full_sync=True)
        self._stores: Together[Job, bool] = Together(self._store_for_all)
        self._unstored: Job | None = None

    @functools.cached_property
    def _client(self) -> DBOSClient:
        return DBOSClient(
            system_database_engine=self._engine,
            dbos_system_schema=SCHEMA,
            serializer=JsonSerializer(),
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    def enqueue(self, job: Job) -> bool:
        """Store a job; False where its id is known already. On disk when this returns.

        Raises:
            Transient: the database cannot be reached, is locked, full or read-only. Call again: a job that was
                stored after all is not stored twice.
            Permanent: no such workflow, or the tables are not there.
        """
        enqueue_options(job, self._queues)
        try:
            is_new = self._stores.ask(job) if self._engine.dialect.name == "sqlite" else self._store([job])[0]
        except Transient:
            self._unstored = job
            raise
        self._unstored = None
        return is_new

    def _store_for_all(self, take: Take[Job, bool]) -> None:
        """One transaction for everyone who waits: SQLite has one writer, and each commit waits for the disk."""
        waiting = take()
        new = self._store([one.item for one in waiting])
        if self._file is not None and any(new):
            pull(self._file)
        for one, stored in zip(waiting, new, strict=True):
            one.answer.set_result(stored)

    def _store(self, jobs: Sequence[Job]) -> list[bool]:
        """Store them all, or none. In a transaction of ours: DBOS's own would wait for a locked SQLite without end."""
        what = jobs[0].id if len(jobs) == 1 else f"{len(jobs)} jobs"
        with database_errors(f"store {what}"), self._engine.begin() as connection:
            return [self._is_new(connection, job) for job in jobs]

    def _is_new(self, connection: sa.Connection, job: Job) -> bool:
        options = enqueue_options(job, self._queues)
        try:
            self._client.enqueue_in_transaction(connection, options, dict(job.input))
        except DBOSWorkflowIDInUseError:
            return False
        return True

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the port's word
        """One job."""
        return next(iter(self._records(workflow_ids=[id])), None)

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        """The jobs whose id starts with prefix, newest first."""
        return tuple(self._records(workflow_id_prefix=prefix, limit=limit, sort_desc=True))

    def known(self, ids: Sequence[str]) -> dict[str, JobRecord]:
        """Those of the jobs that are known, by id."""
        portions = (list(ids[at : at + IDS_AT_ONCE]) for at in range(0, len(ids), IDS_AT_ONCE))
        return {record.id: record for portion in portions for record in self._records(workflow_ids=portion)}

    def check_writable(self) -> None:
        """Store something, as a delivery would be; after one could not be, that very one, which is taken back.

        A full disk may well take a small thing: a database has room within the files that it has.

        Raises:
            Transient: nothing can be stored now.
            Permanent: the tables are not there.
        """
        check_writable(self._engine)
        job = self._unstored
        if job is not None:
            with database_errors(f"store {job.id}"), self._engine.connect() as connection:
                self._is_new(connection, job)
                connection.rollback()
            self._unstored = None

    def close(self) -> None:
        """Close every connection; the next call opens them again."""
        self._engine.dispose()

    def _records(self, **criteria: Any) -> list[JobRecord]:
        with database_errors("read its jobs"):
            return [_record(row) for row in self._client.list_workflows(load_input=False, **criteria)]


def enqueue_options(job: Job, queues: Mapping[str, str]) -> EnqueueOptions:
    """What DBOS needs to know of a job, from a client or within a workflow."""
    queue = queues.get(job.workflow)
    if queue is None:
        raise Permanent(f"There is no workflow {job.workflow!r}; there are {', '.join(sorted(queues))}.")
    return EnqueueOptions(
        workflow_name=job.workflow,
        queue_name=queue,
        workflow_id=job.id,
        workflow_id_reuse_policy="reject",
        queue_partition_key=job.partition,
    )


def _record(row: WorkflowStatus) -> JobRecord:
    state = _STATES.get(row.status, JobState.FAILED)
    return JobRecord(
        id=row.workflow_id,
        workflow=row.name,
        state=state,
        result=_failure(row) if state is JobState.FAILED else row.output,
        created_at=_time(row.created_at),
        updated_at=_time(row.updated_at),
        worker=row.executor_id,
    )


def _failure(row: WorkflowStatus) -> str:
    if isinstance(row.error, SlipwayError):
        return str(row.error)
    return {
        "CANCELLED": "It was cancelled.",
        "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "It was given up: the process that ran it died too many times.",
    }.get(row.status, "It failed for a reason that was not recorded.")


def _time(milliseconds: int | None) -> str:
    """RFC 3339; DBOS counts milliseconds since the epoch, and always sets both times."""
    moment = datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def register_queue(engine: sa.Engine, name: str, *, worker_concurrency: int | None, polling_seconds: float) -> None:
    """Write a queue's settings into the database, where the workers read them at every poll.

    Every queue is a set of lanes: jobs of one partition run one after another, over all workers.
    """
    client = DBOSClient(
        system_database_engine=engine,
        dbos_system_schema=SCHEMA,
        serializer=JsonSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
        lazy=True,
    )
    with database_errors(f"set up the queue {name}"):
        client.register_queue(
            name,
            partition_concurrency=1,
            worker_concurrency=worker_concurrency,
            polling_interval_sec=polling_seconds,
            on_conflict="always_update",
        )
