"""REST: users, organizations, teams, permissions, apps, and the rate limit."""

from datetime import UTC, datetime, timedelta

import jwt
from flask import Blueprint

from bot.sandbox.forge.api import bearer, body, caller_name, page_of, rate_limit, repo_for, store, token, viewer
from bot.sandbox.forge.errors import ApiError, not_found
from bot.sandbox.forge.records import App, Json, Level, Team, User, stamp
from bot.sandbox.forge.shapes import repo_json
from bot.sandbox.forge.shapes_people import (
    APP_PERMISSIONS,
    app_json,
    full_user_json,
    installation_json,
    org_json,
    permissions_json,
    team_json,
    user_json,
)

people = Blueprint("people", __name__)


@people.get("/user")
def me() -> Json:
    """Whoever asks; an app's installation is nobody."""
    user, caller = viewer(), token()
    if caller and caller.is_installation:
        raise ApiError(403, "Resource not accessible by integration")
    return full_user_json(store(), user, private=True)


@people.get("/users/<login>")
def get_user(login: str) -> Json:
    """Anybody."""
    user = store().user(login)
    if user is None:
        raise not_found()
    return full_user_json(store(), user, private=False)


@people.get("/rate_limit")
def get_rate_limit() -> Json:
    """What is left of this hour's requests; asking costs nothing."""
    token()
    facts = rate_limit().facts(caller_name())
    return {"resources": {"core": facts, "search": facts}, "rate": facts}


@people.get("/repos/<owner>/<name>/collaborators/<login>/permission")
def get_permission(owner: str, name: str, login: str) -> Json:
    """What somebody may do in a repository. GitHub tells this to people with push access."""
    repo = repo_for(owner, name, Level.WRITE)
    user = store().user(login)
    if user is None:
        raise ApiError(404, f"{login} is not a user")
    level = store().level(repo, user)
    shown = user_json(store(), user) | {"permissions": permissions_json(level), "role_name": level.role}
    return {"permission": level.permission, "role_name": level.role, "user": shown}


# ---------------------------------------------------------------- organizations


def _org(login: str) -> User:
    found = store().user(login)
    if found is None or found.type != "Organization":
        raise not_found()
    return found


@people.get("/orgs/<login>")
def get_org(login: str) -> Json:
    """An organization."""
    return org_json(store(), _org(login))


@people.get("/user/memberships/orgs/<login>")
def my_membership(login: str) -> Json:
    """Whether the caller is a member: 404 when not, 403 where the token may not know."""
    user, caller, org = viewer(), token(), _org(login)
    if caller is not None and caller.scopes is not None and not caller.scopes & {"read:org", "write:org", "admin:org"}:
        raise ApiError(403, "You need at least read:org scope or user scope to get your membership.")
    if user not in store().members(org):
        raise not_found()
    url = f"{store().api}/orgs/{org.login}"
    return {
        "url": f"{url}/memberships/{user.login}",
        "state": "active",
        "role": "member",
        "organization_url": url,
        "organization": org_json(store(), org),
        "user": user_json(store(), user),
    }


def _team(login: str, slug: str) -> Team:
    """A team, to anybody who is logged in; GitHub shows it to the organization's members."""
    viewer()
    if found := store().teams.get((_org(login).login.lower(), slug)):
        return found
    raise not_found()


def _team_by_id(number: int) -> Team:
    viewer()
    for team in store().teams.values():
        if team.id == number:
            return team
    raise not_found()


@people.get("/orgs/<login>/teams/<slug>")
def get_team(login: str, slug: str) -> Json:
    """A team."""
    return team_json(store(), _team(login, slug))


@people.get("/orgs/<login>/teams/<slug>/members")
def team_members(login: str, slug: str) -> list[Json]:
    """Its members."""
    return [user_json(store(), user) for user in page_of(_team(login, slug).members)]


@people.get("/teams/<int:number>/members")
def team_members_by_id(number: int) -> list[Json]:
    """Its members, by the address in a team's own ``url``."""
    return [user_json(store(), user) for user in page_of(_team_by_id(number).members)]


@people.get("/orgs/<org>/teams/<slug>/memberships/<login>")
def team_membership(org: str, slug: str, login: str) -> Json:
    """Whether somebody is a member: 404 when not."""
    return _membership(_team(org, slug), login)


@people.get("/teams/<int:number>/memberships/<login>")
def team_membership_by_id(number: int, login: str) -> Json:
    """The same, by the address in a team's own ``url``."""
    return _membership(_team_by_id(number), login)


def _membership(team: Team, login: str) -> Json:
    user = store().user(login)
    if user not in team.members:
        raise not_found()
    url = f"{store().api}/teams/{team.id}/memberships/{login}"
    return {"url": url, "role": "member", "state": "active"}


# ---------------------------------------------------------------- apps


def _app() -> App:
    """The app that a JWT proves; it must live for ten minutes at most."""
    text = bearer() or ""
    try:
        issuer = int(jwt.decode(text, options={"verify_signature": False})["iss"])
        app = store().apps[issuer]
        claims = jwt.decode(text, app.public_key, algorithms=["RS256"], options={"require": ["exp", "iat"]})
    except (jwt.PyJWTError, KeyError, ValueError):
        raise ApiError(401, "A JSON web token could not be decoded") from None
    if claims["exp"] > datetime.now(UTC).timestamp() + 600:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
    return app


@people.get("/app")
def get_app() -> Json:
    """The app that asks."""
    return app_json(store(), _app())


@people.get("/app/installations")
def list_installations() -> list[Json]:
    """Where the app is installed."""
    return [installation_json(store(), app) for app in page_of([_app()])]


@people.get("/repos/<owner>/<name>/installation")
def repo_installation(owner: str, name: str) -> Json:
    """The app's installation on a repository."""
    app, repo = _app(), store().repo(f"{owner}/{name}")
    if repo is None or repo.full_name not in app.repos:
        raise not_found()
    return installation_json(store(), app)


@people.get("/app/installations/<int:number>")
def get_installation(number: int) -> Json:
    """One installation."""
    app = _app()
    if app.installation_id != number:
        raise not_found()
    return installation_json(store(), app)


@people.post("/app/installations/<int:number>/access_tokens")
def create_installation_token(number: int) -> tuple[Json, int]:
    """A token for an hour."""
    app = _app()
    if app.installation_id != number:
        raise not_found()
    named = {f"{app.owner.login}/{name}" for name in body().get("repositories", [])}
    repos = app.repos & named if named else app.repos
    lifetime = timedelta(hours=1)
    text = store().issue_token(app.bot, lifetime=lifetime, repos=repos)
    shown = [repo_json(store().known_repo(name)) for name in sorted(repos)]
    return {
        "token": text,
        "expires_at": stamp(datetime.now(UTC) + lifetime),
        "permissions": dict(APP_PERMISSIONS),
        "repository_selection": "selected",
        **({"repositories": shown} if named else {}),
    }, 201
