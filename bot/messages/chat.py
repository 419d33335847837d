"""What is said in chat: one title, and a line or two. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from bot.messages import duration, one_line, short
from bot.releases import Release


class News(StrEnum):
    """What people in a chat want to know of; the rest is in Git."""

    WAITING = "waiting"
    LIVE = "live"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Note:
    """One message: a title, and its text."""

    title: str
    text: str


def waiting(release: Release, environment: str, link: str) -> Note:
    """A promotion waits for people."""
    return Note(f"{release.app} waits for approval to enter {environment}", f"{_what(release)}\n{link}")


def live(release: Release, environment: str, seconds: float, url: str | None) -> Note:
    """The pods of a release are ready."""
    where = f"\n{url}" if url else ""
    return Note(f"{release.app} is live on {environment}", f"{_what(release)}, after {duration(seconds)}{where}")


def failed(app: str, environment: str, reason: str, link: str) -> Note:
    """A rollout failed."""
    return Note(f"{app} failed on {environment}", f"{one_line(reason)}\n{link}")


def rolled_back(app: str, environment: str, image: str, link: str) -> Note:
    """What was healthy before runs again."""
    return Note(f"{app} went back on {environment}", f"{image.partition('@')[0]} runs again.\n{link}")


def _what(release: Release) -> str:
    merge = release.merge
    who = f" by @{merge.merged_by.login}" if merge.merged_by else ""
    return f"{short(release.sha)}: {one_line(merge.title or merge.subject)}{who}"
