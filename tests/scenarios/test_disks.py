"""A disk that is full, a database that cannot be written or read, a mirror that is damaged: said, and survived."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from bot.adapters.dbos.queue import DbosQueue
from bot.releases import Outcome
from bot.sandbox.registry import Registry
from bot.wiring import QUEUES
from tests.scenarios.world import PATIENCE, ROOT, AppWorld, Bot, World, until, web, worker, world
from tests.small_disk import SmallDisk, small_disk

ROOMY = 48
"""Megabytes: what a few releases need."""


@contextmanager
def on_small_disk(folder: Path, *, database: bool, state: bool) -> Iterator[tuple[World, Bot, SmallDisk]]:
    """A world whose bot keeps its database, or its state, or both, on a disk of their own."""
    with (
        small_disk(folder / "disk.img", ROOMY) as disk,
        Registry(folder / "registry") as registry,
        world(
            folder,
            f"sqlite:///{(disk.folder if database else folder) / 'slipway.db'}",
            registry_host=registry.host,
        ) as made,
    ):
        if state:
            made.variables["SLIPWAY_STATE"] = str(disk.folder / "state")
        bot = Bot(made)
        bot.start()
        try:
            yield made, bot, disk
        finally:
            bot.stop()


def get(made: World, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{made.port}{path}", timeout=30)


def await_everywhere(app: AppWorld, sha: str) -> None:
    """Nobody helps: it goes live on staging, and waits for its approval."""
    assert app.await_live("staging", sha).outcome is Outcome.HEALTHY
    app.await_promotion(sha)


def assert_nothing_acknowledged_is_lost(made: World) -> None:
    with closing(DbosQueue(made.variables["DATABASE_URL"], QUEUES)) as queue:
        stored = {job.id for job in queue.jobs("delivery/", limit=10_000)}
    for repo, hook in made.hooks.items():
        for delivery in made.forge.deliveries(repo, hook):
            assert delivery.status_code != 202 or f"delivery/{delivery.guid}" in stored


def answers(made: World, repo: str, since: int = 0) -> list[int]:
    """What the deliveries were answered, after so many of them."""
    return [int(one.status_code or 0) for one in made.forge.deliveries(repo, made.hooks[repo])][since:]


def merge_until_refused(made: World, app: AppWorld) -> str:
    """Merge until a delivery is refused: SQLite's log may have room left within the file. The newest commit."""
    for number in range(50):
        sha = app.merge(f"Change {number}")
        assert made.forge.wait_for_deliveries()
        if 503 in answers(made, app.source):
            return sha
    raise AssertionError("the disk takes everything")


def assert_told(made: World, bot: Bot, *words: str) -> None:
    """Where a delivery cannot be stored, that is said everywhere, with what to do."""
    ready = get(made, "/readyz")
    assert ready.status_code == 503
    for word in words:
        assert word in ready.json()["reason"], ready.text
        assert word in bot.log()
    assert get(made, "/healthz").ok
    assert "slipway_storing 0.0" in get(made, "/metrics").text


# ---------------------------------------------------------------- the database


def test_with_a_full_disk_nothing_is_acknowledged_and_everything_is_made_up_for(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, database=True, state=True) as (made, bot, disk):
        app = made.add_app("shop")
        await_everywhere(app, app.merge("One"))
        disk.fill()
        sha = merge_until_refused(made, app)
        assert_told(made, bot, "is full", "Make room", f"{disk.folder}/slipway.db")
        until("the worker's word", lambda: "cannot ask for a reconcile" in bot.log())
        disk.free()
        await_everywhere(app, sha)
        assert get(made, "/readyz").ok
        assert_nothing_acknowledged_is_lost(made)
        assert bot.alive
        assert "Traceback" not in bot.log()


def test_while_the_database_cannot_be_written_nothing_is_acknowledged_and_then_all_goes_on(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, database=True, state=False) as (made, bot, disk):
        app = made.add_app("shop")
        await_everywhere(app, app.merge("One"))
        before = len(answers(made, app.source))
        files = [disk.folder / name for name in ("slipway.db", "slipway.db-wal")]
        disk.freeze(*files, on=True)
        sha = app.merge("Two")
        until("refusals", lambda: answers(made, app.source, before).count(503) >= 3)
        assert 202 not in answers(made, app.source, before)
        assert_told(made, bot, "cannot be written", "read-only", f"{disk.folder}/slipway.db")
        shown = subprocess.run(
            [*worker()[:-1], "status"], cwd=ROOT, env=bot.environment(), capture_output=True, text=True, check=True
        )
        assert "cannot be written" in shown.stderr
        disk.freeze(*files, on=False)
        await_everywhere(app, sha)
        assert_nothing_acknowledged_is_lost(made)
        assert bot.alive
        assert "Traceback" not in bot.log()


