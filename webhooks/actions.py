"""``/apps/APP/ENVIRONMENT``: one place, with buttons for those whom Slipway knows; and what came of a button.

Nothing is done here: a button stores a job that names the person, and a worker judges whether that person may
(``bot.workflows.action``).
"""

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from bot.comment_commands import Verb
from bot.errors import Permanent
from bot.jobs import action_job
from bot.ports import Queue
from webhooks import access
from webhooks.fragments import renewed
from webhooks.sight import Sight, Snapshot

if TYPE_CHECKING:  # see webhooks.sight
    from bot.activity import Work
    from bot.overview import Cell, Row
    from bot.releases import Release
    from bot.trail import Entry

log = structlog.get_logger()

PRESSED = frozenset({Verb.HOLD, Verb.RESUME, Verb.ROLLBACK, Verb.PROMOTE})
"""The buttons of a place; ``retry`` belongs to a job."""

TRIED_AGAIN = frozenset({"sync", "rollback", "promote"})
"""The workflows that are about a place, and may be asked for once more (``bot.steps.carry``)."""

MOST_OFFERED = 10
"""Releases to choose from."""

LATELY = 10
"""Entries of the trail."""

LONGEST_TEXT = 500
"""Characters of a reason."""

_TOKEN = re.compile(r"[0-9a-f]{16}")
_COMMIT = re.compile(r"[0-9a-f]{40}|")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person may choose.

    Attributes:
        before: the environment before this one, if there is one.
        back: releases to go back to.
        forward: releases to promote.
        failed: what failed here last, where nothing newer was done.
    """

    before: str
    back: "tuple[Release, ...]"
    forward: "tuple[Release, ...]"
    failed: "Work | None"


def add_actions(routes: Blueprint, sight: Sight, queue: Queue) -> None:
    """The routes, among those of the dashboard."""
    routes.app_template_global("once")(lambda: secrets.token_hex(8))

    @routes.get("/apps/<app>/<environment>")
    def place(app: str, environment: str) -> str:
        """One app in one environment."""
        seen, row, cell = _place(sight, app, environment)
        entries = _entries(sight, app)
        here = [entry for entry in entries if entry.environment == environment][:LATELY]
        offer = _offer(seen, entries, row, cell) if access.viewer().login else None
        return render_template("place.html", seen=seen, row=row, cell=cell, entries=here, offer=offer)

    @routes.post("/apps/<app>/<environment>/<verb>")
    def press(app: str, environment: str, verb: str) -> Response:
        """Ask for something to be done there."""
        login = access.person_behind_form()
        _place(sight, app, environment)
        if verb not in PRESSED:
            abort(404, f"There is no button {verb!r}.")
        commit, text = request.form.get("commit", ""), request.form.get("text", "").strip()[:LONGEST_TEXT]
        if not _COMMIT.fullmatch(commit):
            abort(400, "The release must be one of those that the page offers.")
        if verb == Verb.HOLD and not text:
            abort(400, "Say why, for those who find nothing entering.")
        return _store(queue, login, verb, app, environment, {"commit": commit, "text": text})

    @routes.post("/retry")
    def retry() -> Response:
        """Ask for a job once more."""
        login = access.person_behind_form()
        job = request.form.get("job", "")
        return _store(queue, login, Verb.RETRY, _app_of(job), "", {"job": job})

    @routes.get("/actions/<path:id>")
    def action(id: str) -> str:  # noqa: A002 - the design's word for it
        """What came of a button."""
        seen, work = _work(sight, id)
        return render_template("action.html", seen=seen, work=work)

    @routes.get("/live/actions/<path:id>")
    def live_action(id: str) -> Response:  # noqa: A002 - the design's word for it
        """The part of that page that changes."""
        seen, work = _work(sight, id)
        return renewed(seen, lambda: render_template("came.html", seen=seen, work=work))


def _store(queue: Queue, login: str, verb: str, app: str, environment: str, values: dict[str, str]) -> Response:
    token = request.form.get("once", "")
    if not _TOKEN.fullmatch(token):
        abort(400, "The form is not complete. Load its page again.")
    job = action_job(login, verb, app, environment, values, token)
    stored = queue.enqueue(job)
    log.info("button pressed" if stored else "button pressed twice", login=login, job=job.id)
    return redirect(url_for("dashboard.action", id=job.id), 303)


def _app_of(job_id: str) -> str:
    """The app that a job is about."""
    from bot.activity import about  # noqa: PLC0415 - see webhooks.sight

    app = about(job_id).app
    if not app:
        abort(400, "Such a job is not asked for here: use the command `retry`.")
    return app


def _place(sight: Sight, app: str, environment: str) -> "tuple[Snapshot, Row, Cell]":
    seen = sight.snapshot()
    for row in seen.overview.rows if seen.overview else ():
        for cell in row.cells:
            if (row.app.name, cell.environment.name) == (app, environment):
                return seen, row, cell
    raise NotFound(f"The catalog has no app {app} in an environment {environment}.")


def _entries(sight: Sight, app: str) -> "list[Entry]":
    try:
        trail = sight.trail()[1]
    except Permanent:  # without a catalog there is no trail, and the page says so
        return []
    return [entry for entry in trail.entries if entry.app == app] if trail else []


def _offer(seen: Snapshot, entries: "list[Entry]", row: "Row", cell: "Cell") -> Offer:
    """Back to what was healthy here; forward to what was released and does not run here."""
    running = cell.release.sha if cell.release else ""
    here = [entry for entry in entries if entry.environment == cell.environment.name and entry.healthy]
    names = [one.environment.name for one in row.cells]
    before = names[: names.index(cell.environment.name)]
    return Offer(
        before=before[-1] if before else "",
        back=_different(here, running),
        failed=cell.failed or _failed(seen, row, cell),
        forward=_different([entry for entry in entries if entry.environment in before], running),
    )


def _failed(seen: Snapshot, row: "Row", cell: "Cell") -> "Work | None":
    """The newest rollout or rollback of the place, where that failed."""
    here = (row.app.name, cell.environment.name)
    newest = next((work for work in seen.work if (work.about.app, work.about.environment) == here), None)
    return newest if newest is not None and newest.tone.value == "bad" and newest.kind in TRIED_AGAIN else None


def _different(entries: "list[Entry]", running: str) -> "tuple[Release, ...]":
    """The releases of some entries, each once, newest first, without the one that runs."""
    found = {entry.release.sha: entry.release for entry in reversed(entries) if entry.release}
    return tuple(release for release in reversed(found.values()) if release.sha != running)[:MOST_OFFERED]


def _work(sight: Sight, job_id: str) -> "tuple[Snapshot, Work]":
    seen, work = sight.work(job_id)
    if work is None or work.kind != "action":
        raise NotFound("Nobody has pressed such a button.")
    return seen, work
