"""The lock on a worker's id: beside an SQLite file and on PostgreSQL, whose poolers must be told apart."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bot.adapters.dbos.worker_lock import LostLockError, acquire
from bot.errors import Permanent, Transient
from tests.engines import Engine, free_port, require, running, wait_until


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/slipway.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def test_an_id_is_held_by_one_until_it_is_released(url: str) -> None:
    first = acquire(url, "one", patience=0)
    first.check()
    with pytest.raises(Permanent, match="worker one on this database"):
        acquire(url, "one", patience=0)
    first.release()
    acquire(url, "one", patience=0).release()


def test_a_free_id_is_borrowed_and_nobody_gets_it_meanwhile(url: str) -> None:
    first, second = acquire(url, "one", patience=0), acquire(url, "two", patience=0)
    with first.borrow("three") as free:
        assert free
        with pytest.raises(Permanent):
            acquire(url, "three", patience=0)
    acquire(url, "three", patience=0).release()
    with first.borrow("two") as free:
        assert not free
    with first.borrow("one") as free:
        assert not free
    first.check()
    for lock in (first, second):
        lock.release()


def test_a_worker_waits_a_moment_for_its_id(url: str) -> None:
    first = acquire(url, "one", patience=0)
    with ExitStack() as stack:
        assert stack.enter_context(first.borrow("two"))
        with pytest.raises(Permanent):
            acquire(url, "two", patience=0.2)
    second = acquire(url, "two", patience=20)
    assert second.worker_id == "two"
    first.release()
    second.release()


@pytest.mark.parametrize("worker_id", ["", "a b", "../x", "x" * 101])
def test_an_id_that_is_no_name_is_refused(url: str, worker_id: str) -> None:
    with pytest.raises(Permanent, match="WORKER_ID"):
        acquire(url, worker_id)


def test_a_removed_lock_file_is_a_lost_lock(tmp_path: Path) -> None:
    lock = acquire(f"sqlite:///{tmp_path}/slipway.db", "one")
    file = tmp_path / "slipway.db.one.lock"
    file.unlink()
    file.touch()
    with pytest.raises(LostLockError, match="removed or replaced"):
        lock.check()
    lock.release()


def test_another_machine_that_ignores_the_lock_is_noticed_by_its_name(tmp_path: Path) -> None:
    lock = acquire(f"sqlite:///{tmp_path}/slipway.db", "one")
    (tmp_path / "slipway.db.machine").write_text("another-boot-id another-host")
    with pytest.raises(LostLockError, match="another one uses the database"):
        lock.check()
    lock.release()


def test_a_missing_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="python -m bot migrate"):
        acquire(f"sqlite:///{tmp_path}/nowhere/slipway.db", "one")


@pytest.mark.postgres
def test_a_cut_connection_is_a_lost_lock(postgres_url: str) -> None:
    lock = acquire(postgres_url, "one")
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%lock'")
    with pytest.raises(LostLockError):
        lock.check()
    lock.release()


def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(Transient, match="DATABASE_URL") as raised:
        acquire(f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/slipway", "one")
    assert "hunter2" not in str(raised.value)


# ---------------------------------------------------------------- poolers

PGBOUNCER = Engine(
    "PgBouncer", lambda: shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin"), "apt install pgbouncer"
)


@contextmanager
def pooled(database_url: str, mode: str) -> Iterator[str]:
    """The database behind a PgBouncer. It refuses to run as root, and reads its folder as somebody else."""
    program = require(PGBOUNCER)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        configure(folder, port, mode, database_url)
        user = "nobody" if os.geteuid() == 0 else None
        with running([program, str(folder / "pgbouncer.ini")], log=folder / "pgbouncer.log", user=user) as process:
            wait_until(lambda: listens(port), process, folder / "pgbouncer.log")
            server = conninfo_to_dict(database_url)
            yield f"postgresql://{server['user']}:{server['password']}@127.0.0.1:{port}/{server['dbname']}"


def configure(folder: Path, port: int, mode: str, database_url: str) -> None:
    server = conninfo_to_dict(database_url)
    (folder / "users").write_text(f'"{server["user"]}" "{server["password"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{server['dbname']} = host=127.0.0.1 port={server['port']}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = {mode}\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users\n"
    )
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.postgres
def test_a_transaction_pooler_is_refused(postgres_url: str) -> None:
    with pooled(postgres_url, "transaction") as url, pytest.raises(Permanent, match="pooler"):
        acquire(url, "one")


@pytest.mark.postgres
def test_a_session_pooler_is_fine(postgres_url: str) -> None:
    with pooled(postgres_url, "session") as url:
        lock = acquire(url, "one")
        with pytest.raises(Permanent, match="worker one"):
            acquire(postgres_url, "one", patience=0)
        lock.release()
