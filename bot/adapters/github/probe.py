"""Looks at what GitHub grants the bot and how its repositories are set up. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import github
from github import Github

from bot.adapters.github.client import GitHubClient
from bot.adapters.github.connection import TIMEOUT, connection
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import FOREIGN, message_of, status_of, translate
from bot.errors import SlipwayError

HIDDEN = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Answers that say: not there, or not for you."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer.

    Attributes:
        status: of HTTP.
        body: the JSON; None where GitHub refused.
        headers: by lower-case name.
        words: GitHub's own, of a refusal.
        error: the refusal, in full sentences.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    error: str = ""


class GitHubProbe:
    """Asks with the bot's credentials.

    Args:
        api_url: the REST base.
        credentials: the bot's.
    """

    def __init__(self, api_url: str, credentials: Credentials) -> None:
        self._client = GitHubClient(api_url, credentials)

    def get(self, about: str, doing: str, path: str) -> Seen:
        """Read one path. What is hidden from the bot is an answer, too.

        Raises:
            Permanent: the credentials are refused.
            Transient: GitHub cannot be reached, or asks to wait.
        """

        def ask(hub: Github) -> Seen:
            headers, body = hub.requester.requestJsonAndCheck("GET", path)
            return Seen(HTTPStatus.OK, body, {name.lower(): str(value) for name, value in headers.items()})

        try:
            return self._client.ask(about, doing, ask)
        except SlipwayError as error:
            status = status_of(error)
            if status not in HIDDEN or getattr(error, "retry_after", None) is not None:
                raise
            return _refused(error, status)


def _refused(error: SlipwayError, status: int) -> Seen:
    cause = error.__cause__
    if not isinstance(cause, github.GithubException):
        return Seen(status, error=str(error))
    headers = {name.lower(): str(value) for name, value in (cause.headers or {}).items()}
    return Seen(status, headers=headers, words=message_of(cause), error=str(error))


class AppProbe:
    """Asks as the GitHub App itself, which alone may see its installations and its webhook.

    Args:
        app_id: the App's id.
        private_key: its key, known to be one (``AppCredentials`` has checked it).
        api_url: the REST base.
    """

    def __init__(self, app_id: int, private_key: str, api_url: str) -> None:
        signer = github.Auth.AppAuth(app_id, private_key.replace("\\n", "\n"))  # as .env files write line ends
        self._hub = Github(**connection(api_url, signer, TIMEOUT))

    def get(self, doing: str, path: str) -> Seen:
        """Read one path.

        Raises:
            Permanent: the App is refused.
            Transient: GitHub cannot be reached, or asks to wait.
        """
        try:
            headers, body = self._hub.requester.requestJsonAndCheck("GET", path)
        except FOREIGN as foreign:
            error = translate(foreign, doing, "the GitHub App", write=False)
            error.__cause__ = foreign
            status = status_of(error)
            if status not in HIDDEN or getattr(error, "retry_after", None) is not None:
                raise error from foreign
            return _refused(error, status)
        return Seen(HTTPStatus.OK, body, {name.lower(): str(value) for name, value in headers.items()})
