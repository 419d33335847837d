"""PyGithub, tamed: one visible request a question, one question at a time, nothing repeated.

PyGithub is told to be lazy, so that naming a repository or a pull request sends nothing. A client of its is not
safe for threads (it keeps the request in the connection), and GitHub asks for serial requests
(https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api), hence the lock.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from github import Github
from github.Auth import Token
from github.Repository import Repository

from bot.adapters.github.connection import TIMEOUT, connection
from bot.adapters.github.connection import client as open_client
from bot.adapters.github.credentials import Credentials
from bot.adapters.github.errors import FOREIGN, status_of, translate
from bot.budget import Budget
from bot.errors import SlipwayError

T = TypeVar("T")

WRITE_SECONDS = 0.1
"""From the beginning of a write to that of the next."""


@dataclass(frozen=True, slots=True)
class _Connected:
    token: str = field(repr=False)
    hub: Github


class Pace:
    """Writes begin some time apart, in the order in which they are asked for; nobody else waits meanwhile.

    The short pause keeps bursts below the secondary limits, together with the time that a write itself takes. GitHub
    says when to wait longer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Wait for one's turn to write."""
        now = time.monotonic()
        time.sleep(max(0.0, self.turn(now) - now))

    def turn(self, now: float) -> float:
        """When one may write who asks at this moment, in seconds of the same clock."""
        with self._lock:
            turn = max(now, self._next)
            self._next = turn + self._seconds
        return turn


class GitHubClient:
    """Asks GitHub with valid credentials and translates every error. Safe to share between threads."""

    def __init__(self, api_url: str, credentials: Credentials, *, timeout: int = TIMEOUT) -> None:
        self._api_url = api_url
        self._credentials = credentials
        self._timeout = timeout
        self._lock = threading.RLock()
        self._pace = Pace(WRITE_SECONDS)
        self._connected: dict[str, _Connected] = {}
        self._budgets: dict[str, Budget] = {}

    def of(self, repo: str, doing: str, question: Callable[[Repository], T], *, write: bool = False) -> T:
        """Ask about a repository; see ``ask``."""
        return self.ask(repo, doing, lambda hub: question(hub.get_repo(repo)), write=write)

    def ask(self, about: str, doing: str, question: Callable[[Github], T], *, write: bool = False) -> T:
        """Ask with a valid token; once more with a new one where GitHub refuses it (nothing was done then).

        Args:
            about: the repository, or an organisation alone.
            doing: what is done, for the error: "merge pull request #7 of owner/name".
            question: what to send. It must read all it needs, since nothing is translated afterwards.
            write: whether it changes something.
        """
        if write:
            self._pace.wait()
        with self._lock:
            token = self._credentials.token(about)
            try:
                return self._try(token, about, doing, question, write=write)
            except SlipwayError as error:
                if status_of(error) != HTTPStatus.UNAUTHORIZED or not self._credentials.renew(about, token):
                    raise
            return self._try(self._credentials.token(about), about, doing, question, write=write)

    def budgets(self) -> tuple[Budget, ...]:
        """What GitHub's last answers told of the requests that are left, by account."""
        with self._lock:
            return tuple(self._budgets.values())

    def _try(self, token: str, about: str, doing: str, question: Callable[[Github], T], *, write: bool) -> T:
        hub = self._hub(about, token)
        try:
            return question(hub)
        except FOREIGN as error:
            raise translate(error, doing, about, write=write) from error
        finally:
            self._note_budget(about, hub)

    def _note_budget(self, about: str, hub: Github) -> None:
        """PyGithub keeps the headers of its last answer; a limit below 0 where there was none that told."""
        remaining, limit = hub.requester.rate_limiting
        if limit > 0:
            account = self._credentials.account(about)
            resets_at = hub.requester.rate_limiting_resettime
            self._budgets[account] = Budget(account, limit, remaining, resets_at, time.time())

    def _hub(self, about: str, token: str) -> Github:
        """The owner's client with its open connection; a new one where the token is new."""
        owner = about.partition("/")[0].casefold()
        known = self._connected.get(owner)
        if known is not None and known.token == token:
            return known.hub
        if known is not None:
            known.hub.close()
        hub = open_client(**connection(self._api_url, Token(token), self._timeout))
        self._connected[owner] = _Connected(token, hub)
        return hub
