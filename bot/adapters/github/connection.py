"""How PyGithub's clients are set up, for the API and for the GitHub App alike."""

from typing import Any

import github
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass
from urllib3.util import Retry

from bot.adapters.hurry import HurriedAdapter

TIMEOUT = 15
"""Seconds GitHub may stay silent. PyGithub takes whole ones."""

WHOLE_TIMES = 4
"""So many timeouts, and an answer must be there, however it comes: whoever asks meanwhile waits for it, too."""

NEVER_AGAIN = Retry(total=0, read=False, status_forcelist=(307, 308), allowed_methods=None)
"""No request is repeated. A redirect of a write (a renamed repository) is an error instead of a silent success."""


def connection(api_url: str, auth: github.Auth.Auth | None, timeout: int = TIMEOUT) -> dict[str, Any]:
    """What PyGithub's clients are constructed with.

    PyGithub's own pauses are left out: they would keep reads waiting, too, and for an hour where the wall clock, which
    measures them, is put back by one. See ``client.Pace``.
    """
    return {
        "auth": auth,
        "base_url": _plain(api_url),
        "timeout": timeout,
        "user_agent": "slipway",
        "per_page": 100,
        "retry": NEVER_AGAIN,
        "seconds_between_requests": 0,
        "seconds_between_writes": 0,
        "lazy": True,
    }


def client(**options: Any) -> github.Github:
    """A client whose requests end in time (``WHOLE_TIMES``)."""
    hub = github.Github(**options)
    _hurry(hub.requester)
    return hub


def app_client(**options: Any) -> github.GithubIntegration:
    """Likewise one that speaks as the GitHub App itself."""
    integration = github.GithubIntegration(**options)
    _hurry(integration.requester)
    return integration


def _hurry(requester: Any) -> None:
    """Give a client its class of connections where PyGithub keeps it.

    PyGithub takes such classes for all clients of a process only, and then keeps no connection open.
    """
    requester._Requester__connectionClass = _Secure if requester.base_url.startswith("https://") else _Plain  # noqa: SLF001 - see above


class _Plain(HTTPRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.session.mount("http://", _adapter(self))


class _Secure(HTTPSRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.session.mount("https://", _adapter(self))


def _adapter(of: HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass) -> HurriedAdapter:
    """Like the one that PyGithub has just mounted."""
    return HurriedAdapter(
        WHOLE_TIMES * (of.timeout or TIMEOUT),
        max_retries=of.retry,
        pool_connections=of.pool_size,
        pool_maxsize=of.pool_size,
    )


def _plain(api_url: str) -> str:
    """The base without what PyGithub would miss in GitHub's own links: a trailing slash, a default port."""
    scheme, _, rest = api_url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    host = host.removesuffix(":443") if scheme == "https" else host.removesuffix(":80")
    return f"{scheme}://{host}{slash}{path}"
