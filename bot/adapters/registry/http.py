"""Asking a registry: where it is, how it wants to be asked, and what its refusals mean.

Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md,
https://distribution.github.io/distribution/spec/auth/token/ and .../spec/auth/oauth/
"""

import base64
import ipaddress
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from bot.adapters.docker.logins import DockerLogins, Login
from bot.adapters.hurry import HurriedAdapter
from bot.errors import Permanent, SlipwayError, Transient

WHOLE_TIMES = 10
"""So many timeouts, and an answer must be there, however it comes; a large blob goes up in that time, too."""

PULL = "pull"
PUSH = "pull,push"


@dataclass(frozen=True, slots=True)
class Place:
    """A repository: the registry's name as people write it, and the repository's name within it."""

    host: str
    name: str

    @property
    def base(self) -> str:
        """Where the API of the repository is. Only on this very machine plain HTTP will do, as for Docker."""
        server = "registry-1.docker.io" if self.host == "docker.io" else self.host
        scheme = "http" if is_loopback(self.host) else "https"
        return f"{scheme}://{server}/v2/{self.name}"


def place(repository: str) -> Place:
    """Take apart ``[HOST[:PORT]/]NAME`` the way Docker does: what looks like no host is a name on Docker Hub."""
    first, slash, rest = repository.partition("/")
    if slash and (first == "localhost" or set(first) & set(".:")):
        host, name = first, rest
    else:
        host, name = "docker.io", repository
    if host in {"docker.io", "index.docker.io"}:
        host, name = "docker.io", name if "/" in name else f"library/{name}"
    return Place(host, name)


def is_loopback(host: str) -> bool:
    """Whether ``HOST[:PORT]`` is this machine."""
    bare = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


class RegistryHttp:
    """Requests with the login that the registry asks for. Tokens are kept until refused. Safe for threads.

    Args:
        logins: who the bot is to registries.
        timeout: seconds a registry may stay silent.
    """

    def __init__(self, logins: DockerLogins, timeout: float) -> None:
        self._logins = logins
        self._timeout = timeout
        self._headers: dict[tuple[Place, str], str] = {}
        self._lock = threading.Lock()

    def request(self, at: Place, doing: str, method: str, path: str, **extra: Any) -> requests.Response:
        """One request below the repository's base, at most once more with the login.

        Args:
            at: the repository.
            doing: what is done, for the error.
            method: of HTTP.
            path: below the base, as in ``/manifests/latest``.
            extra: ``headers`` and ``data`` as requests takes them.

        Returns:
            The answer, 404s included.

        Raises:
            Permanent: refused.
            Transient: no answer, or a broken server. Writes too, since every one of them may be repeated.
        """
        with _translated(at, doing), requests.Session() as session:
            session.auth = _as_it_is
            for scheme in ("http://", "https://"):
                session.mount(scheme, HurriedAdapter(WHOLE_TIMES * self._timeout))
            session.trust_env = not is_loopback(at.host)  # as Docker: no proxy to reach this very machine
            answer = self._send(session, at, method, path, **extra)
            if answer.status_code == HTTPStatus.UNAUTHORIZED and "WWW-Authenticate" in answer.headers:
                self._log_in(session, at, _scope(method), answer.headers["WWW-Authenticate"], doing)
                answer = self._send(session, at, method, path, **extra)
            _check(answer, at, doing)
            return answer

    def _send(self, session: requests.Session, at: Place, method: str, path: str, **extra: Any) -> requests.Response:
        with self._lock:
            authorization = self._headers.get((at, _scope(method)))
        headers = dict(extra.pop("headers", {}))
        if authorization is not None:
            headers["Authorization"] = authorization
        return session.request(method, at.base + path, headers=headers, timeout=self._timeout, **extra)

    def _log_in(self, session: requests.Session, at: Place, scope: str, challenge: str, doing: str) -> None:
        """Learn the header that answers a challenge."""
        scheme, _, rest = challenge.partition(" ")
        login = self._logins.find(at.host)
        match scheme.lower():
            case "bearer":
                header = f"Bearer {self._token(session, at, scope, _parameters(rest), login, doing)}"
            case "basic" if login is not None:
                header = _basic(login)
            case _:
                raise _no_entry(at, doing, "it asks for a login")
        with self._lock:
            self._headers[at, scope] = header

    def _token(
        self,
        session: requests.Session,
        at: Place,
        scope: str,
        wanted: dict[str, str],
        login: Login | None,
        doing: str,
    ) -> str:
        realm = urlsplit(wanted.get("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" and is_loopback(realm.netloc)):
            raise Permanent(
                f"Could not {doing}: {at.host} sends for tokens to {realm.scheme or 'no'}://{realm.netloc}, where the "
                "login would travel unencrypted."
            )
        form = {"service": wanted.get("service", ""), "scope": f"repository:{at.name}:{scope}"}
        answer = self._fetch_token(session, realm.geturl(), form, login)
        _check(answer, at, doing)
        sent = answer.json() if answer.ok else {}
        token = sent.get("token") or sent.get("access_token")
        if not token:
            raise _no_entry(at, doing, "it gives no token")
        return str(token)

    def _fetch_token(
        self, session: requests.Session, realm: str, form: dict[str, str], login: Login | None
    ) -> requests.Response:
        if login is not None and login.identity_token:
            form |= {"grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": "slipway"}
            return session.post(realm, data=form, timeout=self._timeout)
        headers = {"Authorization": _basic(login)} if login else {}
        return session.get(realm, params=form, headers=headers, timeout=self._timeout)


def _scope(method: str) -> str:
    return PULL if method in {"GET", "HEAD"} else PUSH


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.name}:{login.password}".encode()).decode()


