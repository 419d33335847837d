"""``latest`` is what the last environment runs, and goes no step back."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from bot.facts import RemoteImage
from bot.releases import Outcome, Release
from bot.steps.latest import LATEST, tag_latest
from tests.config_fake import CATALOG, FakeConfig, FakeQueue, release
from tests.unit.test_missed import services

OLD, NEW = release("blog", 1), release("blog", 2)


@dataclass
class Tags:
    """A registry that knows one tag."""

    digest: str | None = None
    tagged: list[str] = field(default_factory=list)

    def find(self, _repository: str, reference: str) -> RemoteImage | None:
        assert reference == LATEST
        return RemoteImage(self.digest, {}) if self.digest else None

    def tag(self, _repository: str, digest: str, tag: str) -> None:
        assert tag == LATEST
        self.digest = digest
        self.tagged.append(digest)


def digest(of: Release) -> str:
    return of.image.partition("@")[2]


def tag(config: FakeConfig, registry: Tags, made: Release) -> str | None:
    return tag_latest(
        replace(services(config, FakeQueue()), registry=cast("Any", registry)), made, environment="production"
    )


@pytest.fixture
def config() -> FakeConfig:
    """Production runs the old release, and is healthy."""
    made = FakeConfig()
    made.edit({"slipway.yaml": CATALOG})
    made.end(made.bump(OLD, "production"), "blog", "production", Outcome.HEALTHY)
    return made


def test_it_is_tagged_once(config: FakeConfig) -> None:
    registry = Tags()
    assert [tag(config, registry, OLD) for _ in range(2)] == [digest(OLD)] * 2
    assert registry.tagged == [digest(OLD)]


def test_a_newer_release_that_is_live_keeps_it(config: FakeConfig) -> None:
    config.end(config.bump(NEW, "production"), "blog", "production", Outcome.HEALTHY)
    registry = Tags(digest(NEW))
    assert tag(config, registry, OLD) is None
    assert registry.tagged == []


@pytest.mark.parametrize("ended", [None, Outcome.FAILED])
def test_a_newer_release_that_is_not_live_does_not_get_in_the_way(config: FakeConfig, ended: Outcome | None) -> None:
    bump = config.bump(NEW, "production")
    if ended is not None:
        config.end(bump, "blog", "production", ended)
    registry = Tags()
    assert tag(config, registry, OLD) == digest(OLD)
    assert registry.digest == digest(OLD)


def test_a_rollback_takes_it_back(config: FakeConfig) -> None:
    config.end(config.bump(NEW, "production"), "blog", "production", Outcome.FAILED)
    config.end(config.bump(OLD, "production"), "blog", "production", Outcome.HEALTHY)
    registry = Tags(digest(NEW))
    assert tag(config, registry, OLD) == digest(OLD)
    assert registry.digest == digest(OLD)
