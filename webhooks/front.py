"""How the web process takes connections: nobody who sends slowly, or nothing at all, keeps others waiting.

gunicorn's ``gthread`` gives a thread to whoever has sent a first byte, and a sender of one byte a second keeps it for
as long as it likes; sixteen of them would keep every delivery out. Here a connection is listened to without a thread
until its request is whole, or so long that it is read piece by piece; of those, only half of the threads are at work
at a time. Whatever is not whole after ``REQUEST_SECONDS`` is answered 408: GitHub itself waits no longer than that.

Source of what is overridden: ``gunicorn/workers/gthread.py`` (27.0.1, which is pinned).
"""

import errno
import re
import resource
import selectors
import socket
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

REQUEST_SECONDS = 10.0
"""From the first moment of a request to its last byte."""

HELD_BYTES = 64 * 1024
"""What is kept of a request that has no thread yet; most of GitHub's payloads are shorter."""

CONNECTIONS = 4000
"""At once, where the limit on open files allows it; whoever comes then waits until one is closed."""

OTHER_FILES = 100
"""What the process opens beside connections: the database, the mirror, the log."""

BREATH_SECONDS = 0.05

_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 43\r\n\r\n"
    b"The request did not arrive in ten seconds.\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:", re.IGNORECASE)
_LAST_CHUNK = re.compile(rb"(?:^|\r\n)0+[^\r\n]*\r\n")


def is_whole(received: bytes | bytearray) -> bool:
    """Whether a request can be read without waiting for its sender, as far as that can be told from here.

    A mistake costs no more than a thread for ``REQUEST_SECONDS``: gunicorn reads the request, not this.
    """
    head, separator, body = bytes(received).partition(b"\r\n\r\n")
    if not separator:
        return False
    head += b"\r\n"
    if _EXPECTS.search(head):  # the sender waits for a word before it sends the body
        return True
    if _CHUNKED.search(head):
        return body.endswith(b"\r\n\r\n") or _LAST_CHUNK.search(body) is not None
    length = _LENGTH.search(head)
    return length is None or len(body) >= int(length[1])


def allow_connections(worker: Any) -> None:
    """As many as ``CONNECTIONS``, or as the limit on open files leaves room for once it is as high as it may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    worker.worker_connections = max(allowed - OTHER_FILES, allowed // 2)
    worker.max_keepalived = max(worker.worker_connections - worker.cfg.threads, 0)


class Caller(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection, and what came of its next request so far."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.received = bytearray()
        self.ended = False
        self.long = False

    def listen(self) -> bool:
        """Take what is there; whether a thread shall read on."""
        try:
            piece = self.sock.recv(HELD_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            piece = b""
        self.received += piece
        self.ended = not piece
        self.long = len(self.received) >= HELD_BYTES
        return self.ended or self.long or is_whole(self.received)

    def hand_over(self, deadline: float) -> None:
        """Give gunicorn's parser what was received, and the rest until the deadline."""
        self.init()
        self.parser.unreader = unreader = _HurriedUnreader(self.sock, deadline)
        unreader.unread(bytes(self.received))
        self.received.clear()
        self.data_ready = True

    def go_on(self) -> None:
        """Another request may be there already, behind the one that was answered: it has time of its own."""
        unreader = getattr(self.parser, "unreader", None)
        if isinstance(unreader, _HurriedUnreader):
            unreader.deadline = time.monotonic() + REQUEST_SECONDS


class _HurriedUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Reads from a socket until a moment of ``time.monotonic()``, however the bytes come."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__(sock)
        self.deadline = deadline

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "the request did not arrive in time")
        self.sock.settimeout(left)
        try:
            return bytes(super().chunk(size_hint))
        finally:
            self.sock.settimeout(REQUEST_SECONDS)  # whoever does not read the answer holds a thread no longer


class Front(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker, with patience for slow senders and none of its threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._long_at_work: set[Caller] = set()
        self._long_waiting: deque[Caller] = deque()

    def accept(self, listener: Any) -> None:
        """Take a connection; without a file for it, make room instead of ending."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._make_room(error)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        caller = Caller(self.cfg, sock, address, listener.getsockname())
        if self.cfg.is_ssl:  # what comes is not readable yet
            sock.setblocking(True)
            self.enqueue_req(caller)
        else:
            self._listen(caller)

    def on_client_socket_readable(self, conn: Caller, client: socket.socket) -> None:
        """A kept-alive connection begins its next request."""
        if self.cfg.is_ssl:
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._listen(conn)

    def on_pending_socket_readable(self, conn: Caller, client: socket.socket) -> None:
        """More of a request came."""
        if self.cfg.is_ssl:
            super().on_pending_socket_readable(conn, client)
        elif conn.listen():
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._serve(conn)

    def murder_pending(self) -> None:
        """Close what has not become a request in time; it is told so where it had begun one."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            caller = self.pending_conns.popleft()
            with suppress(OSError, KeyError, ValueError):
                self.poller.unregister(caller.sock)
            self._turn_away(caller)
        while self._long_waiting and self._long_waiting[0].timeout <= now:
            self._turn_away(self._long_waiting.popleft())

    def finish_request(self, conn: Caller, fs: "Future[Any]") -> None:
        """As gunicorn does; and the next long request may begin."""
        self._long_at_work.discard(conn)
        conn.go_on()
        super().finish_request(conn, fs)
        if self._long_waiting and self._has_room_for_long():
            self._serve(self._long_waiting.popleft())

    def _cap_keepalive(self, deadline: float) -> None:
        """A process that ends waits for beginnings no longer than for the next request of a kept connection."""
        super()._cap_keepalive(deadline)
        for caller in self.pending_conns:
            caller.timeout = min(caller.timeout, deadline)

    def _listen(self, caller: Caller) -> None:
        """Wait for a request without a thread; what it needs is often there already."""
        caller.timeout = time.monotonic() + REQUEST_SECONDS
        if caller.listen():
            self._serve(caller)
            return
        self.pending_conns.append(caller)
        self.poller.register(caller.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, caller))

    def _serve(self, caller: Caller) -> None:
        if caller.ended and not caller.received:
            self._close(caller)
            return
        if caller.long:
            if not self._has_room_for_long():
                self._long_waiting.append(caller)
                return
            self._long_at_work.add(caller)
        caller.hand_over(caller.timeout)
        self.enqueue_req(caller)

    def _has_room_for_long(self) -> bool:
        return len(self._long_at_work) < max(int(self.cfg.threads) // 2, 1)

    def _turn_away(self, caller: Caller) -> None:
        if caller.received:
            with suppress(OSError):
                caller.sock.send(_TOO_SLOW)
        self._close(caller)

    def _close(self, caller: Caller) -> None:
        self.nr_conns -= 1
        caller.close()

    def _make_room(self, error: OSError) -> None:
        """Without a file left: close whoever is idle, and give those at work a moment to end."""
        self.log.warning("No connection can be taken (%s): see to the limit on open files.", error.strerror)
        self.murder_keepalived(force=True)
        time.sleep(BREATH_SECONDS)
