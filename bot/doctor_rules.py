"""``doctor`` on the rules of the config branch: it serves both gates, so the bot pushes to it and merges into it."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from bot.adapters.github.probe import Seen
from bot.doctor_github import Hub
from bot.findings import Finding, fail, ok, warn
from bot.wording import listed

HIDDEN_PROTECTION = (
    "The branch is protected, and how is shown to administrators alone: it must ask the bot for no review, and not for "
    "branches to be up to date."
)

_RULES: Mapping[str, str] = {
    "pull_request": "A ruleset takes changes by pull request only, so the bot cannot push bumps to the branch.",
    "required_status_checks": "A ruleset requires status checks, which the bot's bumps do not have.",
    "update": "A ruleset lets nobody push to the branch.",
    "required_signatures": "A ruleset requires signed commits, and the bot's bumps are not signed.",
    "merge_queue": "A ruleset merges by a merge queue, which the bot does not use.",
}
"""Source: https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch"""


def branch_rules(hub: Hub, repo: str, branch: str, seen: Seen) -> Iterator[Finding]:
    """Whether the config branch lets the bot push bumps and merge promotions."""
    part = f"rules of {repo} {branch}"
    login = _login(hub)
    problems = [*_protection(hub, repo, branch, seen, login), *_rulesets(hub, repo, branch)]
    for text, hard in problems:
        remedy = "Let the bot bypass it in the branch's rules, or take the rule away."
        yield fail(part, text, remedy) if hard else warn(part, text)
    if not problems:
        yield ok(part, "Nothing keeps the bot from pushing to it and merging into it.")


def _login(hub: Hub) -> str:
    bot = hub.credentials.bot()
    if bot is not None:
        return bot.login
    account = hub.probe.get("the bot", "read the bot's own account", "/user").body or {}
    return str(account.get("login") or "")


def _protection(hub: Hub, repo: str, branch: str, seen: Seen, login: str) -> Iterator[tuple[str, bool]]:
    """Classic branch protection, which administrators alone may read. Each problem, and whether it is sure."""
    at = f"/repos/{repo}/branches/{quote(branch, safe='')}"
    answer = hub.probe.get(repo, f"read the protection of {branch} in {repo}", f"{at}/protection")
    if answer.body is None:
        summary = hub.probe.get(repo, f"read the branch {branch} of {repo}", at).body or {}
        if answer.words != "Branch not protected" and summary.get("protected"):
            yield HIDDEN_PROTECTION, False
        return
    admin = (seen.body.get("permissions") or {}).get("admin") if seen.body else False
    if admin and not (answer.body.get("enforce_admins") or {}).get("enabled"):
        return
    yield from ((text, True) for text in _classic(answer.body, login))


def _classic(protection: Mapping[str, Any], login: str) -> Iterator[str]:
    reviews = protection.get("required_pull_request_reviews")
    if reviews and not _names(reviews.get("bypass_pull_request_allowances"), login):
        yield "The branch takes changes by reviewed pull requests only, so the bot cannot push bumps to it."
    checks = protection.get("required_status_checks")
    if checks and checks.get("strict"):
        yield "The branch requires pull requests to be up to date: each bump would make every promotion stale."
    if checks and checks.get("contexts"):
        yield f"The branch requires the status checks {listed(checks['contexts'])}, which the bot's bumps do not have."
    restrictions = protection.get("restrictions")
    if restrictions and not _names(restrictions, login):
        yield "The branch lets only certain people push, and the bot is none of them."


def _names(allowed: Any, login: str) -> bool:
    """Whether a list of users, teams and Apps names the bot itself."""
    lists = allowed if isinstance(allowed, Mapping) else {}
    users = {str(user.get("login")).lower() for user in lists.get("users") or ()}
    apps = {f"{app.get('slug')}[bot]".lower() for app in lists.get("apps") or ()}
    return login.lower() in users | apps


def _rulesets(hub: Hub, repo: str, branch: str) -> Iterator[tuple[str, bool]]:
    """Rulesets, which everybody may read. The server says of each whether the asker bypasses it."""
    where = f"/repos/{repo}/rules/branches/{quote(branch, safe='')}"
    rules = hub.probe.get(repo, f"read the rules of {branch} in {repo}", where).body or []
    bypassed: dict[Any, bool] = {}
    for rule in rules:
        text = _rule(str(rule.get("type")), rule.get("parameters") or {})
        if text is None:
            continue
        number = rule.get("ruleset_id")
        if number not in bypassed:
            ruleset = hub.probe.get(repo, f"read a ruleset of {repo}", f"/repos/{repo}/rulesets/{number}").body or {}
            bypassed[number] = ruleset.get("current_user_can_bypass") in {"always", "exempt"}
        if not bypassed[number]:
            yield text, True


def _rule(kind: str, parameters: Mapping[str, Any]) -> str | None:
    """What a rule keeps the bot from; None where it does not."""
    if kind == "required_status_checks" and parameters.get("strict_required_status_checks_policy"):
        return "A ruleset requires pull requests to be up to date: each bump would make every promotion stale."
    return _RULES.get(kind)
