"""The Docker adapter on a real engine and registries, and on engines that are not there."""

import base64
import json
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.adapters.docker.engine import DockerEngine
from bot.adapters.registry.images import HttpRegistry
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import BuildRequest
from bot.sandbox.faults import Answer as Fault
from bot.sandbox.registry import Registry
from tests import engines
from tests.engines import RegistryServer

STEP = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* step CODE LINE...: print the lines and end with the code; a negative code waits for ever, -2 chattering */
int main(int argc, char **argv) {
    for (int i = 2; i < argc; i++) puts(argv[i]);
    fflush(stdout);
    int code = atoi(argv[1]);
    while (code < 0) { if (code == -2) { puts("still here"); fflush(stdout); usleep(20000); } else pause(); }
    return code;
}
"""
BEGINNING = "FROM scratch\nCOPY step /step\n"


@dataclass
class Workshop:
    """A checkout to build from, the adapter, and everything it logged."""

    folder: Path
    engine: engines.DockerEngine
    adapter: DockerEngine = field(default_factory=DockerEngine)
    log: list[str] = field(default_factory=list)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def request(self, image: str, dockerfile: str = "Dockerfile", context: str = ".", **labels: str) -> BuildRequest:
        return BuildRequest(self.folder, dockerfile, context, image, labels)

    def build(self, image: str, dockerfile: str = "Dockerfile", context: str = ".", **labels: str) -> str:
        """Build, and return the image's id."""
        self.log.clear()
        self.adapter.build(self.request(image, dockerfile, context, **labels), self.log.append)
        client = self.engine.client()
        try:
            return str(client.images.get(image).id)
        finally:
            client.close()

    def failure(self, dockerfile: str = "Dockerfile", context: str = ".") -> SlipwayError:
        with pytest.raises(SlipwayError) as caught:
            self.build(name(), dockerfile, context)
        return caught.value

    def has(self, image: str) -> bool:
        client = self.engine.client()
        try:
            return bool(client.images.list(image))
        finally:
            client.close()


def name(host: str = "127.0.0.1:1") -> str:
    return f"{host}/{secrets.token_hex(6)}/site:3f2c1ab"


@pytest.fixture(scope="session")
def step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program for ``RUN`` steps in images that hold nothing else."""
    folder = tmp_path_factory.mktemp("step")
    (folder / "step.c").write_text(STEP)
    command = [engines.require(engines.COMPILER), "-Os", "-static", "-s", "-o", str(folder / "step"), "step.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "step"


@pytest.fixture
def workshop(
    docker_engine: engines.DockerEngine, step: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workshop:
    """A checkout with the program in it. There is no ``docker`` on PATH, so the classic builder builds."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(step, folder / "step")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Workshop(folder, docker_engine)


# ---------------------------------------------------------------- building


def test_build_tags_labels_and_logs_line_by_line(workshop: Workshop) -> None:
    workshop.write("Dockerfile", BEGINNING + 'RUN ["/step", "0", "hello", "world"]\n')
    image = name()
    workshop.build(image, revision="3f2c1ab")
    assert "hello" in workshop.log
    assert "world" in workshop.log
    assert all(line == line.rstrip() and line for line in workshop.log)
    client = workshop.engine.client()
    try:
        assert client.images.get(image).labels == {"revision": "3f2c1ab"}
        assert client.containers.list(all=True) == []
    finally:
        client.close()


def test_failing_step_shows_the_last_lines(workshop: Workshop) -> None:
    lines = ", ".join(f'"line {number}"' for number in range(1, 41))
    workshop.write("Dockerfile", BEGINNING + f'RUN ["/step", "3", {lines}]\n')
    error = workshop.failure()
    assert isinstance(error, Permanent)
    paragraph, _, tail = str(error).partition("\n\n")
    assert "non-zero code: 3" in paragraph
    assert "\n" not in paragraph
    assert "line 40" in tail.splitlines()
    assert "line 20" not in tail.splitlines()


