"""A real Docker engine pushes to the registry stand-in and pulls from it, whatever it asks of who comes."""

from pathlib import Path

import pytest

from bot.sandbox.registry import Registry
from tests.contract.test_engines import context
from tests.engines import DockerEngine

LOGIN = ("robot", "open-sesame")


@pytest.mark.parametrize(
    ("login", "bearer"), [(None, False), (LOGIN, False), (LOGIN, True)], ids=["open", "basic", "bearer"]
)
def test_the_engine_pushes_and_pulls(
    docker_engine: DockerEngine,
    static_binary: Path,
    tmp_path: Path,
    login: tuple[str, str] | None,
    bearer: bool,
) -> None:
    auth = {"username": login[0], "password": login[1]} if login else None
    client = docker_engine.client()
    with Registry(tmp_path, login=login, bearer=bearer) as registry:
        image = f"{registry.host}/a/site:v1"
        try:
            built, _ = client.images.build(fileobj=context(static_binary), custom_context=True, tag=image, rm=True)
            for line in client.images.push(image, auth_config=auth, stream=True, decode=True):
                assert "error" not in line, line
            client.images.remove(image)
            registry.requests.clear()
            assert client.images.pull(image, auth_config=auth).id == built.id
            assert any(asked.startswith("GET /v2/a/site/blobs/") for asked in registry.requests)
        finally:
            client.images.remove(image, force=True)
            client.close()
