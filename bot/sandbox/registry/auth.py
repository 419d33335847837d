"""How the registry stand-in asks who is there: by a basic login, or by bearer tokens as Docker Hub does.

Source for the token flow: https://distribution.github.io/distribution/spec/auth/token/
"""

import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from flask import Request

Login = tuple[str, str]
SERVICE = "slipway-sandbox"


@dataclass(frozen=True, slots=True)
class _Token:
    scopes: frozenset[str]
    expires: float


class Basic:
    """One login, sent with every request."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def challenge(self, request: Request, _scopes: Iterable[str]) -> str | None:
        """What a request without the login is answered in ``WWW-Authenticate``; None where it may pass."""
        return None if knows(request, self._login) else 'Basic realm="Slipway sandbox"'


class Bearer:
    """Tokens for an hour and a scope (``repository:NAME:pull``), given at ``/token`` for one login.

    Args:
        login: whom tokens are given to.
        seconds: how long a token is good for.
    """

    def __init__(self, login: Login, seconds: float) -> None:
        self._login = login
        self.seconds = seconds
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    def challenge(self, request: Request, scopes: Iterable[str]) -> str | None:
        """What to answer where the token is missing, unknown, expired or not good for all the scopes."""
        wanted = frozenset(scopes)
        token = self._tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is not None and time.monotonic() < token.expires and wanted <= token.scopes:
            return None
        challenge = f'Bearer realm="{request.host_url}token",service="{SERVICE}"'
        if wanted:
            challenge += f',scope="{_joined(wanted)}"'
        return challenge + (',error="invalid_token"' if token is not None else "")

    def give(self, request: Request) -> str | None:
        """A new token for the scopes asked for, or None where the login is wrong."""
        if not knows(request, self._login):
            return None
        asked = " ".join(request.args.getlist("scope")).split()
        scopes = frozenset(single for scope in asked for single in _split(scope))
        token = secrets.token_urlsafe()
        with self._lock:
            self._tokens[token] = _Token(scopes, time.monotonic() + self.seconds)
        return token


Guard = Basic | Bearer


def knows(request: Request, login: Login) -> bool:
    """Whether the request carries the login, compared in constant time."""
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    pairs = zip((given.username, given.password), login, strict=True)
    return all(hmac.compare_digest((had or "").encode(), wanted.encode()) for had, wanted in pairs)


def _split(scope: str) -> Iterable[str]:
    """``repository:a/b:pull,push`` as one scope an action."""
    resource, _, actions = scope.rpartition(":")
    return (f"{resource}:{action}" for action in actions.split(","))


def _joined(scopes: Iterable[str]) -> str:
    """Scopes of one resource as the challenge writes them: the actions after one another."""
    parts = sorted(scope.rpartition(":") for scope in scopes)
    return f"{parts[0][0]}:{','.join(action for _, _, action in parts)}"
