"""What the bot writes for people on GitHub, and who it is there: the one comment, statuses, deployments, labels.

GitHub is asked before it is told only where that can matter: where the step may have run before, and where somebody
else may have written the same.
"""

import threading
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from github import Github
from github.IssueComment import IssueComment
from github.Repository import Repository as GitHubRepository

from bot.adapters.github import answers as github_json
from bot.adapters.github.answers import Json, as_sent
from bot.adapters.github.client import GitHubClient
from bot.adapters.github.connection import TIMEOUT
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import is_unavailable, status_of
from bot.errors import SlipwayError
from bot.facts import Deploying, DeploymentState, StatusState
from bot.releases import Person
from bot.repetition import find, may_be_repeated

_log = structlog.get_logger(__name__)

DESCRIPTION_LIMIT = 140
"""Characters of a status description (https://docs.github.com/en/rest/commits/statuses)."""

COMMENTS = 1024
"""Comments whose ids are remembered, to edit them without looking for them."""


class Telling:
    """The writing half of ``bot.ports.Forge``.

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
        self._said: set[tuple[str, str]] = set()
        self._found: dict[tuple[str, int, str], Json] = {}

    # ---------------------------------------------------------------- who

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
            if not is_unavailable(error):
                raise
            self._without("the bot", "identity", error)
            return None

    # ---------------------------------------------------------------- comments

    def comment(self, repo: str, number: int, *, marker: str, body: str, only_update: bool = False) -> None:
        """Look, then create, edit or leave; doubles of the bot's own are deleted.

        One that a look has found is edited straight away from then on. One that was just created is looked for once
        more, since another worker may have created it at the same moment.
        """
        key = (repo, number, marker)
        known = self._found.get(key)
        if known is not None and not may_be_repeated() and not _same_text(known, body):
            try:
                self._edit(key, known, body)
            except SlipwayError as error:
                if status_of(error) != HTTPStatus.NOT_FOUND:
                    raise  # else it was deleted
            else:
                return
        self._look_and_comment(key, body, only_update=only_update)

    def _look_and_comment(self, key: tuple[str, int, str], body: str, *, only_update: bool) -> None:
        repo, number, marker = key
        me = self.identity()
        self._found.pop(key, None)

        def look() -> list[Json]:
            doing = f"read the comments of #{number} of {repo}"
            listed = self._client.of(
                repo, doing, lambda it: tuple(as_sent(comment) for comment in it.get_issue(number).get_comments())
            )
            return [item for item in listed if marker in str(item.get("body") or "") and _wrote(me, item)]

        ours = find(look, lambda found: found and _same_text(found[0], body))
        if not ours:
            if not only_update:
                doing = f"comment on #{number} of {repo}"
                self._client.of(repo, doing, lambda it: as_sent(it.get_issue(number).create_comment(body)), write=True)
            return
        first, *doubles = ours
        self._edit(key, first, body)
        for double in doubles:
            self._delete_comment(repo, number, double)

    def _edit(self, key: tuple[str, int, str], comment: Json, body: str) -> None:
        """PATCH it where it says something else, and remember it. While no answer has come, nothing is remembered."""
        repo, number, _ = key
        self._found.pop(key, None)
        if not _same_text(comment, body):
            doing = f"comment on #{number} of {repo}"
            self._client.of(repo, doing, lambda it: _posted(it, number, comment).edit(body), write=True)
        while len(self._found) >= COMMENTS:
            self._found.pop(next(iter(self._found)), None)
        self._found[key] = {"id": comment["id"], "body": body}

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
        path = f"/repos/{repo}/issues/comments/{comment_id}/reactions"
        self._without_fail(repo, "reactions", doing, path, {"content": "+1"})

    # ---------------------------------------------------------------- statuses

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
        """POST /repos/{repo}/statuses/{sha}, unless the newest of that context says so already."""
        status = {"state": state.value, "context": context, "description": _cut(description), "target_url": url}
        if (may_be_repeated() or not is_news) and find(lambda: self._says(repo, sha, status)):
            return
        sent = {key: value for key, value in status.items() if value is not None}
        doing = f"set the status of commit {sha} of {repo}"
        self._without_fail(repo, "statuses", doing, f"/repos/{repo}/statuses/{sha}", sent)

    def _says(self, repo: str, sha: str, status: Json) -> bool:
        """GET /repos/{repo}/commits/{sha}/status. Where it cannot be read it is set again, which does no harm."""

        def ask(hub: Github) -> bool:
            _, combined = hub.requester.requestJsonAndCheck("GET", f"/repos/{repo}/commits/{sha}/status?per_page=100")
            return github_json.says_status(combined, status)

        try:
            return self._client.ask(repo, f"read the statuses of commit {sha} of {repo}", ask)
        except SlipwayError as error:
            if not is_unavailable(error):
                raise
            return False

    # ---------------------------------------------------------------- deployments

    def begin_deployment(self, deploying: Deploying, *, is_news: bool = False) -> int | None:
        """POST /repos/{repo}/deployments, unless it is there. Nothing is merged for it, and no status waited for."""
        repo, sha, environment = deploying.repo, deploying.sha, deploying.environment
        if may_be_repeated() or not is_news:
            known = find(lambda: self._deployment_about(deploying))
            if known is not None:
                return int(known["id"])
        sent = {
            "ref": sha,
            "environment": environment,
            "production_environment": deploying.production,
            "transient_environment": False,
            "auto_merge": False,
            "required_contexts": [],
            "description": _cut(deploying.description),
            "payload": dict(deploying.about),
        }
        doing = f"record the deployment of {sha} of {repo} to {environment}"
        made = self._without_fail(repo, "deployments", doing, f"/repos/{repo}/deployments", sent)
        return int(made["id"]) if made and made.get("id") else None

    def _deployment_about(self, deploying: Deploying) -> Json | None:
        listed = self._deployments(deploying.repo, deploying.sha, deploying.environment)
        return next((one for one in listed if github_json.is_about(one, deploying.about)), None)

    def find_deployments(self, repo: str, sha: str, environment: str) -> tuple[int, ...]:
        """GET /repos/{repo}/deployments."""
        return tuple(int(one["id"]) for one in self._deployments(repo, sha, environment))

    def _deployments(self, repo: str, sha: str, environment: str) -> list[Json]:
        query = urlencode({"sha": sha, "environment": environment, "per_page": 100})
        doing = f"read the deployments of commit {sha} of {repo}"
        return self._listed(repo, "deployments", doing, f"/repos/{repo}/deployments?{query}")

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
        """POST /repos/{repo}/deployments/{id}/statuses, unless the newest says so already."""
        path = f"/repos/{repo}/deployments/{deployment}/statuses"
        said = {"state": state.value, "description": _cut(description)}
        if may_be_repeated() or not is_news:
            doing = f"read how deployment {deployment} of {repo} went"

            def look() -> bool:
                last = next(iter(self._listed(repo, "deployments", doing, f"{path}?per_page=1")), {})
                return all(last.get(key) == value for key, value in said.items())

            if find(look):
                return
        links = {"environment_url": url, "log_url": log_url}
        sent = {**said, **{key: value for key, value in links.items() if value}, "auto_inactive": True}
        self._without_fail(repo, "deployments", f"say how deployment {deployment} of {repo} went", path, sent)

    def label(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """POST /repos/{repo}/issues/{number}/labels, which makes those that the repository does not have yet."""
        doing, path = f"label #{number} of {repo}", f"/repos/{repo}/issues/{number}/labels"
        self._without_fail(repo, "labels", doing, path, {"labels": list(labels)})

    # ---------------------------------------------------------------- what GitHub will not do here

    def _listed(self, repo: str, capability: str, doing: str, path: str) -> list[Json]:
        """One page of a list that may be done without."""

        def ask(hub: Github) -> list[Json]:
            _, answer = hub.requester.requestJsonAndCheck("GET", path)
            return answer if isinstance(answer, list) else []

        try:
            return self._client.ask(repo, doing, ask)
        except SlipwayError as error:
            if not is_unavailable(error):
                raise
            self._without(repo, capability, error)
            return []

    def _without_fail(self, repo: str, capability: str, doing: str, path: str, sent: Json) -> Json | None:
        """POST something that may be done without; None, and one line in the log, where GitHub will not have it."""

        def ask(hub: Github) -> Json:
            _, answer = hub.requester.requestJsonAndCheck("POST", path, input=dict(sent))
            return answer if isinstance(answer, dict) else {}

        try:
            return self._client.ask(repo, doing, ask, write=True)
        except SlipwayError as error:
            if not is_unavailable(error):
                raise
            self._without(repo, capability, error)
            return None

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


def _same_text(comment: Json, body: str) -> bool:
    """GitHub may store other line ends, and drops blank ones at the end."""
    posted = str(comment.get("body") or "")
    return posted.replace("\r\n", "\n").strip() == body.replace("\r\n", "\n").strip()


def _cut(description: str) -> str:
    return description if len(description) <= DESCRIPTION_LIMIT else description[: DESCRIPTION_LIMIT - 1] + "…"
