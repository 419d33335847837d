"""The webhooks' delivery log: what GitHub could not deliver, and sending it again. ``bot.ports.Deliveries``.

GitHub never sends again by itself, and forgets a delivery after three days
(https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries). A GitHub App has one log for
all its repositories; a repository's own webhooks are shown to its administrators alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from github import Github

from bot.adapters.github.answers import utc
from bot.adapters.github.client import GitHubClient
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import FOREIGN, is_unavailable, translate
from bot.errors import SlipwayError
from bot.facts import FailedDelivery

_log = structlog.get_logger(__name__)

T = TypeVar("T")

HOOK_PATH = "/webhooks/github"
PAGES = 30
"""Of a hundred deliveries each; more are not read at once."""

_APP = "/app/hook/deliveries"
_NEXT = re.compile(r'[?&]cursor=(?P<cursor>[^&>]+)[^>]*>;\s*rel="next"')


class GitHubDeliveries:
    """Reads the logs of the webhooks that lead to Slipway.

    Args:
        api_url: the REST base.
        credentials: the bot's.
    """

    def __init__(self, api_url: str, credentials: Credentials) -> None:
        self._client = GitHubClient(api_url, credentials)
        self._app = credentials.app()
        self._said: set[str] = set()

    def failed(self, repos: Sequence[str], since: datetime) -> tuple[FailedDelivery, ...]:
        """Deliveries since then of which no attempt was taken; nothing of a log that GitHub does not show."""
        found: list[FailedDelivery] = []
        for about in repos[:1] if self._app is not None else repos:
            try:
                for log in self._logs(about):
                    found += untaken(log, self._entries(about, log, since))
            except SlipwayError as error:
                if not is_unavailable(error):
                    raise
                self._without(about, error)
        return tuple(found)

    def redeliver(self, delivery: FailedDelivery) -> None:
        """POST …/attempts. Asked twice it is sent twice, with the same GUID, which is stored once."""
        path = f"{delivery.log}/{delivery.id}/attempts"
        about = "/".join(delivery.log.split("/")[2:4]) if self._app is None else "the GitHub App"
        self._ask(
            about,
            f"have the delivery {delivery.guid} sent again",
            lambda hub: hub.requester.requestJsonAndCheck("POST", path),
            write=True,
        )

    def _logs(self, about: str) -> list[str]:
        """Where the logs are of the webhooks that lead here."""
        if self._app is not None:
            return [_APP]
        path = f"/repos/{about}/hooks?per_page=100"
        _, hooks = self._ask(about, f"list the webhooks of {about}", partial(_get, path=path))
        return [f"/repos/{about}/hooks/{hook['id']}/deliveries" for hook in hooks if _leads_here(hook)]

    def _entries(self, about: str, log: str, since: datetime) -> Iterator[dict[str, Any]]:
        """Newest first, page by page."""
        cursor = ""
        for _ in range(PAGES):
            ask = partial(_get, path=f"{log}?per_page=100{cursor}")
            headers, entries = self._ask(about, f"read the deliveries of {about}", ask)
            for entry in entries:
                if datetime.fromisoformat(utc(entry["delivered_at"]) or "") < since:
                    return
                yield entry
            following = _NEXT.search(headers.get("link") or "")
            if following is None:
                return
            cursor = f"&cursor={following['cursor']}"

    def _ask(self, about: str, doing: str, question: Callable[[Github], T], *, write: bool = False) -> T:
        if self._app is None:
            return self._client.ask(about, doing, question, write=write)
        try:
            return question(self._app)
        except FOREIGN as error:
            raise translate(error, doing, "the GitHub App", write=write) from error

    def _without(self, about: str, error: SlipwayError) -> None:
        """One log line for each repository."""
        if about not in self._said:
            self._said.add(about)
            _log.warning("github_unavailable", repo=about, capability="delivery log", reason=str(error))


def untaken(log: str, entries: Iterable[dict[str, Any]]) -> Iterator[FailedDelivery]:
    """Pure: of each GUID whose attempts all failed the newest attempt. ``entries`` are newest first."""
    attempts: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        attempts.setdefault(str(entry["guid"]), []).append(entry)
    for guid, tried in attempts.items():
        if not any(200 <= int(entry.get("status_code") or 0) < 300 for entry in tried):  # noqa: PLR2004 - HTTP's own
            newest = tried[0]
            at = utc(newest["delivered_at"]) or ""
            yield FailedDelivery(guid, log, int(newest["id"]), str(newest.get("event") or ""), len(tried), at)


def _get(hub: Github, path: str) -> tuple[dict[str, Any], Any]:
    return hub.requester.requestJsonAndCheck("GET", path)


def _leads_here(hook: dict[str, Any]) -> bool:
    url = str((hook.get("config") or {}).get("url") or "")
    return urlsplit(url).path.rstrip("/").endswith(HOOK_PATH)
