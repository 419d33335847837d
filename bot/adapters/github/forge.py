"""The forge on GitHub: what each port method asks, and which refusals it can do without."""

import time
from functools import lru_cache
from http import HTTPStatus
from itertools import islice
from urllib.parse import quote

import structlog
from github import Github
from github.NamedUser import NamedUser
from github.PaginatedList import PaginatedList
from github.Repository import Repository as GitHubRepository

from bot.adapters.github import answers as github_json
from bot.adapters.github.advice import is_setting
from bot.adapters.github.answers import Json, as_sent
from bot.adapters.github.connection import TIMEOUT
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import is_unavailable, status_of, words_of
from bot.adapters.github.lists import PAGE, Lists
from bot.adapters.github.telling import Telling
from bot.budget import Budget
from bot.errors import Permanent, Refused, SlipwayError, UnknownOutcome
from bot.facts import Commit, Comparison, PullRequest, Repository, Review
from bot.releases import FULL_SHA, Person

_log = structlog.get_logger(__name__)

COMPARE_LIMIT = 250
"""Commits of a comparison that are read: what GitHub lists on one page at most by itself."""

COMPARISONS = 256
"""Comparisons of two commits that are remembered: what two commits are to each other never changes."""

AUTHORS = 1024
"""Pull requests whose author is remembered: it never changes."""

REMEMBERED_SECONDS = 60.0
"""Seconds for which a team's members, and a repository's default branch, are remembered."""

MAY_PUSH = frozenset({"admin", "maintain", "write"})
"""Permissions, and names of roles, that allow to push."""


