"""One world with a running bot, on stand-ins, that the scenario tests share; each test adds apps of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.registry import Registry
from tests.scenarios.world import Bot, World, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose bot runs all the time."""
    folder: Path = tmp_path_factory.mktemp("world")
    with (
        Registry(folder / "registry") as registry,
        world(folder, f"sqlite:///{folder / 'slipway.db'}", registry_host=registry.host) as made,
    ):
        made.registry_requests = lambda: list(registry.requests)
        bot = Bot(made)
        bot.start()
        try:
            yield made
        finally:
            bot.stop()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[tuple[World, Bot]]:
    """A world whose bot does not run yet."""
    with (
        Registry(tmp_path / "registry") as registry,
        world(tmp_path, f"sqlite:///{tmp_path / 'slipway.db'}", registry_host=registry.host) as made,
    ):
        bot = Bot(made)
        try:
            yield made, bot
        finally:
            bot.stop()
