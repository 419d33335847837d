"""A worker hears of work: one that looks only every ten minutes by itself does it all the same."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from bot.adapters.dbos.database import BELL, libpq_url, migrate
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.rope import Rope
from bot.facts import Job, JobRecord, JobState
from tests.contract.test_dbos_engine import DATABASES, Processes, wait_for
from tests.worker_program import QUEUES

HARDLY_EVER = "600"


@pytest.fixture(params=DATABASES)
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """A migrated database, and one worker that does not look by itself."""
    sqlite = f"sqlite:///{tmp_path}/slipway.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    with closing(Processes(url, tmp_path)) as started:
        started.worker("listens", POLLING=HARDLY_EVER).worker_id()
        yield started


def test_a_job_of_another_process_is_heard(processes: Processes) -> None:
    processes.enqueue("value", "value/heard")
    assert processes.ended("value/heard").state is JobState.DONE


def test_a_lane_that_becomes_free_is_heard(processes: Processes) -> None:
    processes.enqueue("lane", "lane/first", name="first")
    processes.enqueue("lane", "lane/second", name="second")
    processes.wait_for_line("begin first")
    processes.go()
    assert processes.ended("lane/second").state is JobState.DONE


def test_a_job_that_a_run_starts_is_heard(processes: Processes) -> None:
    processes.enqueue("starter", "starter/a", child="value/child")
    assert processes.ended("value/child").state is JobState.DONE
    processes.go()
    assert processes.ended("starter/a").state is JobState.DONE


@pytest.mark.postgres
def test_after_its_connection_was_cut_it_listens_again(tmp_path: Path, postgres_url: str) -> None:
    migrate(postgres_url)
    with closing(Processes(postgres_url, tmp_path)) as processes, psycopg.connect(libpq_url(postgres_url)) as database:
        worker = processes.worker("listens", POLLING=HARDLY_EVER)
        worker.worker_id()

        def listeners() -> list[int]:
            database.rollback()
            rows = database.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'slipway-doorbell'")
            return [pid for (pid,) in rows]

        (cut,) = wait_for(lambda: listeners() or None)
        database.execute("SELECT pg_terminate_backend(%s)", (cut,))
        database.commit()
        wait_for(lambda: [pid for pid in listeners() if pid != cut] or None)
        wait_for(lambda: "doorbell cannot be heard" in worker.said() or None)
        processes.enqueue("value", "value/after")
        assert processes.ended("value/after").state is JobState.DONE


@pytest.mark.postgres
def test_on_postgresql_a_stored_job_notifies_once(tmp_path: Path, postgres_url: str) -> None:
    migrate(postgres_url)
    migrate(postgres_url)  # a second time changes nothing
    with (
        closing(Processes(postgres_url, tmp_path)) as processes,
        psycopg.connect(libpq_url(postgres_url), autocommit=True) as listening,
    ):
        listening.execute(f"LISTEN {BELL}")
        processes.enqueue("value", "value/told")
        assert len(list(listening.notifies(timeout=5, stop_after=1))) == 1
        assert list(listening.notifies(timeout=0)) == []


def test_the_rope_is_pulled_once_a_stored_job_can_be_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    seen: list[JobRecord | None] = []
    with closing(Rope(tmp_path / "slipway.db")) as rope, closing(DbosQueue(url, QUEUES)) as queue:

        def wait() -> None:
            rope.wait(3600)
            with closing(DbosQueue(url, QUEUES)) as other:
                seen.append(other.job("value/stored"))

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        queue.enqueue(Job("value", "value/stored", "lane", {}))
        waiting.join()
    assert [record.state for record in seen if record] == [JobState.QUEUED]
