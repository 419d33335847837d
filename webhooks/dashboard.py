"""The pages: what runs where, and the way of one release. Made on the server, whole without JavaScript."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, get_template_attribute, make_response, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from bot.errors import SlipwayError
from bot.messages import duration, short
from bot.ports import Queue
from bot.telling import ago, title_of
from webhooks import access, trail
from webhooks.access import Access
from webhooks.actions import add_actions
from webhooks.fragments import renewed
from webhooks.live import add_events, job_ids
from webhooks.sight import Sight, Snapshot

if TYPE_CHECKING:  # see webhooks.sight
    from bot.activity import Work
    from bot.links import Links
    from bot.overview import Cell, Row
    from bot.release_history import History

MOST_ROWS = 200
"""Apps shown at once; a search finds the others, and ``all=1`` shows them."""

MOST_WAITING = 12
"""Promotions listed above the matrix, the oldest first; all of them are marked in it."""

SHARED_FILES = "shared files"
"""What the row is called, and found by, that is of no app."""

SHORT_SECONDS = 10.0
"""Spans of steps below this are shown with tenths of a second."""

LATELY = 15
"""Finished jobs shown below the matrix; a build is told with its release."""

URGENT = ("failed", "cannot be read", "unknown", "rolling out", "not applied yet", "healthy")
"""The states of places in the order in which they are counted (``bot.overview.CellState``), the others after these."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the overview's template is given beside the snapshot."""

    rows: "tuple[Row, ...]"
    found: int
    total: int
    query: str
    waiting: "tuple[tuple[Row, Cell], ...]"
    counts: tuple[tuple[str, int], ...]
    shared: "dict[str, Cell]"
    now: "tuple[Work, ...]"
    lately: "tuple[Work, ...]"


class LiveRows:
    """Rows as the script gets them, each rendered once for as long as it stays the same.

    A thousand rows take a good part of a second of the processor, which the deliveries need. Ages in these rows are
    as old as the rendering; the script tells them anew.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Row, Links | None, Markup]] = {}

    def __call__(self, row: "Row", links: "Links | None") -> Markup:
        """One row."""
        known = self._known.get(row.app.name)
        if known is None or known[0] is not row or known[1] != links:
            known = self._known[row.app.name] = (row, links, fresh_row(row, links))
        return known[2]


def fresh_row(row: "Row", links: "Links | None") -> Markup:
    """One row, with ages as of now."""
    return Markup(get_template_attribute("row.html", "row")(row, links))  # noqa: S704 - a template's, which escapes


def blueprint(sight: Sight, rules: Access, queue: Queue) -> Blueprint:
    """The routes."""
    live_rows = LiveRows()
    routes = Blueprint("dashboard", __name__, static_folder="static", static_url_path="/assets")
    routes.before_request(rules.let_in)
    routes.after_request(access.protect)
    routes.app_template_filter("short")(short)
    routes.app_template_filter("duration")(duration)
    routes.app_template_filter("span")(
        lambda seconds: f"{seconds:.1f} s" if seconds < SHORT_SECONDS else duration(seconds)
    )
    routes.app_template_filter("title")(title_of)
    routes.app_template_filter("ago")(lambda moment: ago(moment, datetime.now(UTC)))
    routes.app_template_global("asset_version")(_asset_version)
    routes.app_template_global("viewer")(access.viewer)
    routes.app_template_global("form_token")(access.form_token)

    @routes.get("/")
    def home() -> str:
        """What runs where."""
        seen = sight.snapshot()
        return _rendered("overview.html", seen, fresh_row)

    @routes.get("/live")
    def live() -> Response:
        """The part of the overview that changes, for the script that keeps it up to date."""
        seen = sight.snapshot()
        return renewed(seen, lambda: _rendered("live.html", seen, live_rows))

    @routes.get("/releases/<id>")
    def release(id: str) -> str:  # noqa: A002 - the design's word for it
        """The way of one release."""
        seen, history = _history(sight, id)
        pulse = sight.pulse(job_ids(history))  # before the steps: whatever comes between is news
        return render_template("release.html", seen=seen, history=history, pulse=pulse, steps=sight.steps(history))

    @routes.get("/releases/<id>/live")
    def live_release(id: str) -> Response:  # noqa: A002 - the design's word for it
        """The part of that page that changes."""
        seen, history = _history(sight, id)
        pulse = sight.pulse(job_ids(history))

        def render() -> str:
            return render_template("way.html", seen=seen, history=history, steps=sight.steps(history))

        return renewed(seen, render, pulse)

    trail.add_page(routes, sight)
    add_events(routes, sight)
    add_actions(routes, sight, queue)
    routes.register_error_handler(HTTPException, say)
    routes.register_error_handler(SlipwayError, lambda error: say(ServiceUnavailable(str(error))))
    return routes


def _history(sight: Sight, name: str) -> "tuple[Snapshot, History]":
    """A release's way, or 404."""
    from bot.release_history import parse_release_id  # noqa: PLC0415 - see webhooks.sight

    named = parse_release_id(name)
    seen, history = sight.history(*named) if named else (None, None)
    if seen is None or history is None:
        abort(404, f"There is no release {name}. Ids look like APP@ and the 40 hex digits of a commit.")
    return seen, history


def _rendered(template: str, seen: Snapshot, shown: "Callable[[Row, Links | None], Markup]") -> str:
    return render_template(template, seen=seen, page=_page(seen), most_waiting=MOST_WAITING, shown=shown)


def _page(seen: Snapshot) -> Page:
    """What is asked for, and the sums over everything."""
    query = request.args.get("q", "").strip()
    rows = seen.overview.rows if seen.overview else ()
    found = [row for row in rows if query.lower() in row.app.name or query.lower() in row.app.source.lower()]
    cells = [(row, cell) for row in rows for cell in row.cells]
    shared = seen.overview.shared if seen.overview else ()
    waiting = [(row, cell) for row, cell in cells if cell.pending]
    return Page(
        rows=tuple(found if request.args.get("all") else found[:MOST_ROWS]),
        found=len(found),
        total=len(rows),
        query=query,
        waiting=tuple(sorted(waiting, key=lambda place: place[1].pending.proposed_at if place[1].pending else "")),
        counts=_counted(cell.state.value for cell in (*(cell for _, cell in cells), *shared)),
        shared={cell.environment.name: cell for cell in shared} if query.lower() in SHARED_FILES else {},
        now=tuple(work for work in seen.work if work.under_way),
        lately=tuple(work for work in seen.work if not work.under_way and not work.routine and work.kind != "build")[
            :LATELY
        ],
    )


def _counted(states: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """How many places are in each state; what somebody should look at comes first."""
    counts = Counter(states)
    return tuple((state, counts[state]) for state in (*URGENT, *sorted(set(counts) - set(URGENT))) if counts[state])


def say(error: HTTPException) -> Response:
    """An error as a page of its own."""
    return make_response(render_template("error.html", error=error), error.code or 500)


@cache
def _asset_version(name: str) -> str:
    """A part of a file's address that changes with its content, so that no browser keeps an old one."""
    return hashlib.sha256((Path(__file__).parent / "static" / name).read_bytes()).hexdigest()[:12]
