"""Fixtures that every kind of test shares: the real engines, one of each a session (see ``tests/engines.py``)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import engines
from tests.engines import DockerEngine, PostgresServer, RegistryServer

# How long one example takes says more of the machine than of us. In CI everybody gets the same examples.
settings.register_profile("slipway", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("slipway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the engines that it uses, and keep together what runs side by side badly.

    A file's tests share worlds, so they run in one process (``--dist loadgroup``); so do all that use the one Docker
    engine.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in engines.MARKERS:
                item.add_marker(engines.MARKERS[fixture])
        one_engine = item.get_closest_marker("docker") is not None
        item.add_marker(pytest.mark.xdist_group("docker" if one_engine else item.nodeid.partition("::")[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once more, where everybody looks, what failed before pytest began (``python3 -m tests`` knows)."""
    if failed := os.environ.get("SLIPWAY_FAILED_CHECKS"):
        terminalreporter.write_sep("=", f"failed before the tests: {failed}", red=True)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    with engines.docker_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryServer]:
    """A real registry that everybody may use."""
    with engines.registry_server() as server:
        yield server


@pytest.fixture(scope="session")
def private_registry() -> Iterator[RegistryServer]:
    """A real registry that asks for ``.login``."""
    with engines.registry_server(engines.REGISTRY_LOGIN) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with engines.postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    return engines.require(engines.CHROMIUM)


@pytest.fixture(scope="session")
def static_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program that serves its first argument over HTTP on $PORT (8080): see ``hello.c``."""
    return engines.compile_static(tmp_path_factory.mktemp("static") / "hello")
