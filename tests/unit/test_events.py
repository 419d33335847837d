"""Events, on GitHub's own payloads and on what nobody should send."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Permanent
from bot.events import (
    CommentCreated,
    Event,
    Ignored,
    MalformedPayload,
    PullRequestChanged,
    Pushed,
    ReviewSubmitted,
    from_json,
    parse,
    to_json,
)
from bot.facts import ReviewState
from tests.github_payloads import example, examples

REPO = "Codertocat/Hello-World"
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"


def ignored(event: Event) -> str:
    assert isinstance(event, Ignored)
    return event.reason


def test_every_payload_that_github_shows_is_understood() -> None:
    kinds = {type(parse(known.event, known.payload)) for known in examples()}
    assert kinds == {Ignored, PullRequestChanged, Pushed, ReviewSubmitted}
    assert len(examples()) == 329


def test_a_push_tells_branch_commits_and_who() -> None:
    payload = example("push", ref="refs/heads/master")
    payload["ref"] = "refs/heads/feature/with/slashes"
    assert parse("push", payload) == Pushed(
        repo=REPO,
        branch="feature/with/slashes",
        before=payload["before"],
        after="6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        pusher_login="Codertocat",
    )


def test_a_push_without_a_sender_tells_the_pusher() -> None:
    payload = example("push", ref="refs/heads/master")
    payload["sender"] = None
    payload["pusher"] = {"name": "deploy-key"}
    event = parse("push", payload)
    assert isinstance(event, Pushed)
    assert event.pusher_login == "deploy-key"


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("refs/tags/v1", "tags"),
        ("refs/notes/slipway", "notes"),
        ("refs/pull/1/head", "refs/pull/1/head is not a branch"),
    ],
)
def test_a_push_of_anything_but_a_branch_is_ignored(ref: str, reason: str) -> None:
    payload = example("push", ref="refs/heads/master")
    payload["ref"] = ref
    assert reason in ignored(parse("push", payload))


def test_a_deleted_branch_is_ignored() -> None:
    payload = example("push", ref="refs/heads/master")
    payload |= {"deleted": True, "after": "0" * 40}
    assert "deleted" in ignored(parse("push", payload))


def test_a_merged_pull_request_says_so() -> None:
    payload = example("pull_request", "closed")
    payload["pull_request"]["merged"] = True
    assert parse("pull_request", payload) == PullRequestChanged(
        repo=REPO,
        number=2,
        action="closed",
        head_branch="changes",
        head_sha=HEAD,
        base_branch="master",
        merged=True,
    )


def test_a_label_on_a_pull_request_is_ignored() -> None:
    assert ignored(parse("pull_request", example("pull_request", "labeled"))) == "pull request labeled is not used"


@pytest.mark.parametrize(("word", "state"), [("approved", ReviewState.APPROVED), ("dismissed", ReviewState.DISMISSED)])
def test_a_review_tells_its_state_in_the_words_of_the_rest_api(word: str, state: ReviewState) -> None:
    payload = example("pull_request_review", "submitted")
    payload["review"]["state"] = word
    assert parse("pull_request_review", payload) == ReviewSubmitted(REPO, 2, 237895671, state, "changes")


def test_an_unheard_of_review_state_is_ignored() -> None:
    payload = example("pull_request_review", "submitted")
    payload["review"]["state"] = "applauded"
    assert "applauded" in ignored(parse("pull_request_review", payload))


def comment(body: str, *, on_pull_request: bool = True) -> dict[str, Any]:
    payload = example("issue_comment", "created")
    payload["comment"]["body"] = body
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/..."} if on_pull_request else None
    return payload


@pytest.mark.parametrize(
    "body", ["/deploy", "/deploy staging\nplease", "  /retry", "/rollback\r\n", "Thanks!\n\n/deploy"]
)
def test_a_comment_with_a_command_on_a_line_of_its_own_is_told(body: str) -> None:
    assert parse("issue_comment", comment(body)) == CommentCreated(REPO, 1, 492700400, "Codertocat", body)


@pytest.mark.parametrize("body", ["", "thanks /deploy", "/usr/bin", "//", "/", "/Deploy!", "> /deploy"])
def test_any_other_comment_is_ignored(body: str) -> None:
    assert ignored(parse("issue_comment", comment(body))) == "the comment is not a command"


def test_a_command_on_an_issue_is_ignored() -> None:
    assert "issues" in ignored(parse("issue_comment", comment("/deploy", on_pull_request=False)))


def test_a_ping_is_answered() -> None:
    assert ignored(parse("ping", {"zen": "Design for failure."})).startswith("pong")


def test_an_event_that_is_not_used_may_hold_anything() -> None:
    assert ignored(parse("star", [1, 2])) == "event star is not used"


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("after",), "main", "after"),
        (("repository", "full_name"), "../etc/passwd", "repository.full_name"),
        (("repository",), None, "repository"),
        (("deleted",), "no", "deleted"),
        (("sender", "login"), "a\nb", "sender.login"),
    ],
)
def test_a_wrong_field_of_a_known_event_is_named(path: tuple[str, ...], value: object, named: str) -> None:
    payload = example("push", ref="refs/heads/master")
    inner = payload
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(MalformedPayload, match=rf"push event cannot be used: {named}: "):
        parse("push", payload)


def test_a_missing_field_is_named_and_no_value_is_quoted() -> None:
    payload = example("pull_request", "opened")
    payload["pull_request"]["head"] = {"ref": "hunter2"}
    with pytest.raises(MalformedPayload, match=r"pull_request\.head\.sha") as raised:
        parse("pull_request", payload)
    assert "hunter2" not in str(raised.value)


def test_a_payload_that_is_no_object_is_malformed() -> None:
    with pytest.raises(MalformedPayload, match="the payload itself"):
        parse("push", ["refs/heads/main"])


def test_events_survive_the_queue() -> None:
    events = [parse(known.event, known.payload) for known in examples()] + [parse("issue_comment", comment("/deploy"))]
    for event in events:
        if not isinstance(event, Ignored):
            assert from_json(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize("stored", [{}, {"kind": "Starred"}, {"kind": "Pushed", "repo": "a/b"}])
def test_an_event_stored_by_another_version_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(Permanent, match="Redeliver"):
        from_json(stored)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(data=st.data())
def test_a_payload_with_anything_anywhere_is_understood_or_malformed(data: st.DataObject) -> None:
    known = data.draw(st.sampled_from([known for known in examples() if known.event in USED]))
    payload = json.loads(json.dumps(known.payload))
    inner: Any = payload
    while isinstance(inner, dict) and inner:
        key = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[key], dict) or data.draw(st.booleans()):
            inner[key] = data.draw(anything)
            break
        inner = inner[key]
    try:
        parse(known.event, payload)
    except MalformedPayload as error:
        assert known.event in str(error)  # noqa: PT017 - either way of ending is right


USED = {"push", "pull_request", "pull_request_review", "issue_comment"}
