"""Which changed files concern an app: patterns as ``.gitignore`` writes them, to select rather than to ignore.

The rules, from https://git-scm.com/docs/gitignore#_pattern_format: a pattern with a ``/`` at its start or in its
middle is held against the whole path, any other against a file or folder name at any depth; ``*`` and ``?`` stay
within one name, ``**`` spans folders; a folder stands for everything below it; ``!`` takes back; the last pattern
that matches decides. Two things differ: a trailing ``/`` does not tell folders from files, since only paths are
known here, and ``[`` is a plain letter, since web frameworks name files ``[slug].js``.
"""

import re
from collections.abc import Sequence
from functools import lru_cache


def selects(patterns: Sequence[str], path: str) -> bool:
    """Whether the path is meant. No patterns mean every path, and so do patterns that only take back."""
    chosen = all(pattern.startswith("!") for pattern in patterns)
    for pattern in patterns:
        takes_back = pattern.startswith("!")
        if _expression(pattern.removeprefix("!")).match(path):
            chosen = not takes_back
    return chosen


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    body = pattern.rstrip("/")
    start = "" if "/" in body else "(?:.*/)?"
    names = [name for name in body.split("/") if name]
    return re.compile(f"{start}{_whole(names)}(?:/.*)?\\Z", re.DOTALL)


def _whole(names: Sequence[str]) -> str:
    pieces = []
    for position, name in enumerate(names, start=1):
        is_last = position == len(names)
        if name == "**":
            pieces.append(".+" if is_last else "(?:.*/)?")
        else:
            pieces.append(_one_name(name) + ("" if is_last else "/"))
    return "".join(pieces)


def _one_name(name: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(piece[:1], re.escape(piece)) for piece in re.split(r"(\*+|\?)", name))
