"""What the stand-in tells to webhooks, against GitHub's documentation and the real payloads Octokit collects."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from bot.sandbox.forge.faults import WebhookFaults
from tests.forge_stage import REPO, Stage, stage
from tests.openapi import from_npm
from tests.scripted_http import Answer, Received, ScriptedServer

SECRET = "It's a Secret to Everybody"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script(*[Answer(202)] * 100)
        yield server


def told(scene: Stage, receiver: ScriptedServer) -> list[tuple[str, str | None]]:
    """The (event, action) pairs received so far, in order."""
    assert scene.forge.wait_for_deliveries()
    return [(request.headers["X-GitHub-Event"], request.json().get("action")) for request in receiver.received]


def payloads(receiver: ScriptedServer, event: str) -> list[Any]:
    return [request.json() for request in receiver.received if request.headers["X-GitHub-Event"] == event]


def test_a_pull_request_s_life_is_told_in_events(scene: Stage, receiver: ScriptedServer) -> None:
    scene.forge.add_webhook(REPO, receiver.url, SECRET)
    number = scene.pull_request()
    scene.forge.commit(REPO, "topic", {"more": "x"}, "More", "ann")
    scene.pull(number).edit(title="Paint it, really")
    scene.forge.comment(REPO, number, "bob", "Nice")
    review = scene.forge.review(REPO, number, "bob", "APPROVE")
    scene.pull(number).get_review(review).dismiss("Stale")
    scene.pull(number).edit(state="closed")
    scene.pull(number).edit(state="open")
    scene.forge.merge_pull_request(REPO, number, "bob", "squash")
    assert told(scene, receiver) == [
        ("ping", None),
        ("push", None),
        ("pull_request", "opened"),
        ("push", None),
        ("pull_request", "synchronize"),
        ("pull_request", "edited"),
        ("issue_comment", "created"),
        ("pull_request_review", "submitted"),
        ("pull_request_review", "dismissed"),
        ("pull_request", "closed"),
        ("pull_request", "reopened"),
        ("pull_request", "closed"),
        ("push", None),
    ]
    closed = payloads(receiver, "pull_request")[-1]
    assert (closed["pull_request"]["merged"], closed["sender"]["login"]) == (True, "bob")
    assert closed["pull_request"]["merged_by"]["login"] == "bob"
    assert closed["pull_request"]["merge_commit_sha"] == scene.forge.head(REPO, "master")
    assert payloads(receiver, "pull_request_review")[0]["review"]["state"] == "approved"
    assert payloads(receiver, "pull_request")[2]["changes"] == {"title": {"from": "Paint it blue"}}


def test_a_push_tells_its_commits(scene: Stage, receiver: ScriptedServer) -> None:
    before = scene.forge.head(REPO, "master")
    scene.forge.add_webhook(REPO, receiver.url, SECRET, ["push"])
    changes = {"colour.txt": "green\n", "new.txt": "x", "docs/read me.md": None}
    after = scene.forge.commit(REPO, "master", changes, "Change", "bob")
    scene.forge.commit(REPO, "topic", {"a": "b"}, "On a branch", "bob")
    scene.forge.delete_branch(REPO, "topic", "bob")
    told(scene, receiver)
    push, created, deleted = payloads(receiver, "push")
    assert (push["ref"], push["before"], push["after"]) == ("refs/heads/master", before, after)
    (commit,) = push["commits"]
    assert (commit["added"], commit["removed"], commit["modified"]) == (
        ["new.txt"],
        ["docs/read me.md"],
        ["colour.txt"],
    )
    assert (push["pusher"]["name"], commit["author"]["username"]) == ("bob", "bob")
    assert isinstance(push["repository"]["pushed_at"], int)
    assert (created["created"], created["before"], len(created["commits"])) == (True, "0" * 40, 1)
    assert (deleted["deleted"], deleted["after"], deleted["head_commit"]) == (True, "0" * 40, None)


@pytest.mark.parametrize("form", [False, True])
def test_deliveries_are_signed_over_the_raw_body(scene: Stage, receiver: ScriptedServer, form: bool) -> None:
    hook = scene.forge.add_webhook(REPO, receiver.url, SECRET, ["push"], "form" if form else "json")
    scene.forge.commit(REPO, "master", {"ä": "ö"}, "Übermut & Söhne", "ann")
    told_pushes = [request for request in received(scene, receiver) if request.headers["X-GitHub-Event"] == "push"]
    (push,) = told_pushes
    digest = hmac.new(SECRET.encode(), push.body, hashlib.sha256).hexdigest()
    assert push.headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert push.headers["X-GitHub-Hook-ID"] == str(hook)
    assert push.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert len(push.headers["X-GitHub-Delivery"]) == 36
    text = parse_qs(push.body.decode())["payload"][0] if form else push.body.decode()
    assert json.loads(text)["head_commit"]["message"] == "Übermut & Söhne"


def received(scene: Stage, receiver: ScriptedServer) -> list[Received]:
    assert scene.forge.wait_for_deliveries()
    return list(receiver.received)


def test_a_hook_hears_only_what_it_asked_for(scene: Stage, receiver: ScriptedServer) -> None:
    scene.forge.add_webhook(REPO, receiver.url, SECRET, ["pull_request"])
    scene.pull_request()
    assert told(scene, receiver) == [("ping", None), ("pull_request", "opened")]


def test_nothing_is_redelivered_until_somebody_asks(scene: Stage, receiver: ScriptedServer) -> None:
    hook = scene.forge.add_webhook(REPO, receiver.url, SECRET, ["push"])
    told(scene, receiver)
    receiver.answers.clear()
    receiver.script(Answer(503, "busy"), Answer(202))
    scene.forge.commit(REPO, "master", {"a": "b"}, "Second", "ann")
    assert told(scene, receiver)[1:] == [("push", None)]
    failed = scene.forge.deliveries(REPO, hook)[-1]
    assert (failed.status_code, failed.status, failed.response_body) == (503, "Invalid HTTP Response: 503", "busy")
    attempts = f"/repos/{REPO}/hooks/{hook}/deliveries/{failed.id}/attempts"
    assert scene.call("POST", attempts, "olga").status_code == 202
    assert told(scene, receiver)[2:] == [("push", None)]
    first, again = receiver.received[1:]
    assert first.headers["X-GitHub-Delivery"] == again.headers["X-GitHub-Delivery"]
    assert first.body == again.body
    redelivered = scene.forge.deliveries(REPO, hook)[-1]
    assert (redelivered.redelivery, redelivered.status, redelivered.guid) == (True, "OK", failed.guid)
    assert redelivered.id != failed.id


def test_a_hook_that_nobody_answers_is_logged_as_such(scene: Stage) -> None:
    hook = scene.forge.add_webhook(REPO, "http://127.0.0.1:9", SECRET, ["push"])
    assert scene.forge.wait_for_deliveries()
    (ping,) = scene.forge.deliveries(REPO, hook)
    assert (ping.status, ping.status_code) == ("failed to connect to host", 502)


def test_webhooks_get_lost_and_doubled_on_demand(scene: Stage, receiver: ScriptedServer) -> None:
    hook = scene.forge.add_webhook(REPO, receiver.url, SECRET, ["push"])
    told(scene, receiver)

    def pushes(faults: WebhookFaults, count: int) -> list[str]:
        scene.forge.faults.webhooks = faults
        already = len(received(scene, receiver))
        for number in range(count):
            scene.forge.commit(REPO, "master", {"n": str(number)}, f"{number}", "ann")
        return [request.json()["head_commit"]["message"] for request in received(scene, receiver)[already:]]

    assert pushes(WebhookFaults(drop=1.0), 3) == []
    assert pushes(WebhookFaults(double=1.0), 2) == ["0", "0", "1", "1"]
    assert pushes(WebhookFaults(), 8) == [str(number) for number in range(8)]
    assert len(scene.forge.deliveries(REPO, hook)) == 1 + 4 + 8


def test_webhooks_come_late_and_in_any_order_on_demand(scene: Stage, receiver: ScriptedServer) -> None:
    scene.forge.add_webhook(REPO, receiver.url, SECRET, ["push"])
    told(scene, receiver)
    scene.forge.faults.webhooks = WebhookFaults(hold=True)
    for number in range(8):
        scene.forge.commit(REPO, "master", {"n": str(number)}, f"{number}", "ann")
    assert len(receiver.received) == 1
    scene.forge.faults.webhooks = WebhookFaults(shuffle=True, seed=1)
    messages = [request.json()["head_commit"]["message"] for request in received(scene, receiver)[1:]]
    assert sorted(messages) == [str(number) for number in range(8)] != messages


# ---------------------------------------------------------------- real payloads


def always_there(examples: Sequence[Any]) -> Any:
    """The keys that every one of these objects has, recursively; other values do not matter."""
    objects = [example for example in examples if isinstance(example, dict)]
    if not objects or len(objects) < len(examples):
        return None
    shared = set(objects[0]).intersection(*objects)
    return {key: always_there([example[key] for example in objects]) for key in shared}


def lacks(ours: Any, wanted: Any, where: str = "") -> list[str]:
    if wanted is None:
        return []
    if not isinstance(ours, dict):
        return [f"{where} is no object"]
    missing = [f"{where}/{key}" for key in wanted if key not in ours]
    return missing + [
        found for key in wanted if key in ours for found in lacks(ours[key], wanted[key], f"{where}/{key}")
    ]


@pytest.mark.parametrize("event", ["ping", "push", "pull_request", "pull_request_review", "issue_comment"])
def test_payloads_have_every_key_that_real_ones_always_have(scene: Stage, receiver: ScriptedServer, event: str) -> None:
    groups = from_npm("@octokit/webhooks-examples@7.6.1", "api.github.com/index.json")
    real = next(group["examples"] for group in groups if group["name"] == event)
    scene.forge.add_webhook(REPO, receiver.url, SECRET)
    number = scene.pull_request()
    scene.forge.comment(REPO, number, "bob", "Nice")
    scene.forge.review(REPO, number, "bob", "APPROVE")
    told(scene, receiver)
    wanted = always_there([example for example in real if "repository" in example])
    assert len(wanted) >= 4
    ours = payloads(receiver, event)
    assert ours
    assert [problem for payload in ours for problem in lacks(payload, wanted)] == []
