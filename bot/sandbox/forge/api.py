"""What every REST answer of the stand-in has in common: who asks, what they may, pages, errors, headers.

The routes use the functions; ``install`` gives a Flask application the errors and the headers.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException

from bot.sandbox.forge.errors import DOCS, ApiError, not_found
from bot.sandbox.forge.pulls import find_pull
from bot.sandbox.forge.records import Json, Level, Pull, Repo, Token, User
from bot.sandbox.forge.state import Store

T = TypeVar("T")

API = "/api/v3"
MAX_BODY = 25 * 1024 * 1024
_HOUR = 3600
_PER_PAGE, _MAX_PER_PAGE = 30, 100


def store() -> Store:
    """The stand-in's memory."""
    found = current_app.extensions["forge"]
    assert isinstance(found, Store)  # noqa: S101 - put there by Forge
    return found


# ---------------------------------------------------------------- who asks


def bearer() -> str | None:
    """The credential of the request, in either of GitHub's forms."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() in {"token", "bearer"} else None


def token() -> Token | None:
    """The token of the request; None for anonymous ones and for an app's JWT, 401 for a bad one."""
    if "token" not in g:
        text = bearer()
        g.token = store().token(text) if text else None
        is_jwt = text is not None and text.count(".") == 2  # noqa: PLR2004 - header, claims, signature
        if g.token is None and "Authorization" in request.headers and not is_jwt:
            raise ApiError(401, "Bad credentials")
    found = g.token
    assert found is None or isinstance(found, Token)  # noqa: S101 - set just above
    return found


def viewer() -> User:
    """Who asks; 401 for anonymous requests."""
    found = token()
    if found is None:
        raise ApiError(401, "Requires authentication")
    return found.user


def level_of(repo: Repo) -> Level:
    """What the caller may do in a repository. An installation token opens no other repository."""
    found = token()
    if found is None or (found.scopes is not None and "repo" not in found.scopes):
        return store().level(repo, None)
    if found.repos is not None and repo.full_name not in found.repos:
        return Level.NONE if repo.private else Level.READ
    return store().level(repo, found.user)


def repo_for(owner: str, name: str, need: Level = Level.READ, *, hidden: bool = False) -> Repo:
    """The repository, if the caller may do that much in it.

    Raises:
        ApiError: 404 where it is not there or may not be seen (or ``hidden``, for settings GitHub hides),
            401 for anonymous writes, 403 for missing permission.
    """
    caller = token()
    repo = store().repo(f"{owner}/{name}")
    if repo is None or level_of(repo) < Level.READ:
        raise not_found()
    if level_of(repo) < need:
        if caller is None:
            raise ApiError(401, "Requires authentication")
        if hidden:
            raise not_found()
        kind = "integration" if caller.is_installation else "personal access token"
        raise ApiError(403, f"Resource not accessible by {kind}")
    return repo


def pull_for(owner: str, name: str, number: int, need: Level = Level.READ) -> Pull:
    """The pull request, if the caller may do that much in its repository; refusals as ``repo_for``."""
    return find_pull(repo_for(owner, name, need), number)


# ---------------------------------------------------------------- what is asked


def any_body() -> Any:
    """The JSON of the request; {} for an empty body."""
    raw = request.get_data()
    try:
        return json.loads(raw) if raw else {}
    except ValueError:
        raise ApiError(400, "Problems parsing JSON") from None


def body() -> Json:
    """The JSON object of the request; {} for an empty body."""
    found = any_body()
    if not isinstance(found, dict):
        raise ApiError(400, "Body should be a JSON object")
    return found


def text(fields: Json, name: str, default: str | None = None) -> str:
    """A string of the body; without a default it is required."""
    found = fields.get(name)
    if found is None:
        if default is None:
            raise ApiError(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        return default
    if not isinstance(found, str):
        raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(found)} is not a string.")
    return found


def choice(value: str, allowed: Sequence[str], name: str) -> str:
    """A value of a closed list, or 422."""
    if value not in allowed:
        raise ApiError(422, f'Invalid request.\n\nNo subschema in "anyOf" matched: {name} is {value!r}.')
    return value


def commit_of(repo: Repo, ref: str) -> str:
    """The commit a request names; GitHub answers 422 for what looks like a commit and is none."""
    if not repo.git.refs("refs/heads"):
        raise ApiError(409, "Git Repository is empty.")
    found = repo.git.resolve(ref)
    if found is None:
        raise ApiError(422, f"No commit found for SHA: {ref}")
    return found


