"""The words of the design as types: who, what, where, and how it ended. All frozen, all plain data."""

import re
from dataclasses import dataclass
from enum import StrEnum

SHORT_SHA = 7
"""Hex digits of a commit in an image tag and in a commit subject (DESIGN.md, Literals)."""

FULL_SHA = re.compile(r"[0-9a-f]{40}")


class Outcome(StrEnum):
    """How a sync ended."""

    HEALTHY = "healthy"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Person:
    """A GitHub account. ``id`` is GitHub's numeric user id; it makes the no-reply address that links commits."""

    login: str
    id: int | None = None
    name: str | None = None

    @property
    def email(self) -> str:
        """The address GitHub attributes to the account without publishing the real one.

        Source: https://docs.github.com/en/account-and-profile/reference/email-addresses-reference
        """
        prefix = f"{self.id}+" if self.id is not None else ""
        return f"{prefix}{self.login}@users.noreply.github.com"


@dataclass(frozen=True, slots=True)
class Merge:
    """How a source commit came onto the tracked branch.

    ``pull_request`` and ``title`` are None for a direct push; ``merged_at`` is RFC 3339 in UTC. ``author`` wrote
    the change: who opened the pull request, or who made a commit that was pushed directly.
    """

    source: str
    sha: str
    subject: str
    merged_by: Person | None
    merged_at: str | None
    pull_request: int | None = None
    title: str | None = None
    author: Person | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """An app at one source commit, built once. ``image`` is ``REPOSITORY:TAG@sha256:DIGEST``."""

    app: str
    image: str
    merge: Merge

    @property
    def sha(self) -> str:
        """The source commit, 40 hex digits."""
        return self.merge.sha

    @property
    def id(self) -> str:
        """The release id, ``APP@<40 hex>``."""
        return release_id(self.app, self.sha)


def release_id(app: str, sha: str) -> str:
    """The id of an app's release of a commit, ``APP@<40 hex>``."""
    return f"{app}@{sha}"


def bump_id(release: str, environment: str) -> str:
    """The ``Slipway-Id`` trailer of a bump: the release id and the environment it enters."""
    return f"{release}/{environment}"


def promotion_branch(environment: str, app: str) -> str:
    """The head branch of an app's one promotion into a gated environment (DESIGN.md, Literals)."""
    return f"slipway/{environment}/{app}"


def parse_promotion_branch(branch: str) -> tuple[str, str] | None:
    """The (environment, app) of a promotion branch, or None for anybody else's branch."""
    match branch.split("/"):
        case ["slipway", environment, app] if environment and app:
            return environment, app
    return None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What one app runs in one environment, as the config branch says at one commit.

    Attributes:
        images: the app's image texts in the manifests, without repeats, in file order.
        release: the release that these come from, where a bump with trailers is found for them.
        changed_in: the newest commit on the config branch that changed the app's files, or None where
            there are no such files.
        waiting: true where an image still has a placeholder tag: the app waits for its first release.
    """

    app: str
    environment: str
    images: tuple[str, ...]
    release: Release | None
    changed_in: str | None
    waiting: bool
