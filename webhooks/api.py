"""``/api/v1``: what the pages show, as JSON. Read-only."""

from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from bot.errors import SlipwayError
from webhooks import access, trail
from webhooks.access import Access
from webhooks.sight import Sight, Snapshot

MOST_RELEASES = 100
USUAL_RELEASES = 20


def blueprint(sight: Sight, rules: Access) -> Blueprint:
    """The routes."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")
    routes.before_request(rules.let_in)
    routes.after_request(access.protect)

    @routes.get("/apps")
    def apps() -> Response:
        """What runs where."""
        from bot.overview_json import overview_facts  # noqa: PLC0415 - see webhooks.sight

        seen = sight.snapshot()
        facts: dict[str, Any] = {
            "head": None,
            "catalog_error": None,
            "environments": [],
            "apps": [],
            "shared": {},
            "work": [],
        }
        return _answer(seen, overview_facts(seen.overview, seen.links) if seen.overview else facts)

    @routes.get("/releases")
    def releases() -> Response:
        """The newest ones: ``?app=`` only this app's, ``?limit=`` at most so many."""
        from bot.overview_json import listed_facts  # noqa: PLC0415 - see webhooks.sight

        seen, listed = sight.releases(request.args.get("app") or None, _limit())
        return _answer(seen, {"releases": [listed_facts(one, seen.links) for one in listed]})

    @routes.get("/releases/<path:id>")
    def release(id: str) -> Response:  # noqa: A002 - the design's word for it
        """One release's way."""
        from bot.overview_json import history_facts  # noqa: PLC0415 - see webhooks.sight
        from bot.release_history import parse_release_id  # noqa: PLC0415 - see webhooks.sight

        named = parse_release_id(id)
        if named is None:
            abort(404, f"{id!r} is not the id of a release. Ids look like APP@ and the 40 hex digits of a commit.")
        seen, history = sight.history(*named)
        if history is None:
            abort(404, f"There is no release {id}.")
        return _answer(seen, history_facts(history, seen.links, sight.steps(history)))

    trail.add_api(routes, sight)

    @routes.errorhandler(SlipwayError)
    def cannot_look(error: SlipwayError) -> Response:
        """The database cannot be read."""
        response = jsonify(status="unavailable", reason=str(error))
        response.status_code = 503
        return response

    return routes


def _answer(seen: Snapshot, facts: dict[str, Any]) -> Response:
    as_of = seen.as_of.isoformat(timespec="seconds").replace("+00:00", "Z") if seen.as_of else None
    return jsonify({"as_of": as_of, "problem": seen.problem or None, **facts})


def _limit() -> int:
    asked = request.args.get("limit", str(USUAL_RELEASES))
    if not asked.isdecimal() or not 1 <= int(asked) <= MOST_RELEASES:
        abort(400, f"limit must be a number from 1 to {MOST_RELEASES}.")
    return int(asked)
