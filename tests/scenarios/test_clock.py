"""A clock that jumps while the bot runs: back by an hour, ahead by a day. Nothing is stuck, nothing fails for it."""

import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.dbos.queue import DbosQueue
from bot.releases import Outcome
from bot.steps.rollout import LOOK_SECONDS
from bot.wiring import QUEUES
from tests.engines import COMPILER, require
from tests.scenarios.world import AppWorld, Bot, World, until

Jump = Callable[[timedelta], None]
"""Sets how far ahead the clock is."""

SHIM = Path(__file__).parents[1] / "jump.c"


@pytest.fixture
def jumpy(quiet: tuple[World, Bot], tmp_path: Path) -> Iterator[tuple[World, Bot, Jump]]:
    """A world whose bot, and every git it runs, have a wall clock that can be put; the monotonic one stays."""
    made, _ = quiet
    shim, offset = tmp_path / "jump.so", tmp_path / "offset"
    subprocess.run([require(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM)], check=True)

    def jump(to: timedelta) -> None:
        with offset.open("r+b" if offset.exists() else "w+b") as file:
            file.write(struct.pack("q", int(to.total_seconds())))

    jump(timedelta())
    bot = Bot(made, "jumpy", {"LD_PRELOAD": str(shim), "JUMP_FILE": str(offset)})
    bot.start()
    try:
        yield made, bot, jump
    finally:
        bot.stop()


def through(app: AppWorld, title: str) -> str:
    """A release goes all the way."""
    sha = app.merge(title)
    assert app.await_live("staging", sha).outcome is Outcome.HEALTHY
    app.approve(app.await_promotion(sha)["number"])
    assert app.await_live("production", sha).outcome is Outcome.HEALTHY
    return sha


def rounds(made: World) -> set[str]:
    """The reconciles that the timer asked for."""
    with closing(DbosQueue(made.variables["DATABASE_URL"], QUEUES)) as queue:
        return {job.id for job in queue.jobs("reconcile/", limit=1000) if job.id.rpartition("/")[2].isdecimal()}


def tomorrows(made: World) -> set[str]:
    """Those that were asked for when the clock was ahead."""
    seconds = int(made.variables["RECONCILE_SECONDS"])
    noon = (datetime.now(UTC) + timedelta(hours=12)).timestamp() / seconds
    return {one for one in rounds(made) if int(one.rpartition("/")[2]) > noon}


def test_a_clock_that_is_put_back_by_an_hour_stops_no_work_and_no_reconcile(jumpy: tuple[World, Bot, Jump]) -> None:
    made, bot, jump = jumpy
    app = made.add_app("shop")
    jump(timedelta(hours=1))
    through(app, "One")
    jump(timedelta())
    before = rounds(made)
    through(app, "Two")
    made.forge.faults.webhooks.drop = 1.0  # what comes now is found by reconcile or not at all
    through(app, "Three")
    assert len(rounds(made) - before) >= 2
    assert bot.alive
    assert "Traceback" not in bot.log()


def test_a_day_ahead_in_the_middle_of_a_rollout_fails_nothing_and_forgets_nothing(
    jumpy: tuple[World, Bot, Jump],
) -> None:
    made, bot, jump = jumpy
    app = made.add_app("shop")
    through(app, "One")
    with closing(DbosQueue(made.variables["DATABASE_URL"], QUEUES)) as queue:
        known = {job.id for job in queue.jobs("", limit=1000)}
        with made.clusters["staging"].controllers_paused():
            sha = app.merge("Two")
            bump = app.await_bump("staging", sha)
            until("the apply", lambda: sha[:7] in (app.running("staging") or ""))
            jump(timedelta(days=1))
            until("a round of the next day", lambda: bool(tomorrows(made)), pause=1)
            time.sleep(2 * LOOK_SECONDS)  # it is looked at, however late it seems
            assert app.outcome(bump, "staging") is None
        note = app.await_outcome(bump, "staging")
        assert note.outcome is Outcome.HEALTHY
        assert note.seconds < 24 * 3600
        app.approve(app.await_promotion(sha)["number"])
        assert app.await_live("production", sha).outcome is Outcome.HEALTHY
        assert known <= {job.id for job in queue.jobs("", limit=1000)}
    jump(timedelta())
    through(app, "Three")
    assert bot.alive
    assert "Traceback" not in bot.log()