@pytest.mark.parametrize("code", ["-1", "-2"])
def test_build_that_takes_too_long_is_stopped(workshop: Workshop, code: str) -> None:
    workshop.adapter = DockerEngine(build_seconds=2)
    workshop.write("Dockerfile", BEGINNING + f'RUN ["/step", "{code}", "waiting"]\n')
    error = workshop.failure()
    assert isinstance(error, Permanent)
    assert "stopped after 2 seconds" in str(error)
    assert "waiting" in workshop.log
    client = workshop.engine.client()
    try:
        while client.containers.list():  # the engine takes a moment to see that nobody listens any more
            time.sleep(0.1)
    finally:
        client.close()


def test_unknown_instruction_is_refused_in_the_engines_words(workshop: Workshop) -> None:
    workshop.write("Dockerfile", BEGINNING + "FLY away\n")
    error = workshop.failure()
    assert isinstance(error, Permanent)
    assert "FLY" in str(error)


@pytest.mark.parametrize("line", ["RUN --mount=type=cache,target=/x /step 0", "RUN <<EOF\nmake\nEOF"])
def test_line_that_needs_buildkit_is_refused_before_anything_is_built(workshop: Workshop, line: str) -> None:
    workshop.write("Dockerfile", BEGINNING + line)
    error = workshop.failure()
    assert isinstance(error, Permanent)
    assert "line 3 of Dockerfile" in str(error)
    assert workshop.log == []


# ---------------------------------------------------------------- files


def test_dockerignore_keeps_files_out(workshop: Workshop) -> None:
    workshop.write("secret.key", "private")
    workshop.write(".dockerignore", "*.key\n")
    workshop.write("Dockerfile", "FROM scratch\nCOPY secret.key /\n")
    assert isinstance(workshop.failure(), Permanent)


def test_dockerfile_and_context_may_be_in_different_folders(workshop: Workshop) -> None:
    workshop.write("site/page", "hello")
    workshop.write("docker/site.Dockerfile", "FROM scratch\nCOPY page /page\n")
    image = name()
    workshop.build(image, "docker/site.Dockerfile", "site")
    assert workshop.has(image)


@pytest.mark.parametrize(
    ("dockerfile", "context"), [("../Dockerfile", "."), ("Dockerfile", ".."), ("/etc/passwd", ".")]
)
def test_paths_that_lead_out_of_the_checkout_are_refused(workshop: Workshop, dockerfile: str, context: str) -> None:
    (workshop.folder.parent / "Dockerfile").write_text("FROM scratch\n")
    workshop.write("Dockerfile", "FROM scratch\n")
    error = workshop.failure(dockerfile, context)
    assert isinstance(error, Permanent)
    assert "leads out of the repository" in str(error)


@pytest.mark.parametrize(("dockerfile", "context"), [("link/Dockerfile", "."), ("Dockerfile", "link")])
def test_links_that_lead_out_of_the_checkout_are_refused(workshop: Workshop, dockerfile: str, context: str) -> None:
    outside = workshop.folder.parent / "outside"
    outside.mkdir()
    (outside / "Dockerfile").write_text("FROM scratch\n")
    workshop.write("Dockerfile", "FROM scratch\n")
    (workshop.folder / "link").symlink_to(outside)
    assert "leads out of the repository" in str(workshop.failure(dockerfile, context))


def test_link_within_the_context_brings_nothing_in_from_outside(workshop: Workshop) -> None:
    (workshop.folder.parent / "secret").write_text("private")
    (workshop.folder / "link").symlink_to("../secret")
    workshop.write("Dockerfile", "FROM scratch\nCOPY link/ /stolen\n")
    assert isinstance(workshop.failure(), Permanent)


def test_missing_dockerfile_is_named(workshop: Workshop) -> None:
    assert "no Dockerfile in this commit" in str(workshop.failure())
    workshop.write("Dockerfile", "FROM scratch\n")
    assert "no context folder in this commit" in str(workshop.failure(context="step"))


