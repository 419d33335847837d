"""Faults on order: a WSGI layer in front of a stand-in that fails the next matching requests in a chosen way.

A stand-in keeps a ``Faults``, wraps its application with it, and a test says what shall go wrong::

    registry.faults.add("PUT", r"/manifests/latest$", Answer(503, {"Retry-After": "1"}), times=2)
"""

import re
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, assert_never
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer like this instead; the application never sees the request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer, before or after the application has done what was asked."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait, then go on as if nothing had happened."""

    seconds: float


Fault = Answer | Drop | Delay


@dataclass(slots=True)
class _Order:
    method: str
    path: re.Pattern[str]
    fault: Fault
    left: int


class Faults:
    """The faults still to come, first ordered first served; threads may add and take at once."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def add(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        """Let the next ``times`` requests of that method, whose path with query matches ``path``, go wrong."""
        with self._lock:
            self._orders.append(_Order(method, re.compile(path), fault, times))

    def clear(self) -> None:
        """Forget all that have not happened yet."""
        with self._lock:
            self._orders.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, which is used up by it."""
        with self._lock:
            for order in self._orders:
                if order.left and order.method == method and order.path.search(path):
                    order.left -= 1
                    return order.fault
        return None

    def in_front_of(self, application: WSGIApplication) -> WSGIApplication:
        """The application, with the faults between it and its callers."""

        def faulty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            query = environ.get("QUERY_STRING", "")
            path = environ.get("PATH_INFO", "") + (f"?{query}" if query else "")
            match self.take(environ["REQUEST_METHOD"], path):
                case None:
                    return application(environ, start_response)
                case Answer() as answer:
                    return _answer(answer, start_response)
                case Drop(done=done):
                    if done:
                        _carry_out(application, environ)
                    return _hang_up(environ)
                case Delay(seconds=seconds):
                    time.sleep(seconds)
                    return application(environ, start_response)
                case other:
                    assert_never(other)

        return faulty


def _answer(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]


def _carry_out(application: WSGIApplication, environ: WSGIEnvironment) -> None:
    """Let the application do its work, and throw its answer away."""
    answer = application(environ, lambda *_: lambda _: None)
    for _ in answer:
        pass
    if close := getattr(answer, "close", None):
        close()


def _hang_up(environ: WSGIEnvironment) -> Iterable[bytes]:
    """End the TCP connection under werkzeug's server, and tell it so by the error it expects in such a case."""
    connection: Any = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("a fault hung up on the caller, as ordered")
