"""``GET /events``: a line whenever something else is to be seen, as server-sent events.

Each listener keeps one of gunicorn's threads, so there are few of them at once; whoever comes later asks again and
again instead, as the script does by itself. All listeners share one look (``webhooks.sight``).
"""

import threading
from collections.abc import Callable, Iterator
from time import monotonic

from flask import Blueprint, Response, abort

from webhooks.sight import Sight

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
        response = Response(_lines(sight), content_type="text/event-stream")
        response.call_on_close(places.release)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would keep the lines to itself
        return response


def _lines(sight: Sight) -> Iterator[str]:
    yield f"retry: {AGAIN_MS}\n\n"
    told, begun = "", monotonic()
    while monotonic() - begun < LONGEST_SECONDS and not Stopping.asked():
        seen = sight.await_other(told, BEAT_SECONDS)
        if seen.version != told:
            yield f"event: change\ndata: {seen.version}\n\n"
        yield f"event: look\ndata: {seen.as_of.isoformat() if seen.as_of else ''}\n\n"
        told = seen.version
