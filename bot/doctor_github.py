"""``doctor`` on GitHub: who the bot is, what it is granted, webhooks. Reads only.

What GitHub shows to administrators alone is a warning where the bot is none: somebody else must look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from bot.adapters.github.credentials import Credentials
from bot.adapters.github.probe import AppProbe, GitHubProbe, Seen
from bot.findings import Finding, fail, ok, unchecked, warn
from bot.wording import listed

SKEW_SECONDS = 30.0
"""A clock this far off makes tokens of Apps be refused (GitHub allows 60 s) and freezes start late."""

HOOK_PATH = "/webhooks/github"
CONFIG_EVENTS = ("push", "pull_request", "pull_request_review", "issue_comment")
SOURCE_EVENTS = ("push", "pull_request", "issue_comment")

APP_NEEDS = {"contents": "write", "pull_requests": "write", "metadata": "read"}
APP_LIKES = {"statuses": "write", "issues": "write", "deployments": "write"}
_RANK = {"read": 1, "write": 2, "admin": 3}

_CLASSIC_SCOPES = frozenset({"repo", "public_repo"})
_SUCCESS = range(200, 300)
_UNAUTHORISED = 401


@dataclass(frozen=True, slots=True)
class Hub:
    """How GitHub is asked. ``app`` is None where the bot has a token."""

    probe: GitHubProbe
    credentials: Credentials
    app: AppProbe | None

    def repository(self, repo: str) -> Seen:
        """What GitHub says about a repository."""
        return self.probe.get(repo, f"read {repo}", f"/repos/{repo}")

    def installation(self, repo: str) -> Mapping[str, Any] | None:
        """The App's installation on a repository; None with a token, or where it is not installed there."""
        if self.app is None:
            return None
        body = self.app.get(f"read the App's installation on {repo}", f"/repos/{repo}/installation").body
        return body if isinstance(body, Mapping) else None


# ---------------------------------------------------------------- who


def identity(hub: Hub) -> Finding:
    """Whether GitHub accepts the bot, and whom it takes it for."""
    part = "github identity"
    if hub.app is not None:
        bot = hub.credentials.bot()
        return ok(part, f"GitHub knows the bot as @{bot.login}." if bot else "GitHub knows the GitHub App.")
    seen = hub.probe.get("the bot", "read the bot's own account", "/user")
    if seen.body is None:
        return warn(
            part,
            f"GitHub does not say whose the token is ({seen.words or seen.status}).",
            "Its commits are made as slipway[bot], and its own approvals cannot be told from other people's: use a "
            "machine user's token or a GitHub App.",
        )
    login = seen.body.get("login")
    if seen.body.get("type") == "User":
        return warn(
            part,
            f"The token is that of the user account @{login}.",
            f"If that is a person, @{login} cannot approve promotions, since the bot's own approval never counts: use "
            "a GitHub App or a machine user's token. If it is a machine user, all is well.",
        )
    return ok(part, f"The token is that of @{login}.")


