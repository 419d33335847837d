"""Where a remote's refs point to, asked over a connection that is kept.

Git's own look starts two processes and greets the server anew each time; this is one request, in git's protocol
version 2 (``ls-refs`` of https://git-scm.com/docs/protocol-v2, over https://git-scm.com/docs/http-protocol). Whatever
else comes (an older server, a redirect, a refusal, silence) is no answer: then git itself is to be asked, which
deals with it, or says in its own words what is wrong.
"""

import base64
import os
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog

from bot.adapters.git.command import Login, Patience

LOG = structlog.get_logger()

CONNECT_SECONDS = 5.0
CONNECTIONS = 16
"""Kept open to one server."""

AGENT = "git/slipway"
"""GitHub serves Git's paths to agents that begin so."""

_SERVICE = "git-upload-pack"
_DELIMITER, _FLUSH = b"0001", b"0000"


class RemoteRefs:
    """Looks at the refs of repositories over HTTP. Safe for threads.

    Args:
        login: where credentials come from.
        patience: how long a server may stay silent.
    """

    def __init__(self, login: Login, patience: Patience) -> None:
        self._login = login
        self._timeout = (min(CONNECT_SECONDS, patience.stalled), patience.stalled)
        self._speaks: dict[str, bool] = {}
        self._surroundings: dict[str, Any] = {}
        self._session = requests.Session()
        self._session.auth = _as_it_is
        self._session.verify = os.environ.get("GIT_SSL_CAINFO") or True
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))

    def look(self, url: str, repo: str, prefixes: Sequence[str]) -> dict[str, str] | None:
        """The refs whose names begin so, by name; None: ask git.

        Args:
            url: the clone URL.
            repo: ``owner/name``, as the token is asked for.
            prefixes: beginnings of full names, such as ``refs/heads/``.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            return None
        headers = {"User-Agent": AGENT, "Git-Protocol": "version=2", **self._authorization(repo)}
        try:
            return self._ask(url, headers, prefixes) if self._is_spoken(url, headers) else None
        except (requests.RequestException, ValueError) as error:
            LOG.debug("git itself looks at the refs", repo=repo, reason=type(error).__name__)
            return None

    def close(self) -> None:
        """Close the connections; a later look opens new ones."""
        self._session.close()

    def _authorization(self, repo: str) -> dict[str, str]:
        token = self._login.token(repo)
        if not token:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"}

    def _is_spoken(self, url: str, headers: dict[str, str]) -> bool:
        """Whether the server offers version 2; asked once a server."""
        server = urlsplit(url).netloc
        if server not in self._speaks:
            answer = self._send(requests.Request("GET", f"{url}/info/refs?service={_SERVICE}", headers))
            if answer.status_code != HTTPStatus.OK:
                return False  # of this repository, or now
            offered = {line.strip().partition(b"=")[0] for line in _lines(answer.content)}
            self._speaks[server] = {b"version 2", b"ls-refs"} <= offered
        return self._speaks[server]

    def _ask(self, url: str, headers: dict[str, str], prefixes: Sequence[str]) -> dict[str, str] | None:
        kinds = {
            "Content-Type": f"application/x-{_SERVICE}-request",
            "Accept": f"application/x-{_SERVICE}-result",
        }
        answer = self._send(
            requests.Request("POST", f"{url}/{_SERVICE}", {**headers, **kinds}, data=_question(prefixes))
        )
        return dict(map(_ref, _lines(answer.content))) if answer.status_code == HTTPStatus.OK else None

    def _send(self, request: requests.Request) -> requests.Response:
        """One request. What the environment says of the way to a server (proxies, certificates) is read once."""
        prepared = self._session.prepare_request(request)
        server = urlsplit(request.url).netloc
        if server not in self._surroundings:
            self._surroundings[server] = self._session.merge_environment_settings(prepared.url, {}, None, None, None)
        return self._session.send(prepared, timeout=self._timeout, allow_redirects=False, **self._surroundings[server])


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An "authentication" that adds nothing: without one, requests would take whatever a ``.netrc`` says."""
    return request


def _question(prefixes: Sequence[str]) -> bytes:
    wanted = (_packet(f"ref-prefix {prefix}\n") for prefix in prefixes)
    return b"".join((_packet("command=ls-refs\n"), _packet(f"agent={AGENT}\n"), _DELIMITER, *wanted, _FLUSH))


def _packet(line: str) -> bytes:
    """A line with its length before it, itself included, in four hex digits."""
    data = line.encode("utf-8", "surrogateescape")
    return f"{len(data) + 4:04x}".encode() + data


def _lines(content: bytes) -> Iterator[bytes]:
    """The lines of an answer.

    Raises:
        ValueError: it is none, or was cut off.
    """
    at = 0
    while at < len(content):
        size = int(content[at : at + 4], 16)
        if at + size > len(content) or not content.endswith(_FLUSH):
            raise ValueError("an answer that was cut off")
        if size > len(_FLUSH):
            yield content[at + 4 : at + size]
        at += max(size, 4)


def _ref(line: bytes) -> tuple[str, str]:
    """A ref's name, and what it points to.

    Raises:
        ValueError: the server says something else.
    """
    sha, name = line.decode("utf-8", "surrogateescape").rstrip("\n").split(" ")
    if not name.startswith("refs/"):
        raise ValueError("not a ref")
    return name, sha
