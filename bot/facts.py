"""The plain values that cross a port: what GitHub, Git, a registry, a cluster and the queue tell and are told.

Frozen data, no behaviour beyond looking things up in itself. Times are RFC 3339 in UTC unless said otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.releases import Person

# ---------------------------------------------------------------- GitHub


@dataclass(frozen=True, slots=True)
class Repository:
    """A GitHub repository's facts. ``name`` is ``owner/name``."""

    name: str
    default_branch: str
    private: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as GitHub tells it. ``author`` is None where GitHub knows no account for its address."""

    sha: str
    subject: str
    author: Person | None
    author_name: str
    committed_at: str
    url: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request, as read from the API (never from a payload).

    ``state`` is ``open`` or ``closed``; ``merge_sha`` is set once merged; ``merged_by`` and ``mergeable`` are
    only known from a read of the single pull request. ``mergeable`` None means GitHub is still computing.
    Times are RFC 3339 in UTC.
    """

    repo: str
    number: int
    title: str
    body: str
    state: str
    url: str
    author: Person | None
    head_branch: str
    head_sha: str
    head_repo: str | None
    base_branch: str
    merged: bool
    merge_sha: str | None = None
    merged_by: Person | None = None
    merged_at: str | None = None
    mergeable: bool | None = None
    labels: tuple[str, ...] = ()


class ReviewState(StrEnum):
    """The states of a review (https://docs.github.com/en/rest/pulls/reviews)."""

    APPROVED = "APPROVED"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    COMMENTED = "COMMENTED"
    DISMISSED = "DISMISSED"
    PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class Review:
    """One review. ``commit`` is the head it was given for: compare it with the current head yourself."""

    id: int
    person: Person
    state: ReviewState
    commit: str
    submitted_at: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two commits, as ``compare/base...head`` sees them. ``commits`` lead from base to head, oldest first.

    ``status`` is ``ahead``, ``behind``, ``identical`` or ``diverged``, said of head. GitHub lists at most 250
    commits without paging; ``total`` is the whole number. ``files`` are the paths that head changes since their common
    ancestor, both of a renamed one; None where GitHub did not list them all (it lists at most 300).
    """

    status: str
    total: int
    commits: tuple[Commit, ...]
    files: tuple[str, ...] | None = None


class StatusState(StrEnum):
    """The states of a commit status."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class DeploymentState(StrEnum):
    """The states of a deployment that Slipway sets; before the first one GitHub shows it as pending."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Deploying:
    """What a GitHub Deployment is about. ``about`` is its payload, by which it is found again."""

    repo: str
    sha: str
    environment: str
    production: bool
    description: str
    about: Mapping[str, str]


# ---------------------------------------------------------------- Git


Reader = Callable[[str], bytes | None]
"""Reads a file at the head that an edit is applied to; None where there is no such file."""


Edit = Callable[[Reader], Mapping[str, bytes | None]]
"""Pure: what the files shall be. It may be called again, on a newer head. A value of None deletes the file."""


@dataclass(frozen=True, slots=True)
class Change:
    """One commit to be made on the config repo.

    Attributes:
        id: the ``Slipway-Id`` the message carries. Where a commit with that trailer is reachable from the head,
            the change is there already and nothing is committed.
        message: subject, blank line, body with trailers.
        author: the person the commit is made for; the committer is always the bot.
        edit: see ``Edit``.
    """

    id: str
    message: str
    author: Person | None
    edit: Edit


@dataclass(frozen=True, slots=True)
class ConfigCommit:
    """A commit of the config repo. Times are RFC 3339; ``trailers`` holds (key, value) in order.

    ``is_new``: whoever got it has just made it; it was not found.
    """

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    committer_name: str
    committed_at: str
    message: str
    trailers: tuple[tuple[str, str], ...]
    is_new: bool = field(default=False, compare=False)

    def trailer(self, key: str) -> str | None:
        """The first value of a trailer, or None."""
        return next((value for name, value in self.trailers if name == key), None)

    def all_trailers(self, key: str) -> tuple[str, ...]:
        """Every value of a trailer that may repeat."""
        return tuple(value for name, value in self.trailers if name == key)

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit of the config branch's first-parent line, with what it did.

    Attributes:
        changed: (status, path) of each file that differs from the first parent; the status is ``git log``'s letter,
            ``A``, ``M``, ``D`` or ``T``.
        notes: the lines of its note in ``refs/notes/slipway``.
        brought: the commits that came in by it, where it is a merge, newest first.
    """

    commit: ConfigCommit
    changed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    brought: tuple[ConfigCommit, ...] = ()


# ---------------------------------------------------------------- images


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image in a registry: its manifest's digest and its configuration's labels."""

    digest: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build. ``dockerfile`` and ``context`` are relative to the checkout ``folder``."""

    folder: Path
    dockerfile: str
    context: str
    image: str
    labels: Mapping[str, str]
    platform: str | None = None


# ---------------------------------------------------------------- clusters


@dataclass(frozen=True, slots=True)
class Target:
    """Where to apply: a kubeconfig context and a namespace for objects that name none."""

    context: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One object as the cluster answered. ``at`` is the server's time (RFC 3339) of the answer."""

    api_version: str
    kind: str
    namespace: str | None
    name: str
    generation: int | None
    changed: bool
    at: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying one object would change, by a dry run. Values of Secrets are never in it.

    Attributes:
        before: the live object as YAML, without what servers write themselves; None where there is none.
        after: as it would be; None where the cluster refuses it. Equal to ``before``: nothing would change.
        problem: why the cluster refuses it; empty where it does not.
        warnings: what the server said beside its answer, such as that the API version is deprecated.
        note: what else is to be known of it, in a few words.
    """

    kind: str
    namespace: str | None
    name: str
    before: str | None = None
    after: str | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()
    note: str = ""

    @property
    def changes(self) -> bool:
        """Whether the object would be another."""
        return self.after is not None and self.before != self.after


class RolloutState(StrEnum):
    """Where a rollout stands."""

    PROGRESSING = "progressing"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One look at the workloads. ``detail`` says in a line what is waited for or what failed."""

    state: RolloutState
    detail: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why pods do not come up: one line each. ``logs`` are unredacted last lines of failing containers."""

    reasons: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()


# ---------------------------------------------------------------- time, work


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow to run. ``input`` is JSON; ``partition`` names the one lane in which it runs alone.

    ``id`` is made of what the work is about: a second job with the same id is not run.
    """

    workflow: str
    id: str
    partition: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A webhook that was taken by none of its attempts.

    Attributes:
        guid: the delivery's id, the same for all attempts.
        log: the path of the log it is in.
        id: the newest attempt's id in that log.
        event: GitHub's word, such as ``push``.
        attempts: how many there were, of those that the log still shows.
        at: when the newest attempt was, RFC 3339 in UTC.
    """

    guid: str
    log: str
    id: int
    event: str
    attempts: int
    at: str


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the database remembers it. ``result`` is what the workflow returned (JSON), once done.

    Times are RFC 3339 in UTC.
    """

    id: str
    workflow: str
    state: JobState
    result: Any
    created_at: str
    updated_at: str
    worker: str | None
