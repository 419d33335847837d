"""Reading a bare repository: one long-lived ``git cat-file`` answers every look in some tens of microseconds.

GitPython keeps such a process too, but is not safe for threads, does not follow symbolic links, and takes a
corrupt tree for a missing file. A mirror may be damaged: here *missing* and *damaged* are told apart.
"""

import contextlib
import posixpath
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.adapters.git.command import GitCommand
from bot.adapters.git.errors import GitFailure
from bot.facts import ConfigCommit
from bot.trailers import parse_trailers

LINK = "120000"
"""The mode of a symbolic link."""

_TREE = "40000"
_SUBMODULE = "160000"
_ENTRY = re.compile(rb"(\d+) ([^\0]+)\0(.{20})", re.DOTALL)
_IDENTITY = re.compile(r"(.*?) ?<(.*)> (-?\d+) [+-]\d{4}")
_UNUSUAL = (b"symlink", b"dangling", b"loop", b"notdir")
_ATTEMPTS = 2
_AT_ONCE = 32_000
"""Bytes of requests that are written before the first answer is read: a pipe takes them all, so neither side waits."""


class Damaged(Exception):
    """The mirror lacks an object that it must have. Stays inside the git adapters; cured by a fresh clone."""


class UnknownCommit(Damaged):
    """The mirror has no such commit: it may be newer than the last fetch, or gone."""

    def __init__(self, sha: str) -> None:
        super().__init__(f"commit {sha} cannot be read")
        self.sha = sha


@dataclass(frozen=True, slots=True)
class Object:
    """A git object: ``kind`` is commit, tree, blob or tag."""

    sha: str
    kind: str
    data: bytes


class ObjectReader:
    """Objects of one repository, by name. Safe for threads; the process is started again where it has died."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ahead: dict[str, Object] = {}

    def close(self) -> None:
        """End the process. A later look starts a new one."""
        with self._lock:
            self._ahead = {}
            self._stop()

    def get_ahead(self, names: Iterable[str]) -> None:
        """Read objects that will be asked for soon, many in one exchange, and keep them until the next call.

        The names must begin with a full hash, so that they mean the same for ever. What is missing is not kept.
        """
        requests = {name: name.encode("utf-8", "surrogateescape") for name in names}
        with self._lock:
            self._ahead = {}
            for some in _in_portions((name, request) for name, request in requests.items() if b"\n" not in request):
                try:
                    self._send(b"".join(request + b"\n" for _, request in some))
                    found = [(name, self._receive()) for name, _ in some]
                except (OSError, EOFError):
                    self._stop()
                    return
                self._ahead.update((name, one) for name, one in found if one is not None)

    def get(self, name: str) -> Object | None:
        """The object under a name such as ``<sha>`` or ``<sha>:<path>``, symbolic links followed; None: no such."""
        request = name.encode("utf-8", "surrogateescape")
        if b"\n" in request:
            return self._get_odd(name)
        with self._lock:
            if name in self._ahead:
                return self._ahead[name]
            for attempt in range(_ATTEMPTS):
                try:
                    self._send(request + b"\n")
                    return self._receive()
                except (OSError, EOFError) as error:
                    self._stop()
                    if attempt == _ATTEMPTS - 1:
                        raise Damaged(f"git cat-file ended while it read {name!r}") from error
        return None

    def file(self, commit: str, path: str) -> bytes | None:
        """A file's bytes; None where there is no such file.

        Raises:
            Damaged: the tree names it, and it cannot be read.
        """
        clean = clean_path(path)
        if clean is None:
            return None
        found = self.get(f"{commit}:{clean}")
        if found is None and self._listed(commit, clean):
            raise Damaged(f"{path} of {commit} is listed and cannot be read")
        return found.data if found is not None and found.kind == "blob" else None

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        """The file itself or all files below the folder, sorted. Submodules are not files."""
        clean = clean_path(path)
        if clean is None:
            return ()
        found = self.get(f"{commit}:{clean}")
        if found is None:
            self._listed(commit, clean)
            return ()
        if found.kind == "blob":
            return (clean,)
        return tuple(sorted(self._below(found.data, f"{clean}/" if clean else "")))

    def commit(self, sha: str) -> ConfigCommit | None:
        """A commit by its full hash."""
        found = self.get(sha)
        return parse_commit(found) if found is not None and found.kind == "commit" else None

    def committer_email(self, sha: str) -> str:
        """The committer's address of a commit, "" where there is none."""
        found = self.get(sha)
        lines = found.data.split(b"\n") if found is not None else []
        line = next((line for line in lines if line.startswith(b"committer ")), b"")
        return _identity(line.removeprefix(b"committer ").decode(errors="replace"))[1]

    def note(self, notes: str, commit: str) -> bytes:
        """The text of a commit's note in a notes tree, empty where there is none.

        Git spreads many notes over folders (``ab/cdef…``) as it sees fit, so each depth is looked at.
        """
        spread = (commit[: 2 * depth] for depth in range(3))
        paths = ("/".join([*re.findall("..", start), commit[len(start) :]]) for start in spread)
        return b"".join(found.data for path in paths if (found := self.get(f"{notes}:{path}")) is not None)

    def _listed(self, commit: str, path: str) -> bool:
        """Whether the commit's own trees name that path as a file. Raises Damaged where a tree is missing."""
        top = self.get(f"{commit}^{{tree}}")
        if top is None:
            raise UnknownCommit(commit)
        tree = top
        *folders, name = path.split("/") if path else [""]
        for folder in folders:
            mode, sha = _entry(tree.data, folder)
            if mode != _TREE:
                return False
            below = self.get(sha)
            if below is None:
                raise Damaged(f"tree {sha} of {commit} cannot be read")
            tree = below
        mode, _ = _entry(tree.data, name)
        return mode not in ("", LINK, _SUBMODULE)

    def _below(self, tree: bytes, prefix: str) -> Iterator[str]:
        for mode, name, sha in _entries(tree):
            if mode == _TREE:
                below = self.get(sha)
                if below is None:
                    raise Damaged(f"tree {sha} ({prefix}{name}) cannot be read")
                yield from self._below(below.data, f"{prefix}{name}/")
            elif mode != _SUBMODULE:
                yield f"{prefix}{name}"

    def _get_odd(self, name: str) -> Object | None:
        """A name with a line break, which the batch protocol cannot carry."""
        with contextlib.suppress(GitFailure):
            return Object("", "blob", self._git.local("cat-file", "blob", name))
        return None

    def _send(self, requests: bytes) -> None:
        process = self._process or self._begin()
        if process.stdin is None:
            raise EOFError
        process.stdin.write(requests)
        process.stdin.flush()

    def _receive(self) -> Object | None:
        process = self._process
        if process is None or process.stdout is None:
            raise EOFError
        header = process.stdout.readline()
        if not header.endswith(b"\n"):
            raise EOFError
        if header.endswith((b" missing\n", b" ambiguous\n")):
            return None
        words = header.split()
        size = int(words[-1])
        data = process.stdout.read(size + 1)[:size]
        if len(data) < size:
            raise EOFError
        if words[0] in _UNUSUAL:
            return None
        return Object(words[0].decode(), words[1].decode(), data)

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = self._git.start("cat-file", "--batch", "--follow-symlinks")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process)


