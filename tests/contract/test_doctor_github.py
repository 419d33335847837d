"""``doctor`` on the GitHub stand-in: identity, permissions, webhooks, branch rules, each with what to do about it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.github.credentials import AppCredentials, TokenCredentials
from bot.adapters.github.probe import AppProbe, GitHubProbe
from bot.doctor_github import CONFIG_EVENTS, Hub, clock, config_repo, identity, source_repo, squash, webhook
from bot.doctor_rules import branch_rules
from bot.errors import Permanent
from bot.findings import Finding, State
from bot.sandbox.forge import Forge
from bot.sandbox.forge.faults import status
from bot.sandbox.forge.records import Level

CONFIG, BOT = "acme/config", "slipway-bot"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
PUBLIC = (
    _KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
NOBODY_LISTENS = "http://127.0.0.1:9/webhooks/github"


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path) as forge:
        forge.create_user("dora")
        forge.create_repo(CONFIG, collaborators={"dora": "write"})
        forge.commit(CONFIG, "master", {"README.md": "# Config\n"}, "Begin", "dora")
        yield forge


def hub_of(forge: Forge, token: str) -> Hub:
    credentials = TokenCredentials(token)
    return Hub(GitHubProbe(forge.api_url, credentials), credentials, None)


def bot(forge: Forge, level: Level = Level.WRITE, kind: Any = "Bot") -> Hub:
    """The bot, with a role on the config repo."""
    token = forge.create_user(BOT, type=kind)
    forge._store.known_repo(CONFIG).collaborators[BOT] = level
    return hub_of(forge, token)


def app(forge: Forge) -> Hub:
    """A GitHub App, installed on the config repo."""
    number = forge.create_app("slipway", PUBLIC, [CONFIG])
    credentials = AppCredentials(number, PRIVATE, forge.api_url)
    return Hub(GitHubProbe(forge.api_url, credentials), credentials, AppProbe(number, PRIVATE, forge.api_url))


def answers(forge: Forge, path: str, body: Any, code: int = 200, **headers: str) -> None:
    """Let GitHub answer one path with something the stand-in does not do by itself."""
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    forge.faults.add("GET", f"{path}$", status(code, named, json.dumps(body)), times=2)


def rules(hub: Hub) -> list[Finding]:
    return list(branch_rules(hub, CONFIG, "master", hub.repository(CONFIG)))


# ---------------------------------------------------------------- identity, clock


def test_a_machine_user_is_who_the_token_says(forge: Forge) -> None:
    assert identity(bot(forge)).line() == "ok    github identity: The token is that of @slipway-bot."


def test_a_persons_own_token_is_warned_of(forge: Forge) -> None:
    finding = identity(bot(forge, kind="User"))
    assert finding.state is State.WARN
    assert "user account @slipway-bot" in finding.text
    assert "cannot approve promotions" in finding.remedy
    assert "GitHub App or a machine user's token" in finding.remedy


def test_a_token_without_an_account_is_warned_of(forge: Forge) -> None:
    hub = bot(forge)
    answers(forge, "/user", {"message": "Not Found"}, 404)
    finding = identity(hub)
    assert finding.state is State.WARN
    assert "does not say whose the token is (Not Found)" in finding.text


def test_a_refused_token_is_told_with_what_to_give(forge: Forge) -> None:
    with pytest.raises(Permanent, match=r"GitHub refused the credentials .*Give the bot a valid GITHUB_TOKEN"):
        identity(hub_of(forge, "ghp_wrong"))


def test_an_app_is_known_by_its_bot_account(forge: Forge) -> None:
    assert identity(app(forge)).text == "GitHub knows the bot as @slipway[bot]."


def test_a_clock_that_is_off_is_compared_with_githubs_date(forge: Forge) -> None:
    hub, now = bot(forge), datetime.now(UTC)
    assert clock(hub.repository(CONFIG), now).state is State.OK
    for off, words in ((timedelta(minutes=2), "ahead of"), (timedelta(minutes=-2), "behind")):
        finding = clock(hub.repository(CONFIG), now + off)
        assert finding.state is State.WARN
        assert f"{words} GitHub's" in finding.text
        assert "NTP" in finding.remedy


# ---------------------------------------------------------------- permissions


def test_a_config_repo_that_is_hidden_is_named(forge: Forge) -> None:
    forge.create_repo("acme/secret", private=True)
    hub = bot(forge)
    finding = config_repo(hub, "acme/secret", hub.repository("acme/secret"))
    assert finding.state is State.FAIL
    assert "GitHub knows no such thing in acme/secret, or hides it from the bot" in finding.text
    assert squash("acme/secret", hub.repository("acme/secret")).text == "not checked: acme/secret cannot be read"


def test_a_bot_that_may_only_read_is_told_which_role_it_needs(forge: Forge) -> None:
    hub = bot(forge, Level.READ)
    finding = config_repo(hub, CONFIG, hub.repository(CONFIG))
    assert finding.state is State.FAIL
    assert finding.text == "The bot may not push."
    assert "role Write" in finding.remedy


def test_a_classic_token_without_the_scope_is_told(forge: Forge) -> None:
    hub = bot(forge)
    answers(forge, CONFIG, {"permissions": {"push": True}}, X_OAuth_Scopes="read:org, gist")
    finding = config_repo(hub, CONFIG, hub.repository(CONFIG))
    assert finding.line() == (
        "fail  permissions on acme/config: The token's scopes are read:org, gist. Give it the scope repo."
    )


def test_an_apps_missing_permissions_are_named(forge: Forge) -> None:
    hub = app(forge)
    seen = hub.repository(CONFIG)
    assert config_repo(hub, CONFIG, seen).state is State.OK
    granted = {"metadata": "read", "contents": "read", "statuses": "write", "issues": "write"}
    answers(forge, "/installation", {"id": 1, "permissions": granted})
    finding = config_repo(hub, CONFIG, seen)
    assert finding.state is State.FAIL
    assert finding.text == "The GitHub App lacks `contents: write` and `pull_requests: write`."
    assert "accept the change where it is installed" in finding.remedy


def test_an_app_that_lacks_what_it_can_do_without_is_a_warning(forge: Forge) -> None:
    hub = app(forge)
    granted = {"metadata": "read", "contents": "write", "pull_requests": "write", "issues": "write"}
    seen = hub.repository(CONFIG)
    answers(forge, "/installation", {"id": 1, "permissions": granted})
    finding = config_repo(hub, CONFIG, seen)
    assert finding.state is State.WARN
    assert "lacks `statuses: write`" in finding.text


def test_a_suspended_app_is_told(forge: Forge) -> None:
    hub = app(forge)
    seen = hub.repository(CONFIG)
    answers(forge, "/installation", {"id": 1, "suspended_at": "2026-01-01T00:00:00Z"})
    finding = config_repo(hub, CONFIG, seen)
    assert finding.state is State.FAIL
    assert "suspended" in finding.text


def test_source_repos_must_be_readable_and_are_better_writable(forge: Forge) -> None:
    forge.create_repo("acme/site", collaborators={"dora": "write"})
    forge.create_repo("acme/hidden", private=True)
    hub = bot(forge)
    assert source_repo(hub, "acme/hidden").state is State.FAIL
    finding = source_repo(hub, "acme/site")
    assert finding.state is State.WARN
    assert "no statuses" in finding.remedy


def test_squash_merging_must_be_on(forge: Forge) -> None:
    forge.configure_repo(CONFIG, merge_methods=["merge"])
    hub = bot(forge)
    finding = squash(CONFIG, hub.repository(CONFIG))
    assert finding.state is State.FAIL
    assert "Switch on `Allow squash merging`" in finding.remedy


# ---------------------------------------------------------------- webhooks


def test_webhooks_that_are_hidden_are_a_warning_that_says_what_to_look_for(forge: Forge) -> None:
    finding = webhook(bot(forge), CONFIG, CONFIG_EVENTS)
    assert finding.state is State.WARN
    assert "administrators alone" in finding.text
    assert "`push`, `pull_request`, `pull_request_review` and `issue_comment`" in finding.remedy


def test_no_webhook_leads_to_the_bot(forge: Forge) -> None:
    forge.add_webhook(CONFIG, "http://127.0.0.1:9/elsewhere", "x")
    finding = webhook(bot(forge, Level.ADMIN), CONFIG, CONFIG_EVENTS)
    assert finding.state is State.FAIL
    assert finding.text.startswith("No webhook points to /webhooks/github with the events `push`")
    assert "https://YOUR-HOST/webhooks/github" in finding.remedy


def test_an_organisations_webhook_does_as_well(forge: Forge) -> None:
    hub = bot(forge, Level.ADMIN)
    answers(forge, "/orgs/acme/hooks", [{"id": 1, "active": True, "events": ["*"], "config": {"url": NOBODY_LISTENS}}])
    assert webhook(hub, CONFIG, CONFIG_EVENTS).text == "The webhook of the organisation acme is set up."


def test_a_webhook_that_leaves_out_events_is_told_which(forge: Forge) -> None:
    forge.add_webhook(CONFIG, NOBODY_LISTENS, "x", ["push"])
    finding = webhook(bot(forge, Level.ADMIN), CONFIG, CONFIG_EVENTS)
    assert finding.state is State.FAIL
    assert finding.text == "The webhook leaves out `pull_request`, `pull_request_review` and `issue_comment`."


def test_a_webhook_that_is_switched_off_is_told(forge: Forge) -> None:
    hub = bot(forge, Level.ADMIN)
    answers(forge, "/hooks", [{"id": 1, "active": False, "events": ["*"], "config": {"url": NOBODY_LISTENS}}])
    finding = webhook(hub, CONFIG, CONFIG_EVENTS)
    assert finding.state is State.FAIL
    assert "Tick `Active`" in finding.remedy


@pytest.mark.parametrize(
    ("delivery", "state", "words"),
    [
        ([], State.OK, "nothing has been delivered yet"),
        ([{"status_code": 202, "status": "OK"}], State.OK, "answered with 202"),
        ([{"status_code": 401, "status": "Invalid"}], State.FAIL, "secret is another one. Enter GITHUB_WEBHOOK_SECRET"),
        ([{"status_code": 502, "status": "failed to connect"}], State.WARN, "no good answer (502, failed to connect)"),
    ],
)
def test_the_last_delivery_is_looked_at(forge: Forge, delivery: list[Any], state: State, words: str) -> None:
    forge.add_webhook(CONFIG, NOBODY_LISTENS, "x", CONFIG_EVENTS)
    hub = bot(forge, Level.ADMIN)
    answers(forge, "/deliveries", delivery)
    finding = webhook(hub, CONFIG, CONFIG_EVENTS)
    assert finding.state is state
    assert words in finding.line()


def test_an_apps_own_webhook_is_looked_at(forge: Forge) -> None:
    hub = app(forge)
    assert webhook(hub, CONFIG, CONFIG_EVENTS).state is State.WARN  # hidden
    answers(forge, "/app/hook/config", {"url": "https://bot.example.com/elsewhere"})
    assert "does not point to /webhooks/github" in webhook(hub, CONFIG, CONFIG_EVENTS).text
    forge.faults.clear()
    answers(forge, "/app/hook/config", {"url": "https://bot.example.com/webhooks/github"})
    answers(forge, "/app/hook/deliveries", [{"status_code": 202, "status": "OK"}])
    assert webhook(hub, CONFIG, CONFIG_EVENTS).state is State.OK
    assert "leaves out `deployment`" in webhook(hub, CONFIG, ("push", "deployment")).text


# ---------------------------------------------------------------- branch rules


def test_a_branch_without_rules_is_fine(forge: Forge) -> None:
    assert [finding.state for finding in rules(bot(forge))] == [State.OK]


def test_a_protection_that_the_bot_may_not_read_is_a_warning(forge: Forge) -> None:
    forge.protect(CONFIG, "master")
    (finding,) = rules(bot(forge))
    assert finding.state is State.WARN
    assert "shown to administrators alone" in finding.text


def test_required_reviews_and_up_to_date_are_told(forge: Forge) -> None:
    forge.protect(CONFIG, "master", approvals=1, strict=True)
    hub = bot(forge, Level.ADMIN)
    assert [finding.state for finding in rules(hub)] == [State.OK]  # administrators bypass it
    protection = {
        "enforce_admins": {"enabled": True},
        "required_pull_request_reviews": {"required_approving_review_count": 1},
        "required_status_checks": {"strict": True, "contexts": ["ci"]},
        "restrictions": {"users": [{"login": "dora"}], "teams": [], "apps": []},
    }
    answers(forge, "/protection", protection)
    told = [finding.line() for finding in rules(hub)]
    assert len(told) == 4
    assert all(line.startswith("fail") and "Let the bot bypass it in the branch's rules" in line for line in told)
    for line, words in zip(
        told, ("reviewed pull requests only", "up to date", "checks `ci`", "certain people"), strict=True
    ):
        assert words in line


def test_a_bypass_of_reviews_makes_the_branch_fine(forge: Forge) -> None:
    hub = bot(forge, Level.ADMIN)
    allowed = {"users": [{"login": BOT}], "teams": [], "apps": []}
    reviews = {"required_approving_review_count": 1, "bypass_pull_request_allowances": allowed}
    answers(forge, "/protection", {"enforce_admins": {"enabled": True}, "required_pull_request_reviews": reviews})
    assert [finding.state for finding in rules(hub)] == [State.OK]


@pytest.mark.parametrize(("bypass", "state"), [("always", State.OK), ("never", State.FAIL)])
def test_a_ruleset_counts_unless_the_bot_bypasses_it(forge: Forge, bypass: str, state: State) -> None:
    hub = bot(forge)
    answers(forge, "/rules/branches/master", [{"type": "pull_request", "ruleset_id": 7}, {"type": "deletion"}])
    answers(forge, "/rulesets/7", {"id": 7, "current_user_can_bypass": bypass})
    (finding,) = rules(hub)
    assert finding.state is state
    assert ("by pull request only" in finding.text) is (state is State.FAIL)


def test_a_ruleset_that_requires_up_to_date_branches_is_told(forge: Forge) -> None:
    hub = bot(forge)
    strict = {"strict_required_status_checks_policy": True}
    rule = {"type": "required_status_checks", "ruleset_id": 7, "parameters": strict}
    answers(forge, "/rules/branches/master", [rule])
    answers(forge, "/rulesets/7", {"id": 7})
    (finding,) = rules(hub)
    assert finding.state is State.FAIL
    assert "make every promotion stale" in finding.text
