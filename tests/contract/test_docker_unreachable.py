"""The Docker adapter without an engine, on one that breaks off, and with a ``docker buildx`` beside it."""

import base64
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.docker.engine import DockerEngine
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import BuildRequest
from tests.scripted_http import Answer, ScriptedServer

IMAGE = "registry.example.com/site:3f2c1ab"
VERSION = Answer(body={"ApiVersion": "1.41", "Os": "linux"})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        monkeypatch.setenv("DOCKER_HOST", server.url.replace("http", "tcp"))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        yield server


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    folder = tmp_path / "checkout"
    (folder / "site").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return BuildRequest(folder, "Dockerfile", "site", IMAGE, {"revision": "3f2c1ab"}, "linux/arm64")


def unheard(_: str) -> None:
    """A log nobody reads."""


def build(request: BuildRequest) -> None:
    DockerEngine(build_seconds=5).build(request, unheard)


def push(_: BuildRequest) -> None:
    DockerEngine().push(IMAGE, unheard)


def remove(_: BuildRequest) -> None:
    DockerEngine().remove(IMAGE)


WORKS = pytest.mark.parametrize("work", [build, push, remove])


def failure(work: Callable[[BuildRequest], None], request: BuildRequest) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        work(request)
    return caught.value


def stream(*answers: dict[str, Any], cut: bool = False) -> Answer:
    return Answer(body="".join(json.dumps(answer) + "\r\n" for answer in answers), chunked=True, cut=cut)


# ---------------------------------------------------------------- no engine


@WORKS
def test_engine_that_is_not_there_is_transient(
    work: Callable[[BuildRequest], None],
    request_: BuildRequest,
    engine: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    error = failure(work, request_)
    assert isinstance(error, Transient)
    assert "tcp://127.0.0.1:1 (Connection refused)" in str(error)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK forgets to close its socket
def test_missing_socket_is_transient(request_: BuildRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(Transient, match="No such file or directory"):
        build(request_)
    gc.collect()


@WORKS
@pytest.mark.parametrize("answer", [Answer(drop=True), Answer(500, {"message": "out of disk"})])
def test_engine_that_breaks_down_is_transient(
    work: Callable[[BuildRequest], None], request_: BuildRequest, engine: ScriptedServer, answer: Answer
) -> None:
    versions = [VERSION, VERSION] if work is build else [VERSION]
    engine.script(*versions, answer)
    assert isinstance(failure(work, request_), Transient)


@pytest.mark.parametrize("work", [build, push])
def test_stream_that_breaks_off_is_transient(
    work: Callable[[BuildRequest], None], request_: BuildRequest, engine: ScriptedServer
) -> None:
    versions = [VERSION, VERSION] if work is build else [VERSION]
    engine.script(*versions, stream({"stream": "Step 1/2"}, cut=True))
    assert isinstance(failure(work, request_), Transient)


def test_helper_that_is_missing_is_told_before_the_push(
    request_: BuildRequest, engine: ScriptedServer, tmp_path: Path
) -> None:
    docker_config(tmp_path, {"credsStore": "missing"})
    error = failure(push, request_)
    assert isinstance(error, Permanent)
    assert "docker-credential-missing" in str(error)


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ({"username": "ada", "password": "pw"}, {"username": "ada", "password": "pw"}),
        ({"identitytoken": "long-lived"}, {"identitytoken": "long-lived"}),
        ({}, {}),
    ],
)
def test_push_carries_the_login_of_its_registry_alone(
    request_: BuildRequest, engine: ScriptedServer, tmp_path: Path, entry: dict[str, str], sent: dict[str, str]
) -> None:
    docker_config(tmp_path, {"auths": {"registry.example.com": entry, "other.example.com": {"auth": "YTpi"}}})
    engine.script(VERSION, stream({"status": "pushed"}))
    push(request_)
    asked = engine.received[-1]
    assert (asked.path, asked.query) == ("/v1.41/images/registry.example.com/site/push", {"tag": "3f2c1ab"})
    carried = json.loads(base64.urlsafe_b64decode(asked.headers["X-Registry-Auth"]))
    assert carried == ({"serveraddress": "registry.example.com"} | sent if sent else {})


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("denied: requested access to the resource is denied", Permanent),
        ("unauthorized: authentication required", Permanent),
        ("no basic auth credentials", Permanent),
        ("tag invalid: The image tag '3f2c1ab' already exists and is immutable", Permanent),
        ('Get "https://registry.example.com/v2/": x509: certificate signed by unknown authority', Permanent),
        ("http: server gave HTTP response to HTTPS client", Permanent),
        ("received unexpected HTTP status: 502 Bad Gateway", Transient),
        ("dial tcp 127.0.0.1:1: connect: connection refused", Transient),
        ("EOF", Transient),
        ("net/http: TLS handshake timeout", Transient),
        ("toomanyrequests: slow down", Transient),
        ("something nobody has seen before", Transient),
    ],
)
def test_refused_push_is_told_apart_by_its_words(
    request_: BuildRequest, engine: ScriptedServer, words: str, kind: type[SlipwayError]
) -> None:
    engine.script(VERSION, stream({"status": "Preparing"}, {"errorDetail": {"message": words}, "error": words}))
    error = failure(push, request_)
    assert isinstance(error, kind)
    assert words in str(error)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("The command '/bin/sh -c curl a' returned a non-zero code: 1: connection refused", Permanent),
        ("pull access denied for secret, repository does not exist or may require 'docker login'", Permanent),
        ('Get "https://registry-1.docker.io/v2/": net/http: request canceled (Client.Timeout exceeded)', Transient),
        ("toomanyrequests: You have reached your pull rate limit", Transient),
    ],
)
def test_base_image_that_cannot_be_fetched_just_now_is_transient(
    request_: BuildRequest, engine: ScriptedServer, words: str, kind: type[SlipwayError]
) -> None:
    engine.script(VERSION, VERSION, stream({"errorDetail": {"message": words}, "error": words}))
    assert isinstance(failure(build, request_), kind)


