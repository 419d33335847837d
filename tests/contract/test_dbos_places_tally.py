"""What the queue's tables say of places and of GitHub's budget, on SQLite and on PostgreSQL."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.adapters.dbos.database import migrate, open_engine
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.serializer import JsonSerializer
from bot.adapters.dbos.tally import QueueTally
from bot.budget import BUDGETS, Budget, Budgets, newest
from bot.drift import DriftSeen, PlaceSeen
from bot.facts import Job
from bot.jobs import Ended, drift_job, reconcile_job, sync_job
from bot.wiring import QUEUES
from tests.contract.test_dbos_engine import DATABASES

Done = Callable[..., None]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of the test's own."""
    sqlite = f"sqlite:///{tmp_path}/slipway.db"
    url = sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    migrate(url)
    return url


@pytest.fixture
def done(url: str) -> Iterator[Done]:
    """Puts a job there that has ended, so many minutes ago."""
    engine = open_engine(url, patience=30, connections=1, full_sync=False)
    dbos = "" if engine.dialect.name == "sqlite" else "dbos."
    write = JsonSerializer().serialize

    def end(job: Job, result: object, minutes: float, steps: Mapping[str, object] | None = None) -> None:
        at = int(1000 * (time.time() - 60 * minutes))
        queue.enqueue(job)
        values: dict[str, Any] = {"job": job.id, "at": at, "output": write(result)}
        update = (
            f"UPDATE {dbos}workflow_status SET status = 'SUCCESS', output = :output, created_at = :at, "
            "completed_at = :at WHERE workflow_uuid = :job"
        )
        insert = (
            f"INSERT INTO {dbos}operation_outputs (workflow_uuid, function_id, function_name, output, "
            "started_at_epoch_ms, completed_at_epoch_ms, retention_timestamp) "
            "VALUES (:job, 1, :name, :output, :at, :at, 0)"
        )
        with engine.begin() as connection:
            connection.execute(sa.text(update), values)
            for name, output in (steps or {}).items():
                connection.execute(sa.text(insert), values | {"name": name, "output": write(output)})

    with closing(DbosQueue(url, QUEUES)) as queue:
        yield end
    engine.dispose()


def seen(app: str, environment: str, *objects: str) -> PlaceSeen:
    return PlaceSeen(app, environment, "c" * 40, objects)


def test_drifted_places_are_counted_as_they_were_seen_last_and_until_a_sync_ends(url: str, done: Done) -> None:
    gone = "Service `blog` is gone"
    with closing(QueueTally(url)) as tally:
        done(drift_job(1), DriftSeen((seen("blog", "staging", gone), seen("shop", "staging", gone))), 9)
        done(drift_job(2), DriftSeen((seen("blog", "production", gone), seen("", "production"))), 8)
        assert tally.count().drifted == {"staging": 2, "production": 1}
        done(drift_job(6), DriftSeen((seen("blog", "staging"),)), 7)
        assert tally.count().drifted == {"staging": 1, "production": 1}
        done(sync_job("blog", "production", "c" * 40, 2), Ended("healthy"), 6)
        done(sync_job("shop", "staging", "c" * 40), Ended("healthy"), 60)
        assert tally.count().drifted == {"staging": 1, "production": 0}


def test_rollouts_are_counted_by_environment_and_outcome(url: str, done: Done) -> None:
    done(sync_job("blog", "staging", "a" * 40), Ended("healthy"), 1)
    done(sync_job("shop", "staging", "b" * 40), Ended("healthy"), 2)
    done(sync_job("", "production", "c" * 40), Ended("failed"), 3)
    done(sync_job("old", "production", "d" * 40), Ended("failed"), 90)
    with closing(QueueTally(url)) as tally:
        assert tally.count().rollouts == {("staging", "healthy"): 2, ("production", "failed"): 1}


def test_githubs_budget_is_the_newest_that_any_worker_saw(url: str, done: Done) -> None:
    def budget(account: str, remaining: int, seen_at: float) -> Budget:
        return Budget(account, 5000, remaining, 2000, seen_at)

    first = Budgets((budget("acme", 4000, 100.0), budget("other", 10, 300.0)))
    second = Budgets((budget("acme", 3000, 200.0), budget("other", 20, 90.0)))
    done(reconcile_job("1"), Ended("done"), 2, {BUDGETS: first})
    done(reconcile_job("2"), Ended("done"), 1, {BUDGETS: second})
    done(reconcile_job("0"), Ended("done"), 300, {BUDGETS: Budgets((budget("gone", 1, 400.0),))})
    expected = (budget("acme", 3000, 200.0), budget("other", 10, 300.0))
    with closing(QueueTally(url)) as tally:
        assert tally.count().budgets == expected
    assert newest([second, first]) == expected
