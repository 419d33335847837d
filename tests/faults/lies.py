"""Answers that are not true: the other answer than the one that was due, or none."""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wrappers import Response

from bot.sandbox.cluster.router import Answer


@dataclass(frozen=True, slots=True)
class Lie:
    """What is answered instead of the truth.

    Attributes:
        performed: whether the write happens all the same.
        status: what is answered; None: nothing, and the connection is closed.
        after: seconds of silence before that.
        retry_after: seconds, for the header of that name.
    """

    performed: bool
    status: HTTPStatus | None = None
    after: float = 0.0
    retry_after: int | None = None

    def __str__(self) -> str:
        answer = str(self.status.value) if self.status else "no answer"
        silence = f", after {self.after:.0f} s" if self.after else ""
        return f"{'done' if self.performed else 'not done'}, {answer}{silence}"


def each_write_once(choose: Callable[[str], Lie | None]) -> Callable[[str], Lie | None]:
    """Lie about each write when it is asked for the first time, as far as there is a lie for it."""
    met: set[str] = set()

    def chosen(write: str) -> Lie | None:
        if write in met:
            return None
        met.add(write)
        return choose(write)

    return chosen


def say_over_http(lie: Lie, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """As GitHub or a registry says it."""
    if lie.status is None:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError
    headers = {} if lie.retry_after is None else {"Retry-After": str(lie.retry_after)}
    answer = Response(f'{{"message": "{lie.status.phrase}"}}', lie.status, headers, content_type="application/json")
    return answer(environ, start_response)


def say_as_cluster(lie: Lie) -> Answer:
    """As an API server says it: a ``Status``, with the pause in its details. An error ends the connection."""
    if lie.status is None:
        raise ConnectionAbortedError
    details = {} if lie.retry_after is None else {"details": {"retryAfterSeconds": lie.retry_after}}
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": int(lie.status)}
    return Answer(lie.status, {**status, "message": lie.status.phrase, "reason": "", **details})