class GitHubForge(Telling):
    """``bot.ports.Forge`` on GitHub, GitHub Enterprise Server, or the stand-in."""

    def __init__(self, api_url: str, credentials: Credentials, *, timeout: int = TIMEOUT) -> None:
        super().__init__(api_url, credentials, timeout=timeout)
        self._teams: dict[str, tuple[float, frozenset[str]]] = {}
        self._branches: dict[str, tuple[float, str]] = {}
        self._remembered = lru_cache(COMPARISONS)(self._compare)
        self._pulls = Lists(github_json.pull_requests)
        self._reviews = Lists(github_json.reviews)
        self._authors: dict[tuple[str, int], Person | None] = {}

    # ---------------------------------------------------------------- who

    def budgets(self) -> tuple[Budget, ...]:
        """What is left of the requests of this hour."""
        return self._client.budgets()

    def account(self, login: str) -> Person | None:
        """GET /users/{login}."""
        doing = f"read the account @{login}"
        try:
            return self._client.ask(
                "GitHub", doing, lambda hub: github_json.person(as_sent(hub.get_user(quote(login, safe=""))))
            )
        except SlipwayError as error:
            if not is_unavailable(error):
                raise
            return None

    def can_write(self, repo: str, login: str) -> bool:
        """Asked every time, so that who has just lost the permission cannot approve."""

        def ask(hub: Github) -> bool:
            path = f"/repos/{repo}/collaborators/{quote(login, safe='')}/permission"
            _, sent = hub.requester.requestJsonAndCheck("GET", path)
            return bool({sent.get("permission"), sent.get("role_name")} & MAY_PUSH)

        try:
            return self._client.ask(repo, f"read what @{login} may do in {repo}", ask)
        except SlipwayError as error:
            _log.warning("permission_unknown", repo=repo, login=login, reason=str(error))
            return False

    def team_members(self, team: str) -> frozenset[str]:
        """The logins as GitHub spells them, remembered for a minute."""
        with self._lock:
            known = self._teams.get(team)
            if known is not None and time.monotonic() - known[0] < REMEMBERED_SECONDS:
                return known[1]
            organisation, _, slug = team.partition("/")

            def ask(hub: Github) -> frozenset[str]:
                path = f"/orgs/{quote(organisation, safe='')}/teams/{quote(slug, safe='')}/members"
                listed = PaginatedList(NamedUser, hub.requester, path, None)
                return frozenset(str(as_sent(member)["login"]) for member in listed)

            try:
                members = self._client.ask(organisation, f"read the members of @{team}", ask)
            except SlipwayError as error:
                _log.warning("team_unknown", team=team, reason=str(error))
                return frozenset()
            self._teams[team] = (time.monotonic(), members)
            return members

    # ---------------------------------------------------------------- repositories and commits

    def repository(self, repo: str) -> Repository:
        """GET /repos/{repo}."""
        return self._client.of(repo, f"read {repo}", lambda it: github_json.repository(repo, it.raw_data))

    def default_branch(self, repo: str) -> str:
        """Remembered for a minute: every look at an app whose branch the catalog does not name asks for it."""
        known = self._branches.get(repo)
        if known is None or time.monotonic() - known[0] >= REMEMBERED_SECONDS:
            known = self._branches[repo] = (time.monotonic(), self.repository(repo).default_branch)
        return known[1]

    def commit(self, repo: str, sha: str) -> Commit:
        """GET /repos/{repo}/commits/{sha}."""
        return self._client.of(
            repo, f"read commit {sha} of {repo}", lambda it: github_json.commit(it.get_commit(sha).raw_data)
        )

    def pull_requests_of(self, repo: str, sha: str) -> tuple[PullRequest, ...]:
        """GET /repos/{repo}/commits/{sha}/pulls."""
        return self._client.of(
            repo,
            f"read the pull requests of commit {sha} of {repo}",
            lambda it: tuple(github_json.pull_request(repo, as_sent(pull)) for pull in it.get_commit(sha).get_pulls()),
        )

    def compare(self, repo: str, base: str, head: str) -> Comparison | None:
        """GET /repos/{repo}/compare/{base}...{head}.

        None only where the repository itself can be read: losing access to it must not look like a force-push.
        """
        fixed = FULL_SHA.fullmatch(base) and FULL_SHA.fullmatch(head)
        try:
            return self._remembered(repo, base, head) if fixed else self._compare(repo, base, head)
        except SlipwayError as error:
            if status_of(error) != HTTPStatus.NOT_FOUND:
                raise
        self.repository(repo)
        return None

    def _compare(self, repo: str, base: str, head: str) -> Comparison:
        return self._client.of(
            repo,
            f"compare {base} with {head} in {repo}",
            lambda it: github_json.comparison(
                it.compare(base, head, comparison_commits_per_page=COMPARE_LIMIT).raw_data
            ),
        )

    # ---------------------------------------------------------------- pull requests

    def pull_request(self, repo: str, number: int) -> PullRequest:
        """GET /repos/{repo}/pulls/{number}."""
        read = self._client.of(
            repo,
            f"read pull request #{number} of {repo}",
            lambda it: github_json.pull_request(repo, it.get_pull(number).raw_data),
        )
        if len(self._authors) >= AUTHORS:
            self._authors.clear()
        self._authors[repo, number] = read.author
        return read

    def opened_by(self, repo: str, number: int) -> Person | None:
        """As any earlier read of it told."""
        key = (repo, number)
        return self._authors[key] if key in self._authors else self.pull_request(repo, number).author

    def find_pull_request(self, repo: str, head_branch: str, *, state: str = "open") -> PullRequest | None:
        """GET /repos/{repo}/pulls, filtered here once more: not every server heeds ``head``."""
        head = f"{repo.partition('/')[0]}:{head_branch}"

        def ask(it: GitHubRepository) -> PullRequest | None:
            listed = it.get_pulls(state=state, head=head, sort="created", direction="desc")
            pulls = (github_json.pull_request(repo, as_sent(pull)) for pull in listed)
            ours = (
                pull
                for pull in pulls
                if pull.head_branch == head_branch and pull.head_repo == repo and state in {pull.state, "all"}
            )
            return max(islice(ours, PAGE), key=lambda pull: pull.number, default=None)

        return self._client.of(repo, f"look for the pull request of {head_branch} in {repo}", ask)

    def open_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """GET /repos/{repo}/pulls, every page."""
        path = f"/repos/{repo}/pulls?state=open&sort=created&direction=asc&per_page={PAGE}"
        listed = self._client.ask(
            repo, f"list the open pull requests of {repo}", lambda hub: self._pulls.read(hub, repo, path)
        )
        return tuple(sorted((pull for pull in listed if pull.state == "open"), key=lambda pull: pull.number))

    def open_pull_request(self, repo: str, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """POST /repos/{repo}/pulls, once."""
        return self._client.of(
            repo,
            f"open the pull request of {head} in {repo}",
            lambda it: github_json.pull_request(
                repo, as_sent(it.create_pull(base=base, head=head, title=title, body=body))
            ),
            write=True,
        )

    def edit_pull_request(self, repo: str, number: int, *, title: str, body: str) -> None:
        """PATCH /repos/{repo}/pulls/{number}."""
        self._client.of(
            repo,
            f"edit pull request #{number} of {repo}",
            lambda it: it.get_pull(number).edit(title=title, body=body),
            write=True,
        )

    def close_pull_request(self, repo: str, number: int) -> None:
        """PATCH /repos/{repo}/pulls/{number}."""
        self._client.of(
            repo,
            f"close pull request #{number} of {repo}",
            lambda it: it.get_pull(number).edit(state="closed"),
            write=True,
        )

    def closed_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """GET /repos/{repo}/pulls, one page."""
        path = f"/repos/{repo}/pulls?state=closed&sort=updated&direction=desc&per_page={PAGE}"
        listed = self._client.ask(
            repo, f"list the closed pull requests of {repo}", lambda hub: self._pulls.read(hub, repo, path, pages=1)
        )
        return tuple(pull for pull in listed if pull.state == "closed")

    def reviews(self, repo: str, number: int) -> tuple[Review, ...]:
        """GET /repos/{repo}/pulls/{number}/reviews, every page."""
        path = f"/repos/{repo}/pulls/{number}/reviews?per_page={PAGE}"
        listed = self._client.ask(
            repo,
            f"read the reviews of pull request #{number} of {repo}",
            lambda hub: self._reviews.read(hub, repo, path),
        )
        return github_json.oldest_first(listed)

    def merge_pull_request(self, repo: str, number: int, *, head: str, title: str, message: str) -> str:
        """PUT /repos/{repo}/pulls/{number}/merge."""
        doing = f"merge pull request #{number} of {repo} at {head}"

        def ask(it: GitHubRepository) -> Json:
            pull = it.get_pull(number)
            return as_sent(pull.merge(commit_message=message, commit_title=title, merge_method="squash", sha=head))

        try:
            sent = self._client.of(repo, doing, ask, write=True)
        except Permanent as error:
            words = words_of(error)
            if status_of(error) != HTTPStatus.METHOD_NOT_ALLOWED or is_setting(words):
                raise
            raise Refused(str(error), words) from error
        if not sent.get("merged") or not sent.get("sha"):
            raise UnknownOutcome(f"Asked GitHub to {doing}, but its answer names no commit.")
        return str(sent["sha"])
