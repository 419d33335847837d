"""GitHub's JSON as the plain facts of ``bot.facts``.

It reads what was sent rather than PyGithub's attributes: an attribute that is missing makes PyGithub fetch the
whole object again, and a server that leaves out an optional field must not stop a deployment.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from github.GithubObject import GithubObject

from bot.facts import Commit, Comparison, PullRequest, Repository, Review, ReviewState
from bot.releases import Person

Json = Mapping[str, Any]

SUBMITTED = frozenset(state.value for state in ReviewState) - {ReviewState.PENDING.value}
"""States of reviews that are no longer being written."""

MOST_FILES = 300
"""Files that a comparison lists (https://docs.github.com/en/rest/commits/commits#compare-two-commits)."""

_NEXT = re.compile(r'<([^>]*)>; *rel="next"')

GHOST = "ghost"
"""The login GitHub shows in place of a deleted account."""


def as_sent(item: GithubObject) -> Json:
    """What the server sent about an item of a list, without PyGithub's second request for the rest of it."""
    sent: Json = GithubObject.raw_data.fget(item)  # type: ignore[attr-defined]  # a property's function
    return sent


def person(sent: Json | None) -> Person | None:
    """An account; None where GitHub names none."""
    if not sent or not sent.get("login"):
        return None
    return Person(login=str(sent["login"]), id=sent.get("id"), name=sent.get("name") or None)


def repository(name: str, sent: Json) -> Repository:
    """A repository. One of unknown visibility counts as public, so that nothing of it is assumed secret."""
    return Repository(
        name=name,
        default_branch=str(sent["default_branch"]),
        private=bool(sent.get("private", False)),
    )


def commit(sent: Json) -> Commit:
    """A commit with its author's account, where GitHub knows it."""
    inner = _part(sent, "commit")
    author, committer = _part(inner, "author"), _part(inner, "committer")
    return Commit(
        sha=str(sent["sha"]),
        subject=str(inner.get("message") or "").partition("\n")[0],
        author=person(_part(sent, "author")),
        author_name=str(author.get("name") or ""),
        committed_at=utc(committer.get("date") or author.get("date")) or "",
        url=str(sent.get("html_url") or ""),
        parents=tuple(str(parent["sha"]) for parent in sent.get("parents") or ()),
    )


def comparison(sent: Json) -> Comparison:
    """How two commits stand to each other."""
    commits = tuple(commit(item) for item in sent.get("commits") or ())
    total = int(sent.get("total_commits", len(commits)))
    return Comparison(status=str(sent["status"]), total=total, commits=commits, files=_files(sent.get("files")))


def _files(sent: Any) -> tuple[str, ...] | None:
    """The changed paths; None where there may be more than were sent."""
    if not isinstance(sent, list) or len(sent) >= MOST_FILES:
        return None
    names = (item.get(key) for item in sent for key in ("filename", "previous_filename"))
    return tuple(dict.fromkeys(str(name) for name in names if name))


def pull_request(repo: str, sent: Json) -> PullRequest:
    """A pull request, whole or as a list shows it."""
    head, base = _part(sent, "head"), _part(sent, "base")
    merged = bool(sent.get("merged") or sent.get("merged_at"))
    return PullRequest(
        repo=repo,
        number=int(sent["number"]),
        title=str(sent.get("title") or ""),
        body=str(sent.get("body") or ""),
        state=str(sent["state"]),
        url=str(sent.get("html_url") or ""),
        author=person(_part(sent, "user")),
        head_branch=str(head["ref"]),
        head_sha=str(head["sha"]),
        head_repo=_head_repo(repo, head),
        base_branch=str(base["ref"]),
        merged=merged,
        merge_sha=(sent.get("merge_commit_sha") or None) if merged else None,
        merged_by=person(_part(sent, "merged_by")),
        merged_at=utc(sent.get("merged_at")),
        mergeable=sent.get("mergeable"),
        labels=tuple(str(label["name"]) for label in sent.get("labels") or () if label.get("name")),
    )


def _head_repo(repo: str, head: Json) -> str | None:
    """Where the head branch lives; None where that fork is gone.

    The repository itself is spelled as the caller spells it. Where only the owner is told, the same owner means
    the same repository: GitHub lets nobody fork a repository of their own.
    """
    name = _part(head, "repo").get("full_name")
    if name is None:
        owner = str(head.get("label") or "").partition(":")[0]
        return repo if owner.casefold() == repo.partition("/")[0].casefold() else None
    return repo if str(name).casefold() == repo.casefold() else str(name)


def pull_requests(repo: str, sent: Iterable[Json]) -> tuple[PullRequest, ...]:
    """The pull requests of a list."""
    return tuple(pull_request(repo, item) for item in sent)


def reviews(_: str, sent: Iterable[Json]) -> tuple[Review, ...]:
    """The submitted reviews. One in a state GitHub has not documented approves nothing: left out."""
    known = (item for item in sent if str(item.get("state")).upper() in SUBMITTED)
    return tuple(
        Review(
            id=int(item.get("id") or 0),
            person=person(_part(item, "user")) or Person(GHOST),
            state=ReviewState(str(item["state"]).upper()),
            commit=str(item.get("commit_id") or ""),
            submitted_at=utc(item.get("submitted_at")) or "",
        )
        for item in known
    )


def oldest_first(found: Iterable[Review]) -> tuple[Review, ...]:
    """In the order in which they were submitted, whatever order the pages had."""
    return tuple(sorted(found, key=lambda review: (review.submitted_at, review.id)))


def says_status(combined: Json, status: Json) -> bool:
    """Whether a commit's combined status holds this very one. An empty text may come back as null."""
    return any(
        all((known.get(key) or "") == (value or "") for key, value in status.items())
        for known in combined.get("statuses") or ()
    )


def is_about(deployment: Json, about: Mapping[str, str]) -> bool:
    """Whether a deployment's payload is this; GitHub tells it as it was sent, or as the text of it."""
    payload = deployment.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return False
    return isinstance(payload, Mapping) and all(payload.get(key) == value for key, value in about.items())


def next_page(headers: Mapping[str, Any]) -> str | None:
    """Where a list goes on, as its ``Link`` header says; None on the last page."""
    found = _NEXT.search(str(headers.get("link") or ""))
    return found[1] if found else None


def utc(text: str | None) -> str | None:
    """An RFC 3339 time in UTC; text that is no such time as it is."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _part(sent: Json, key: str) -> Json:
    """A nested object; empty where it is missing or null."""
    part = sent.get(key)
    return part if isinstance(part, Mapping) else {}
