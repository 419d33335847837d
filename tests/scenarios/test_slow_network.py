"""Somebody's network is slow: what does not need it goes on, and what does is tried again."""

from contextlib import closing

from bot.adapters.dbos.queue import DbosQueue
from bot.facts import JobState
from bot.releases import Outcome
from bot.wiring import QUEUES
from tests.dribble import dribbling
from tests.scenarios.world import Bot, World, until

DRIBBLE = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000


def test_a_registry_that_answers_byte_by_byte_keeps_no_other_app_waiting(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    with dribbling(DRIBBLE) as url:
        slow = world.add_app("slow", image=f"{url.removeprefix('http://')}/slow")
        quick = world.add_app("quick")
        waiting = slow.merge("Waits for its registry")
        with closing(DbosQueue(world.variables["DATABASE_URL"], QUEUES)) as queue:
            until("a build that waits", lambda: any(job.state is JobState.RUNNING for job in queue.jobs("build/")))
            sha = quick.merge("Waits for nobody")
            assert quick.await_live("staging", sha).outcome is Outcome.HEALTHY
            quick.await_promotion(sha)
            (release,) = queue.jobs(f"release/slow/{waiting}/")
            assert release.state is JobState.RUNNING
        bot.stop()
    assert not slow.bumps("staging")
    assert "Traceback" not in bot.log()
