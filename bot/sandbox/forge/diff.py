"""Reads what ``git diff-tree`` prints: files, their fates, counts and patches. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a diff. ``patch`` is None for binary files and pure renames."""

    path: str
    previous: str | None
    status: str
    blob: str
    additions: int
    deletions: int
    patch: str | None


def parse_diff(facts: str, patches: str) -> tuple[FileChange, ...]:
    """The files of a diff, from ``--raw --numstat -z`` and from ``-p`` of the same two trees."""
    each_patch = iter(("\n" + patches).split("\ndiff --git ")[1:])
    raw = iter(facts.split("\0"))
    found: list[tuple[str, str, str, str | None]] = []
    counts: dict[str, tuple[int, int]] = {}
    for fact in raw:
        if fact.startswith(":"):
            found.append(_raw_entry(fact, raw))
        elif fact:
            added, removed, name = fact.split("\t")
            if not name:
                _, name = next(raw), next(raw)
            counts[name] = (_count(added), _count(removed))
    return tuple(
        FileChange(name, previous, status, blob, *counts.get(name, (0, 0)), _patch(status, each_patch))
        for status, blob, name, previous in found
    )


def _patch(status: str, patches: Iterator[str]) -> str | None:
    """The next file's patch. A changed kind (a file that is a link now) has two, of which none is of use."""
    own = next(patches, "")
    if status == "changed":
        next(patches, "")
        return None
    return _hunks(own)


def _raw_entry(fact: str, rest: Iterable[str]) -> tuple[str, str, str, str | None]:
    """(status, blob, path, previous path) of ``:modes old new STATUS`` and the paths that follow it."""
    _, _, old, new, letter = fact.split(" ")
    names = iter(rest)
    first = next(names)
    renamed = letter[0] in "RC"
    path, previous = (next(names), first) if renamed else (first, None)
    words = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}
    return words.get(letter[0], "changed"), old if letter == "D" else new, path, previous


def _count(text: str) -> int:
    return 0 if text == "-" else int(text)


def _hunks(patch: str) -> str | None:
    start = patch.find("\n@@")
    return patch[start + 1 :].rstrip("\n") if start >= 0 else None