def _in_portions(requests: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Requests together as long as they are no more than ``_AT_ONCE`` bytes."""
    portion: list[tuple[str, bytes]] = []
    size = 0
    for name, request in requests:
        if portion and size + len(request) >= _AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append((name, request))
        size += len(request) + 1
    if portion:
        yield portion


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that is talked to through pipes, and let go of them."""
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


def clean_path(path: str) -> str | None:
    """The path as git names it ("" is the root), or None for one that leads out of the repository."""
    clean = posixpath.normpath(path) if path else "."
    if clean.startswith("/") or clean.split("/")[0] == "..":
        return None
    return "" if clean == "." else clean


def parse_commit(found: Object) -> ConfigCommit:
    """A commit object, as ``git cat-file`` prints it, as a value."""
    head, _, message = found.data.decode(errors="replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    author_name, author_email, _ = _identity(next((rest for key, _, rest in lines if key == "author"), ""))
    committer_name, _, seconds = _identity(next((rest for key, _, rest in lines if key == "committer"), ""))
    return ConfigCommit(
        sha=found.sha,
        parents=tuple(rest for key, _, rest in lines if key == "parent"),
        author_name=author_name,
        author_email=author_email,
        committer_name=committer_name,
        committed_at=moment(seconds),
        message=message,
        trailers=parse_trailers(message),
    )


def moment(seconds: int) -> str:
    """Git's seconds since the epoch as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity(text: str) -> tuple[str, str, int]:
    match = _IDENTITY.fullmatch(text)
    return (match[1], match[2], int(match[3])) if match else (text, "", 0)


def _entries(tree: bytes) -> Iterator[tuple[str, str, str]]:
    for mode, name, sha in _ENTRY.findall(tree):
        yield mode.decode(), name.decode("utf-8", "surrogateescape"), sha.hex()


def _entry(tree: bytes, name: str) -> tuple[str, str]:
    """The (mode, sha) of a name in a tree, empty where it is not there."""
    return next(((mode, sha) for mode, found, sha in _entries(tree) if found == name), ("", ""))