def clock(seen: Seen, now: datetime) -> Finding:
    """This machine's clock against the ``Date`` of an answer that has just come. ``now`` is aware."""
    part = "clock"
    try:
        there = parsedate_to_datetime(seen.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return warn(part, "GitHub's answer has no date to compare this machine's clock with.")
    ahead = (now - there).total_seconds()
    if abs(ahead) > SKEW_SECONDS:
        how = "ahead of" if ahead > 0 else "behind"
        remedy = "Let it be set by NTP: GitHub Apps are refused with a wrong clock, and freezes begin and end with it."
        return warn(part, f"This machine's clock is {abs(ahead):.0f} s {how} GitHub's.", remedy)
    return ok(part, f"This machine's clock is within {SKEW_SECONDS:.0f} s of GitHub's.")


# ---------------------------------------------------------------- what is granted


def config_repo(hub: Hub, repo: str, seen: Seen) -> Finding:
    """Whether the bot may do on the config repo what it does there."""
    part = f"permissions on {repo}"
    if seen.body is None:
        return fail(part, seen.error)
    if hub.app is not None:
        return _app_permissions(part, hub.installation(repo))
    scopes = seen.headers.get("x-oauth-scopes")
    if scopes and not _CLASSIC_SCOPES & {scope.strip() for scope in scopes.split(",")}:
        return fail(part, f"The token's scopes are {scopes}.", "Give it the scope repo.")
    if not (seen.body.get("permissions") or {}).get("push"):
        return fail(
            part, "The bot may not push.", "Give its account the role Write on the repository, and the token as well."
        )
    return ok(part, "The bot may push. (What a fine-grained token is limited to, GitHub does not tell.)")


def _app_permissions(part: str, installation: Mapping[str, Any] | None) -> Finding:
    if installation is None:
        return fail(part, "The GitHub App is not installed there.", "Install it in the App's settings.")
    if installation.get("suspended_at"):
        return fail(part, "The GitHub App's installation is suspended.", "An owner must unsuspend it.")
    granted = installation.get("permissions") or {}
    needed = _missing(granted, APP_NEEDS)
    if needed:
        remedy = "Grant them in the App's settings, and accept the change where it is installed."
        return fail(part, f"The GitHub App lacks {listed(needed)}.", remedy)
    liked = _missing(granted, APP_LIKES)
    if liked:
        return warn(
            part,
            f"The GitHub App lacks {listed(liked)}.",
            "Without statuses, commits do not show how far they are; without issues, pull requests get no comments; "
            "without deployments, source repos do not show what runs where.",
        )
    return ok(part, "The GitHub App has all the permissions it needs.")


def _missing(granted: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    return [f"{name}: {level}" for name, level in wanted.items() if _RANK.get(granted.get(name, ""), 0) < _RANK[level]]


def source_repo(hub: Hub, repo: str) -> Finding:
    """Whether the bot can read a source repo, and mark its commits."""
    part, seen = f"permissions on {repo}", hub.repository(repo)
    if seen.body is None:
        return fail(part, seen.error)
    permissions = seen.body.get("permissions")
    if hub.app is None and permissions is not None and not permissions.get("push"):
        remedy = "Without the role Write, its commits get no statuses; releases work all the same."
        return warn(part, "The bot may read, but not push.", remedy)
    return ok(part, "The bot can read it.")


def squash(repo: str, seen: Seen) -> Finding:
    """Whether promotions can be merged the way they are."""
    part = f"merge settings of {repo}"
    if seen.body is None:
        return unchecked(part, f"{repo} cannot be read")
    allowed = seen.body.get("allow_squash_merge")
    if allowed is None:
        return warn(part, "GitHub does not show the bot whether squash merging is allowed.", "See to it that it is.")
    if not allowed:
        remedy = "Switch on `Allow squash merging` in the repository's settings: promotions are merged that way."
        return fail(part, "Squash merging is switched off.", remedy)
    return ok(part, "Squash merging is allowed.")


# ---------------------------------------------------------------- webhooks


def webhook(hub: Hub, repo: str, events: tuple[str, ...]) -> Finding:
    """Whether GitHub tells the bot what happens in a repository."""
    part = f"webhook of {repo}"
    if hub.app is not None:
        return _app_hook(hub.app, part, hub.installation(repo), events)
    seen = hub.probe.get(repo, f"list the webhooks of {repo}", f"/repos/{repo}/hooks?per_page=100")
    if seen.body is None:
        return _hidden_hooks(part, repo, events)
    hook = next(filter(_leads_here, seen.body), None)
    if hook is None:
        return _of_organisation(hub, part, repo, events)
    if not hook.get("active", True):
        return fail(part, "The webhook is switched off.", "Tick `Active` in its settings.")
    lacking = _lacking(hook.get("events") or (), events)
    if lacking:
        return fail(part, f"The webhook leaves out {listed(lacking)}.", "Add these events in its settings.")
    where = f"/repos/{repo}/hooks/{hook['id']}/deliveries?per_page=1"
    return _last_delivery(part, hub.probe.get(repo, f"read the deliveries of {repo}", where))


def _hidden_hooks(part: str, repo: str, events: tuple[str, ...]) -> Finding:
    return warn(
        part,
        "Webhooks are shown to administrators alone, and the bot is none.",
        f"Look at {repo}'s settings yourself: one must point to {HOOK_PATH} with the events {listed(events)}.",
    )


def _of_organisation(hub: Hub, part: str, repo: str, events: tuple[str, ...]) -> Finding:
    """Where the repository has no webhook, its organisation's may do; its owners alone may see that."""
    owner = repo.partition("/")[0]
    seen = hub.probe.get(repo, f"list the webhooks of {owner}", f"/orgs/{owner}/hooks?per_page=100")
    hook = next(filter(_leads_here, seen.body or ()), None)
    if hook is not None and hook.get("active", True) and not _lacking(hook.get("events") or (), events):
        return ok(part, f"The webhook of the organisation {owner} is set up.")
    unseen = " (One of the organisation would do, but the bot may not see those.)" if seen.body is None else ""
    return fail(
        part,
        f"No webhook points to {HOOK_PATH} with the events {listed(events)}.",
        f"Add one with the URL https://YOUR-HOST{HOOK_PATH}, GITHUB_WEBHOOK_SECRET and these events.{unseen}",
    )


def _app_hook(app: AppProbe, part: str, installation: Mapping[str, Any] | None, events: tuple[str, ...]) -> Finding:
    if installation is None:
        return unchecked(part, "the GitHub App is not installed there")
    lacking = _lacking(installation.get("events") or (), events)
    if lacking:
        return fail(part, f"The GitHub App leaves out {listed(lacking)}.", "Subscribe to these events in its settings.")
    seen = app.get("read the App's webhook", "/app/hook/config")
    if seen.body is None:
        remedy = f"Look at the App's settings yourself: its webhook must point to {HOOK_PATH}."
        return warn(part, "GitHub does not show where the App's webhook leads.", remedy)
    if not _leads_here({"config": seen.body}):
        remedy = f"Set the webhook URL in the App's settings to https://YOUR-HOST{HOOK_PATH}."
        return fail(part, f"The App's webhook does not point to {HOOK_PATH}.", remedy)
    return _last_delivery(part, app.get("read the App's deliveries", "/app/hook/deliveries?per_page=1"))


def _last_delivery(part: str, seen: Seen) -> Finding:
    deliveries = seen.body if isinstance(seen.body, list) else []
    if not deliveries:
        return ok(part, "The webhook is set up; nothing has been delivered yet.")
    code, words = deliveries[0].get("status_code"), deliveries[0].get("status")
    if code in _SUCCESS:
        return ok(part, f"The webhook is set up, and its last delivery was answered with {code}.")
    if code == _UNAUTHORISED:
        remedy = "Enter GITHUB_WEBHOOK_SECRET in the webhook's settings once more."
        return fail(part, "The last delivery was refused: the webhook's secret is another one.", remedy)
    remedy = "If the bot was running then, see to it that GitHub can reach it."
    return warn(part, f"The webhook is set up, but its last delivery got no good answer ({code}, {words}).", remedy)


def _leads_here(hook: Mapping[str, Any]) -> bool:
    url = str((hook.get("config") or {}).get("url") or "")
    return urlsplit(url).path.rstrip("/").endswith(HOOK_PATH)


def _lacking(subscribed: Any, wanted: tuple[str, ...]) -> list[str]:
    return [] if "*" in subscribed else [event for event in wanted if event not in subscribed]