def _parameters(challenge: str) -> dict[str, str]:
    """The ``name="value"`` pairs of a challenge; a quoted value may hold commas."""
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a login of ~/.netrc over ours."""
    return request


# ---------------------------------------------------------------- errors


@contextmanager
def _translated(at: Place, doing: str) -> Iterator[None]:
    try:
        yield
    except SlipwayError:
        raise
    except requests.exceptions.SSLError as error:
        raise _distrusted(at, doing, str(error)) from None
    except requests.Timeout:
        raise Transient(f"Could not {doing}: the registry {at.host} gave no answer in time.") from None
    except requests.JSONDecodeError:
        raise Permanent(f"Could not {doing}: what answers at {at.host} is no registry.") from None
    except requests.RequestException as error:
        raise Transient(
            f"Could not {doing}: no connection to the registry {at.host} ({type(error).__name__})."
        ) from None


def _distrusted(at: Place, doing: str, words: str) -> SlipwayError:
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return Permanent(
            f"Could not {doing}: the certificate of the registry {at.host} is not trusted here. Where a private "
            "authority signs it, name its certificates in REQUESTS_CA_BUNDLE."
        )
    if "WRONG_VERSION_NUMBER" in words or "RECORD_LAYER_FAILURE" in words:
        return Permanent(
            f"Could not {doing}: the registry {at.host} does not speak HTTPS. Only a registry on this machine may do "
            "without."
        )
    return Transient(f"Could not {doing}: the encrypted connection to the registry {at.host} broke.")


def _check(answer: requests.Response, at: Place, doing: str) -> None:
    """Raise what a refusal means; a 404 is the caller's to judge."""
    status = answer.status_code
    if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND:
        return
    words = message_of(answer)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise _no_entry(at, doing, words)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    }:
        wait = answer.headers.get("Retry-After", "")
        raise Transient(
            f"Could not {doing}: the registry {at.host} answered {status} ({words}).",
            float(wait) if wait.isdigit() else None,
        )
    raise Permanent(f"Could not {doing}: the registry {at.host} answered {status} ({words}).")


def _no_entry(at: Place, doing: str, words: str) -> Permanent:
    return Permanent(
        f"Could not {doing}: the registry {at.host} does not let the bot in ({words}). Run docker login {at.host} with "
        "an account that may pull and push there, on the machine and with the DOCKER_CONFIG of the bot."
    )


def message_of(answer: requests.Response) -> str:
    """The registry's own words."""
    return "; ".join(f"{code}: {message}" if message else code for code, message in errors_of(answer)) or "no reason"


def errors_of(answer: requests.Response) -> tuple[tuple[str, str], ...]:
    """The (code, message) pairs of a refusal; empty where it is none of a registry's."""
    try:
        sent = answer.json()
    except ValueError:
        return ()
    errors = sent.get("errors") if isinstance(sent, dict) else None
    return tuple(
        (str(error.get("code") or "UNKNOWN"), str(error.get("message") or ""))
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    )
