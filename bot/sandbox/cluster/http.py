"""The HTTP server of the Kubernetes stand-in: keep-alive, chunked watches, faults, and a port that stays."""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from bot.sandbox.cluster.faults import LateAnswer
from bot.sandbox.cluster.queries import Watch
from bot.sandbox.cluster.router import Answer, Request
from bot.sandbox.faults import Answer as FaultyAnswer
from bot.sandbox.faults import Delay, Drop, Faults

_FAREWELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it was answered. ``status`` 0: the connection was closed without an answer."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    user_agent: str
    body: bytes
    status: int


class Front:
    """Listens on 127.0.0.1. Stopping closes every connection, starting again takes the same port."""

    def __init__(
        self, answer: Callable[[Request], Answer], faults: Faults, context: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer
        self.faults = faults
        self.context = context
        self.log: list[Logged] = []
        self.watches: set[Watch] = set()
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port, known from the first start on."""
        return self._port

    def start(self) -> None:
        """Listen; a no-op where it already does."""
        if self._server is not None:
            return
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="cluster-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut every open connection."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = None
        server.shutdown()
        thread.join()
        self.close_watches()
        server.cut_connections()
        server.server_close()

    def close_watches(self) -> None:
        """End all running watches, as a server does now and then."""
        for watch in list(self.watches):
            watch.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, front: Front, port: int) -> None:
        self.front = front
        self._connections: set[socket.socket] = set()
        self._guard = threading.Condition()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        """With TLS the handshake waits for the connection's own thread: a slow client holds up nobody."""
        connection, address = super().get_request()
        context = self.front.context
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
            self._guard.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server's; anything else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)

    def cut_connections(self) -> None:
        """Close what is open, and wait until whoever served it has noticed."""
        with self._guard:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._guard.wait_for(lambda: not self._connections, _FAREWELL_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        """Every method goes one way."""
        front = self.server.front
        request = self._read()
        fault = front.faults.take(request.method, self.path)
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        carries_out = fault is None or isinstance(fault, Delay | LateAnswer) or fault == Drop(done=True)
        answer = front.answer(request) if carries_out else None
        if isinstance(fault, Drop):
            self._log(request, 0)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif isinstance(fault, FaultyAnswer):
            self._log(request, fault.status)
            self._send(fault.status, fault.body, fault.headers)
        elif answer is not None:
            self._log(request, answer.status)
            self._answer(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _answer(self, answer: Answer) -> None:
        if isinstance(answer.body, Watch):
            self._stream(answer.body)
        elif isinstance(answer.body, str):
            self._send(answer.status, answer.body.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        else:
            self._send(answer.status, json.dumps(answer.body).encode(), {"Content-Type": "application/json"})

    def _read(self) -> Request:
        url = urlsplit(self.path)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return Request(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            content_type=self.headers.get("Content-Type", "").partition(";")[0].strip(),
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            user_agent=self.headers.get("User-Agent", ""),
            token=token if scheme == "Bearer" else None,
        )

    def _log(self, request: Request, status: int) -> None:
        entry = Logged(
            request.method, request.path, dict(request.query), request.content_type, request.user_agent,
            request.body, status,
        )  # fmt: skip
        self.server.front.log.append(entry)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, watch: Watch) -> None:
        front = self.server.front
        front.watches.add(watch)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            for event in watch.events():
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        finally:
            front.watches.discard(watch)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are in ``Front.log``; nothing goes to stderr."""
