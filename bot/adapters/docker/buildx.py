"""BuildKit builds by ``docker buildx``, since the Docker SDK has no BuildKit. The CLI runs as a process of its own."""

import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from bot.adapters.docker.output import Output
from bot.errors import Permanent, Transient
from bot.facts import BuildRequest

_VERSION_SECONDS = 15

_PASSED_ON = re.compile(
    r"PATH|HOME|USER|TMPDIR|LANG|LC_.*|XDG_.*|SSH_AUTH_SOCK|(?:DOCKER|BUILDX|BUILDKIT|SSL|OTEL)_.*"
    r"|(?:HTTPS?|NO|ALL|FTP)_PROXY",
    re.IGNORECASE,
)
"""Variables that the CLI may see. The bot's credentials are none of them."""


def available(docker_host: str) -> bool:
    """Whether ``docker buildx`` is here. Asked before each build: it may have been installed meanwhile."""
    try:
        done = subprocess.run(
            ["docker", "buildx", "version"],
            capture_output=True,
            timeout=_VERSION_SECONDS,
            env=_environment(docker_host),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def build(
    request: BuildRequest,
    context: Path,
    dockerfile: Path,
    *,
    docker_host: str,
    log: Callable[[str], None],
    seconds: float,
) -> None:
    """Build ``request.image`` and load it into the engine.

    Raises:
        Permanent: the build failed, or took more than ``seconds``.
        Transient: the program could not be started, or the engine or a registry could not be reached.
    """
    output = Output(log)
    late = threading.Event()
    try:
        process = subprocess.Popen(
            _command(request, context, dockerfile),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(docker_host),
        )
    except OSError as error:
        raise Transient(f"Could not build {request.image} yet: docker does not start ({error.strerror}).") from None

    def give_up() -> None:
        late.set()
        process.terminate()  # it tells the engine to stop, too

    watch = threading.Timer(seconds, give_up)
    watch.start()
    try:
        with process:
            for line in process.stdout or ():
                output.write(line.decode(errors="replace"))
    finally:
        watch.cancel()
    if late.is_set():
        raise too_long(request.image, seconds)
    if process.returncode:
        raise output.failure(
            request.image, output.last("ERROR:") or output.last("") or f"exit code {process.returncode}."
        )


def too_long(image: str, seconds: float) -> Permanent:
    """The error of a build that was stopped."""
    return Permanent(
        f"Building {image} was stopped after {seconds:g} seconds. See in its output where it hangs; a build that needs "
        "longer gets it by BUILD_TIMEOUT_SECONDS."
    )


def _command(request: BuildRequest, context: Path, dockerfile: Path) -> list[str]:
    """The argument list; no part of it is secret. ``--load`` brings the image into the engine."""
    words = ["docker", "buildx", "build", "--load", "--progress=plain", "--tag", request.image]
    words += ["--file", str(dockerfile)]
    words += [word for name, value in sorted(request.labels.items()) for word in ("--label", f"{name}={value}")]
    words += ["--platform", request.platform] if request.platform else []
    return [*words, str(context)]


def _environment(docker_host: str) -> dict[str, str]:
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    # One engine for both: the CLI alone would follow `docker context`. And no attestations: one image, one manifest.
    return passed_on | {"DOCKER_HOST": docker_host, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
