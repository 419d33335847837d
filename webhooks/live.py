"""``GET /events``: a line whenever something else is to be seen, as server-sent events.

With ``?release=`` also whenever one of that release's jobs has gone on: its page shows their steps and what they say.

Each listener keeps one of gunicorn's threads, so there are few of them at once; whoever comes later asks again and
again instead, as the script does by itself. All listeners share one look (``webhooks.sight``).
"""

import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, request

from bot.errors import SlipwayError
from webhooks.sight import Sight, Snapshot

if TYPE_CHECKING:  # see webhooks.sight
    from bot.release_history import History

MOST_LISTENERS = 4
"""Of gunicorn's 16 threads (``gunicorn_conf``): the others are for deliveries and pages."""

BEAT_SECONDS = 1.0
"""Something is written so often, since only a write finds out that a listener is gone."""

LONGEST_SECONDS = 600.0
"""Then the browser connects anew by itself, if it is still there."""

AGAIN_MS = 3000
"""How long a browser waits before it connects anew."""


def never() -> bool:
    """The process goes on."""
    return False


class Stopping:
    """Asked by each listener whether the process is about to end; gunicorn would wait for it otherwise."""

    asked: Callable[[], bool] = staticmethod(never)


def add_events(routes: Blueprint, sight: Sight) -> None:
    """The route, among those of the dashboard."""
    places = threading.BoundedSemaphore(MOST_LISTENERS)

    @routes.get("/events")
    def events() -> Response:
        """``change`` with the version that is to be seen, at first the present one; ``look`` with the look's time."""
        if not places.acquire(blocking=False):
            abort(
                503, f"{MOST_LISTENERS} pages are being kept up to date already; ask for the page again now and then."
            )
        response = Response(_lines(sight, request.args.get("release", "")), content_type="text/event-stream")
        response.call_on_close(places.release)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would keep the lines to itself
        return response


def job_ids(history: "History") -> list[str]:
    """The jobs of a release."""
    return [work.id for work in history.jobs]


class _Pulse:
    """Tells whether a release's jobs have gone on; nothing of no release. They are looked up once a look."""

    def __init__(self, sight: Sight, release: str) -> None:
        from bot.release_history import parse_release_id  # noqa: PLC0415 - see webhooks.sight

        self._sight = sight
        self._release = parse_release_id(release)
        self._version: str | None = None
        self._jobs: list[str] = []

    def of(self, seen: Snapshot) -> str:
        """The word for it. A database that cannot be read has no news: the look itself will say so."""
        if self._release is None:
            return ""
        try:
            if self._version != seen.version:
                _, history = self._sight.history(*self._release)
                self._jobs = job_ids(history) if history else []
                self._version = seen.version
            return self._sight.pulse(self._jobs)
        except SlipwayError:
            return ""


def _lines(sight: Sight, release: str) -> Iterator[str]:
    yield f"retry: {AGAIN_MS}\n\n"
    version, told, begun, pulse = "", "", monotonic(), _Pulse(sight, release)
    while monotonic() - begun < LONGEST_SECONDS and not Stopping.asked():
        seen = sight.await_other(version, BEAT_SECONDS)
        version = seen.version
        if (news := version_of(version, pulse.of(seen))) != told:
            yield f"event: change\ndata: {news}\n\n"
        yield f"event: look\ndata: {seen.as_of.isoformat() if seen.as_of else ''}\n\n"
        told = news


def version_of(version: str, pulse: str) -> str:
    """What a page was made of, in a word."""
    return f"{version} {pulse}".strip()
