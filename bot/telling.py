"""Small words about releases and times that pages and commands share. Pure."""

import re
from datetime import datetime

from bot.releases import Release

_REFERENCE = re.compile(r" \([^\s()]+/[^\s()]+#[0-9]+\)$")
"""A bump's description ends in the pull request, which is shown beside it (``messages.commit_body``)."""

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h"))
"""(seconds below which, seconds in one, unit)."""

_DAY = 24 * 3600


def ago(moment: str | None, now: datetime) -> str:
    """``just now``, ``40 s ago``, ``3 min ago``, ``5 h ago``, ``12 days ago``; nothing for what has no time.

    Args:
        moment: RFC 3339; what is none was written by a person, and is shown as it is.
        now: aware.
    """
    if not moment:
        return ""
    try:
        seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return moment
    if seconds < 1:
        return "just now"
    for below, one, unit in _STEPS:
        if seconds < below:
            return f"{int(seconds // one)} {unit} ago"
    return f"{int(seconds // _DAY)} days ago"


def title_of(release: Release) -> str:
    """What a release changes, in a line."""
    return _REFERENCE.sub("", release.merge.title or release.merge.subject)
