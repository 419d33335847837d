"""The queue's tables as a whole: what is counted, and what is forgotten, on SQLite and on PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos._sys_db import SystemDatabase

from bot.adapters.dbos.database import _system_database as system_database
from bot.adapters.dbos.database import migrate, open_engine
from bot.adapters.dbos.retention import AT_ONCE, DAY_SECONDS, KEPT_DAYS, KEPT_DAYS_OTHERWISE, TABLES, forget
from bot.adapters.dbos.tally import QueueTally
from bot.facts import JobState
from tests.contract.test_dbos_engine import DATABASES, Processes


@pytest.fixture(params=DATABASES)
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """A migrated database of the test's own."""
    sqlite = f"sqlite:///{tmp_path}/slipway.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    with closing(Processes(url, tmp_path)) as started:
        yield started


def test_what_waits_runs_and_ended_is_counted(processes: Processes) -> None:
    processes.worker("counts").worker_id()
    processes.enqueue("story", "story/runs", folder=str(processes.folder))
    processes.wait_for_line("second")
    processes.enqueue("story", "story/waits", folder=str(processes.folder))
    processes.enqueue("broken", "broken/1", lane="other")
    processes.ended("broken/1")
    with closing(QueueTally(processes.url)) as counter:
        found = counter.count()
    moving = {(each.workflow, each.state): each for each in found.moving}
    assert {key: each.count for key, each in moving.items()} == {("story", "running"): 1, ("story", "queued"): 1}
    assert all(0 <= each.oldest_seconds < 3600 for each in found.moving)
    assert found.ended == {("broken", "failed"): 1}
    assert {step.step: step.count for step in found.steps}["first"] == 1
    assert all(step.seconds >= 0 for step in found.steps)
    assert found.reconciled_at is None
    processes.go()
    assert processes.ended("story/runs").state is JobState.DONE


def test_an_empty_queue_counts_nothing(processes: Processes) -> None:
    with closing(QueueTally(processes.url)) as counter:
        found = counter.count()
    assert (found.moving, found.ended, found.steps) == ((), {}, ())
    assert (found.rollouts, found.drifted, found.budgets) == ({}, {}, ())


def test_finished_work_is_forgotten_in_its_time_and_nothing_else_is(processes: Processes) -> None:
    processes.worker("forgets").worker_id()
    for number in range(3):
        processes.enqueue("value", f"value/{number}", lane=str(number))
    for number in range(3):
        processes.ended(f"value/{number}")
    processes.enqueue("story", "story/runs", lane="story")
    processes.wait_for_line("second")
    with database(processes.url) as opened:
        assert forget(opened, time.time() + (KEPT_DAYS_OTHERWISE - 1) * DAY_SECONDS) == 0
        assert forget(opened, time.time() + (KEPT_DAYS_OTHERWISE + 1) * DAY_SECONDS) == 3
        rows = {table: counted(opened, table, "value/%") for table in TABLES}
    assert rows == dict.fromkeys(TABLES, 0)
    assert processes.queue.job("value/1") is None
    running = processes.queue.job("story/runs")
    assert running is not None
    assert running.state is JobState.RUNNING
    assert processes.enqueue("value", "value/1"), "it may be asked for again"


def test_what_comes_round_all_the_time_is_forgotten_sooner() -> None:
    assert max(KEPT_DAYS.values()) < KEPT_DAYS_OTHERWISE
    assert AT_ONCE < 32_766, "SQLite takes no more parameters at once"


@contextmanager
def database(url: str) -> Iterator[SystemDatabase]:
    engine = open_engine(url, patience=30, connections=2, full_sync=False)
    try:
        yield system_database(engine)
    finally:
        engine.dispose()


def counted(opened: SystemDatabase, table: str, like: str) -> int:

    schema = "" if opened.engine.dialect.name == "sqlite" else "dbos."
    query = sa.text(f"SELECT count(*) FROM {schema}{table} WHERE workflow_uuid LIKE :like")
    with opened.engine.connect() as connection:
        return int(connection.execute(query, {"like": like}).scalar_one())
