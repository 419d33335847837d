"""An answer is whole after so many seconds, or it is none.

A timeout of requests or urllib3 is the longest silence between two bytes: a server, or what stands before it, that
sends a byte every few seconds keeps a caller for as long as it likes, and whoever waits for that caller too. Here the
connection is cut when the time is over, from another thread, which ends the read that waits for it.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from bot.errors import SlipwayError

_now = threading.local()


class _Attempt:
    """A request under way in this thread, and the connection that it came to."""

    def __init__(self) -> None:
        self.connection: HTTPConnection | None = None
        self.reached: socket.socket | None = None
        self.was_cut = False

    def cut(self) -> None:
        """End it, whatever it waits for."""
        self.was_cut = True
        reached = self.reached or getattr(self.connection, "sock", None)  # an answer may outlive its connection
        if reached is not None:
            with suppress(OSError):
                reached.shutdown(socket.SHUT_RDWR)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is asked in here, over pools that were hurried, is cut off when the time is over.

    Raises:
        TimeoutError: in place of whatever the cut led to.
    """
    attempt = _now.attempt = _Attempt()
    timer = threading.Timer(seconds, attempt.cut)
    timer.daemon = True
    timer.start()
    late = TimeoutError(f"the answer was not whole after {seconds:.0f} seconds")
    try:
        yield
    except SlipwayError:
        raise
    except Exception as error:
        if attempt.was_cut:
            raise late from error
        raise
    finally:
        timer.cancel()
        _now.attempt = None
    if attempt.was_cut:  # an answer of no told length seems to have ended
        raise late


def hurry(manager: urllib3.PoolManager) -> None:
    """Have a manager's pools tell ``within`` of their connections."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class HurriedAdapter(HTTPAdapter):
    """Sends a session's requests, and reads each answer to its end, within so many seconds."""

    def __init__(self, seconds: float, **options: Any) -> None:
        self._seconds = seconds
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As requests does, with pools that can be hurried."""
        super().init_poolmanager(*arguments, **options)
        hurry(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.PoolManager:
        """Likewise through a proxy."""
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, **options)
        hurry(manager)
        return manager

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """One request; its answer is in memory afterwards."""
        try:
            with within(self._seconds):
                response = super().send(request, *arguments, **options)
                _ = response.content
        except TimeoutError as error:
            raise requests.ReadTimeout(str(error), request=request) from error
        return response


class _Noted(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _note(self)
        super().request(*arguments, **options)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3's own
        _note(self)
        return super().getresponse()


class _NotedSecurely(_Noted, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Noted


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _NotedSecurely


def _note(connection: HTTPConnection) -> None:
    attempt: _Attempt | None = getattr(_now, "attempt", None)
    if attempt is not None:
        attempt.connection, attempt.reached = connection, connection.sock
