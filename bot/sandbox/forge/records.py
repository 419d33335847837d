"""What the GitHub stand-in remembers of each thing: plain mutable data, guarded by ``Store.lock``.

The rules live in ``pulls``, ``merge`` and ``pushes``, the shapes GitHub shows in ``shapes``.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

from bot.sandbox.forge.git import GitRepo, Signature

if TYPE_CHECKING:
    from bot.sandbox.forge.state import Store

Json = dict[str, Any]

WEB_FLOW_EMAIL = "noreply@github.com"  # the committer of what GitHub itself commits


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
    """Whose token; an app's installation token ends, and opens only its repositories (full names).

    One that an OAuth app was given may do what its ``scopes`` say; None is everything.
    """

    user: User
    expires_at: datetime | None = None
    repos: frozenset[str] | None = None
    scopes: frozenset[str] | None = None

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


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An OAuth app; people are sent back to its callback, or below it."""

    client_id: str
    secret: str
    name: str
    callback: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person let an OAuth app know, until it fetches the token for it."""

    app: OAuthApp
    user: User
    redirect_uri: str
    scopes: frozenset[str]
    expires_at: datetime


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
