"""The shapes GitHub shows: users, organizations, teams, apps."""

import base64
from typing import Any

from bot.sandbox.forge.records import App, Json, Level, Team, User
from bot.sandbox.forge.state import Store

_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
APP_PERMISSIONS = {
    "contents": "write",
    "deployments": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}


def node_id(kind: str, number: int | str) -> str:
    """An opaque id, made as GitHub's older ones are."""
    return base64.b64encode(f"{len(kind):02}:{kind}{number}".encode()).decode()


def user_json(store: Store, user: User) -> Json:
    """GitHub's ``simple-user``."""
    url = f"{store.api}/users/{user.login}"
    return {
        "login": user.login,
        "id": user.id,
        "node_id": node_id("User", user.id),
        "avatar_url": f"{store.web}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{store.web}/{user.login}",
        **{key: url + tail for key, tail in _USER_LINKS.items()},
        "type": user.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def optional_user_json(store: Store, user: User | None) -> Json | None:
    """``simple-user``, or null."""
    return user_json(store, user) if user else None


def full_user_json(store: Store, user: User, *, private: bool) -> Json:
    """``public-user``, or the ``private-user`` that people see of themselves."""
    unset = dict.fromkeys(("company", "location", "email", "hireable", "bio", "twitter_username"))
    counts: Json = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    counts["public_repos"] = sum(repo.owner is user for repo in store.repos.values())
    own = ("private_gists", "total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
    return {
        **user_json(store, user),
        "user_view_type": "private" if private else "public",
        "name": user.name,
        **unset,
        "blog": "",
        **counts,
        "created_at": user.created_at,
        "updated_at": user.created_at,
        **(dict.fromkeys(own, 0) | {"two_factor_authentication": True} if private else {}),
    }


def org_json(store: Store, org: User) -> Json:
    """GitHub's ``organization-full``."""
    url = f"{store.api}/orgs/{org.login}"
    return {
        "login": org.login,
        "id": org.id,
        "node_id": node_id("Organization", org.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{store.web}/avatars/{org.id}",
        "description": None,
        "has_organization_projects": True,
        "has_repository_projects": True,
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "html_url": f"{store.web}/{org.login}",
        "type": "Organization",
        "created_at": org.created_at,
        "updated_at": org.created_at,
        "archived_at": None,
    }


def team_json(store: Store, team: Team) -> Json:
    """GitHub's ``team-full``."""
    url = f"{store.api}/teams/{team.id}"
    return {
        "id": team.id,
        "node_id": node_id("Team", team.id),
        "url": url,
        "html_url": f"{store.web}/orgs/{team.org.login}/teams/{team.slug}",
        "name": team.slug,
        "slug": team.slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "type": "organization",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "parent": None,
        "members_count": len(team.members),
        "repos_count": 0,
        "created_at": team.created_at,
        "updated_at": team.created_at,
        "organization": org_json(store, team.org),
    }


def permissions_json(level: Level) -> Json:
    """What a level allows, as flags."""
    return {
        "admin": level >= Level.ADMIN,
        "maintain": level >= Level.MAINTAIN,
        "push": level >= Level.WRITE,
        "triage": level >= Level.TRIAGE,
        "pull": level >= Level.READ,
    }


def app_json(store: Store, app: App) -> Json:
    """GitHub's ``integration``."""
    return {
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("Integration", app.id),
        "client_id": f"Iv1.{app.id:016x}",
        "owner": user_json(store, app.owner),
        "name": app.slug,
        "description": None,
        "external_url": f"{store.web}/apps/{app.slug}",
        "html_url": f"{store.web}/apps/{app.slug}",
        "created_at": app.created_at,
        "updated_at": app.created_at,
        "permissions": dict(APP_PERMISSIONS),
        "events": ["issue_comment", "pull_request", "pull_request_review", "push"],
    }


def installation_json(store: Store, app: App) -> Json:
    """GitHub's ``installation``."""
    shown: dict[str, Any] = {
        "id": app.installation_id,
        "account": user_json(store, app.owner),
        "repository_selection": "selected",
        "access_tokens_url": f"{store.api}/app/installations/{app.installation_id}/access_tokens",
        "repositories_url": f"{store.api}/installation/repositories",
        "html_url": f"{store.web}/organizations/{app.owner.login}/settings/installations/{app.installation_id}",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": app.owner.id,
        "target_type": app.owner.type,
        "permissions": dict(APP_PERMISSIONS),
        "events": ["issue_comment", "pull_request", "pull_request_review", "push"],
        "created_at": app.created_at,
        "updated_at": app.created_at,
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }
    return shown
