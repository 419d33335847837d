"""The durable queue and its workers, on SQLite and on PostgreSQL: real processes, killed for real."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.worker_watchdog import EXIT_CODE
from bot.facts import Comparison, Job, JobRecord, JobState, RolloutState
from tests.worker_program import PROCESSES, QUEUES, main

PATIENCE_SECONDS = 40

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


T = TypeVar("T")


def wait_for(look: Callable[[], T | None]) -> T:
    """What ``look`` finds in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class RunningWorker:
    """A worker process and what it has said."""

    def __init__(self, url: str, name: str | None, reaper_seconds: float, log: Path, variables: dict[str, str]) -> None:
        self._log = log
        self._process = PROCESSES.Process(target=main, args=(url, name, reaper_seconds, log, variables))
        self._process.start()

    def said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def worker_id(self) -> str:
        """The id that it found, once it works."""

        def found() -> str | None:
            match = re.search(r'"worker": "([^"]+)", "event": "worker started"', self.said())
            return match and match[1]

        return wait_for(found)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        self._process.terminate()

    def exit_code(self) -> int:
        """How it ended, once it has."""
        self._process.join(PATIENCE_SECONDS)
        assert self._process.exitcode is not None, "it did not end"
        return self._process.exitcode


class Processes:
    """Workers of one test, and its eyes on what they do."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.url = database_url
        self.folder = folder
        self.queue = DbosQueue(database_url, QUEUES)
        self._logs = folder
        self._running: list[RunningWorker] = []

    def worker(self, name: str | None = None, *, reaper_seconds: float = 60, **variables: str) -> RunningWorker:
        log = self._logs / f"worker-{len(self._running)}.log"
        self._running.append(RunningWorker(self.url, name, reaper_seconds, log, variables))
        return self._running[-1]

    def enqueue(self, workflow: str, job_id: str, lane: str = "lane", **values: Any) -> bool:
        return self.queue.enqueue(Job(workflow, job_id, lane, {"folder": str(self.folder), **values}))

    def ended(self, job_id: str) -> JobRecord:
        def found() -> JobRecord | None:
            record = self.queue.job(job_id)
            return record if record is not None and record.state in (JobState.DONE, JobState.FAILED) else None

        return wait_for(found)

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_line(self, line: str) -> None:
        wait_for(lambda: line in self.journal() or None)

    def go(self, name: str = "go") -> None:
        (self.folder / name).touch()

    def close(self) -> None:
        for worker in self._running:
            worker.kill()
        self.queue.close()


@pytest.fixture(params=DATABASES)
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """A migrated database of the test's own."""
    sqlite = f"sqlite:///{tmp_path}/var/slipway.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    with closing(Processes(url, tmp_path)) as started:
        yield started


@pytest.fixture(scope="module", params=DATABASES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A database with a worker, for the tests that leave it alive."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/slipway.db"
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("postgres_server").fresh_database())
        migrate(url)
        started = stack.enter_context(closing(Processes(url, folder)))
        started.worker("shared")
        yield started


@pytest.fixture
def working(shared: Processes, tmp_path: Path) -> Processes:
    """The shared worker, with a journal of the test's own."""
    shared.folder = tmp_path
    return shared


# ---------------------------------------------------------------- what a run promises


def test_results_of_this_projects_types_are_read_back_as_they_were(working: Processes) -> None:
    assert working.enqueue("value", "value/types")
    record = working.ended("value/types")
    assert record.state is JobState.DONE
    assert record.result == {"state": RolloutState.FAILED, "compared": Comparison("ahead", 1, ())}
    assert record.worker == "shared"


def test_an_id_that_is_known_is_stored_and_run_once(working: Processes) -> None:
    assert working.enqueue("value", "value/once")
    assert not working.enqueue("value", "value/once")
    working.ended("value/once")
    assert not working.enqueue("value", "value/once")
    assert working.journal() == ["value"]


def test_jobs_are_listed_by_prefix_newest_first(working: Processes) -> None:
    for name in ("listed/a", "listed/b", "Listed/c"):
        working.enqueue("value", name)
        working.ended(name)
    assert [record.id for record in working.queue.jobs("listed/")] == ["listed/b", "listed/a"]
    assert [record.id for record in working.queue.jobs("listed/", limit=1)] == ["listed/b"]
    assert working.queue.job("listed/z") is None


