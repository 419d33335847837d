"""Builds and pushes on the Docker engine that ``DOCKER_HOST`` names, with the logins of ``DOCKER_CONFIG``.

BuildKit builds, by ``docker buildx``, where that is installed; else the engine's classic builder, which refuses what it
cannot build by line before it begins.
"""

import errno
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

import docker
import docker.credentials
import docker.errors
import docker.utils
import requests
import structlog
import urllib3.exceptions
from docker.api.build import process_dockerfile

from bot.adapters.docker import buildx as docker_buildx
from bot.adapters.docker.dockerfile_features import needs_buildkit
from bot.adapters.docker.logins import DockerLogins, Login, filed_as
from bot.adapters.docker.output import Output, disk_is_full, no_space, push_failure
from bot.adapters.registry.http import place
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import BuildRequest

BUILD_SECONDS = 1800.0
"""Seconds a build may take, where ``BUILD_TIMEOUT_SECONDS`` says nothing else."""

ENGINE_SECONDS = 60
"""Seconds the engine may stay silent, but for builds and pushes."""

ENGINE_PROBE_SECONDS = 3
"""Seconds an engine has to show that it is there."""

PUSH_SECONDS = 600
"""Seconds of silence after which a push counts as broken; pushing one large layer prints progress all along."""

BUILDKIT_API = "1.39"
"""The engine's API from which it has BuildKit (Docker 18.09)."""

DEFAULT_HOST = "unix:///var/run/docker.sock"

UNREACHED = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)

FOREIGN = (docker.errors.DockerException, docker.credentials.StoreError, *UNREACHED)
"""Everything that the SDK raises."""

_log = structlog.get_logger(__name__)


class DockerEngine:
    """``bot.ports.ImageBuilder`` on a Docker engine. Safe to share between threads.

    Args:
        logins: where the logins for pushes are; by default where ``docker login`` keeps them.
        build_seconds: how long a build may take.
    """

    def __init__(self, logins: DockerLogins | None = None, *, build_seconds: float = BUILD_SECONDS) -> None:
        self._logins = logins or DockerLogins()
        self._build_seconds = build_seconds

    def answers(self) -> bool:
        """Whether there is an engine at all."""
        try:
            with closing(docker.from_env(timeout=ENGINE_PROBE_SECONDS)) as client:
                return bool(client.ping())
        except FOREIGN:
            return False

    def build(self, request: BuildRequest, log: Callable[[str], None]) -> None:
        """Build with BuildKit where possible. See ``Output.failure`` for the error of a failing step.

        Raises:
            Permanent: the paths lead out of the checkout, the Dockerfile needs BuildKit and there is none, a step
                failed, or it took too long.
            Transient: the engine, or the registry of a base image, cannot be reached.
        """
        context = _inside(request.folder, request.context, "context")
        dockerfile = _inside(request.folder, request.dockerfile, "dockerfile")
        if not context.is_dir() or not dockerfile.is_file():
            missing = "context folder" if dockerfile.is_file() else "Dockerfile"
            raise Permanent(
                f"Could not build {request.image}: there is no {missing} in this commit (context {request.context!r}, "
                f"dockerfile {request.dockerfile!r}). Mend the app's entry in slipway.yaml, or add what is missing."
            )
        with _engine(f"build {request.image}", self._build_seconds + ENGINE_SECONDS) as engine:
            if _has_buildkit(engine.client) and docker_buildx.available(_host()):
                seconds = self._build_seconds
                docker_buildx.build(request, context, dockerfile, docker_host=_host(), log=log, seconds=seconds)
            else:
                _refuse_buildkit(request, dockerfile)
                with _deadline(engine, request.image, self._build_seconds):
                    _build_classic(engine.client, request, context, dockerfile, log)

    def push(self, image: str, log: Callable[[str], None]) -> None:
        """Push; the same push again does no harm.

        Raises:
            Permanent: the registry refuses it, or the image is not here.
            Transient: the engine or the registry cannot be reached, or broke down.
        """
        repository, tag = docker.utils.parse_repository_tag(image)
        registry = place(repository).host
        auth = _auth(self._logins.find(registry), registry)
        output = Output(log)
        with _engine(f"push {image}", PUSH_SECONDS) as engine:
            answers = engine.client.api.push(repository, tag or "latest", stream=True, decode=True, auth_config=auth)
            for answer in answers:
                if error := _error(answer):
                    raise push_failure(image, registry, error)
                output.write(_text(answer))
        output.close()

    def remove(self, image: str) -> None:
        """Remove the tag, and the image's last layer with it; the layers below stay, as the classic builder's cache.

        An image that a container still uses stays, too.
        """
        with _engine(f"remove {image}", ENGINE_SECONDS) as engine:
            try:
                engine.client.images.remove(image, noprune=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                _log.warning("image_in_use", image=image)


def _inside(folder: Path, relative: str, key: str) -> Path:
    """The path with every link followed. Dockerfile and context come from a repository that may be anybody's."""
    root = folder.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root):
        raise Permanent(
            f"The {key} {relative!r} leads out of the repository, which is not allowed. Mend the app's {key} in "
            "slipway.yaml, or the symbolic link in the repository."
        )
    return path


