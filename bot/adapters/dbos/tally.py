"""What the queue's tables say as a whole: how much waits and runs, and how the work of the last hour went.

Times of rows are milliseconds since 1970 (``dbos/_schemas/system_database.py``).
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.adapters.dbos.database import SCHEMA, database_errors, open_engine
from bot.adapters.dbos.drift_tally import DriftTally
from bot.adapters.dbos.serializer import read_record
from bot.budget import BUDGETS, Budgets, newest
from bot.jobs import Ended
from bot.queue_tally import WINDOW_SECONDS, Moving, StepTime, Tally

_MOVING = {"ENQUEUED": "queued", "DELAYED": "queued", "PENDING": "running"}


class QueueTally:
    """Counts what is in the queue's database.

    Args:
        database_url: as in ``DATABASE_URL``. Nothing is connected before the first count.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = open_engine(database_url, patience=4, connections=1, full_sync=False)
        self._drifts = DriftTally()
        self._prefix = "" if self._engine.dialect.name == "sqlite" else f"{SCHEMA}."

    def count(self) -> Tally:
        """Count.

        Raises:
            Transient: the database cannot be reached.
            Permanent: the tables are not there.
        """
        now = time.time()
        with database_errors("count its jobs"), self._engine.connect() as connection:
            ended = list(self._ended(connection, now))
            return Tally(
                moving=tuple(self._moving(connection, now)),
                ended=dict(Counter((name, outcome) for _, name, outcome in ended)),
                steps=tuple(self._steps(connection, now)),
                reconciled_at=self._reconciled_at(connection),
                rollouts=_rollouts(ended),
                drifted=self._drifts.count(partial(self._rows, connection)),
                budgets=newest(self._budgets(connection, now)),
            )

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _rows(self, connection: sa.Connection, statement: str, **values: float | str) -> Iterator[tuple[Any, ...]]:
        tables = {"jobs": "workflow_status", "outputs": "workflow_output", "steps": "operation_outputs"}
        text = statement.format(**{name: self._prefix + table for name, table in tables.items()})
        yield from (tuple(row) for row in connection.execute(sa.text(text), values))

    def _moving(self, connection: sa.Connection, now: float) -> Iterator[Moving]:
        found: dict[tuple[str, str], Moving] = {}
        statement = (
            "SELECT name, status, count(*), min(created_at) FROM {jobs} "
            "WHERE status IN ('ENQUEUED', 'DELAYED', 'PENDING') GROUP BY name, status"
        )
        for name, status, count, oldest in self._rows(connection, statement):
            key = (str(name), _MOVING[str(status)])
            before = found.get(key, Moving(*key, 0, 0.0))
            age = max(0.0, now - _seconds(oldest))
            found[key] = Moving(*key, before.count + int(count), max(before.oldest_seconds, age))
        yield from found.values()

    def _ended(self, connection: sa.Connection, now: float) -> Iterator[tuple[str, str, str]]:
        """Job, workflow, outcome."""
        statement = (
            "SELECT job.workflow_uuid, name, status, coalesce(job.output, apart.output) FROM {jobs} job "
            "LEFT JOIN {outputs} apart ON apart.workflow_uuid = job.workflow_uuid WHERE completed_at > :since"
        )
        for job, name, status, output in self._rows(connection, statement, since=1000 * (now - WINDOW_SECONDS)):
            yield str(job), str(name), _outcome(str(status), output)

    def _steps(self, connection: sa.Connection, now: float) -> Iterator[StepTime]:
        statement = (
            "SELECT function_name, count(*), sum(completed_at_epoch_ms - started_at_epoch_ms) FROM {steps} "
            "WHERE completed_at_epoch_ms > :since AND function_name NOT LIKE 'DBOS.%' GROUP BY function_name"
        )
        for name, count, milliseconds in self._rows(connection, statement, since=1000 * (now - WINDOW_SECONDS)):
            yield StepTime(str(name), int(count), _seconds(milliseconds or 0))

    def _budgets(self, connection: sa.Connection, now: float) -> Iterator[Budgets]:
        statement = (
            "SELECT output FROM {steps} WHERE completed_at_epoch_ms > :since AND function_name = :step "
            "ORDER BY completed_at_epoch_ms DESC LIMIT 20"
        )
        since = 1000 * (now - WINDOW_SECONDS)
        for (output,) in self._rows(connection, statement, since=since, step=BUDGETS):
            read = read_record(output)
            if isinstance(read, Budgets):
                yield read

    def _reconciled_at(self, connection: sa.Connection) -> float | None:
        statement = "SELECT max(completed_at) FROM {jobs} WHERE name = 'reconcile' AND status = 'SUCCESS'"
        ((newest,),) = self._rows(connection, statement)
        return None if newest is None else _seconds(newest)


def _seconds(milliseconds: float | str) -> float:
    return float(milliseconds) / 1000


def _rollouts(ended: list[tuple[str, str, str]]) -> dict[tuple[str, str], int]:
    """By environment and outcome."""
    return dict(Counter((_environment_of(job), outcome) for job, name, outcome in ended if name == "sync"))


def _environment_of(job: str) -> str:
    """Where a sync was, by its id."""
    match job.split("/"):
        case ["sync", _, environment, *_] | ["shared", environment, *_]:
            return environment
    return ""


def _outcome(status: str, output: object) -> str:
    """How a workflow says that it ended; ``failed`` where it could not even say so."""
    if status != "SUCCESS":
        return "failed"
    ended = read_record(output)
    return ended.outcome if isinstance(ended, Ended) else "done"