def test_one_lane_is_serial_while_another_runs_beside_it(working: Processes) -> None:
    working.enqueue("lane", "lane/1", "left", name="1", signal="other lane ended")
    working.enqueue("lane", "lane/2", "left", name="2", signal="other lane ended")
    working.wait_for_line("begin 1")
    working.enqueue("lane", "lane/3", "right", name="3", signal="journal", leave="other lane ended")
    working.ended("lane/2")
    assert working.journal() == ["begin 1", "begin 3", "end 3", "end 1", "begin 2", "end 2"]


@pytest.mark.parametrize("kind", ["transient", "unknown"])
def test_what_may_pass_is_tried_again(working: Processes, kind: str) -> None:
    working.enqueue("flaky", f"flaky/{kind}", kind=kind, times=2)
    assert working.ended(f"flaky/{kind}").result == 3


@pytest.mark.parametrize(("kind", "tries", "message"), [("permanent", 1, "never"), ("transient", 3, "not now")])
def test_what_does_not_pass_ends_the_job_with_its_message(
    working: Processes, kind: str, tries: int, message: str
) -> None:
    working.enqueue("flaky", f"flaky/{kind}/forever", kind=kind, times=99)
    record = working.ended(f"flaky/{kind}/forever")
    assert (record.state, record.result) == (JobState.FAILED, message)
    assert working.journal().count(kind) == tries


def test_the_pause_that_the_other_side_asks_for_is_kept(working: Processes) -> None:
    working.enqueue("flaky", "flaky/asked", kind="asked", times=1)
    working.ended("flaky/asked")
    first, second = (float(line.removeprefix("at ")) for line in working.journal() if line.startswith("at "))
    assert second - first >= 0.3


def test_a_call_joins_the_job_that_has_its_id(working: Processes) -> None:
    job = {"workflow": "value", "id": "value/joined", "partition": "lane", "input": {"folder": str(working.folder)}}
    for name in ("parent/1", "parent/2"):
        working.enqueue("parent", name, name, job=job)
    expected = {"result": {"state": RolloutState.FAILED, "compared": Comparison("ahead", 1, ())}}
    assert [working.ended(name).result for name in ("parent/1", "parent/2")] == [expected, expected]
    assert working.journal() == ["value"]


def test_a_call_of_a_job_that_failed_raises_its_message(working: Processes) -> None:
    values = {"folder": str(working.folder), "kind": "permanent", "times": 9}
    job = {"workflow": "flaky", "id": "flaky/called", "partition": "lane", "input": values}
    working.enqueue("parent", "parent/refused", job=job)
    assert working.ended("parent/refused").result == {"refused": "never"}


def test_a_defect_fails_the_job_without_quoting_it(working: Processes) -> None:
    working.enqueue("broken", "broken/1")
    record = working.ended("broken/1")
    assert record.state is JobState.FAILED
    assert "'break'" in record.result
    assert "KeyError" in record.result
    assert "hunter2" not in record.result


def test_a_result_that_cannot_be_stored_names_its_step(working: Processes) -> None:
    working.enqueue("unstorable", "unstorable/1")
    record = working.ended("unstorable/1")
    assert record.state is JobState.FAILED
    assert "'make an object'" in record.result


# ---------------------------------------------------------------- dying and coming back


