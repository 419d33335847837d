"""What happened: frozen types parsed from GitHub's webhook payloads. Pure; knows neither Flask nor the queue.

An event only says where to look. Everything that is decided upon (who merged, which reviews count) is read afresh
from the API, so a payload that comes late, twice or out of order changes no decision.

Source of the payloads' shapes: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from bot.comment_commands import commands
from bot.errors import Permanent
from bot.facts import ReviewState
from bot.releases import FULL_SHA

BRANCH = "refs/heads/"
NOTES = "refs/notes/"
TAG = "refs/tags/"

PULL_REQUEST_ACTIONS = frozenset({"opened", "reopened", "closed", "synchronize", "edited"})
"""What may change a promotion, or tell that a source pull request was merged. Labels, assignees and such do not."""

REVIEW_ACTIONS = frozenset({"submitted", "dismissed"})
"""What changes whether a head is approved; an edited text does not."""


class MalformedPayload(Permanent):
    """A known event whose payload lacks a field, or holds something else there."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A branch of ``repo`` moved from ``before`` (40 zeros: it is new) to ``after``."""

    repo: str
    branch: str
    before: str
    after: str
    pusher_login: str


@dataclass(frozen=True, slots=True)
class PullRequestChanged:
    """A pull request was opened, closed, pushed to, retitled or given another base. ``action`` is GitHub's word."""

    repo: str
    number: int
    action: str
    head_branch: str
    head_sha: str
    base_branch: str
    merged: bool


@dataclass(frozen=True, slots=True)
class ReviewSubmitted:
    """A review was given, or dismissed, on a pull request."""

    repo: str
    number: int
    review_id: int
    state: ReviewState
    head_branch: str


@dataclass(frozen=True, slots=True)
class CommentCreated:
    """A comment on a pull request with a ``/command`` on a line of its own."""

    repo: str
    number: int
    comment_id: int
    author_login: str
    body: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A delivery that asks for nothing. ``reason`` is shown in GitHub's list of deliveries."""

    reason: str


Happening = Pushed | PullRequestChanged | ReviewSubmitted | CommentCreated
"""What is worth a place in the durable queue."""

Event = Happening | Ignored


def parse(event_name: str, payload: Any) -> Event:
    """What a delivery says.

    Args:
        event_name: the ``X-GitHub-Event`` header.
        payload: the decoded JSON.

    Raises:
        MalformedPayload: the event is one that is used, and a field of its payload is missing or wrong.
    """
    if event_name == "ping":
        return Ignored("pong: the webhook reaches Slipway")
    parser = _PARSERS.get(event_name)
    if parser is None:
        return Ignored(f"event {event_name} is not used")
    try:
        return parser(payload)
    except ValidationError as error:
        raise _malformed(event_name, error) from None


def to_json(event: Happening) -> dict[str, Any]:
    """The event as JSON for the durable queue."""
    kind = type(event).__name__
    return {"kind": kind, **_KINDS[kind].dump_python(event, mode="json")}


def from_json(data: dict[str, Any]) -> Happening:
    """The event that ``to_json`` wrote.

    Raises:
        Permanent: it was written by a version that knew other events or other fields.
    """
    fields = dict(data)
    kind = fields.pop("kind", None)
    try:
        return _KINDS[kind].validate_python(fields)
    except (KeyError, ValidationError):
        raise Permanent(
            f"A stored event of the kind {kind!r} does not have the fields this version expects. Redeliver it from "
            "the repository's webhook settings on GitHub, or wait for the next reconcile to find what it was about."
        ) from None


_KINDS: dict[Any, TypeAdapter[Happening]] = {
    kind.__name__: TypeAdapter(kind) for kind in (Pushed, PullRequestChanged, ReviewSubmitted, CommentCreated)
}


# ---------------------------------------------------------------- the payloads, as far as they are used

Sha = Annotated[str, StringConstraints(pattern=f"^{FULL_SHA.pattern}$")]
FullName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]
Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+(\[bot\])?$", max_length=100)]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Repository(_Payload):
    full_name: FullName


