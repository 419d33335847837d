"""The web process among slow senders, idle connections, huge bodies and too few files: others are answered."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from bot.adapters.dbos.database import migrate
from tests.web_stage import MEGABYTE, SECRET, TEST_COMMAND, Web, push, serving
from webhooks.front import CONNECTIONS, HELD_BYTES, REQUEST_SECONDS, is_whole
from webhooks.signature import HEADER, sign

GITHUB_WAITS = 10.0
"""Seconds (https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks)."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("crowds")
    migrate(f"sqlite:///{folder}/slipway.db")
    with serving(folder, f"sqlite:///{folder}/slipway.db") as web:
        yield web


@contextmanager
def connections(web: Web, count: int, begin: bytes = b"") -> Iterator[list[socket.socket]]:
    """That many, each of which has sent the beginning of a request."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(web.address, timeout=60)))
            opened[-1].sendall(begin)
        yield opened


@contextmanager
def dribbling(sockets: list[socket.socket]) -> Iterator[None]:
    """Each sends a byte a second, for as long as it is let."""
    done = threading.Event()

    def dribble() -> None:
        while not done.wait(1):
            for one in sockets:
                with suppress(OSError):
                    one.send(b"x")

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def head(body: bytes, length: int | None = None, delivery: str | None = None) -> bytes:
    lines = ["POST /webhooks/github HTTP/1.1", "Host: x", "X-GitHub-Event: push", f"{HEADER}: {sign(SECRET, body)}"]
    lines += [f"X-GitHub-Delivery: {delivery or uuid4()}"]
    lines += [f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def assert_served(web: Web, times: int = 5) -> None:
    """Somebody else's delivery and the probes are answered before GitHub gives up."""
    for _ in range(times):
        begun = time.monotonic()
        assert web.send(push()).status_code == 202
        assert web.get("/healthz").status_code == 200
        assert time.monotonic() - begun < GITHUB_WAITS


def said(one: socket.socket) -> bytes:
    """What the service answered until it closed the connection."""
    one.settimeout(3 * REQUEST_SECONDS)
    heard = b""
    with suppress(ConnectionResetError):
        while piece := one.recv(MEGABYTE):
            heard += piece
    return heard


# ---------------------------------------------------------------- slow senders


BEGINNINGS: Mapping[str, Callable[[], bytes]] = {
    "headers": lambda: b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "a body": lambda: head(push()),
    "a long body": lambda: head(b"", 10 * MEGABYTE) + b"x" * (2 * HELD_BYTES),
    "chunks": lambda: b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
}


@pytest.mark.parametrize("slow", BEGINNINGS)
def test_a_hundred_slow_senders_keep_nobody_else_waiting(web: Web, slow: str) -> None:
    with connections(web, 100, BEGINNINGS[slow]()) as sockets, dribbling(sockets):
        assert_served(web)
        answers = [said(one) for one in sockets[:3]]
    assert all(answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) for answer in answers), answers
    assert "Traceback" not in web.log.read_text()


def test_a_request_that_comes_in_pieces_within_its_time_is_answered(web: Web) -> None:
    body, delivery = push(), str(uuid4())
    whole = head(body, delivery=delivery) + body
    with connections(web, 1, whole[:50]) as (one,):
        for start in (50, 300, 1000):
            time.sleep(0.2)
            one.sendall(whole[start : {50: 300, 300: 1000}.get(start)])
        assert one.recv(MEGABYTE).startswith(b"HTTP/1.1 202 ")
    assert web.stored(delivery)


def test_two_requests_in_one_piece_are_both_answered(web: Web) -> None:
    first, second = push(), push()
    with connections(web, 1, head(first) + first + head(second) + second) as (one,):
        heard = b""
        while heard.count(b"HTTP/1.1 202 ") < 2:
            piece = one.recv(MEGABYTE)
            assert piece, heard
            heard += piece


