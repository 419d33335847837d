"""Faults on demand: what networks and GitHub do on bad days, asked for explicitly by a test.

HTTP faults apply to the next ``times`` requests that match; webhook faults to everything sent while set.
"""

import os
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Response

# A fault answers instead of the application, which it may call, and may break the connection.
Action = Callable[[WSGIApplication, WSGIEnvironment], WSGIApplication]


def perform_then_status(code: int, body: str = "") -> Action:
    """Do it, then answer this status instead: a gateway that gave up waiting."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:
        _perform(app, environ)
        return Response(body, code)

    return act


def perform_then_drop() -> Action:
    """Do it, then close the connection without an answer."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:
        _perform(app, environ)
        _socket(environ).shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    return act


def status(code: int, headers: Mapping[str, str] | None = None, body: str = "") -> Action:
    """Answer this, and do nothing: rate limits, outages."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:  # noqa: ARG001 - an Action
        return Response(body, code, dict(headers or {}))

    return act


def delay(seconds: float) -> Action:
    """Do it, late."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:  # noqa: ARG001 - an Action
        time.sleep(seconds)
        return app

    return act


def reset() -> Action:
    """Reset the connection, and do nothing."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:  # noqa: ARG001 - an Action
        connection = _socket(environ)
        # A client that is still sending would only see a broken pipe.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        # A close with a zero linger time sends RST instead of FIN; the server's own objects would only close
        # the file descriptor later, after a FIN, so it is taken from them.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())
        raise ConnectionResetError

    return act


def _socket(environ: WSGIEnvironment) -> socket.socket:
    connection = environ["werkzeug.socket"]
    assert isinstance(connection, socket.socket)  # noqa: S101 - werkzeug's server always gives it
    return connection


def _perform(app: WSGIApplication, environ: WSGIEnvironment) -> None:
    Response.from_app(app, environ, buffered=True).close()


@dataclass(slots=True)
class WebhookFaults:
    """What happens to deliveries on their way. The same seed does the same.

    Attributes:
        drop: the probability of losing one, without a trace in the delivery log.
        double: the probability of sending one twice.
        hold: keep everything back until this is replaced.
        shuffle: send what waits (after a hold, or behind a slow receiver) in any order.
        dropped, repeated: how many were so far.
    """

    drop: float = 0.0
    double: float = 0.0
    hold: bool = False
    shuffle: bool = False
    seed: int = 0
    dropped: int = field(default=0, init=False)
    repeated: int = field(default=0, init=False)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - reproducible, not secret

    def apply(self, waiting: list[Any]) -> list[Any]:
        """What is really sent of the deliveries that wait, and in which order."""
        kept = [item for item in waiting if self._random.random() >= self.drop]
        sent = [copy for item in kept for copy in [item] * (2 if self._random.random() < self.double else 1)]
        self.dropped += len(waiting) - len(kept)
        self.repeated += len(sent) - len(kept)
        if self.shuffle:
            self._random.shuffle(sent)
        return sent


@dataclass(slots=True)
class _Fault:
    method: str
    path: re.Pattern[str]
    action: Action
    left: int


class Faults:
    """The faults of one stand-in. ``webhooks`` may be replaced at any time."""

    def __init__(self) -> None:
        self._webhooks = WebhookFaults()
        self._changed = threading.Condition()
        self._pending: list[_Fault] = []
        self._lock = threading.Lock()

    @property
    def webhooks(self) -> WebhookFaults:
        """What is done to webhooks now."""
        return self._webhooks

    @webhooks.setter
    def webhooks(self, faults: WebhookFaults) -> None:
        with self._changed:
            self._webhooks = faults
            self._changed.notify_all()

    def wait_while_held(self, seconds: float) -> bool:
        """Wait until deliveries may go out; False when they still may not."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._webhooks.hold, seconds)

    def add(self, method: str, path_regex: str, action: Action, times: int = 1) -> None:
        """Break the next ``times`` requests with that method ("*" for any) whose path has a match."""
        with self._lock:
            self._pending.append(_Fault(method, re.compile(path_regex), action, times))

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._pending.clear()
        self.webhooks = WebhookFaults()

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """The application, with the faults in front of it."""

        def faulty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            action = self._take(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answer = action(app, environ) if action else app
            return answer(environ, start_response)

        return faulty

    def _take(self, method: str, path: str) -> Action | None:
        with self._lock:
            for fault in self._pending:
                if fault.method in ("*", method) and fault.path.search(path):
                    fault.left -= 1
                    if not fault.left:
                        self._pending.remove(fault)
                    return fault.action
        return None
