"""The forge on GitHub: what each port method asks, and which refusals it can do without."""

import threading
import time
from functools import lru_cache
from http import HTTPStatus
from itertools import islice
from urllib.parse import quote

import structlog
from github import Github
from github.IssueComment import IssueComment
from github.Repository import Repository as GitHubRepository

from bot.adapters.github import answers as github_json
from bot.adapters.github.advice import is_setting
from bot.adapters.github.answers import Json, as_sent
from bot.adapters.github.client import GitHubClient
from bot.adapters.github.connection import TIMEOUT
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import status_of, words_of
from bot.budget import Budget
from bot.errors import Permanent, Refused, SlipwayError, UnknownOutcome
from bot.facts import Commit, Comparison, PullRequest, Repository, Review, StatusState
from bot.releases import FULL_SHA, Person

_log = structlog.get_logger(__name__)

DESCRIPTION_LIMIT = 140
"""Characters of a status description (https://docs.github.com/en/rest/commits/statuses)."""

COMPARE_LIMIT = 250
"""Commits of a comparison that are read: what GitHub lists on one page at most by itself."""

COMPARISONS = 256
"""Comparisons of two commits that are remembered: what two commits are to each other never changes."""

PAGE = 100
"""Items of a list on one page."""

TEAM_SECONDS = 60.0
"""Seconds for which a team's members are remembered."""

MAY_PUSH = frozenset({"admin", "maintain", "write"})
"""Permissions, and names of roles, that allow to push."""

