"""Stands in front of the stand-ins, sees each request that changes something, and kills the worker or lies to it.

BEFORE, the worker dies and the write never happens. AFTER, the write happens and the worker dies without its answer.
Either way nothing of the bot is touched: its process group gets SIGKILL from outside. A lie lets it live: another
answer than the true one, or none.
"""

import io
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Response

from bot.sandbox.cluster import Answerer
from bot.sandbox.cluster.router import Answer, Request
from tests.faults.lies import Lie, say_as_cluster, say_over_http

T = TypeVar("T")

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_NO_EFFECT = ("/git-upload-pack", "/blobs/uploads/")
"""A fetch, and the beginning of an upload, which shows nowhere and is not looked for."""

_PUSHED = re.compile(rb"[0-9a-f]{40} [0-9a-f]{40} (refs/[^\0\n ]+)")
_NAMES = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+"), "UPLOAD"),
    (re.compile(r"[0-9a-f]{7,40}"), "SHA"),
    (re.compile(r"/[0-9]+(?=/|$)"), "/N"),
)


class Moment(Enum):
    """When to kill."""

    BEFORE = "before"
    AFTER = "after"


FIRST = ", no. 1"

Fate = Moment | Lie
Choice = Callable[[str], Fate | None]
"""Takes a write, such as ``github: POST /repos/acme/config/pulls, no. 1``, and says what happens; None lets it pass."""


class Executioner:
    """One for all stand-ins of a world, so that the writes are told apart over all of them."""

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None
        self.choose: Choice | None = None
        self.say: Callable[[str], None] = lambda _: None
        self.killed: list[str] = []
        self.lied: list[str] = []
        self._done: Counter[str] = Counter()
        self._lock = threading.Lock()

    def in_front_of(self, name: str) -> Callable[[WSGIApplication], WSGIApplication]:
        """For a stand-in that speaks WSGI."""

        def wrap(application: WSGIApplication) -> WSGIApplication:
            def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
                kind = _kind(environ)
                return self._meet(
                    f"{name}: {kind}" if kind else None,
                    lambda: application(environ, start_response),
                    lambda: Response.from_app(application, environ, buffered=True).close(),
                    lambda lie: say_over_http(lie, environ, start_response),
                )

            return guarded

        return wrap

    def in_front_of_cluster(self, answerer: Answerer) -> Answerer:
        """For the cluster stand-in; a dry run changes nothing."""

        def guarded(request: Request) -> Answer:
            write = request.method in WRITES and "dryRun" not in request.query

            def answer() -> Answer:
                return answerer(request)

            kind = f"cluster: {request.method} {request.path}" if write else None
            return self._meet(kind, answer, answer, say_as_cluster)

        return guarded

    def _meet(
        self, kind: str | None, answer: Callable[[], T], perform: Callable[[], object], say: Callable[[Lie], T]
    ) -> T:
        """Let a request pass, kill around it, or lie. A write keeps its ordinal until it was performed."""
        if kind is None or self.choose is None:
            return answer()
        with self._lock:
            # What is written to a cluster, as a blob or as a reaction is the same each time, and is not looked for.
            looked_for = kind.startswith("github") and not kind.endswith("/reactions")
            write = f"{kind}, no. {self._done[kind] + 1}" if looked_for else kind + FIRST
            fate = self.choose(write)
            self._done[kind] += fate is None or fate is Moment.AFTER or (isinstance(fate, Lie) and fate.performed)
            if isinstance(fate, Moment):
                self._kill(fate, write, perform)
        if fate is None:
            return answer()
        if isinstance(fate, Lie):
            return self._lie(fate, write, perform, say)
        raise ConnectionAbortedError

    def _kill(self, moment: Moment, write: str, perform: Callable[[], object]) -> None:
        if moment is Moment.AFTER:
            perform()
        self.killed.append(f"{moment.value} {write}")
        self.say(f"  kill {moment.value} {write}")
        self.kill()

    def _lie(self, lie: Lie, write: str, perform: Callable[[], object], say: Callable[[Lie], T]) -> T:
        self.lied.append(write)
        self.say(f"  {lie}: {write}")
        if lie.performed:
            perform()
        time.sleep(lie.after)
        return say(lie)


def each_write() -> Choice:
    """Kill before and after every write."""
    met: Counter[str] = Counter()

    def choose(write: str) -> Moment | None:
        met[write] += 1
        return {1: Moment.BEFORE, 2: Moment.AFTER}.get(met[write])

    return choose


def each_kind(pattern: str = "") -> Choice:
    """Kill once at the first write of each kind (that the pattern is found in), in turns before and after it."""
    met: set[str] = set()

    def choose(write: str) -> Moment | None:
        if write in met or not write.endswith(FIRST) or not re.search(pattern, write):
            return None
        met.add(write)
        return Moment.BEFORE if len(met) % 2 else Moment.AFTER

    return choose


def _kind(environ: WSGIEnvironment) -> str | None:
    """What a request changes, without what differs from one try to the next; None where it changes nothing."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method not in WRITES or path.endswith(_NO_EFFECT):
        return None
    body = _body(environ)  # read in any case: what stays in the connection would be taken for the next request
    if path.endswith("/git-receive-pack"):
        pushed = _PUSHED.search(body)
        return f"push {pushed[1].decode()}" if pushed else None
    for pattern, name in _NAMES:
        path = pattern.sub(name, path)
    return f"{method} {path}"


def _body(environ: WSGIEnvironment) -> bytes:
    """The request's body, which is put back for the application."""
    length = environ.get("CONTENT_LENGTH")
    body: bytes = environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body