def page_of(items: Sequence[T]) -> Sequence[T]:
    """The page that was asked for; the answer's Link header leads to the others."""
    per_page = min(max(_number("per_page", _PER_PAGE), 1), _MAX_PER_PAGE)
    page = max(_number("page", 1), 1)
    last = max(-(-len(items) // per_page), 1)
    links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page >= last:
        links.pop("next")
        links.pop("last")
    if page == 1:
        links.pop("prev")
        links.pop("first")
    g.link = ", ".join(f'<{_page_url(number)}>; rel="{rel}"' for rel, number in links.items())
    return items[(page - 1) * per_page : page * per_page]


def _number(name: str, default: int) -> int:
    found = request.args.get(name, "")
    return int(found) if found.isdecimal() else default


def _page_url(page: int) -> str:
    return f"{request.base_url}?{urlencode({**request.args, 'page': page})}"


# ---------------------------------------------------------------- what is answered


class RateLimit:
    """GitHub's primary limit: so many requests an hour for each user; told in headers, then enforced."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used: dict[str, int] = {}
        self._reset = int(time.time()) + _HOUR

    def facts(self, login: str) -> dict[str, int]:
        """Limit, used, remaining and the second of the next reset."""
        if time.time() >= self._reset:
            self._used.clear()
            self._reset = int(time.time()) + _HOUR
        used = self._used.get(login, 0)
        return {
            "limit": self.limit,
            "used": used,
            "remaining": max(self.limit - used, 0),
            "reset": self._reset,
        }

    def spend(self, login: str) -> None:
        """One more request; 403 when there is none left."""
        if not self.facts(login)["remaining"]:
            raise ApiError(403, f"API rate limit exceeded for user {login}.")
        self._used[login] = self._used.get(login, 0) + 1

    def give_back(self, login: str) -> None:
        """The last one brought nothing new, which is not counted."""
        self._used[login] = max(self._used.get(login, 0) - 1, 0)


def caller_name() -> str:
    """On whose account the request goes."""
    found = g.get("token")
    return found.user.login if isinstance(found, Token) else "anonymous"


def rate_limit() -> RateLimit:
    """The stand-in's limit."""
    found = current_app.extensions["forge-rate-limit"]
    assert isinstance(found, RateLimit)  # noqa: S101 - put there by Forge
    return found


def _before() -> None:
    if request.path.startswith(f"{API}/") and request.path != f"{API}/rate_limit":
        token()
        rate_limit().spend(caller_name())


def _after(response: Response) -> Response:
    if not request.path.startswith(f"{API}/"):
        return response
    response.headers["X-GitHub-Request-Id"] = uuid.uuid4().hex[:24].upper()
    response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
    response.headers["X-GitHub-Api-Version-Selected"] = "2022-11-28"
    if g.get("link"):
        response.headers["Link"] = g.link
    if request.method == "GET" and response.status_code == 200:  # noqa: PLR2004 - OK
        response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        response.set_etag(hashlib.sha256(response.get_data()).hexdigest(), weak=True)
        response.make_conditional(request)
        if response.status_code == 304 and "Authorization" in request.headers:  # noqa: PLR2004 - not modified
            rate_limit().give_back(caller_name())
    for key, value in rate_limit().facts(caller_name()).items():
        response.headers[f"X-RateLimit-{key.capitalize()}"] = str(value)
    response.headers["X-RateLimit-Resource"] = "core"
    if response.mimetype == "application/json":
        response.headers["Content-Type"] = "application/json; charset=utf-8"
    return response


def error_body(error: ApiError) -> Json:
    """GitHub's form of an error."""
    shown: dict[str, Any] = {"message": error.message}
    if error.errors is not None:
        shown["errors"] = error.errors
    return shown | {"documentation_url": error.docs, "status": str(error.status)}


def _refuse(error: ApiError) -> tuple[Response, int]:
    return jsonify(error_body(error)), error.status


def _refuse_http(error: HTTPException) -> tuple[Response, int] | HTTPException:
    """Unknown addresses and methods get GitHub's JSON, on the REST side."""
    if not request.path.startswith(f"{API}/"):
        return error
    return _refuse(ApiError(404, "Not Found", docs=DOCS))


class LockedFlask(Flask):
    """One request at a time, so that every route may read and change the memory freely.

    Git over HTTP is left out: a slow clone must not hold up the rest, and a push takes the lock itself.
    """

    def dispatch_request(self) -> Any:
        """As Flask's, behind the lock."""
        if request.blueprint == "git":
            return super().dispatch_request()
        with store().lock:
            return super().dispatch_request()


def install(app: Flask) -> None:
    """Errors and headers for all of the REST side."""
    app.before_request(_before)
    app.after_request(_after)
    app.register_error_handler(ApiError, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)
