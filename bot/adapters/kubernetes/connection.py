"""One cluster's API over HTTP: requests with deadlines, fresh credentials when they run out, and one kind of refusal.

An answer that says no is a ``Refusal``, which stays inside these adapters (``errors`` puts it into
words). No answer is ``Transient``, for writes too: applying is idempotent, so it may simply be done again.
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import urllib3

from bot.adapters.hurry import within
from bot.adapters.kubernetes.client import Client, Kubeconfig
from bot.errors import Transient
from bot.wording import quoted

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

WHOLE_SECONDS = 120.0
"""Until an answer that is no stream must be there, however it comes: a list of all objects may be long."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_NOT_AS_THEY_ARE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Letters that YAML takes for line breaks, or refuses, where JSON has them as they are."""

_WARNING = re.compile(r'299 \S+ "(?P<text>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. ``at`` is its own time; ``warnings`` is what it said beside its answer."""

    body: Any
    at: datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One of ``details.causes`` of a Kubernetes ``Status``."""

    reason: str
    message: str
    field: str


@dataclass
class Refusal(Exception):
    """An answer that is no success: 300 and above.

    Attributes:
        context: whose server it was.
        method, path: what was asked.
        code: the HTTP status.
        reason: Kubernetes' own word (``Invalid``, ``Forbidden``…), often empty.
        message: Kubernetes' own sentence, or the text of an answer that is no ``Status``.
        kind, name: what the refusal is about, by ``details``: a plural name, as in ``namespaces``.
        causes: one a field.
        retry_after: seconds the server asks to wait, or None.
    """

    context: str
    method: str
    path: str
    code: int
    reason: str = ""
    message: str = ""
    kind: str = ""
    name: str = ""
    causes: tuple[Cause, ...] = field(default=())
    retry_after: float | None = None


class Connection:
    """The API of one context. Safe to share between threads.

    Args:
        kubeconfig: where clients come from.
        context: which one.
    """

    def __init__(self, kubeconfig: Kubeconfig, context: str) -> None:
        self.context = context
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._told: tuple[datetime, float] | None = None  # the server's time, and ``time.monotonic()`` then

    def get(self, path: str, **query: str) -> Answer:
        """Read."""
        return self.request("GET", path, query=tuple(query.items()))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content_type: str = JSON,
    ) -> Answer:
        """Ask, and read the answer whole: JSON where it says so, else text.

        Raises:
            Refusal: the server says no.
            Transient: no answer.
            Permanent: the context cannot be used.
        """
        opened = self._open(method, path, query, body, content_type, READ_SECONDS)
        try:
            with within(WHOLE_SECONDS), opened as response:
                at = self._server_time(response.headers)
                return Answer(_parsed(response, response.data), at, _warnings(response))
        except TimeoutError as error:
            raise Transient(f"The cluster {quoted(self.context)} is too slow: {error}.") from None

    def stream(self, path: str, query: Sequence[tuple[str, str]], *, idle_seconds: float) -> Iterator[Any]:
        """The events of a watch, until the server ends it. ``idle_seconds``: the longest silence.

        Raises:
            Refusal, Transient, Permanent: as ``request``; an ERROR event is a Refusal, too.
        """
        with self._open("GET", path, query, None, JSON, idle_seconds) as response:
            for line in _lines(response):
                event = json.loads(line)
                if event.get("type") == "ERROR":
                    raise _refusal(self.context, "GET", path, event["object"].get("code", 500), event["object"], None)
                yield event

    def now(self) -> datetime:
        """The server's time, as far as its last answer tells: this machine's clock may be wrong, or jump."""
        if self._told is None:
            return datetime.now(UTC)
        there, then = self._told
        return there + timedelta(seconds=time.monotonic() - then)

    def close(self) -> None:
        """Close idle connections; the next request opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    @contextmanager
    def _open(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: Any, content_type: str, read: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        client = self._current()
        sent = encode_yaml(body) if content_type == APPLY_PATCH else body
        try:
            response = client.send(method, path, query, sent, content_type, (CONNECT_SECONDS, read))
            if response.status == HTTPStatus.UNAUTHORIZED:
                response.drain_conn()
                client = self._renewed(client)
                response = client.send(method, path, query, sent, content_type, (CONNECT_SECONDS, read))
            try:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    status = _parsed(response, response.data)
                    raise _refusal(
                        self.context, method, path, response.status, status, response.headers.get("Retry-After")
                    )
                yield response
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Transient(
                f"The cluster {quoted(self.context)} at {client.server} cannot be reached ({_why(error)})."
            ) from None

    def _current(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._kubeconfig.client(self.context)
            return self._client

    def _renewed(self, stale: Client) -> Client:
        """Credentials expire: read them again, unless another thread just did."""
        with self._lock:
            if self._client is stale or self._client is None:
                self._client = self._kubeconfig.client(self.context)
            return self._client

    def _server_time(self, headers: Mapping[str, str]) -> datetime:
        """Of the ``Date`` header, or this machine's where a proxy has dropped it."""
        try:
            there = parsedate_to_datetime(headers.get("Date", "")).astimezone(UTC)
        except ValueError:
            return self.now()
        self._told = there, time.monotonic()
        return there


def encode_yaml(body: Any) -> bytes:
    r"""JSON that is the same text to a YAML reader.

    A pair of ``\u`` escapes for a letter beyond U+FFFF (an emoji) is an error in YAML, and some letters that JSON
    leaves alone are line breaks there: https://yaml.org/spec/1.1/#escaping/in%20double-quoted%20scalars/
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_AS_THEY_ARE.sub(lambda letter: f"\\u{ord(letter[0]):04x}", text).encode()


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)


def _parsed(response: urllib3.BaseHTTPResponse, data: bytes) -> Any:
    if "json" in response.headers.get("Content-Type", ""):
        return json.loads(data)
    return data.decode("utf-8", "replace")


def _warnings(response: urllib3.BaseHTTPResponse) -> tuple[str, ...]:
    """The texts of ``Warning: 299 - "text"`` headers.

    Source: https://kubernetes.io/blog/2020/09/03/warnings/
    """
    found = (_WARNING.match(header) for header in response.headers.getlist("Warning"))
    return tuple(re.sub(r"\\(.)", r"\1", match["text"]) for match in found if match)


def _refusal(context: str, method: str, path: str, code: int, status: Any, retry_after: str | None) -> Refusal:
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    if not isinstance(status, dict):
        return Refusal(context, method, path, code, message=str(status).strip(), retry_after=seconds)
    details = status.get("details") or {}
    causes = tuple(
        Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
        for cause in details.get("causes") or ()
    )
    asked = seconds if seconds is not None else details.get("retryAfterSeconds")
    return Refusal(
        context,
        method,
        path,
        code,
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        kind=details.get("kind") or "",
        name=details.get("name") or "",
        causes=causes,
        retry_after=asked,
    )


def _why(error: Exception) -> str:
    """A few words, without the URL that urllib3 repeats."""
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, Exception) else error
    match inner:
        case urllib3.exceptions.NameResolutionError():
            return "its name is not known"
        case urllib3.exceptions.NewConnectionError():
            return "it does not accept connections"
        case urllib3.exceptions.TimeoutError():
            return "no answer in time"
        case urllib3.exceptions.SSLError():
            return f"its certificate or TLS is not accepted: {inner}"
        case urllib3.exceptions.ProtocolError():
            return "the connection broke off"
        case _:
            return type(inner).__name__
