"""What the GitHub stand-in remembers besides git: people, repositories, pull requests, statuses, hooks.

Everything is plain mutable data behind one lock (``Store.lock``); the rules live in ``forge_pulls`` and
``forge_pushes``, the shapes GitHub shows in ``forge_json``.
"""

import itertools
import queue
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from bot.sandbox.forge_git import GitRepo, Signature

Json = dict[str, Any]

WEB_FLOW_EMAIL = "noreply@github.com"  # the committer of what GitHub itself commits
DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """A refusal, in GitHub's words. ``errors`` is the list of a 422, strings or objects."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None, docs: str = DOCS) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.docs = docs


def not_found() -> ApiError:
    """GitHub's answer for what is not there, and for what the caller may not see."""
    return ApiError(404, "Not Found")


def invalid(resource: str, field_name: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """GitHub's 422 about one field."""
    error = {"resource": resource, "field": field_name, "code": code} | ({"message": message} if message else {})
    return ApiError(422, "Validation Failed", [error])


class Level(IntEnum):
    """How far someone may go in a repository."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5

    @property
    def role(self) -> str:
        """GitHub's ``role_name``."""
        return self.name.lower()

    @property
    def permission(self) -> str:
        """GitHub's legacy ``permission``: maintain counts as write, triage as read."""
        legacy = {Level.MAINTAIN: Level.WRITE, Level.TRIAGE: Level.READ}
        return legacy.get(self, self).role


def now() -> str:
    """This second, as GitHub writes it."""
    return stamp(datetime.now(UTC))


def stamp(when: datetime) -> str:
    """An RFC 3339 time in UTC without a fraction."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, eq=False)
class User:
    """A person, an organization or an app's bot."""

    id: int
    login: str
    name: str | None
    type: Literal["User", "Organization", "Bot"]
    created_at: str

    @property
    def email(self) -> str:
        """The address GitHub puts into commits it makes for somebody."""
        return f"{self.id}+{self.login}@users.noreply.github.com"

    def signature(self) -> Signature:
        """As author of a commit made now."""
        return Signature(self.name or self.login, self.email, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Token:
    """Whose token; an app's installation token ends, and opens only its repositories (full names)."""

    user: User
    expires_at: datetime | None = None
    repos: frozenset[str] | None = None

    @property
    def is_installation(self) -> bool:
        """Whether this is an app's token, which answers differently in places."""
        return self.repos is not None


@dataclass(slots=True, eq=False)
class Review:
    """A review keeps the commit it was made on, whatever is pushed later."""

    id: int
    author: User
    state: str
    body: str
    commit_id: str
    submitted_at: str | None


@dataclass(slots=True, eq=False)
class Comment:
    """A comment of a pull request's conversation. ``reactions`` maps (login, content) to the reaction's id."""

    id: int
    author: User
    body: str
    created_at: str
    updated_at: str
    reactions: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Pull:
    """A pull request within one repository (the stand-in has no forks)."""

    repo: "Repo"
    id: int
    number: int
    author: User
    title: str
    body: str | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    created_at: str
    updated_at: str
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    closed_at: str | None = None
    closed_by: User | None = None
    merged_at: str | None = None
    merged_by: User | None = None
    merge_commit_sha: str | None = None
    landed: tuple[str, ...] = ()  # what a squash or a rebase put on the base
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    # (base tip, head) -> mergeable: GitHub works this out in the background after every change of either.
    mergeable: tuple[str, str, bool] | None = None


@dataclass(slots=True, eq=False)
class Status:
    """A commit status; the newest of a context counts."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    created_at: str


@dataclass(slots=True, eq=False)
class DeploymentStatus:
    """One step in a deployment's life."""

    id: int
    state: str
    creator: User
    description: str
    environment: str
    environment_url: str
    log_url: str
    created_at: str


@dataclass(slots=True, eq=False)
class Deployment:
    """A deployment as GitHub's API records it."""

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    description: str | None
    payload: Any
    transient: bool
    production: bool
    creator: User
    created_at: str
    updated_at: str
    statuses: list[DeploymentStatus] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Delivery:
    """One attempt to deliver an event to a hook. A redelivery is a new attempt with the same ``guid``."""

    id: int
    guid: str
    event: str
    action: str | None
    payload: Json
    redelivery: bool
    repository_id: int
    request_headers: dict[str, str] = field(default_factory=dict)
    delivered_at: str = ""
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


@dataclass(slots=True, eq=False)
class Hook:
    """A repository webhook."""

    id: int
    url: str
    secret: str | None
    events: tuple[str, ...]
    content_type: Literal["json", "form"]
    created_at: str
    deliveries: list[Delivery] = field(default_factory=list)

    def wants(self, event: str) -> bool:
        """Whether the hook subscribes to an event; every hook gets its ping."""
        return event == "ping" or "*" in self.events or event in self.events


@dataclass(frozen=True, slots=True)
class Protection:
    """What a protected branch asks of a merge. ``strict``: the head must contain the base's tip."""

    approvals: int
    strict: bool = False


@dataclass(slots=True, eq=False)
class Repo:
    """A repository: its settings, and what people did in it."""

    store: "Store"
    id: int
    owner: User
    name: str
    private: bool
    default_branch: str
    git: GitRepo
    created_at: str
    pushed_at: str
    collaborators: dict[str, Level]
    merge_methods: set[str] = field(default_factory=lambda: {"merge", "squash", "rebase"})
    delete_branch_on_merge: bool = False
    protections: dict[str, Protection] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    hooks: dict[int, Hook] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner.login}/{self.name}"

    def statuses_of(self, sha: str) -> list[Status]:
        """All statuses of a commit, newest first."""
        return [status for status in reversed(self.statuses) if status.sha == sha]

    def latest_statuses(self, sha: str) -> list[Status]:
        """The newest status of each context."""
        latest: dict[str, Status] = {}
        for status in self.statuses_of(sha):
            latest.setdefault(status.context, status)
        return list(latest.values())

    def combined_state(self, sha: str) -> str:
        """``failure`` if any failed, ``pending`` if any is pending or there is none, else ``success``."""
        states = {status.state for status in self.latest_statuses(sha)}
        if states & {"error", "failure"}:
            return "failure"
        return "success" if states == {"success"} else "pending"


@dataclass(slots=True, eq=False)
class Team:
    """A team of an organization."""

    id: int
    org: User
    slug: str
    members: list[User]
    created_at: str


@dataclass(slots=True, eq=False)
class App:
    """A GitHub App, installed once. It proves itself with JWTs signed by the key's private half."""

    id: int
    slug: str
    public_key: str
    bot: User
    owner: User
    installation_id: int
    repos: frozenset[str]
    created_at: str


@dataclass(slots=True)
class Store:
    """All of it, for one stand-in. ``web`` and ``api`` are the base URLs that every answer links to."""

    root: Path
    web: str = ""
    api: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    teams: dict[tuple[str, str], Team] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    outbox: "queue.Queue[tuple[Hook, Delivery] | None]" = field(default_factory=queue.Queue)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))

    def next_id(self) -> int:
        """A number never given before."""
        return next(self._ids)

    # Logins and repository names are case-insensitive on GitHub, so every key is lower case.

    def user(self, login: str) -> User | None:
        """By login."""
        return self.users.get(login.lower())

    def known_user(self, login: str) -> User:
        """By login; ``KeyError`` with a hint when there is none."""
        if found := self.user(login):
            return found
        raise KeyError(f"The stand-in knows nobody called {login!r}: call create_user first.")

    def repo(self, full_name: str) -> Repo | None:
        """By ``owner/name``."""
        return self.repos.get(full_name.lower())

    def known_repo(self, full_name: str) -> Repo:
        """By ``owner/name``; ``KeyError`` with a hint when there is none."""
        if found := self.repo(full_name):
            return found
        raise KeyError(f"The stand-in has no repository {full_name!r}: call create_repo first.")

    def add_user(self, login: str, name: str | None, kind: Literal["User", "Organization", "Bot"]) -> User:
        """Create somebody."""
        user = User(self.next_id(), login, name, kind, now())
        self.users[login.lower()] = user
        return user

    def issue_token(self, user: User, *, lifetime: timedelta | None = None, repos: frozenset[str] | None = None) -> str:
        """A new token, with the prefix GitHub gives its kind."""
        text = ("ghp_" if repos is None else "ghs_") + secrets.token_hex(18)
        self.tokens[text] = Token(user, datetime.now(UTC) + lifetime if lifetime else None, repos)
        return text

    def token(self, text: str) -> Token | None:
        """Whose token that is; None when unknown or expired."""
        found = self.tokens.get(text)
        expired = found and found.expires_at and found.expires_at <= datetime.now(UTC)
        return None if expired else found

    def members(self, org: User) -> set[User]:
        """Everybody in any team of an organization."""
        return {user for team in self.teams.values() if team.org is org for user in team.members}

    def level(self, repo: Repo, user: User | None) -> Level:
        """What somebody may do in a repository; everybody may read a public one."""
        public = Level.NONE if repo.private else Level.READ
        if user is None:
            return public
        own = Level.ADMIN if user is repo.owner else repo.collaborators.get(user.login.lower(), Level.NONE)
        return max(own, public)

    def user_by_email(self, email: str) -> User | None:
        """Whose commit that is, judged by GitHub's own noreply addresses."""
        if email == WEB_FLOW_EMAIL:
            return self.user("web-flow")
        match = re.fullmatch(r"(?:\d+\+)?([^@+]+)@users\.noreply\.github\.com", email)
        return self.user(match[1]) if match else None
