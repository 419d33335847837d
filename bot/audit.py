"""Reading the trail: commits and notes of the config repo in, who, what and when out. Pure, no database."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from bot.facts import ConfigCommit
from bot.releases import Merge, Outcome, Person, Release

_SOURCE = re.compile(r"(?P<repo>[^@\s]+/[^@\s]+)@(?P<sha>[0-9a-f]{40})")
_SOURCE_PR = re.compile(r"(?P<repo>[^#\s]+/[^#\s]+)#(?P<number>[0-9]+)")
_NO_REPLY = re.compile(r"(?:(?P<id>[0-9]+)\+)?(?P<login>[^@]+)@users\.noreply\.github\.com")

UNAPPROVED = "unapproved"
"""How the reason of a note begins where a gated environment was changed without approval."""


@dataclass(frozen=True, slots=True)
class OutcomeNote:
    """One line of ``refs/notes/slipway``: how the sync of a config commit ended for one app and environment.

    ``at`` is RFC 3339 in UTC; ``seconds`` is from the apply to the end of the rollout.
    """

    app: str
    environment: str
    image: str
    outcome: Outcome
    at: str
    seconds: float
    approved_by: tuple[str, ...] = ()
    reason: str = ""

    def line(self) -> str:
        """The note's line, JSON without a line break."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse_notes(lines: Iterable[str]) -> tuple[OutcomeNote, ...]:
    """The outcome lines among a note's lines; anything else a person wrote there is passed over."""
    return tuple(note for line in lines if (note := _parse_note(line)) is not None)


def _parse_note(line: str) -> OutcomeNote | None:
    try:
        fields = json.loads(line)
        return OutcomeNote(
            app=str(fields["app"]),
            environment=str(fields["environment"]),
            image=str(fields["image"]),
            outcome=Outcome(fields["outcome"]),
            at=str(fields["at"]),
            seconds=float(fields["seconds"]),
            approved_by=tuple(str(login) for login in fields.get("approved_by") or ()),
            reason=str(fields.get("reason") or ""),
        )
    except (ValueError, KeyError, TypeError):
        return None


def outcome_of(lines: Iterable[str], app: str, environment: str) -> OutcomeNote | None:
    """The last word on an app and environment in a commit's note, or None."""
    notes = [note for note in parse_notes(lines) if (note.app, note.environment) == (app, environment)]
    return notes[-1] if notes else None


def release_of(commit: ConfigCommit) -> Release | None:
    """The release that a bump or a promotion brought, from its trailers; None for any other commit."""
    app, image, source = (commit.trailer(key) for key in ("App", "Image", "Source"))
    match = _SOURCE.fullmatch(source or "")
    if app is None or image is None or match is None:
        return None
    pull_request = _SOURCE_PR.fullmatch(commit.trailer("Source-PR") or "")
    return Release(
        app=app,
        image=image,
        merge=Merge(
            source=match["repo"],
            sha=match["sha"],
            subject=_described(commit),
            merged_by=_merged_by(commit),
            merged_at=commit.trailer("Source-Merged-At"),
            pull_request=int(pull_request["number"]) if pull_request else None,
        ),
    )


def _described(commit: ConfigCommit) -> str:
    """The first line of the body: a bump says there what the release changes."""
    paragraphs = commit.message.split("\n\n")
    second = paragraphs[1].strip() if len(paragraphs) > 2 else ""  # noqa: PLR2004 - subject, description, trailers
    return second.partition("\n")[0]


def _merged_by(commit: ConfigCommit) -> Person | None:
    login = (commit.trailer("Merged-by") or "").removeprefix("@")
    if not login:
        return None
    author = _NO_REPLY.fullmatch(commit.author_email)
    if author is not None and author["login"] == login:
        return Person(login, int(author["id"]) if author["id"] else None, commit.author_name)
    return Person(login)


def author_login(commit: ConfigCommit) -> str | None:
    """The author's login, where the address is the one that GitHub gives to an account."""
    author = _NO_REPLY.fullmatch(commit.author_email)
    return author["login"] if author else None


def approvers_of(commit: ConfigCommit) -> tuple[str, ...]:
    """The logins in a commit's ``Approved-by`` trailers."""
    return tuple(value.removeprefix("@") for value in commit.all_trailers("Approved-by"))
