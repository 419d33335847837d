"""What became of the bumps, by the server's own repository: its log and its final tree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.git import git
from tests.bench.repository import Bump


@dataclass(frozen=True)
class Account:
    """``lost``: updates that were reported done and are not there. ``stray``: lines changed beside the image's."""

    lost: int
    stray: int

    def __add__(self, other: "Account") -> "Account":
        return Account(self.lost + other.lost, self.stray + other.stray)


@dataclass(frozen=True)
class Logged:
    """A commit: its Slipway-Id, and (lines added, lines deleted, path) of each file."""

    sha: str
    id: str
    files: tuple[tuple[int, int, str], ...]


def settle(bare: Path, made: Sequence[tuple[Bump, str | None]], others: Sequence[str] = ()) -> Account:
    """Hold what was said to be done (bumps with their commits, and others' new files) against the repository."""
    log = {commit.sha: commit for commit in _log(bare)}
    paths = {bump.id: bump.path for bump, _ in made}
    missing = sum(sha not in log or log[sha].id != bump.id for bump, sha in made if sha is not None)
    unmade = sum(sha is None for _, sha in made)
    last = {bump.path: bump for bump, _ in made}
    tree = _texts(bare, [*last, *others])
    overwritten = sum(tree[path] != bump.text for path, bump in last.items())
    gone = sum(tree[path] is None for path in others)
    stray = sum(_stray(commit, paths[commit.id]) for commit in log.values() if commit.id in paths)
    return Account(missing + unmade + overwritten + gone, stray)


def _stray(commit: Logged, path: str) -> int:
    """One line gone and one come in the one file is what a bump is; the rest is stray, and so is what is amiss."""
    counted = {name: (added, deleted) for added, deleted, name in commit.files}
    added, deleted = counted.pop(path, (0, 0))
    return abs(added - 1) + abs(deleted - 1) + sum(map(sum, counted.values()))


def _log(bare: Path) -> Iterator[Logged]:
    """``--numstat`` of every commit, as ``git show --numstat`` gives it for one."""
    form = "--format=%x01%H %(trailers:key=Slipway-Id,valueonly,separator=%x2C)"
    output = git(bare, "log", "--numstat", "--no-renames", form, "main").decode()
    for entry in output.split("\x01")[1:]:
        head, *lines = entry.splitlines()
        sha, _, id_ = head.partition(" ")
        counts = (line.split("\t") for line in lines if line)
        yield Logged(sha, id_, tuple((int(added), int(deleted), path) for added, deleted, path in counts))


def _texts(bare: Path, paths: Sequence[str]) -> dict[str, bytes | None]:
    """The files of the final tree."""
    output = git(bare, "cat-file", "--batch", stdin="".join(f"main:{path}\n" for path in paths).encode())
    texts: dict[str, bytes | None] = {}
    for path in paths:
        head, _, rest = output.partition(b"\n")
        size = None if head.endswith(b" missing") else int(head.split()[-1])
        texts[path] = None if size is None else rest[:size]
        output = rest if size is None else rest[size + 1 :]
    return texts
