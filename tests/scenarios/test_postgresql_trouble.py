"""PostgreSQL that takes no more: its disk is full, or it became read-only, as after a failover to a standby."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.adapters.dbos.database import APPLICATION
from bot.sandbox.registry import Registry
from tests.engines import PostgresServer, unprivileged_user
from tests.scenarios.test_disks import (
    assert_nothing_acknowledged_is_lost,
    assert_told,
    await_everywhere,
    get,
    merge_until_refused,
)
from tests.scenarios.world import Bot, World, world
from tests.small_disk import SmallDisk, small_disk

ROOMY = 64
"""Megabytes: an empty database has 8, and a few releases need some."""


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """A disk in a folder that the server's user may enter."""
    with tempfile.TemporaryDirectory(prefix="slw-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        with small_disk(Path(name) / "disk.img", ROOMY) as made:
            yield made


@contextmanager
def bot_on(database_url: str, folder: Path) -> Iterator[tuple[World, Bot]]:
    with (
        Registry(folder / "registry") as registry,
        world(folder, database_url, registry_host=registry.host) as made,
    ):
        bot = Bot(made)
        bot.start()
        try:
            yield made, bot
        finally:
            bot.stop()


@contextmanager
def database_on(disk: SmallDisk, server: PostgresServer) -> Iterator[str]:
    """A database whose tables are on that disk, as a tablespace; the server's log stays where it is."""
    space = disk.folder / "space"
    space.mkdir()
    if (user := unprivileged_user()) is not None:
        shutil.chown(space, user)
    server.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
    try:
        with server.fresh_database(tablespace="small") as url:
            yield url
    finally:
        server.execute("DROP TABLESPACE small")


def set_read_only(server: PostgresServer, url: str, *, on: bool) -> None:
    """As every new session finds it; those that the bot stores and reads with are ended."""
    name = url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if on else 'off'}")
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND application_name = '{APPLICATION}'"
    )


def test_while_its_disk_is_full_nothing_is_acknowledged_and_then_all_goes_on(
    postgres_server: PostgresServer, disk: SmallDisk, tmp_path: Path
) -> None:
    with database_on(disk, postgres_server) as url, bot_on(url, tmp_path) as (made, bot):
        app = made.add_app("shop")
        await_everywhere(app, app.merge("One"))
        disk.fill()
        sha = merge_until_refused(made, app)
        assert_told(made, bot, "No space left on device", "Make room")
        disk.free()
        await_everywhere(app, sha)
        assert get(made, "/readyz").ok
        assert_nothing_acknowledged_is_lost(made)
        assert bot.alive
        assert "Traceback" not in bot.log()


def test_while_it_is_read_only_nothing_is_acknowledged_and_then_all_goes_on(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    with bot_on(postgres_url, tmp_path) as (made, bot):
        app = made.add_app("shop")
        await_everywhere(app, app.merge("One"))
        set_read_only(postgres_server, postgres_url, on=True)
        sha = merge_until_refused(made, app)
        assert_told(made, bot, "read-only", "not to a standby")
        set_read_only(postgres_server, postgres_url, on=False)
        await_everywhere(app, sha)
        assert get(made, "/readyz").ok
        assert_nothing_acknowledged_is_lost(made)
        assert bot.alive
        assert "Traceback" not in bot.log()
