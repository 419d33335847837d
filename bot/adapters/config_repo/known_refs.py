"""The refs that a mirror keeps, and whether what the remote has is news (pure, but for ``store``)."""

from collections.abc import Mapping

from bot.adapters.git.command import GitCommand

BRANCHES = "refs/heads/"
NOTES = "refs/notes/slipway"
_NOTHING = "0" * 40


def has_news(seen: Mapping[str, str], before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a look at the remote has seen what is not known here.

    Args:
        seen: every ref that begins as those that are kept do.
        before: what was known when the look began.
        now: what is known after it, own pushes meanwhile included; the look may have come before or after each.
    """
    refs = {*filter(_is_kept, seen), *before, *now}
    return any(seen.get(ref) not in (before.get(ref), now.get(ref)) for ref in refs)


def _is_kept(ref: str) -> bool:
    """A prefix finds longer names of other refs, too."""
    return ref.startswith((BRANCHES, f"{NOTES}/")) or ref == NOTES


def store(git: GitCommand, stored: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Have the mirror's own refs say what is known: pushes leave them as they are.

    Raises:
        GitFailure: they do not.
    """
    changed = {ref: known.get(ref, _NOTHING) for ref, _ in known.items() ^ stored.items()}
    lines = "".join(f"update {ref}\0{sha}\0\0" for ref, sha in changed.items())
    if lines:
        git.local("update-ref", "-z", "--stdin", stdin=lines.encode("utf-8", "surrogateescape"))