class _Account(_Payload):
    login: Login


class _Pusher(_Payload):
    name: str


class _Side(_Payload):
    ref: Ref
    sha: Sha


class _PullRequest(_Payload):
    number: int
    head: _Side
    base: _Side
    merged: bool = False


class _Review(_Payload):
    id: int
    state: str


class _Issue(_Payload):
    number: int
    pull_request: dict[str, Any] | None = None


class _Comment(_Payload):
    id: int
    body: str
    user: _Account


class _Push(_Payload):
    ref: Ref
    before: Sha
    after: Sha
    deleted: bool
    repository: _Repository
    pusher: _Pusher
    sender: _Account | None = None


class _Acted(_Payload):
    action: str
    repository: _Repository


class _PullRequestEvent(_Acted):
    pull_request: _PullRequest


class _ReviewEvent(_Acted):
    pull_request: _PullRequest
    review: _Review


class _CommentEvent(_Acted):
    issue: _Issue
    comment: _Comment


def _push(payload: Any) -> Event:
    push = _Push.model_validate(payload)
    if push.ref.startswith(TAG):
        return Ignored("tags start nothing")
    if push.ref.startswith(NOTES):
        return Ignored("git notes start nothing")
    if not push.ref.startswith(BRANCH):
        return Ignored(f"{push.ref} is not a branch")
    if push.deleted:
        return Ignored("a deleted branch starts nothing")
    return Pushed(
        repo=push.repository.full_name,
        branch=push.ref.removeprefix(BRANCH),
        before=push.before,
        after=push.after,
        pusher_login=push.sender.login if push.sender else push.pusher.name,
    )


def _pull_request(payload: Any) -> Event:
    acted = _Acted.model_validate(payload)
    if acted.action not in PULL_REQUEST_ACTIONS:
        return Ignored(f"pull request {acted.action} is not used")
    event = _PullRequestEvent.model_validate(payload)
    return PullRequestChanged(
        repo=event.repository.full_name,
        number=event.pull_request.number,
        action=event.action,
        head_branch=event.pull_request.head.ref,
        head_sha=event.pull_request.head.sha,
        base_branch=event.pull_request.base.ref,
        merged=event.pull_request.merged,
    )


def _review(payload: Any) -> Event:
    acted = _Acted.model_validate(payload)
    if acted.action not in REVIEW_ACTIONS:
        return Ignored(f"review {acted.action} is not used")
    event = _ReviewEvent.model_validate(payload)
    try:
        state = ReviewState(event.review.state.upper())  # payloads write "approved", the REST API "APPROVED"
    except ValueError:
        return Ignored(f"review state {event.review.state} is not used")
    return ReviewSubmitted(
        repo=event.repository.full_name,
        number=event.pull_request.number,
        review_id=event.review.id,
        state=state,
        head_branch=event.pull_request.head.ref,
    )


def _comment(payload: Any) -> Event:
    acted = _Acted.model_validate(payload)
    if acted.action != "created":
        return Ignored(f"comment {acted.action} is not used")
    event = _CommentEvent.model_validate(payload)
    if event.issue.pull_request is None:
        return Ignored("comments on issues are not used")
    if not commands(event.comment.body):
        return Ignored("the comment is not a command")
    return CommentCreated(
        repo=event.repository.full_name,
        number=event.issue.number,
        comment_id=event.comment.id,
        author_login=event.comment.user.login,
        body=event.comment.body,
    )


_PARSERS: dict[str, Callable[[Any], Event]] = {
    "push": _push,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "issue_comment": _comment,
}


def _malformed(event_name: str, error: ValidationError) -> MalformedPayload:
    """Name the first field that is wrong, without its value: a payload may hold anything."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the payload itself"
    return MalformedPayload(
        f"The payload of this {event_name} event cannot be used: {field}: {first['msg']}. "
        "Slipway understands what github.com and GitHub Enterprise Server send; see what sent this."
    )