def test_a_sender_that_waits_for_a_word_before_its_body_gets_it(web: Web) -> None:
    body = push()
    asking = head(body).replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n")
    with connections(web, 1, asking) as (one,):
        assert one.recv(MEGABYTE).startswith(b"HTTP/1.1 100 ")
        one.sendall(body)
        assert one.recv(MEGABYTE).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize(
    ("received", "whole"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length:3 \r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0;x\r\nTrailer: y\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", True),
    ],
)
def test_a_request_is_whole_with_the_last_byte_of_its_body(received: bytes, *, whole: bool) -> None:
    assert is_whole(received) is whole


# ---------------------------------------------------------------- many connections


def test_a_thousand_idle_connections_keep_nobody_waiting(web: Web) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with connections(web, 1000):
        assert_served(web)


def test_kept_connections_are_used_again_and_let_go_when_idle(web: Web) -> None:
    with requests.Session() as session:
        for _ in range(20):
            assert session.get(f"{web.url}/healthz", timeout=30).status_code == 200
    with connections(web, 1) as (one,):
        assert said(one) == b""


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Web]:
    """May open few files, and some more if it asks."""
    migrate(f"sqlite:///{tmp_path}/slipway.db")
    with serving(tmp_path, f"sqlite:///{tmp_path}/slipway.db", ["prlimit", "--nofile=256:20000", *TEST_COMMAND]) as web:
        yield web


def test_the_limit_on_open_files_is_raised_as_far_as_needed(limited: Web) -> None:
    assert resource.prlimit(worker_of(limited), resource.RLIMIT_NOFILE)[0] > CONNECTIONS


def test_without_files_left_it_waits_and_serves_again(limited: Web) -> None:
    worker = worker_of(limited)
    assert limited.send(push()).status_code == 202
    opened = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE, (opened + 3, 20000))
    with connections(limited, 50):
        time.sleep(2)
        assert "open files" in limited.log.read_text()
    resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    assert_served(limited)
    assert worker == worker_of(limited), "it ended and was started anew"
    assert "Traceback" not in limited.log.read_text()


def worker_of(web: Web) -> int:
    """gunicorn's one worker."""
    (child,) = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
    return int(child)


def memory(process: int) -> int:
    """Bytes that a process has in memory."""
    resident = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(resident) * resource.getpagesize()


# ---------------------------------------------------------------- huge bodies


@pytest.mark.parametrize(("framing", "allowed"), [("told", 40), ("chunked", 8 * 2 * 25)])
def test_thirty_megabytes_are_refused_and_not_kept_in_memory(web: Web, framing: str, allowed: int) -> None:
    """Twenty at once: none is read where its length is told, else eight at a time and each as far as it may be long."""
    worker, done, statuses = worker_of(web), threading.Event(), list[int]()
    before = memory(worker)
    peak = [before]
    senders = [threading.Thread(target=lambda: statuses.append(send_huge(web, framing))) for _ in range(20)]
    for thread in (watch := threading.Thread(target=lambda: sample(worker, peak, done)), *senders):
        thread.start()
    assert_served(web, 2)
    for thread in senders:
        thread.join()
    done.set()
    watch.join()
    assert set(statuses) <= {413, CLOSED}
    assert peak[0] - before < allowed * MEGABYTE


CLOSED = 0
"""Instead of a status, where the connection was closed while the rest was being sent."""


def sample(process: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.02):
        peak[0] = max(peak[0], memory(process))


def send_huge(web: Web, framing: str) -> int:
    headers = {"X-GitHub-Event": "star", "X-GitHub-Delivery": str(uuid4()), HEADER: "sha256=" + "0" * 64}
    pieces = (b"x" * MEGABYTE for _ in range(30))
    data = pieces if framing == "chunked" else b"x" * 30 * MEGABYTE
    try:
        return requests.post(f"{web.url}/webhooks/github", data=data, headers=headers, timeout=60).status_code
    except requests.ConnectionError:
        return CLOSED
