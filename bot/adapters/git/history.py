"""What happened on the config branch, kept in memory: who changed a path last, which commit carries a trailer.

Asking ``git log`` costs more with every commit there is; the index costs one ``git log`` over what is new. It covers
the first-parent *line* of the branch; a commit that came in by a merge *arrives* with that merge. So everything
reachable from any commit of the line, also an older one, is what had arrived by then.
"""

import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.adapters.git.command import GitCommand
from bot.trailers import parse_trailers

INDEXED = frozenset({"Slipway-Id", "Image", "Source", "Reverts"})
"""The trailers that are looked up by value. Others are found too, by walking the log."""

_HEADER = re.compile(r"\n?([0-9a-f]{40})\x1f([0-9a-f ]*)\x1f(.*)", re.DOTALL)
_STATUS = re.compile(r"\n?[A-Z]")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One commit: its parents, its trailers, and the paths that differ from its first parent."""

    sha: str
    parents: tuple[str, ...]
    trailers: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]


class History:
    """The index. Empty at first; ``follow`` brings it up to a head. Safe for threads."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._line: list[str] = []
        self._position: dict[str, int] = {}
        self._touched: dict[str, list[int]] = {}
        self._carriers: dict[int, list[tuple[int, str]]] = {}

    def covers(self, commit: str) -> bool:
        """Whether the commit is on the line that is known."""
        with self._lock:
            return commit in self._position

    def on_line_of(self, commit: str, ancestor: str) -> bool:
        """Whether both are on the line, and ``ancestor`` not behind ``commit``; False says nothing of merged work."""
        with self._lock:
            position = self._position.get(ancestor)
            return position is not None and position <= self._position.get(commit, -1)

    def follow(self, head: str) -> None:
        """Learn what led to ``head``. A head that does not descend from the known line starts it anew.

        Raises:
            GitFailure: the log cannot be read.
        """
        with self._lock:
            if self._line and self._line[-1] == head:
                return
            known = self._line[-1] if self._line else None
            if known is None or not self._append(tuple(self._log(head, known)), head):
                self._clear()
                self._append(tuple(self._log(head, None)), head)

    def grow(self, commits: Sequence[Recorded]) -> None:
        """Append commits that this process made itself, oldest first; nothing where they do not fit."""
        with self._lock:
            if self._line and commits:
                self._append(commits, commits[-1].sha)

    def last_change(self, commit: str, paths: Iterable[str]) -> str | None:
        """The newest commit of the line, up to ``commit``, that changed any of the paths (files or folders)."""
        with self._lock:
            limit = self._position[commit]
            found = [
                places[index - 1]
                for path in paths
                if (places := self._touched.get(path)) and (index := bisect_right(places, limit))
            ]
            return self._line[max(found)] if found else None

    def carriers(self, commit: str, trailer: str, value: str) -> tuple[str, ...]:
        """Commits that had arrived by ``commit`` and (by their hash: verify) carry the trailer, newest first."""
        with self._lock:
            limit = self._position[commit]
            found = self._carriers.get(hash((trailer, value)), [])
            return tuple(sha for arrived, sha in reversed(found) if arrived <= limit)

    def _log(self, head: str, known: str | None) -> Iterator[Recorded]:
        """``git log`` of what ``head`` has and ``known`` has not, parents first."""
        span = [head] if known is None else [head, f"^{known}"]
        output = self._git.local(
            "log",
            "-z",
            "--topo-order",
            "--reverse",
            "--root",
            "--diff-merges=first-parent",
            "--no-renames",
            "--name-status",
            "--format=%H%x1f%P%x1f%B",
            *span,
            "--",
        )
        return _parse_log(output.decode("utf-8", "surrogateescape"))

    def _append(self, commits: Sequence[Recorded], head: str) -> bool:
        """Add commits (parents first) that end in ``head``; False where they do not continue the line."""
        by_sha = {commit.sha: commit for commit in commits}
        line: list[Recorded] = []
        at: str | None = head
        while at in by_sha:
            line.append(by_sha[at])
            at = next(iter(by_sha[at].parents), None)
        if at != (self._line[-1] if self._line else None):
            return False
        arrival: dict[str, int] = {}
        for commit in reversed(line):
            position = len(self._line)
            self._line.append(commit.sha)
            self._position[commit.sha] = position
            self._touch(commit.paths, position)
            _arrive(commit, position, by_sha, arrival)
        for commit in sorted(commits, key=lambda one: arrival[one.sha]):
            self._carry(commit, arrival[commit.sha])
        return True

    def _touch(self, paths: Iterable[str], position: int) -> None:
        for path in _with_folders(paths):
            self._touched.setdefault(path, []).append(position)

    def _carry(self, commit: Recorded, arrived: int) -> None:
        for key, value in commit.trailers:
            if key in INDEXED:
                self._carriers.setdefault(hash((key, value)), []).append((arrived, commit.sha))


def _arrive(commit: Recorded, position: int, among: dict[str, Recorded], arrival: dict[str, int]) -> None:
    """Mark the commit, and whatever it brings along, as arrived at that place of the line."""
    waiting = [commit.sha]
    while waiting:
        sha = waiting.pop()
        if sha in among and sha not in arrival:
            arrival[sha] = position
            waiting.extend(among[sha].parents)


def _with_folders(paths: Iterable[str]) -> set[str]:
    """The paths, every folder above them, and "" for the root."""
    found: set[str] = set()
    for path in paths:
        at = path
        while at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return found


def _parse_log(output: str) -> Iterator[Recorded]:
    """``--name-status -z``: a header, then a status letter and a path for each file that changed."""
    header: re.Match[str] | None = None
    paths: list[str] = []
    tokens = iter(output.split("\0"))
    for token in tokens:
        if _STATUS.fullmatch(token):
            paths.append(next(tokens))
        elif match := _HEADER.fullmatch(token):
            if header:
                yield _recorded(header, paths)
            header, paths = match, []
    if header:
        yield _recorded(header, paths)


def _recorded(header: re.Match[str], paths: list[str]) -> Recorded:
    return Recorded(header[1], tuple(header[2].split()), parse_trailers(header[3]), tuple(paths))
