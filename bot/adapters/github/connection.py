"""How PyGithub's clients are set up, for the API and for the GitHub App alike."""

from typing import Any

import github
from urllib3.util import Retry

TIMEOUT = 15
"""Seconds GitHub may stay silent. PyGithub takes whole ones."""

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


def _plain(api_url: str) -> str:
    """The base without what PyGithub would miss in GitHub's own links: a trailing slash, a default port."""
    scheme, _, rest = api_url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    host = host.removesuffix(":443") if scheme == "https" else host.removesuffix(":80")
    return f"{scheme}://{host}{slash}{path}"
