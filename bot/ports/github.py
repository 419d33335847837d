"""GitHub, as workflows and steps may ask it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.budget import Budget
from bot.facts import (
    Commit,
    Comparison,
    Deploying,
    DeploymentState,
    FailedDelivery,
    PullRequest,
    Repository,
    Review,
    StatusState,
)
from bot.releases import Person


class Forge(Protocol):
    """GitHub's REST API. ``repo`` is always ``owner/name``."""

    def identity(self) -> Person | None:
        """Who the bot is, or None where the API will not say."""
        ...

    def budgets(self) -> tuple[Budget, ...]:
        """What is left of the requests of this hour, as the last answers told. Asks nothing."""
        ...

    def account(self, login: str) -> Person | None:
        """An account by its login; None where there is none, or the API will not say."""
        ...

    def repository(self, repo: str) -> Repository:
        """The repository's facts."""
        ...

    def default_branch(self, repo: str) -> str:
        """The repository's default branch, as of the last minute."""
        ...

    def commit(self, repo: str, sha: str) -> Commit:
        """One commit."""
        ...

    def pull_requests_of(self, repo: str, sha: str) -> tuple[PullRequest, ...]:
        """The pull requests that a commit belongs to, merged ones too."""
        ...

    def compare(self, repo: str, base: str, head: str) -> Comparison | None:
        """How head stands to base; None where GitHub no longer knows one of them."""
        ...

    def pull_request(self, repo: str, number: int) -> PullRequest:
        """One pull request, whole."""
        ...

    def opened_by(self, repo: str, number: int) -> Person | None:
        """Who opened a pull request; None where that account is gone."""
        ...

    def find_pull_request(self, repo: str, head_branch: str, *, state: str = "open") -> PullRequest | None:
        """The newest pull request from that branch of the repo itself; ``state``: open, closed or all."""
        ...

    def open_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """All open pull requests, oldest first."""
        ...

    def open_pull_request(self, repo: str, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open one. Never repeated blindly: look with ``find_pull_request`` first, and after UnknownOutcome."""
        ...

    def edit_pull_request(self, repo: str, number: int, *, title: str, body: str) -> None:
        """Set title and body."""
        ...

    def close_pull_request(self, repo: str, number: int) -> None:
        """Close one without merging it; nothing where it is closed."""
        ...

    def closed_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """The hundred pull requests that were closed and touched last."""
        ...

    def reviews(self, repo: str, number: int) -> tuple[Review, ...]:
        """All submitted reviews, oldest first."""
        ...

    def merge_pull_request(self, repo: str, number: int, *, head: str, title: str, message: str) -> str:
        """Squash exactly ``head`` onto the base and return the new commit.

        Raises:
            Refused: it may not be merged (405): a conflict, or a rule of the branch.
            Permanent: the head moved (409).
            UnknownOutcome: no answer; read the pull request to learn.
        """
        ...

    def comment(self, repo: str, number: int, *, marker: str, body: str, only_update: bool = False) -> None:
        """Have exactly one comment that holds ``marker`` (an HTML comment), with this body.

        ``only_update``: none where there is none yet.
        """
        ...

    def react(self, repo: str, number: int, comment_id: int) -> None:
        """Thumbs up on a comment on a pull request, once. Unavailable: one log line."""
        ...

    def set_status(
        self,
        repo: str,
        sha: str,
        *,
        context: str,
        state: StatusState,
        description: str,
        url: str | None,
        is_news: bool = False,
    ) -> None:
        """A commit status. ``description`` is cut at GitHub's 140 characters. Unavailable: one log line.

        ``is_news``: nobody can have said this before, unless this step has run before.
        """
        ...

    def begin_deployment(self, deploying: Deploying, *, is_news: bool = False) -> int | None:
        """The id of the one deployment that is about this; None where GitHub keeps none for us: one log line.

        ``is_news``: nobody can have begun it before, unless this step has run before.
        """
        ...

    def find_deployments(self, repo: str, sha: str, environment: str) -> tuple[int, ...]:
        """The deployments of a commit to an environment, newest first; none where GitHub will not say."""
        ...

    def end_deployment(
        self,
        repo: str,
        deployment: int,
        *,
        state: DeploymentState,
        description: str,
        url: str | None,
        log_url: str | None,
        is_news: bool = False,
    ) -> None:
        """Say how a deployment ended; nothing where that was said last. ``description`` is cut at 140 characters.

        A success makes the environment's earlier ones inactive, as far as GitHub does so. ``is_news`` as above.
        """
        ...

    def label(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request. Unavailable: one log line."""
        ...

    def can_write(self, repo: str, login: str) -> bool:
        """Whether that person may push to the repo. Fails closed: cannot be asked means False."""
        ...

    def team_members(self, team: str) -> frozenset[str]:
        """The logins of ``org/team``. Fails closed: cannot be asked means nobody."""
        ...


class Deliveries(Protocol):
    """The log of webhooks that GitHub tried to deliver."""

    def failed(self, repos: Sequence[str], since: datetime) -> tuple[FailedDelivery, ...]:
        """Deliveries since then of which no attempt was taken; nothing of a log that GitHub does not show."""
        ...

    def redeliver(self, delivery: FailedDelivery) -> None:
        """Have it sent again, with the same GUID."""
        ...
