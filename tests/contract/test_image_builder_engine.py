"""The engine-less image builder against a real Docker engine: the same files and settings, and an image that runs."""

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from bot.facts import BuildRequest
from bot.sandbox.builder import SandboxImageBuilder
from tests.engines import DockerEngine, RegistryServer, free_port

Files = dict[str, tuple[bytes, str, str, str]]

CONTEXT = {
    "index.html": "<h1>hello</h1>",
    "css/site.css": "h1 {}",
    "css/print/a.css": "p {}",
    "js/app.js": "go()",
    "js/app.test.js": "test()",
    "notes.md": "none of it",
}
CASES = {
    "everything": "COPY . /srv/",
    "file to a name": "COPY index.html /srv/start.html",
    "file to a folder": "COPY index.html notes.md /srv/www/",
    "file onto a folder that is there": "COPY css /www\nCOPY index.html /www",
    "folder content": "COPY css js /",
    "wildcards": "COPY css/*.css j?/app.* /x/",
    "wildcard folder": "COPY *s /x/",
    "relative target": "COPY index.html .",
    "replaced": "COPY index.html /a\nCOPY notes.md /a",
    "exec form": 'COPY ["index.html", "/the page.html"]\nCMD ["/a", "b c"]',
    "shell form": "COPY index.html /\nCMD /a  b",
    "labels": 'COPY index.html /\nLABEL a=1 "b c"=\'d e\' \\\n  # note\n f="g\\"h" i=\nLABEL a=2',
}
IGNORED = {
    "folders": "js\n/css/print\n",
    "all but": "*\n!css\n",
    "anywhere": "**/*.css\n**/app*\n",
    "below": "css/**\n!css/print/a.css\n",
    "comments": "# notes.md\n\n  js/  \n!js/app.js\n",
}


@pytest.fixture
def client(docker_engine: DockerEngine) -> Iterator[docker.DockerClient]:
    client = docker_engine.client()
    yield client
    client.close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in CONTEXT.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    (tmp_path / "site" / "js" / "app.js").chmod(0o755)
    (tmp_path / "site" / "js" / "link.js").symlink_to("app.js")
    return tmp_path / "site"


def contents(layers: Iterable[Path]) -> Files:
    """What the layers hold together: type, mode, target of a link and hash of the content by path."""
    found: Files = {}
    for layer in layers:
        with tarfile.open(layer) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                digest = hashlib.sha256(file.read()).hexdigest() if file else ""
                mode = "" if member.issym() else oct(member.mode & 0o7777)
                found[member.name.strip("/")] = (member.type, mode, member.linkname, digest)
    return found


def by_engine(client: docker.DockerClient, site: Path) -> tuple[Files, dict[str, Any]]:
    image, _ = client.images.build(path=str(site), rm=True)
    try:
        with tempfile.TemporaryFile() as saved, tempfile.TemporaryDirectory() as folder:
            saved.writelines(image.save())
            saved.seek(0)
            with tarfile.open(fileobj=saved) as tar:
                tar.extractall(folder, filter="data")
            [manifest] = json.loads((Path(folder) / "manifest.json").read_text())
            config = json.loads((Path(folder) / manifest["Config"]).read_text())["config"]
            return contents(Path(folder) / layer for layer in manifest["Layers"]), config
    finally:
        client.images.remove(str(image.id), force=True)


def by_builder(site: Path) -> tuple[Files, dict[str, Any]]:
    root = site.parent / "images"
    SandboxImageBuilder(root).build(BuildRequest(site, "Dockerfile", ".", "example.com/site:v1", {}), lambda _: None)
    [folder] = root.iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    config = json.loads((folder / manifest["config"]["digest"]).read_text())["config"]
    return contents(folder / layer["digest"] for layer in manifest["layers"]), config


def assert_same(client: docker.DockerClient, site: Path) -> None:
    (files, config), (real_files, real_config) = by_builder(site), by_engine(client, site)
    assert files
    assert files == real_files
    for key in ("Cmd", "Env", "Labels"):
        assert (config[key] or None) == (real_config[key] or None)


@pytest.mark.parametrize("instructions", CASES.values(), ids=CASES)
def test_the_same_dockerfile_makes_the_same_files(client: docker.DockerClient, site: Path, instructions: str) -> None:
    (site / "Dockerfile").write_text(f"FROM scratch\n{instructions}\n")
    assert_same(client, site)


@pytest.mark.parametrize("ignored", IGNORED.values(), ids=IGNORED)
def test_the_same_dockerignore_leaves_the_same_files(client: docker.DockerClient, site: Path, ignored: str) -> None:
    (site / "Dockerfile").write_text("FROM scratch\nCOPY . /srv/\n")
    (site / ".dockerignore").write_text(f"{ignored}\nDockerfile\n.dockerignore\n")
    assert_same(client, site)


@contextmanager
def container(client: docker.DockerClient, image: str, port: int) -> Iterator[None]:
    running = client.containers.run(image, detach=True, network_mode="host", environment={"PORT": str(port)})
    try:
        yield
    finally:
        running.remove(force=True)


def test_an_image_pushed_without_an_engine_runs_on_one(
    client: docker.DockerClient, registry: RegistryServer, static_binary: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "hello").write_bytes(static_binary.read_bytes())
    (folder / "hello").chmod(0o755)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY hello /bin/hello\nCMD ["/bin/hello", "built without"]\n')
    image, port = f"{registry.host}/builder/hello:v1", free_port()
    builder = SandboxImageBuilder(tmp_path / "images")
    builder.build(BuildRequest(folder, "Dockerfile", ".", image, {"built": "without"}), lambda _: None)
    builder.push(image, lambda _: None)
    assert client.images.pull(image).labels == {"built": "without"}
    try:
        with container(client, image, port):
            session = requests.Session()
            retry = requests.adapters.Retry(connect=20, backoff_factor=0.05)
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
            with session:
                assert session.get(f"http://127.0.0.1:{port}", timeout=10).text == "built without\n"
    finally:
        client.images.remove(image, force=True)
