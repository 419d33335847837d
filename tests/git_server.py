"""A git server for tests: the real ``git http-backend`` behind a small HTTP server, and faults on request.

It asks for the token and writes down what it is asked. ``watch`` is called with each request, ``meddle`` before
a push is given to git, and ``answer`` may spoil the answer of a push. ``status`` is
what everybody gets instead; ``protocol`` is git's, whatever the client would like.
"""

import base64
import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class Answer(Enum):
    """What the client gets to see of a push."""

    AS_IT_IS = auto()
    BAD_GATEWAY = auto()
    NONE = auto()
    NOT_PERFORMED = auto()


@dataclass
class GitServer:
    """Serves the bare repositories below ``root``, as ``http://127.0.0.1:PORT/owner/name.git``."""

    root: Path
    token: str | None = None
    watch: Callable[[], None] = lambda: None
    meddle: Callable[[], None] = lambda: None
    answer: Callable[[], Answer] = lambda: Answer.AS_IT_IS
    status: int | None = None
    protocol: str | None = None
    requests: list[str] = field(default_factory=list)
    bytes_sent: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pushes(self) -> int:
        return sum(line == "POST git-receive-pack" for line in self.requests)

    def count(self, line: str) -> int:
        return self.requests.count(line)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    git: GitServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        pass

    def _serve(self) -> None:
        git = self.server.git
        body = self._body()
        path = urlsplit(self.path)
        service = path.path.rpartition("/")[2]
        with git.lock:
            git.requests.append(f"{self.command} {service}")
        git.watch()
        if git.status is not None:
            self._plain(git.status)
        elif git.token is not None and self.headers["Authorization"] != _basic(git.token):
            self._plain(401)
        elif service == "git-receive-pack":
            self._push(git, body)
        else:
            self._reply(self._backend(body))

    def _push(self, git: GitServer, body: bytes) -> None:
        git.meddle()
        answer = git.answer()
        output = b"" if answer is Answer.NOT_PERFORMED else self._backend(body)
        if answer is Answer.AS_IT_IS:
            self._reply(output)
        elif answer is Answer.BAD_GATEWAY:
            self._plain(502)
        else:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _backend(self, body: bytes) -> bytes:
        path = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH_INFO": path.path,
            "QUERY_STRING": path.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": str(self.server.git.protocol or self.headers.get("Git-Protocol", "")),
            "REMOTE_USER": "somebody",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        return done.stdout

    def _reply(self, output: bytes) -> None:
        head, _, body = output.partition(b"\r\n\r\n")
        self.server.git.bytes_sent += len(body)
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _plain(self, status: int) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()


def _basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()


@contextlib.contextmanager
def serve(root: Path, token: str | None = None) -> Iterator[GitServer]:
    """Run the server on a free port until the block ends."""
    git = GitServer(root, token)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.git = git
    git.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield git
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
