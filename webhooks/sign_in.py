"""``/sign-in`` and ``/sign-out``: people say who they are by GitHub, and a signed cookie remembers it."""

import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, abort, redirect, render_template, request, session, url_for
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

from bot.errors import Permanent, SlipwayError
from webhooks import access
from webhooks.access import LOGIN, Access, SignIn
from webhooks.dashboard import say

log = structlog.get_logger()

LASTS = timedelta(hours=12)
"""Then GitHub is asked again, so that whoever has left the organisation is out."""

STATE = "state"
"""Of the session: proves that the person who comes back from GitHub set out here."""

TO = "to"
"""Of the session: the page that they wanted."""

_AGAIN = "This sign-in was not begun in this browser, or too long ago. Begin once more at Slipway's first page."


def set_cookies(app: Flask, rules: Access) -> None:
    """A session that scripts cannot read, other sites do not send along, and nobody can write."""
    app.secret_key = rules.session_key
    app.config.update(
        SESSION_COOKIE_NAME="slipway",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # the way back from GitHub begins on GitHub's site
        SESSION_COOKIE_SECURE=(rules.public_url or "").startswith("https://"),
        PERMANENT_SESSION_LIFETIME=LASTS,
        SESSION_REFRESH_EACH_REQUEST=False,
    )


def blueprint(rules: Access) -> Blueprint:
    """The routes; ``begin`` and ``back`` answer 404 where people cannot sign in."""
    routes = Blueprint("sign_in", __name__)
    routes.after_request(access.protect)

    @routes.get("/sign-in")
    def begin() -> Response:
        """Off to GitHub."""
        asked = _sign_in(rules)
        session[STATE], session[TO] = secrets.token_urlsafe(24), _own_path(request.args.get("to", "/"))
        return redirect(asked.address(session[STATE], _back(rules)))

    @routes.get("/sign-in/back")
    def back() -> Response:
        """Back from GitHub."""
        asked = _sign_in(rules)
        known, to = str(session.pop(STATE, "")), str(session.pop(TO, "/"))
        if not known or not hmac.compare_digest(known.encode(), request.args.get("state", "").encode()):
            abort(403, _AGAIN)
        if "code" not in request.args:
            abort(403, "GitHub did not let you in, since you or your organisation refused.")
        login = asked.who(request.args["code"], _back(rules))
        session.clear()
        session.permanent = True
        session[LOGIN] = login
        log.info("signed in", login=login)
        return redirect(to)

    @routes.post("/sign-out")
    def end() -> Response:
        """Forget who it is."""
        access.refuse_foreign_forms()
        session.clear()
        return redirect(url_for("sign_in.ended"))

    @routes.get("/signed-out")
    def ended() -> str:
        """Where one sees that it worked, without being sent to GitHub at once."""
        return render_template("signed_out.html")

    routes.register_error_handler(HTTPException, say)
    routes.register_error_handler(Permanent, lambda error: say(Forbidden(str(error))))
    routes.register_error_handler(SlipwayError, lambda error: say(ServiceUnavailable(str(error))))
    return routes


def _sign_in(rules: Access) -> SignIn:
    if rules.sign_in is None:
        abort(404, "Nobody signs in here; docs/access.md tells how that is set up.")
    return rules.sign_in


def _back(rules: Access) -> str:
    return f"{rules.public_url}{url_for('sign_in.back')}"


def _own_path(to: str) -> str:
    """A path of ours; whatever could lead elsewhere is the first page."""
    parts = urlsplit(to)
    safe = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if safe and not parts.scheme and not parts.netloc else "/"
