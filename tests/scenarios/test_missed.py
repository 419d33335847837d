"""What no webhook told of is found: at start, and at every interval."""

from contextlib import closing

from bot.adapters.dbos.queue import DbosQueue
from bot.steps.parts import FEW_APPS
from bot.wiring import QUEUES
from tests.scenarios.world import Bot, World, until


def test_a_merge_while_the_bot_was_down_is_found_at_start(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    app = world.add_app("down")
    sha = app.merge("A change")
    assert world.forge.wait_for_deliveries()
    bot.start()
    assert app.await_live("staging", sha).outcome == "healthy"
    assert len(app.bumps("staging")) == 1


def test_everything_arrives_without_any_webhook(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.forge.faults.webhooks.drop = 1.0
    bot.start()
    app = world.add_app("deaf")
    sha = app.merge("A change")
    app.approve(app.await_promotion(sha)["number"])
    assert app.await_live("production", sha).outcome == "healthy"
    until("latest", lambda: world.digest(app.image, "latest") == world.digest(app.image, sha[:7]))
    assert [len(app.bumps("staging")), len(app.bumps("production")), len(app.promotions("all"))] == [1, 1, 1]


def test_deleting_the_database_doubles_nothing(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("forgetful")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    bot.stop()
    for file in world.folder.glob("slipway.db*"):
        file.unlink()
    bot.start()
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    until("latest", lambda: world.digest(app.image, "latest") == world.digest(app.image, sha[:7]))
    assert [len(app.bumps("staging")), len(app.bumps("production")), len(app.promotions("all"))] == [1, 1, 1]
    assert len(app.comments()) == 1


def test_a_merge_of_one_of_many_apps_is_found_by_the_round(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.variables["RECONCILE_SECONDS"] = "15"
    world.forge.faults.webhooks.drop = 1.0
    for number in range(FEW_APPS):
        world.add_app(f"crowd-{number}")
    app = world.add_app("one-of-many")
    bot.start()
    sha = app.merge("A change")
    assert app.await_live("staging", sha).outcome == "healthy"
    assert len(app.bumps("staging")) == 1
    with closing(DbosQueue(world.variables["DATABASE_URL"], QUEUES)) as queue:
        assert queue.jobs("round/")
