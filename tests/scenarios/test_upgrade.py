"""An upgrade in the middle of work: what one version began, the next one with other steps brings to its end."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.registry import Registry
from tests.gate import Gate
from tests.scenarios.world import Bot, World, until, web, worker, world

NEXT = [sys.executable, "-m", "tests.next_version"]


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[tuple[World, Gate]]:
    """A world without a bot, where no build ends before the gate is open."""
    gate = Gate()
    with (
        Registry(tmp_path / "registry", middleware=gate) as registry,
        world(tmp_path, f"sqlite:///{tmp_path / 'slipway.db'}", registry_host=registry.host) as made,
    ):
        yield made, gate
        gate.open()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_release_that_is_being_built_goes_live_once_under_the_next_version(
    gated: tuple[World, Gate], how: signal.Signals
) -> None:
    world, gate = gated
    front, old, new = Bot(world, "web"), Bot(world, "old"), Bot(world, "new")
    try:
        old.start(worker())
        front.start(web())
        app, later = world.add_app("upgraded"), world.add_app("later")
        sha = app.merge("Build me slowly")
        until("the build to wait", gate.reached)
        old.stop(how)
        queued = later.merge("Nobody is there to build me")
        gate.open()
        new.start(NEXT)
        app.await_live("staging", sha)
        later.await_live("staging", queued)
        app.approve(app.await_promotion(sha)["number"])
        app.await_live("production", sha)
        assert len(app.bumps("staging", sha)) == len(app.bumps("production", sha)) == 1
        assert len(app.comments()) == 1
        assert "run starts afresh" in new.log(), "the next version met what its code does not fit"
        assert [line for line in new.log().splitlines() if '"level": "error"' in line] == []
    finally:
        for process in (front, old, new):
            process.stop()
