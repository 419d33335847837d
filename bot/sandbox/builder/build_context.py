"""The files of a build context: what ``.dockerignore`` leaves, found by the patterns that ``COPY`` takes.

The context comes from a source repository that may be anybody's: no symbolic link in it is ever followed.

Sources: https://docs.docker.com/build/concepts/context/#dockerignore-files and Go's ``filepath.Match``
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.errors import Permanent


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or symbolic link of the context; ``path`` is relative to it."""

    path: str
    file: Path
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder (and no link to one)."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Context:
    """A build context, read once, in the order of paths.

    Raises:
        Permanent: ``.dockerignore`` holds a pattern that cannot be read.
    """

    def __init__(self, root: Path) -> None:
        rules = _rules(root / ".dockerignore")
        self._entries = {entry.path: entry for entry in _walk(root, "") if not _ignored(entry.path, rules)}

    def find(self, pattern: str) -> list[Entry]:
        """What a source of ``COPY`` names: one entry, or those that match its wildcards; empty where none does."""
        path = str(PurePosixPath("/", pattern).relative_to("/"))
        if path == ".":
            return [Entry("", Path(), stat.S_IFDIR)]
        if not re.search(r"[*?\[]", path):
            return [self._entries[path]] if path in self._entries else []
        matches = _expression(path)
        return [entry for entry in self._entries.values() if matches.fullmatch(entry.path)]

    def below(self, folder: Entry) -> Iterator[Entry]:
        """Everything in a folder, at any depth."""
        prefix = f"{folder.path}/" if folder.path else ""
        return (entry for path, entry in self._entries.items() if path.startswith(prefix) and entry != folder)


def _walk(root: Path, prefix: str) -> Iterator[Entry]:
    with os.scandir(root) as listing:
        found = sorted(listing, key=lambda entry: entry.name)
    for item in found:
        entry = Entry(prefix + item.name, Path(item.path), item.stat(follow_symlinks=False).st_mode)
        yield entry
        if entry.is_folder:
            yield from _walk(entry.file, f"{entry.path}/")


@dataclass(frozen=True, slots=True)
class _Rule:
    matches: re.Pattern[str]
    keep: bool


def _rules(file: Path) -> list[_Rule]:
    if file.is_symlink() or not file.is_file():
        return []
    rules: list[_Rule] = []
    for line in file.read_text(encoding="utf-8").removeprefix("\ufeff").splitlines():
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        keep = text.startswith("!")
        pattern = os.path.normpath(text.removeprefix("!").strip().lstrip("/") or ".")
        if pattern != ".":
            rules.append(_Rule(_expression(pattern, many=True), keep))
    return rules


def _ignored(path: str, rules: list[_Rule]) -> bool:
    """The last rule that matches a path, or a folder above it, decides."""
    above = [path, *map(str, PurePosixPath(path).parents)]
    decisive = next((rule for rule in reversed(rules) if any(map(rule.matches.fullmatch, above))), None)
    return decisive is not None and not decisive.keep


_TOKEN = re.compile(r"(?P<any>\*\*/?)|(?P<star>\*)|(?P<one>\?)|(?P<set>\[\^?[^\]\\]+\])|\\(?P<escaped>.)|(?P<plain>.)")


def _expression(pattern: str, *, many: bool = False) -> re.Pattern[str]:
    """A Go path pattern as a regular expression; with ``many``, ``**`` stands for any number of folders."""
    text = ""
    for token in _TOKEN.finditer(pattern):
        match token.lastgroup:
            case "any" if many:
                text += "(?:.*/)?" if token.end() < len(pattern) else ".*"
            case "any":
                text += "[^/]*" + token["any"].lstrip("*")
            case "star":
                text += "[^/]*"
            case "one":
                text += "[^/]"
            case "set":
                text += f"(?!/){token['set']}"
            case _:
                text += re.escape(token["escaped"] or token["plain"])
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        raise Permanent(f"The pattern {pattern!r} cannot be read as a path pattern; mend it.") from None