def _build_classic(
    client: docker.DockerClient, request: BuildRequest, context: Path, dockerfile: Path, log: Callable[[str], None]
) -> None:
    output = Output(log)
    with tempfile.TemporaryFile() as packed:
        name = _pack(context, dockerfile, packed)
        try:
            answers = client.api.build(
                fileobj=packed,
                custom_context=True,
                dockerfile=name,
                tag=request.image,
                labels=dict(request.labels),
                platform=request.platform,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for answer in answers:
                if error := _error(answer):
                    raise output.failure(request.image, error)
                output.write(_text(answer))
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.BAD_REQUEST:
                raise
            raise output.failure(request.image, str(error.explanation)) from None
    output.close()


def _pack(context: Path, dockerfile: Path, packed: IO[bytes]) -> str:
    """Pack what ``.dockerignore`` leaves, links as links, and return the Dockerfile's name within.

    The SDK would do the same inside ``build``, but leave its file open where the engine breaks off.
    """
    ignore = context / ".dockerignore"
    lines = ignore.read_text(errors="replace").splitlines() if ignore.is_file() and not ignore.is_symlink() else []
    exclude = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    name, content = process_dockerfile(str(dockerfile), str(context))
    docker.utils.tar(context, exclude=exclude, dockerfile=(name, content), fileobj=packed)
    return str(name)


def _refuse_buildkit(request: BuildRequest, dockerfile: Path) -> None:
    found = needs_buildkit(dockerfile.read_text(errors="replace"))
    if found is not None:
        line, what = found
        raise Permanent(
            f"Could not build {request.image}: line {line} of {request.dockerfile} uses {what}, which needs BuildKit. "
            "Install docker buildx beside the bot, or write the line without it."
        )


def _has_buildkit(client: docker.DockerClient) -> bool:
    version: Mapping[str, Any] = client.version()
    return version.get("Os") == "linux" and docker.utils.version_gte(version["ApiVersion"], BUILDKIT_API)


def _auth(login: Login | None, registry: str) -> dict[str, str]:
    """A login as the engine takes it; nothing of it where there is none, so that the SDK looks for no other."""
    if login is None:
        return {}
    address = {"serveraddress": filed_as(registry)}
    if login.identity_token:
        return address | {"identitytoken": login.identity_token}
    return address | {"username": login.name, "password": login.password}


# ---------------------------------------------------------------- the engine's answers


def _text(answer: Mapping[str, Any]) -> str:
    """What to show of an answer: the builder's text, or a status without the moving bars."""
    if "stream" in answer:
        return str(answer["stream"])
    if answer.get("progressDetail") or not answer.get("status"):
        return ""
    name = f"{answer['id']}: " if answer.get("id") else ""
    return f"{name}{answer['status']}\n"


def _error(answer: Mapping[str, Any]) -> str | None:
    detail = answer.get("errorDetail")
    words = (detail.get("message") if isinstance(detail, dict) else None) or answer.get("error")
    return str(words).strip() if words else None


# ---------------------------------------------------------------- the engine


def _host() -> str:
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


@dataclass(frozen=True, slots=True)
class _Engine:
    """A client for one piece of work, and the answers it got, so that none stays open."""

    client: docker.DockerClient
    answers: list[requests.Response]

    def cut(self) -> None:
        """Stop reading, whichever thread reads; the engine ends a build whose caller is gone."""
        for answer in self.answers:
            with suppress(OSError, RuntimeError, ValueError):  # it is over already
                answer.raw.shutdown()


@contextmanager
def _engine(doing: str, silence: float) -> Iterator[_Engine]:
    """A client that waits ``silence`` seconds for each piece of an answer; its errors translated."""
    answers: list[requests.Response] = []
    try:
        with closing(docker.from_env(timeout=math.ceil(silence))) as client:
            client.api.hooks["response"].append(lambda answer, **_: answers.append(answer))
            try:
                yield _Engine(client, answers)
            finally:
                for answer in answers:
                    answer.close()
    except SlipwayError:
        raise
    except FOREIGN as error:
        raise _translated(error, doing) from None


@contextmanager
def _deadline(engine: _Engine, image: str, seconds: float) -> Iterator[None]:
    """Cut the build after so many seconds, however much or little it says."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        engine.cut()

    watch = threading.Timer(seconds, give_up)
    watch.start()
    try:
        yield
    except FOREIGN:
        if late.is_set():
            raise docker_buildx.too_long(image, seconds) from None
        raise
    finally:
        watch.cancel()
    if late.is_set():
        raise docker_buildx.too_long(image, seconds)


def _translated(error: Exception, doing: str) -> SlipwayError:
    if isinstance(error, docker.errors.APIError) and error.status_code is not None:
        words = str(error.explanation or "no explanation").strip().rstrip(".")
        if disk_is_full(words):
            return no_space(doing, words)
        text = f"Could not {doing}: the Docker engine answered {error.status_code} ({words})."
        return Transient(text) if error.is_server_error() else Permanent(text)
    if isinstance(error, (docker.credentials.StoreError, docker.errors.InvalidConfigFile)):
        return Permanent(f"Could not {doing}: the logins in Docker's config.json cannot be used ({error}).")
    if not any(isinstance(cause, UNREACHED) for cause in (error, error.__cause__)):
        return Permanent(f"Could not {doing}: {error}.")
    reason = _reason(error)
    if reason == os.strerror(errno.EACCES):
        return Permanent(
            f"Could not {doing}: the bot may not talk to the Docker engine at {_host()}. Put its user into the group "
            "docker, or let DOCKER_HOST name an engine of its own."
        )
    return Transient(f"Could not {doing}: no connection to the Docker engine at {_host()} ({reason}).")


def _reason(error: BaseException) -> str:
    """The system's word for what went wrong, from the bottom of what requests and urllib3 wrap around it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
