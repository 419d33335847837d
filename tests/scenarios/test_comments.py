"""Commands in comments: who may, what follows, what is answered."""

import hashlib
import hmac
import json
import uuid
from typing import Any

import requests

from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, OUTSIDER, AppWorld, World, until


def say(app: AppWorld, repo: str, number: int, login: str, body: str) -> int:
    """Write a comment; its id."""
    return app.world.forge.comment(repo, number, login, body)


def comments(world: World, repo: str, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.api(f"/repos/{repo}/issues/{number}/comments?per_page=100")
    return found


def answers(world: World, repo: str, number: int, comment: int) -> list[str]:
    """The bot's answers to a comment."""
    marker = f"<!-- slipway-answer: {comment} -->"
    return [each["body"] for each in comments(world, repo, number) if marker in each["body"]]


def answer(world: World, repo: str, number: int, comment: int) -> str:
    """The bot's one answer to a comment, once it is there."""
    found = until(f"the answer to {comment}", lambda: answers(world, repo, number, comment))
    assert len(found) == 1
    return found[0]


def deliver(world: World, repo: str, comment: int, body: str) -> None:
    """The webhook of a comment once more, under a delivery id of its own."""
    payload = {
        "action": "created",
        "repository": {"full_name": repo},
        "issue": {"number": 1, "pull_request": {}},
        "comment": {"id": comment, "body": body, "user": {"login": DEVELOPER}},
    }
    data = json.dumps(payload).encode()
    signature = hmac.new(world.variables["GITHUB_WEBHOOK_SECRET"].encode(), data, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issue_comment",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    assert requests.post(world.webhook_url, data=data, headers=headers, timeout=10).status_code == 202


def test_a_hold_and_its_end_are_asked_for_in_comments_by_those_who_may(shared: World) -> None:
    app = shared.add_app("talked")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    for login in (OUTSIDER, DEVELOPER):
        refused = say(app, CONFIG, number, login, "/hold I do not like it")
        assert f"`/hold` in production is for `@{APPROVER}`; @{login} is not" in answer(shared, CONFIG, number, refused)
    path = ".slipway/holds/production/talked.yaml"
    assert shared.git("ls-tree", "-r", "--name-only", "master", path) == ""
    held = say(app, CONFIG, number, APPROVER, "Wait, please.\n\n/hold The till is being counted\n")
    assert "talked is held in production" in answer(shared, CONFIG, number, held)
    (shown,) = [each["reactions"]["+1"] for each in comments(shared, CONFIG, number) if each["id"] == held]
    assert shown == 1
    assert f'by: "{APPROVER}"' in shared.git("show", f"master:{path}")
    assert shared.git("log", "-1", "--format=%s|%an", "master", "--", path) == f"talked: hold production|{APPROVER}"
    app.approve(number)
    status = say(app, CONFIG, number, APPROVER, "/status")
    assert "held by @abel: The till is being counted" in answer(shared, CONFIG, number, status)
    assert app.bumps("production") == []
    say(app, CONFIG, number, APPROVER, "/resume")
    assert app.await_live("production", sha).outcome == "healthy"


def test_a_redelivered_comment_is_carried_out_once(shared: World) -> None:
    app = shared.add_app("twice")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    held = say(app, app.source, 1, DEVELOPER, "/hold staging Once")
    answer(shared, app.source, 1, held)
    resumed = say(app, app.source, 1, DEVELOPER, "/resume staging")
    answer(shared, app.source, 1, resumed)
    deliver(shared, app.source, held, "/hold staging Once")
    later = say(app, app.source, 1, DEVELOPER, "/status")
    assert "held" not in answer(shared, app.source, 1, later)
    subjects = shared.git("log", "--format=%s", "--grep=^App: twice$", "master").splitlines()
    assert (subjects.count("twice: hold staging"), subjects.count("twice: resume staging")) == (1, 1)
    assert len(answers(shared, app.source, 1, held)) == 1


def test_promote_and_rollback_are_asked_for_in_comments(shared: World) -> None:
    app = shared.add_app("there-and-back")
    old = app.merge("Old")
    app.approve(app.await_promotion(old)["number"])
    app.await_live("production", old)
    new = app.merge("New")
    declined = app.await_promotion(new)["number"]
    shared.forge.close_pull_request(CONFIG, declined, APPROVER)
    asked = say(app, app.source, 2, APPROVER, "/promote")
    assert f"Bringing {app.name} {new[:7]} to production" in answer(shared, app.source, 2, asked)
    number = app.await_promotion(new)["number"]
    assert number != declined
    app.approve(number)
    app.await_live("production", new)
    backwards = say(app, CONFIG, number, APPROVER, f"/promote {old[:7]}")
    assert f"To go back, use `rollback {app.name} production`" in answer(shared, CONFIG, number, backwards)
    back = say(app, CONFIG, number, APPROVER, "/rollback odd numbers")
    assert f"Taking {app.name} in production back to {old[:7]}" in answer(shared, CONFIG, number, back)
    until("the old one to run", lambda: old[:7] in (app.running("production") or ""))


def test_a_failed_release_is_retried_and_talk_is_left_alone(shared: World) -> None:
    app = shared.add_app("retried-by-comment", context="missing")
    sha = app.merge("A change")
    until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
    shared.change_app(app.name, context=".")
    talk = say(app, app.source, 1, DEVELOPER, "> /retry\n\nShould we /retry?")
    unknown = say(app, app.source, 1, DEVELOPER, "/retri")
    assert "did you mean `retry`?" in answer(shared, app.source, 1, unknown)
    assert answers(shared, app.source, 1, talk) == []
    assert app.bumps("staging") == []
    retried = say(app, app.source, 1, DEVELOPER, "/retry")
    assert f"release/{app.name}/{sha}/2" in answer(shared, app.source, 1, retried)
    assert app.await_live("staging", sha).outcome == "healthy"