# ---------------------------------------------------------------- BuildKit

CLI = """#!{python}
import json, os, sys, time
if sys.argv[1:] == ["buildx", "version"]:
    sys.exit(0)
json.dump({{"argv": sys.argv[1:], "env": dict(os.environ)}}, open({asked!r}, "w"))
for line in {lines!r}:
    print(line, flush=True)
time.sleep({seconds})
sys.exit({code})
"""


@pytest.fixture
def buildx(tmp_path: Path, engine: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a ``docker`` on PATH whose ``buildx build`` notes how it was called, prints, waits and ends."""

    def install(lines: list[str], code: int = 0, seconds: float = 0) -> Path:
        program, asked = tmp_path / "bin" / "docker", tmp_path / "asked.json"
        program.parent.mkdir()
        program.write_text(CLI.format(python=sys.executable, asked=str(asked), lines=lines, code=code, seconds=seconds))
        program.chmod(0o755)
        monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
        engine.script(VERSION, VERSION)
        return asked

    return install


def test_buildx_builds_where_it_is_installed(request_: BuildRequest, buildx: Callable[..., Path]) -> None:
    (request_.folder / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=cache,target=/x make\n")
    asked = buildx(["#5 [1/2] COPY . /", "\x1b[32m#5 DONE 0.1s\x1b[0m"])
    log: list[str] = []
    DockerEngine().build(request_, log.append)
    assert log == ["#5 [1/2] COPY . /", "#5 DONE 0.1s"]
    call = json.loads(asked.read_text())
    assert call["argv"] == [
        *("buildx", "build", "--load", "--progress=plain", "--tag", IMAGE),
        *("--file", str(request_.folder / "Dockerfile"), "--label", "revision=3f2c1ab"),
        *("--platform", "linux/arm64", str(request_.folder / "site")),
    ]
    assert call["env"]["DOCKER_HOST"] == os.environ["DOCKER_HOST"]
    assert call["env"]["DOCKER_CONFIG"] == os.environ["DOCKER_CONFIG"]
    assert "GITHUB_TOKEN" not in call["env"]


def test_failed_buildx_build_shows_why_and_the_last_lines(request_: BuildRequest, buildx: Callable[..., Path]) -> None:
    why = 'ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2'
    buildx(["#6 RUN make", "#6 0.1 make: connection refused", why], code=1)
    error = failure(build, request_)
    assert isinstance(error, Permanent)
    paragraph, _, tail = str(error).partition("\n\n")
    assert why in paragraph
    assert "#6 RUN make" in tail


def test_buildx_that_cannot_fetch_a_base_image_just_now_is_transient(
    request_: BuildRequest, buildx: Callable[..., Path]
) -> None:
    buildx(["ERROR: failed to solve: debian:12: failed to resolve source metadata: dial tcp: i/o timeout"], code=1)
    assert isinstance(failure(build, request_), Transient)


def test_buildx_build_that_takes_too_long_is_stopped(request_: BuildRequest, buildx: Callable[..., Path]) -> None:
    buildx(["waiting"], seconds=60)
    with pytest.raises(Permanent, match="stopped after 1 seconds"):
        DockerEngine(build_seconds=1).build(request_, unheard)


def docker_config(folder: Path, config: object) -> None:
    (folder / "docker").mkdir()
    (folder / "docker" / "config.json").write_text(json.dumps(config))
