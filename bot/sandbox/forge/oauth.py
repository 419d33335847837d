"""GitHub's web flow: a person lets an OAuth app know who they are.

Sources: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and
https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors

There are no passwords here either (see ``pages``): whoever is asked chooses who they are.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, g, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from bot.sandbox.forge.api import store
from bot.sandbox.forge.pages import forbid_the_rest, refuse_strangers
from bot.sandbox.forge.records import Grant, OAuthApp, Token, User

oauth = Blueprint("oauth", __name__, url_prefix="/login/oauth")

CODE_LASTS = timedelta(minutes=10)
DOCS = "https://docs.github.com/apps/oauth-apps"
LOCAL = ("127.0.0.1", "localhost", "::1")
"""Their port may be another one than the callback's."""

REASONS = {
    "access_denied": "The user has denied your application access.",
    "bad_verification_code": "The code passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
}


@oauth.before_request
def refuse_others() -> None:
    """As on the other pages; the exchange of a code comes from a server, which is on no page."""
    if request.endpoint != "oauth.access_token":
        refuse_strangers()


@oauth.after_request
def forbid_what_is_not_needed(response: Response) -> Response:
    """As on the other pages; the form leads on to the app, which browsers count among a form's targets."""
    response = forbid_the_rest(response)
    if target := g.get("leads_to"):
        policy = response.headers["Content-Security-Policy"]
        policy = policy.replace("form-action 'self'", f"form-action 'self' {target}")
        response.headers["Content-Security-Policy"] = policy
    return response


@oauth.get("/authorize")
def authorize() -> str | BaseResponse:
    """Ask the person."""
    app, back = _app(), request.args.get("redirect_uri", "")
    back = back or app.callback
    if not _belongs(back, app.callback):
        return _refused(app.callback, "redirect_uri_mismatch")
    parts = urlsplit(back)
    g.leads_to = f"{parts.scheme}://{parts.netloc}"
    people = sorted((user for user in store().users.values() if _is_person(user)), key=lambda user: user.login)
    scopes = request.args.get("scope", "").replace(",", " ").split()
    return render_template("forge_authorize.html", app=app, people=people, back=back, scopes=scopes)


@oauth.post("/authorize")
def answer() -> BaseResponse:
    """The person's word: back to the app, with a code or without."""
    app, back = _app(), request.form.get("redirect_uri", "")
    if not _belongs(back, app.callback):
        abort(400, "This form was made by somebody else.")
    if request.form.get("authorize") != "1":
        return _refused(back, "access_denied")
    user = store().user(request.form.get("login", ""))
    if user is None or not _is_person(user):
        abort(422, "Choose who you are.")
    code = secrets.token_hex(10)
    scopes = frozenset(request.form.get("scope", "").split())
    store().grants[code] = Grant(app, user, back, scopes, datetime.now(UTC) + CODE_LASTS)
    return _back(back, {"code": code})


@oauth.post("/access_token")
def access_token() -> Response:
    """A token for a code, which is good once."""
    asked = (request.get_json(silent=True) or {}) if request.is_json else request.form
    app = store().oauth_apps.get(str(asked.get("client_id", "")))
    if app is None or not hmac.compare_digest(app.secret.encode(), str(asked.get("client_secret", "")).encode()):
        return _told(_error("incorrect_client_credentials"))
    grant = store().grants.pop(str(asked.get("code", "")), None)
    if grant is None or grant.app is not app or grant.expires_at <= datetime.now(UTC):
        return _told(_error("bad_verification_code"))
    if asked.get("redirect_uri", grant.redirect_uri) != grant.redirect_uri:
        return _told(_error("redirect_uri_mismatch"))
    text = f"gho_{secrets.token_hex(18)}"
    store().tokens[text] = Token(grant.user, scopes=grant.scopes)
    return _told({"access_token": text, "scope": ",".join(sorted(grant.scopes)), "token_type": "bearer"})


def _app() -> OAuthApp:
    found = store().oauth_apps.get(request.values.get("client_id", ""))
    if found is None:
        abort(404)
    return found


def _is_person(user: User) -> bool:
    return user.type == "User" and user.login != "web-flow"


def _belongs(back: str, callback: str) -> bool:
    """Whether that is the callback, or below it."""
    asked, known = urlsplit(back), urlsplit(callback)
    ports_agree = asked.port == known.port or known.hostname in LOCAL
    below = asked.path == known.path or asked.path.startswith(known.path.rstrip("/") + "/")
    return (asked.scheme, asked.hostname) == (known.scheme, known.hostname) and ports_agree and below


def _refused(back: str, word: str) -> BaseResponse:
    return _back(back, _error(word))


def _back(back: str, words: dict[str, str]) -> BaseResponse:
    state = request.values.get("state")
    query = urlencode(words | ({"state": state} if state else {}))
    return redirect(f"{back}{'&' if '?' in back else '?'}{query}", 302)


def _error(word: str) -> dict[str, str]:
    return {"error": word, "error_description": REASONS[word], "error_uri": f"{DOCS}/{word}"}


def _told(words: dict[str, str]) -> Response:
    """JSON where that is asked for, else a form; errors are answered with 200 as well."""
    if request.accept_mimetypes.best_match(["application/json"]) and request.headers.get("Accept", "*/*") != "*/*":
        return jsonify(words)
    return Response(urlencode(words), mimetype="application/x-www-form-urlencoded")
