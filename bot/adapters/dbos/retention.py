"""Forgets finished work after a while, so that the database does not grow for ever.

Git keeps the history; a row is only needed so that the same work is not asked for twice. Of what comes round all the
time (deliveries, reconciles) that is soon over. A sync that is forgotten after months is at worst looked at once more
by the next reconcile, and finds everything as it should be.
"""

import time

import sqlalchemy as sa
import structlog
from dbos._sys_db import SystemDatabase

from bot.adapters.dbos.database import SCHEMA, database_errors, said

log = structlog.get_logger()

DAY_SECONDS = 24 * 3600

KEPT_DAYS = {"reconcile": 2, "round": 2, "drift": 2, "delivery": 14}
"""By workflow. GitHub itself remembers a delivery for three days."""

KEPT_DAYS_OTHERWISE = 180

SAID_DAYS = 14
"""What a step said (its last lines) is the largest thing that is stored of a job, and soon of no more use."""

AT_ONCE = 500
"""Rows that one transaction deletes: others want to write meanwhile."""

TABLES = ("operation_outputs", "workflow_output", "workflow_input", "workflow_status")
"""Everything of a job; its status last, for without that row the rest would not be found again."""


def forget(database: SystemDatabase, now: float | None = None) -> int:
    """Delete the jobs that ended long ago; how many they were.

    Raises:
        Transient: the database cannot be reached.
    """
    now = time.time() if now is None else now
    forgotten = 0
    with database_errors("forget old jobs"):
        while jobs := _old(database, now):
            _delete(database, jobs)
            forgotten += len(jobs)
        _forget_what_was_said(database, now)
    if forgotten:
        log.info("forgot old jobs", count=forgotten)
    return forgotten


def _old(database: SystemDatabase, now: float) -> list[str]:
    table = database.tables.workflow_status
    soon = [
        (table.c.name == name) & (table.c.completed_at < 1000 * (now - days * DAY_SECONDS))
        for name, days in KEPT_DAYS.items()
    ]
    late = table.c.completed_at < 1000 * (now - KEPT_DAYS_OTHERWISE * DAY_SECONDS)
    over = table.c.status.not_in(["ENQUEUED", "DELAYED", "PENDING"])
    query = sa.select(table.c.workflow_uuid).where(over, sa.or_(late, *soon)).limit(AT_ONCE)
    with database.engine.begin() as connection:
        return list(connection.execute(query).scalars())


def _delete(database: SystemDatabase, jobs: list[str]) -> None:
    prefix = "" if database.engine.dialect.name == "sqlite" else f"{SCHEMA}."
    ids: sa.BindParameter[str] = sa.bindparam("ids", jobs, expanding=True)
    with database.engine.begin() as connection:
        for table in TABLES:
            statement = f"DELETE FROM {prefix}{table} WHERE workflow_uuid IN :ids"  # noqa: S608 - our own words
            connection.execute(sa.text(statement).bindparams(ids))


def _forget_what_was_said(database: SystemDatabase, now: float) -> None:
    statement = f"DELETE FROM {said(database.engine)} WHERE at < :before"  # noqa: S608 - our own words
    with database.engine.begin() as connection:
        connection.execute(sa.text(statement), {"before": int(1000 * (now - SAID_DAYS * DAY_SECONDS))})
