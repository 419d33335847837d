"""The database's URL, its tables, and what a person is told when something is wrong with it."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from bot.adapters.dbos.database import libpq_url, migrate, normalise_url, sqlite_path
from bot.adapters.dbos.queue import IDS_AT_ONCE, DbosQueue
from bot.errors import Permanent, Transient
from bot.facts import Job
from tests.engines import free_port

QUEUES = {"delivery": "deliveries"}
JOB = Job("delivery", "delivery/1", "owner/repo", {"event": {}})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_names_of_postgresql_mean_psycopg_3(scheme: str) -> None:
    url = f"{scheme}://user:p%40ss@host/base?sslmode=require"
    assert normalise_url(url) == "postgresql+psycopg://user:p%40ss@host/base?sslmode=require"
    assert libpq_url(url) == "postgresql://user:p%40ss@host/base?sslmode=require"
    assert sqlite_path(url) is None


def test_three_slashes_are_relative_to_the_working_directory_and_four_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_path("sqlite:///var/slipway.db") == tmp_path / "var" / "slipway.db"
    assert sqlite_path("sqlite:////srv/slipway.db") == Path("/srv/slipway.db")


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://a/b", "postgres://"]
)
def test_another_url_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(Permanent, match="DATABASE_URL must be sqlite:///PATH"):
        normalise_url(url)


def test_migrating_makes_the_folder_and_may_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/some/where/slipway.db"
    migrate(url)
    with closing(DbosQueue(url, QUEUES)) as queue:
        assert queue.enqueue(JOB)
    migrate(url)
    with closing(DbosQueue(url, QUEUES)) as queue:
        assert queue.job(JOB.id) is not None
    with closing(sqlite3.connect(tmp_path / "some/where/slipway.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match=f"{tmp_path}/file/folder"):
        migrate(f"sqlite:///{tmp_path}/file/folder/slipway.db")


def test_jobs_of_one_second_keep_their_order_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    with closing(DbosQueue(url, QUEUES)) as queue:
        for name in ("delivery/c", "delivery/b", "delivery/a"):
            queue.enqueue(Job("delivery", name, "lane"))
        stamps = [record.created_at for record in queue.jobs("delivery/")]
    assert stamps == sorted(stamps, reverse=True)
    assert any(not stamp.endswith(".000Z") for stamp in stamps)


NEWER = "UPDATE {}dbos_migrations SET version = version + 1"


def test_an_sqlite_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    with closing(sqlite3.connect(tmp_path / "slipway.db")) as connection, connection:
        connection.execute(NEWER.format(""))
    with pytest.raises(Permanent, match="a newer version has run on it"):
        migrate(url)


@pytest.mark.postgres
def test_a_postgresql_database_of_a_newer_version_is_refused(postgres_url: str) -> None:
    migrate(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(NEWER.format("dbos.").encode())
    with pytest.raises(Permanent, match="a newer version has run on it"):
        migrate(postgres_url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def unmigrated(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/slipway.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_a_database_without_tables_names_the_command(unmigrated: str) -> None:
    with closing(DbosQueue(unmigrated, QUEUES)) as queue:
        for attempt in (lambda: queue.enqueue(JOB), lambda: queue.job("x"), queue.check_writable):
            with pytest.raises(Permanent, match="Run: python -m bot migrate"):
                attempt()


def test_a_workflow_that_does_not_exist_is_refused_by_name(unmigrated: str) -> None:
    with closing(DbosQueue(unmigrated, QUEUES)) as queue, pytest.raises(Permanent, match="'dance'; there are delivery"):
        queue.enqueue(Job("dance", "dance/1", "lane"))


def test_an_id_of_another_workflow_is_known_already(unmigrated: str) -> None:
    migrate(unmigrated)
    with closing(DbosQueue(unmigrated, QUEUES | {"sync": "syncs"})) as queue:
        assert queue.enqueue(JOB)
        assert not queue.enqueue(Job("sync", JOB.id, "lane"))


def test_a_server_that_is_not_there_may_come_back_and_the_password_stays_hidden() -> None:
    url = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/slipway"
    with closing(DbosQueue(url, QUEUES)) as queue, pytest.raises(Transient, match="DATABASE_URL") as raised:
        queue.enqueue(JOB)
    assert "hunter2" not in str(raised.value)
    with pytest.raises(Transient, match="refused"):
        migrate(url)


def test_a_locked_sqlite_database_is_busy_after_a_while(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    with (
        closing(sqlite3.connect(tmp_path / "slipway.db", isolation_level=None)) as other,
        closing(DbosQueue(url, QUEUES, patience=0.2)) as queue,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match="locked"):
            queue.enqueue(JOB)
        with pytest.raises(Transient, match="locked"):
            queue.check_writable()
        other.execute("ROLLBACK")
        assert queue.enqueue(JOB)


def test_of_many_that_store_at_once_each_is_stored_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    jobs = [Job("delivery", f"delivery/{number}", "owner/repo", {"event": {}}) for number in range(40)]
    with closing(DbosQueue(url, QUEUES)) as queue, ThreadPoolExecutor(16) as pool:
        new = list(pool.map(queue.enqueue, [job for job in jobs for _ in range(3)]))
        assert sum(new) == len(jobs)
        assert set(queue.known([job.id for job in jobs])) == {job.id for job in jobs}


def test_what_is_known_of_many_is_told_in_one_answer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    with closing(DbosQueue(url, QUEUES)) as queue:
        queue.enqueue(JOB)
        found = queue.known([f"delivery/{number}" for number in range(2 * IDS_AT_ONCE + 1)])
        assert found == {JOB.id: queue.job(JOB.id)}
        assert queue.known([]) == {}


def test_a_locked_database_is_told_to_all_who_store_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    barrier = Barrier(4)

    def store(number: int) -> str:
        barrier.wait()
        try:
            queue.enqueue(Job("delivery", f"delivery/{number}", "owner/repo", {"event": {}}))
        except Transient as error:
            return str(error)
        return "stored"

    with (
        closing(DbosQueue(url, QUEUES, patience=0.2)) as queue,
        closing(sqlite3.connect(tmp_path / "slipway.db")) as other,
    ):
        queue.enqueue(JOB)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(store, range(10, 14)))
        assert all("could not store" in one and "locked" in one for one in told)
        other.rollback()
        assert queue.enqueue(Job("delivery", "delivery/10", "owner/repo", {"event": {}}))