# ---------------------------------------------------------------- pushing, removing


def test_pushed_image_is_in_the_registry_with_its_labels(workshop: Workshop, registry: RegistryServer) -> None:
    workshop.write("Dockerfile", BEGINNING)
    image = name(registry.host)
    workshop.build(image, revision="3f2c1ab")
    workshop.adapter.push(image, workshop.log.append)
    workshop.adapter.push(image, workshop.log.append)
    found = HttpRegistry().find(*image.rsplit(":", 1))
    assert found is not None
    assert found.labels == {"revision": "3f2c1ab"}
    assert any(found.digest in line for line in workshop.log)


def test_private_registry_takes_a_push_with_the_login_of_docker_config(
    workshop: Workshop, private_registry: RegistryServer
) -> None:
    workshop.write("Dockerfile", BEGINNING)
    image = name(private_registry.host)
    workshop.build(image)
    with pytest.raises(Permanent, match=f"docker login {private_registry.host}"):
        workshop.adapter.push(image, workshop.log.append)
    log_in(private_registry.host, *engines.REGISTRY_LOGIN)
    workshop.adapter.push(image, workshop.log.append)
    assert HttpRegistry().find(*image.rsplit(":", 1)) is not None


def test_wrong_password_is_not_repeated(workshop: Workshop, private_registry: RegistryServer) -> None:
    workshop.write("Dockerfile", BEGINNING)
    image = name(private_registry.host)
    workshop.build(image)
    log_in(private_registry.host, "robot", "guessed-wrong")
    with pytest.raises(Permanent, match=f"docker login {private_registry.host}") as caught:
        workshop.adapter.push(image, workshop.log.append)
    assert "guessed-wrong" not in str(caught.value) + "".join(workshop.log)


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(429)])
def test_registry_that_breaks_down_is_transient_and_the_same_push_mends_it(
    workshop: Workshop, tmp_path: Path, fault: Fault
) -> None:
    workshop.write("Dockerfile", BEGINNING)
    with Registry(tmp_path / "registry") as broken:
        image = name(broken.host)
        workshop.build(image)
        broken.faults.add("PUT", "/manifests/", fault, times=20)
        with pytest.raises(Transient, match=image):
            workshop.adapter.push(image, workshop.log.append)
        broken.faults.clear()
        workshop.adapter.push(image, workshop.log.append)
        assert HttpRegistry().find(*image.rsplit(":", 1)) is not None


def test_registry_that_is_not_there_is_transient(workshop: Workshop) -> None:
    workshop.write("Dockerfile", BEGINNING)
    image = name()
    workshop.build(image)
    with pytest.raises(Transient, match="connection refused"):
        workshop.adapter.push(image, workshop.log.append)


def test_image_that_was_not_built_cannot_be_pushed(workshop: Workshop) -> None:
    with pytest.raises(Permanent, match="does not exist locally"):
        workshop.adapter.push(name(), workshop.log.append)


def test_removed_image_is_gone_and_its_cache_is_not(workshop: Workshop) -> None:
    workshop.write("Dockerfile", BEGINNING + 'RUN ["/step", "0", "ran"]\n')
    image = name()
    workshop.build(image, revision="1")
    workshop.adapter.remove(image)
    workshop.adapter.remove(image)
    assert not workshop.has(image)
    workshop.build(image, revision="2")
    assert "ran" not in workshop.log
    workshop.adapter.remove(image)


def test_image_that_a_container_uses_stays(workshop: Workshop) -> None:
    workshop.write("Dockerfile", BEGINNING + 'CMD ["/step", "-1"]\n')
    image = name()
    workshop.build(image)
    client = workshop.engine.client()
    try:
        container = client.containers.run(image, detach=True, network_mode="host")
        try:
            workshop.adapter.remove(image)
            assert workshop.has(image)
        finally:
            container.remove(force=True)
    finally:
        client.close()


def log_in(host: str, user: str, password: str) -> None:
    """What ``docker login`` writes."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