def test_a_damaged_database_is_refused_with_what_to_do_and_that_helps(quiet: tuple[World, Bot]) -> None:
    made, bot = quiet
    app = made.add_app("shop")
    bot.start()
    sha = app.merge("One")
    await_everywhere(app, sha)
    bot.stop()
    file = Path(made.variables["DATABASE_URL"].removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[1000:] = b"\xa5" * len(content[1000:])
    file.write_bytes(content)
    refused = subprocess.run(
        worker(), cwd=ROOT, env=bot.environment(), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert refused.returncode == 1
    for words in (str(file), "is damaged", "move that file away", "python -m bot migrate"):
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    with subprocess.Popen(web(), cwd=ROOT, env=bot.environment(), stderr=subprocess.DEVNULL) as alone:
        try:
            until("an answer", lambda: answered(made))
            assert "is damaged" in get(made, "/readyz").json()["reason"]
        finally:
            alone.terminate()
    for left in file.parent.glob("slipway.db*"):
        left.unlink()
    bot.run("migrate")
    bot.start()
    await_everywhere(app, app.merge("Two"))
    assert len(app.bumps("staging", sha)) == 1


def answered(made: World) -> bool:
    try:
        return get(made, "/readyz").status_code == 503
    except requests.RequestException:
        return False


# ---------------------------------------------------------------- the state folder


def test_without_room_for_mirror_and_checkouts_the_work_waits_for_it(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, database=False, state=True) as (made, bot, disk):
        app = made.add_app("shop")
        await_everywhere(app, app.merge("One"))
        disk.fill()
        sha = app.merge("Two")
        until("the worker's word", lambda: "No space left on device" in bot.log())
        assert get(made, "/readyz").ok  # deliveries are stored elsewhere
        assert not app.bumps("staging", sha)
        disk.free()
        await_everywhere(app, sha)
        assert "Traceback" not in bot.log()
        assert_sound(made)


def assert_sound(made: World) -> None:
    """What is left of the mirror is whole."""
    for mirror in Path(made.variables["SLIPWAY_STATE"]).glob("mirrors/*/config.git/mirror.git"):
        subprocess.run(["git", "--git-dir", str(mirror), "fsck", "--no-dangling"], check=True, capture_output=True)


def truncate_packs(mirror: Path) -> None:
    for pack in mirror.glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:50])


def lose_objects(mirror: Path) -> None:
    for folder in mirror.glob("objects/??"):
        shutil.rmtree(folder)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "it is gone": shutil.rmtree,
    "its packs are cut off": truncate_packs,
    "its objects are gone": lose_objects,
    "its HEAD is garbage": lambda mirror: (mirror / "HEAD").write_bytes(b"\0garbage"),
    "a lock was left": lambda mirror: (mirror / "packed-refs.lock").touch(),
}


def test_a_mirror_that_is_damaged_while_the_bot_runs_is_cloned_afresh(quiet: tuple[World, Bot]) -> None:
    made, bot = quiet
    app = made.add_app("shop")
    bot.start()
    await_everywhere(app, app.merge("One"))
    (mirror,) = Path(made.variables["SLIPWAY_STATE"]).glob("mirrors/*/config.git/mirror.git")
    for number, (damage, do) in enumerate(DAMAGES.items()):
        subprocess.run(["git", "--git-dir", str(mirror), "repack", "-q", "-d"], check=False, capture_output=True)
        do(mirror)
        await_everywhere(app, app.merge(f"Change {number}: {damage}"))
    lines = [json.loads(line) for line in bot.log().splitlines() if line.startswith("{")]
    afresh = [line for line in lines if line["event"] == "mirror cloned afresh"]
    assert 0 < len(afresh) <= len(DAMAGES)
    assert all(line["repo"] == "acme/config" for line in afresh)
    assert "Traceback" not in bot.log()
    assert_sound(made)