def test_a_killed_worker_carries_on_where_it_was_when_it_starts_again(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    killed = processes.worker("one")
    processes.wait_for_line("second")
    killed.kill()
    processes.go()
    processes.worker("one")
    record = processes.ended("story/1")
    assert record.result == {"counts": (1, 2, 1), "version": ""}
    assert processes.journal() == ["first", "second", "second", "third"]


@pytest.mark.parametrize("killed", [False, True])
def test_a_step_knows_whether_it_may_have_run_before(processes: Processes, *, killed: bool) -> None:
    processes.enqueue("doubtful", "doubtful/1")
    worker = processes.worker("one")
    processes.wait_for_line("first")
    if killed:
        worker.kill()
        processes.worker("one")
    processes.go()
    assert processes.ended("doubtful/1").result == (
        ((True, True), (True, False), (True, False)) if killed else ((False, False), (True, False), (False, False))
    )


def test_a_step_knows_that_what_its_last_attempt_sent_may_still_arrive(processes: Processes) -> None:
    processes.enqueue("doubtful", "doubtful/1", unfinished=True)
    processes.worker("one")
    processes.go()
    assert processes.ended("doubtful/1").result == ((False, False), (True, True), (False, False))


def test_another_worker_takes_over_what_a_killed_one_left(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    killed = processes.worker("one")
    processes.wait_for_line("second")
    processes.worker("two", reaper_seconds=0.5)
    processes.enqueue("value", "value/alive")
    processes.ended("value/alive")
    killed.kill()
    processes.go()
    record = processes.ended("story/1")
    assert (record.result, record.worker) == ({"counts": (1, 2, 1), "version": ""}, "two")


def test_a_live_workers_jobs_are_left_alone(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    processes.enqueue("value", "value/1")
    processes.worker("one")
    processes.ended("value/1")
    processes.wait_for_line("second")
    processes.worker("two", reaper_seconds=0.05)
    for _ in range(2):  # the second time, the reaper has looked at everybody since the first
        claim(processes.url, "value/1", "a-dead-one")
        processes.ended("value/1")
    processes.go()
    record = processes.ended("story/1")
    assert (record.result, record.worker) == ({"counts": (1, 1, 1), "version": ""}, "one")


def test_a_claim_whose_answer_was_lost_goes_back_to_its_lane(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    processes.enqueue("value", "value/1", "elsewhere")
    processes.worker("one", reaper_seconds=0.2)
    processes.ended("value/1")
    processes.wait_for_line("second")
    processes.enqueue("story", "story/2")
    claim(processes.url, "story/2", "one")
    processes.go()
    assert processes.ended("story/2").state is JobState.DONE


def test_what_a_run_started_is_told_the_same_after_a_kill(processes: Processes) -> None:
    processes.enqueue("starter", "starter/1", child="value/child")
    killed = processes.worker("one")
    processes.wait_for_line("held")
    processes.ended("value/child")
    killed.kill()
    processes.go()
    processes.worker("one")
    assert processes.ended("starter/1").result == (True, False)
    assert processes.journal().count("value") == 1


def test_a_run_that_meets_changed_code_starts_afresh_with_its_input(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    killed = processes.worker("one")
    processes.wait_for_line("second")
    killed.kill()
    processes.go()
    processes.worker("one", VERSION=" of version 2")
    record = processes.ended("story/1")
    assert record.result == {"counts": (2, 2, 1), "version": " of version 2"}


def test_sigterm_ends_after_the_step_and_hands_the_rest_over(processes: Processes) -> None:
    processes.enqueue("story", "story/1")
    processes.enqueue("nap", "nap/1", seconds=1)
    stopped = processes.worker("one")
    processes.wait_for_line("second")
    processes.wait_for_line("before")
    stopped.terminate()
    processes.go()
    assert stopped.exit_code() == 0
    record = processes.queue.job("story/1")
    assert record is not None
    assert record.state is JobState.QUEUED
    processes.worker("two")
    assert processes.ended("story/1").result == {"counts": (1, 1, 1), "version": ""}
    assert processes.ended("nap/1").result == 1
    assert processes.ended("story/1").worker == "two"


# ---------------------------------------------------------------- one process for one id


def test_a_second_process_with_the_same_id_refuses_to_start(processes: Processes) -> None:
    assert processes.worker("one").worker_id() == "one"
    second = processes.worker("one")
    assert second.exit_code() == 1
    assert "worker one" in second.said()
    assert "WORKER_ID" in second.said()
    assert "Traceback" not in second.said()


def test_workers_without_an_id_find_one_each(processes: Processes) -> None:
    started = [processes.worker() for _ in range(2)]
    assert sorted(worker.worker_id().rpartition("-")[2] for worker in started) == ["0", "1"]


def test_a_worker_that_loses_its_lock_ends(processes: Processes) -> None:
    worker = processes.worker("one")
    worker.worker_id()
    take_lock_away(processes.url)
    assert worker.exit_code() == EXIT_CODE
    assert "worker lock lost" in worker.said()


def claim(database_url: str, job_id: str, worker: str) -> None:
    """What is left when a worker claims a job and never hears that it did."""
    values = f"SET status = 'PENDING', executor_id = '{worker}', application_version = 'slipway'"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file, file:
            file.execute(f"UPDATE workflow_status {values} WHERE workflow_uuid = ?", (job_id,))
        return
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE dbos.workflow_status {values} WHERE workflow_uuid = %s".encode(), (job_id,))


def take_lock_away(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///") + ".one.lock").unlink()
        return
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
