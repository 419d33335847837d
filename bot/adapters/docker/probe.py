"""Asks the Docker engine for its version, and whether ``docker buildx`` is here."""

import errno
import os
from contextlib import closing

import docker

from bot.adapters.docker import buildx as docker_buildx
from bot.adapters.docker.engine import DEFAULT_HOST, ENGINE_PROBE_SECONDS, FOREIGN
from bot.errors import Permanent, Transient


def host() -> str:
    """The engine's address."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def version() -> str:
    """The engine's version.

    Raises:
        Permanent: the bot may not talk to it.
        Transient: none answers.
    """
    try:
        with closing(docker.from_env(timeout=ENGINE_PROBE_SECONDS)) as client:
            return str(client.version()["Version"])
    except (*FOREIGN, KeyError) as error:
        if os.strerror(errno.EACCES) in str(error):
            raise Permanent(
                f"The bot may not talk to the Docker engine at {host()}. Put its user into the group docker, or let "
                "DOCKER_HOST name an engine of its own."
            ) from None
        raise Transient(
            f"No Docker engine answers at {host()}. Start one, or let DOCKER_HOST name one that runs."
        ) from None


def has_buildx() -> bool:
    """Whether BuildKit can build."""
    return docker_buildx.available(host())
