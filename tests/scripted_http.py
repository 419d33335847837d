"""A server on 127.0.0.1 that answers from a list, and can go silent, drop the connection or break off midway."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``body`` that is neither bytes nor text is sent as JSON.

    Attributes:
        delay: seconds of silence before it.
        drop: read the request, then close the connection without a word.
        cut: announce more bytes than are sent, then close.
        chunked: send the body in chunks of a line each, as engines stream.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    cut: bool = False
    chunked: bool = False

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class ScriptedServer:
    """Answers in the order given, whatever is asked; remembers what was asked. Unscripted requests get a 599.

    ``most_at_once`` is the highest number of requests that waited for their answer at the same time.

    Args:
        tls: speak HTTPS with this certificate.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: deque[Answer] = deque()
        self.received: list[Received] = []
        self.most_at_once = 0
        self._now = 0
        self._counting = threading.Lock()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def script(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}"

    @property
    def lines(self) -> list[str]:
        return [request.line for request in self.received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: Received) -> Answer:
        self.received.append(request)
        answer = self.answers.popleft() if self.answers else Answer(599, {"message": f"unscripted: {request.line}"})
        with self._counting:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self._over.wait(answer.delay)
        with self._counting:
            self._now -= 1
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path, _, query = self.path.partition("?")
                answer = scripted._answer(
                    Received(self.command, path, dict(parse_qsl(query)), dict(self.headers.items()), body)
                )
                with suppress(ConnectionError):  # who asked may be tired of waiting
                    if not answer.drop:
                        self.send(answer)
                kept = self.command == "CONNECT" or not self.close_connection
                self.close_connection = answer.drop or answer.cut or not kept

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = handle_any  # noqa: N815 - http.server's names

            def send(self, answer: Answer) -> None:
                content = answer.encoded()
                if "Date" in answer.headers:
                    self.send_response_only(answer.status)
                else:
                    self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    content = b"".join(
                        b"%x\r\n%b\r\n" % (len(line), line) for line in content.splitlines(keepends=True)
                    )
                    content += b"" if answer.cut else b"0\r\n\r\n"
                else:
                    self.send_header("Content-Length", str(len(content) + (100 if answer.cut else 0)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Silence: the tests look at what was received."""

        return Handler
