"""The engines themselves: a test that fails here says that a machine's engine is broken, not Slipway."""

import io
import tarfile
from pathlib import Path

import psycopg
import requests

from tests.engines import DockerEngine, RegistryServer


def test_docker_builds_pushes_and_pulls(
    docker_engine: DockerEngine, registry: RegistryServer, static_binary: Path
) -> None:
    image = f"{registry.host}/hello:engines"
    client = docker_engine.client()
    try:
        client.images.build(fileobj=context(static_binary), custom_context=True, tag=image, rm=True)
        client.images.push(image)
        client.images.remove(image)
        assert client.images.pull(image).labels == {"engine": "yes"}
    finally:
        client.images.remove(image, force=True)
        client.close()
    tags = requests.get(f"http://{registry.host}/v2/hello/tags/list", timeout=10).json()["tags"]
    assert "engines" in tags


def test_private_registry_lets_in_only_its_login(private_registry: RegistryServer) -> None:
    url = f"http://{private_registry.host}/v2/"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, auth=private_registry.login, timeout=10).status_code == 200


def test_postgres_gives_an_empty_database(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def context(binary: Path) -> io.BytesIO:
    """A build context with the static binary, as the tar that the engine takes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.add(binary, "hello")
        text = b'FROM scratch\nCOPY hello /hello\nLABEL engine=yes\nCMD ["/hello"]\n'
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    content.seek(0)
    return content
