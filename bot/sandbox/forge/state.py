"""The GitHub stand-in's memory: who and what there is, and who may do what."""

import itertools
import queue
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from bot.sandbox.forge.records import (
    WEB_FLOW_EMAIL,
    App,
    Delivery,
    Grant,
    Hook,
    Level,
    OAuthApp,
    Repo,
    Team,
    Token,
    User,
    now,
)


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
    oauth_apps: dict[str, OAuthApp] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
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