UNAVAILABLE = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.UNPROCESSABLE_ENTITY,  # the commit has a thousand statuses, or is gone
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Answers that mean: on without it."""


class GitHubForge:
    """``bot.ports.Forge`` on GitHub, GitHub Enterprise Server, or the stand-in.

    Args:
        api_url: the REST base, ``https://api.github.com`` or ``https://HOST/api/v3``.
        credentials: whose eyes and hands.
        timeout: seconds GitHub may stay silent.
    """

    def __init__(self, api_url: str, credentials: Credentials, *, timeout: int = TIMEOUT) -> None:
        self._credentials = credentials
        self._client = GitHubClient(api_url, credentials, timeout=timeout)
        self._lock = threading.RLock()
        self._identity: tuple[Person | None] | None = None
        self._teams: dict[str, tuple[float, frozenset[str]]] = {}
        self._said: set[tuple[str, str]] = set()
        self._remembered = lru_cache(COMPARISONS)(self._compare)

    # ---------------------------------------------------------------- who

    def budgets(self) -> tuple[Budget, ...]:
        """What is left of the requests of this hour."""
        return self._client.budgets()

    def identity(self) -> Person | None:
        """The account of the token or of the App; asked once."""
        with self._lock:
            if self._identity is None:
                self._identity = (self._credentials.bot() or self._user(),)
            return self._identity[0]

    def _user(self) -> Person | None:
        """The token's account. Tokens without one (of a workflow, of an installation) get 403 or 404."""
        doing = "read the bot's own account"
        try:
            return self._client.ask("the bot", doing, lambda hub: github_json.person(hub.get_user().raw_data))
        except SlipwayError as error:
            if status_of(error) not in UNAVAILABLE:
                raise
            self._without("the bot", "identity", error)
            return None

    def account(self, login: str) -> Person | None:
        """GET /users/{login}."""
        doing = f"read the account @{login}"
        try:
            return self._client.ask(
                "GitHub", doing, lambda hub: github_json.person(as_sent(hub.get_user(quote(login, safe=""))))
            )
        except SlipwayError as error:
            if status_of(error) not in UNAVAILABLE:
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
            if known is not None and time.monotonic() - known[0] < TEAM_SECONDS:
                return known[1]
            organisation, _, slug = team.partition("/")

            def ask(hub: Github) -> frozenset[str]:
                members = hub.get_organization(organisation).get_team_by_slug(slug).get_members()
                return frozenset(str(as_sent(member)["login"]) for member in members)

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
        return self._client.of(
            repo,
            f"read pull request #{number} of {repo}",
            lambda it: github_json.pull_request(repo, it.get_pull(number).raw_data),
        )

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

        def ask(it: GitHubRepository) -> tuple[PullRequest, ...]:
            listed = it.get_pulls(state="open", sort="created", direction="asc")
            pulls = (github_json.pull_request(repo, as_sent(pull)) for pull in listed)
            return tuple(sorted((pull for pull in pulls if pull.state == "open"), key=lambda pull: pull.number))

        return self._client.of(repo, f"list the open pull requests of {repo}", ask)

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

        def ask(it: GitHubRepository) -> tuple[PullRequest, ...]:
            listed = it.get_pulls(state="closed", sort="updated", direction="desc")
            pulls = (github_json.pull_request(repo, as_sent(pull)) for pull in islice(listed, PAGE))
            return tuple(pull for pull in pulls if pull.state == "closed")

        return self._client.of(repo, f"list the closed pull requests of {repo}", ask)

    def reviews(self, repo: str, number: int) -> tuple[Review, ...]:
        """GET /repos/{repo}/pulls/{number}/reviews, every page."""
        return self._client.of(
            repo,
            f"read the reviews of pull request #{number} of {repo}",
            lambda it: github_json.reviews(as_sent(review) for review in it.get_pull(number).get_reviews()),
        )

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

    # ---------------------------------------------------------------- what people read

    def comment(self, repo: str, number: int, *, marker: str, body: str, only_update: bool = False) -> None:
        """Look, then create, edit or leave; doubles of the bot's own are deleted."""
        me = self.identity()
        listed = self._client.of(
            repo,
            f"read the comments of #{number} of {repo}",
            lambda it: tuple(as_sent(comment) for comment in it.get_issue(number).get_comments()),
        )
        ours = [item for item in listed if marker in str(item.get("body") or "") and _wrote(me, item)]
        doing = f"comment on #{number} of {repo}"
        if not ours and only_update:
            return
        if not ours:
            self._client.of(repo, doing, lambda it: as_sent(it.get_issue(number).create_comment(body)), write=True)
            return
        first, *doubles = ours
        if not _same_text(str(first.get("body") or ""), body):
            self._client.of(repo, doing, lambda it: _posted(it, number, first).edit(body), write=True)
        for double in doubles:
            self._delete_comment(repo, number, double)

    def _delete_comment(self, repo: str, number: int, comment: Json) -> None:
        """Delete one of the bot's comments; somebody else may have been quicker."""
        doing = f"delete a doubled comment on #{number} of {repo}"
        try:
            self._client.of(repo, doing, lambda it: _posted(it, number, comment).delete(), write=True)
        except SlipwayError as error:
            if status_of(error) != HTTPStatus.NOT_FOUND:
                raise

    def react(self, repo: str, number: int, comment_id: int) -> None:
        """POST /repos/{repo}/issues/comments/{id}/reactions; GitHub answers 200 where it was there already."""
        doing = f"react to a comment on #{number} of {repo}"

        def ask(hub: Github) -> None:
            path = f"/repos/{repo}/issues/comments/{comment_id}/reactions"
            hub.requester.requestJsonAndCheck("POST", path, input={"content": "+1"})

        try:
            self._client.ask(repo, doing, ask, write=True)
        except SlipwayError as error:
            if status_of(error) not in UNAVAILABLE:
                raise
            self._without(repo, "reactions", error)

    def set_status(
        self, repo: str, sha: str, *, context: str, state: StatusState, description: str, url: str | None
    ) -> None:
        """POST /repos/{repo}/statuses/{sha}, unless the newest of that context says so already."""
        status = {"state": state.value, "context": context, "description": _cut(description), "target_url": url}

        def ask(hub: Github) -> None:
            sent = {key: value for key, value in status.items() if value is not None}
            hub.requester.requestJsonAndCheck("POST", f"/repos/{repo}/statuses/{sha}", input=sent)

        if self._says(repo, sha, status):
            return
        try:
            self._client.ask(repo, f"set the status of commit {sha} of {repo}", ask, write=True)
        except SlipwayError as error:
            if status_of(error) not in UNAVAILABLE:
                raise
            self._without(repo, "statuses", error)

    def _says(self, repo: str, sha: str, status: Json) -> bool:
        """GET /repos/{repo}/commits/{sha}/status. Where it cannot be read it is set again, which does no harm."""

        def ask(hub: Github) -> bool:
            _, combined = hub.requester.requestJsonAndCheck("GET", f"/repos/{repo}/commits/{sha}/status?per_page=100")
            return github_json.says_status(combined, status)

        try:
            return self._client.ask(repo, f"read the statuses of commit {sha} of {repo}", ask)
        except SlipwayError as error:
            if status_of(error) not in UNAVAILABLE:
                raise
            return False

    def _without(self, about: str, capability: str, error: SlipwayError) -> None:
        """One log line for what GitHub will not do here, however often it is tried."""
        if (about, capability) not in self._said:
            self._said.add((about, capability))
            _log.warning("github_unavailable", repo=about, capability=capability, reason=str(error))


def _posted(it: GitHubRepository, number: int, comment: Json) -> IssueComment:
    return it.get_issue(number).get_comment(int(comment["id"]))


def _wrote(me: Person | None, comment: Json) -> bool:
    """Whether the bot wrote it. Where one of the two is unknown, the marker has to do: better than a second one."""
    author = github_json.person(comment.get("user"))
    return me is None or author is None or author.login.casefold() == me.login.casefold()


def _same_text(posted: str, body: str) -> bool:
    """GitHub may store other line ends, and drops blank ones at the end."""
    return posted.replace("\r\n", "\n").strip() == body.replace("\r\n", "\n").strip()


def _cut(description: str) -> str:
    return description if len(description) <= DESCRIPTION_LIMIT else description[: DESCRIPTION_LIMIT - 1] + "…"
