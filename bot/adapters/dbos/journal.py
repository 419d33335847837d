"""What jobs have done so far: the steps that DBOS recorded, and beside them what a running step says.

A worker writes the latter into a table of our own, web processes read both: they may be on different machines, and the
database is what they share. Times of rows are milliseconds since 1970 (``dbos/_schemas/system_database.py``).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from bot.adapters.dbos.database import SCHEMA, database_errors, open_engine, said
from bot.adapters.dbos.serializer import read_record
from bot.progress import Output, Progress, StepDone

TELLING = "watch the rollout"
"""The step whose results are news; those of the others are not read."""

_STEPS = """
SELECT workflow_uuid, function_name, started_at_epoch_ms, completed_at_epoch_ms, error IS NOT NULL,
    CASE WHEN function_name LIKE :telling THEN output END
FROM {steps} WHERE workflow_uuid IN :jobs AND function_name NOT LIKE 'DBOS.%' AND completed_at_epoch_ms IS NOT NULL
    AND child_workflow_id IS NULL
ORDER BY workflow_uuid, function_id
"""


class DbosJournal:
    """``ports.Journal``.

    Args:
        database_url: as in ``DATABASE_URL``. Nothing is connected before the first call.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = open_engine(database_url, patience=4, connections=1, full_sync=False)
        self._said = said(self._engine)
        self._steps = "operation_outputs" if self._engine.dialect.name == "sqlite" else f"{SCHEMA}.operation_outputs"

    def note(self, job: str, output: Output) -> None:
        """Put down what a step of a job says.

        Raises:
            Transient: it cannot be stored now.
        """
        columns = ("step", "text", "left_out", "began", "at")
        statement = (
            f"INSERT INTO {self._said} (job, {', '.join(columns)}) "  # noqa: S608 - our own words
            "VALUES (:job, :step, :text, :left_out, :began, :at) ON CONFLICT (job) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in columns)
        )
        values = {
            "job": job,
            "step": output.step,
            "text": output.text,
            "left_out": output.left_out,
            "began": round(1000 * output.began),
            "at": round(1000 * output.at),
        }
        with database_errors("store what a step says"), self._engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def read(self, jobs: Sequence[str]) -> Mapping[str, Progress]:
        """How far each of these jobs is.

        Raises:
            Transient: the database cannot be reached.
        """
        steps: defaultdict[str, list[StepDone]] = defaultdict(list)
        for job, name, began, ended, failed, result in self._rows(
            _STEPS.format(steps=self._steps), jobs, telling=f"{TELLING}%"
        ):
            steps[job].append(
                StepDone(name, _seconds(began or ended), _seconds(ended), bool(failed), read_record(result))
            )
        outputs = {
            job: Output(step, text, left_out, _seconds(began), _seconds(at))
            for job, step, text, left_out, began, at in self._rows(
                f"SELECT job, step, text, left_out, began, at FROM {self._said} WHERE job IN :jobs",  # noqa: S608 - as above
                jobs,
            )
        }
        return {job: Progress(tuple(steps[job]), outputs.get(job)) for job in jobs}

    def pulse(self, jobs: Sequence[str]) -> str:
        """Another word whenever ``read`` would tell something else.

        Raises:
            Transient: the database cannot be reached.
        """
        statement = f"SELECT max(at), sum(left_out) FROM {self._said} WHERE job IN :jobs"  # noqa: S608 - our own words
        told = list(self._rows(statement, jobs))
        told += self._rows(f"SELECT count(*), 0 FROM {self._steps} WHERE workflow_uuid IN :jobs", jobs)  # noqa: S608 - as above
        return "-".join(str(number or 0) for row in told for number in row)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _rows(self, statement: str, jobs: Sequence[str], **values: str) -> Iterator[tuple[Any, ...]]:
        text = sa.text(statement).bindparams(sa.bindparam("jobs", list(jobs), expanding=True))
        with database_errors("read how far its jobs are"), self._engine.connect() as connection:
            yield from (tuple(row) for row in connection.execute(text, values).all())


def _seconds(milliseconds: float) -> float:
    return float(milliseconds) / 1000
