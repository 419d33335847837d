"""Registry logins where ``docker login`` keeps them: ``config.json``, or a credential helper that it names.

Read anew each time: people log in while the bot runs, and helpers hand out passwords that expire.
Sources: https://docs.docker.com/reference/cli/docker/login/ and
https://github.com/docker/docker-credential-helpers
"""

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import Permanent

DOCKER_HUB = "https://index.docker.io/v1/"
"""The name under which Docker files the logins of Docker Hub."""

_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HELPER_SECONDS = 30
_IDENTITY = "<token>"
"""The user name a helper gives where the secret is an identity token (a refresh token of OAuth 2)."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password, or an identity token in place of both."""

    name: str
    password: str = field(repr=False)
    identity_token: str | None = field(default=None, repr=False)


class DockerLogins:
    """The logins of one Docker configuration folder.

    Args:
        folder: the folder of ``config.json``; None follows ``DOCKER_CONFIG``, else ``~/.docker``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def find(self, host: str) -> Login | None:
        """The login for a registry (``HOST[:PORT]``), None where there is none.

        Raises:
            Permanent: the file or the helper it names cannot be used.
        """
        config = self._read()
        helper = _for_host(_table(config, "credHelpers"), host) or config.get("credsStore")
        login = self._ask_helper(str(helper), host) if helper else None
        return login or self._from_file(_for_host(_table(config, "auths"), host), host)

    @property
    def _path(self) -> Path:
        folder = self._folder or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        return folder / "config.json"

    def _read(self) -> Mapping[str, Any]:
        try:
            config = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unusable(f"cannot be read as JSON ({type(error).__name__})") from None
        if not isinstance(config, dict):
            raise self._unusable("is not a JSON object")
        return config

    def _from_file(self, entry: object, host: str) -> Login | None:
        if not isinstance(entry, dict):
            return None
        name, password = entry.get("username"), entry.get("password")
        if entry.get("auth"):
            try:
                name, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            except (binascii.Error, ValueError, TypeError):
                raise self._unusable(f'has an "auth" for {host} that is not base64') from None
        if identity := entry.get("identitytoken"):
            return Login(name or _IDENTITY, "", str(identity))
        return Login(str(name), str(password)) if name and password else None

    def _ask_helper(self, helper: str, host: str) -> Login | None:
        program = f"docker-credential-{helper}"
        if not re.fullmatch(r"[A-Za-z0-9._-]+", helper):
            raise self._unusable(f"names an impossible credential helper ({helper!r})")
        try:
            done = subprocess.run(
                [program, "get"],
                input=filed_as(host).encode(),
                capture_output=True,
                timeout=_HELPER_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise self._unusable(f"names the credential helper {program}, which is not on PATH") from None
        except subprocess.TimeoutExpired:
            raise self._unusable(f"names {program}, which gave no answer in {_HELPER_SECONDS} seconds") from None
        if done.returncode == 0:
            return self._answered(program, done.stdout)
        words = done.stdout.decode(errors="replace").strip()
        if "credentials not found" in words:  # the helpers' protocol for "none"
            return None
        raise self._unusable(f"names {program}, which failed: {words[:200] or 'without a word'}")

    def _answered(self, program: str, answer: bytes) -> Login | None:
        try:
            sent = json.loads(answer)
            name, secret = str(sent["Username"]), str(sent["Secret"])
        except (ValueError, KeyError, TypeError):
            raise self._unusable(f"names {program}, whose answer is no login") from None
        return Login(name, "", secret) if name == _IDENTITY else Login(name, secret)

    def _unusable(self, why: str) -> Permanent:
        return Permanent(f"The registry logins cannot be used: {self._path} {why}. Mend it, or use docker login.")


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = config.get(key)
    return table if isinstance(table, dict) else {}


def _for_host(table: Mapping[str, Any], host: str) -> Any:
    """The entry for a host, however its key is spelled: with a scheme, with a path, as one of Docker Hub's names."""
    return next((value for key in _spellings(host) for name, value in table.items() if _bare(name) == key), None)


def _spellings(host: str) -> Iterator[str]:
    yield host
    if host in _HUB_HOSTS:
        yield from sorted(_HUB_HOSTS - {host})


def _bare(key: str) -> str:
    return key.rpartition("://")[2].partition("/")[0]


def filed_as(host: str) -> str:
    """The name that Docker files a registry's login under."""
    return DOCKER_HUB if host in _HUB_HOSTS else host
