"""Writes commits into a bare repository with ``git fast-import``: no work tree, one process for a whole batch.

The process is talked to in turns: what a path is now (``ls``), and which hash a commit has got (``get-mark``), are
asked in the stream itself (git-fast-import(1)).
"""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bot.adapters.git.command import GitCommand
from bot.adapters.git.errors import GitFailure
from bot.adapters.git.objects import LINK, clean_path, end
from bot.errors import Permanent
from bot.releases import Person

_FILE = "100644"
_TREE = "040000"
_SUBMODULE = "160000"

_UNPACK_LIMIT = 20
"""Objects from which on a batch stays a pack; a lone bump has four or five. As loose objects, one file each, a batch
of 32 took a third longer, and the mirror grew by a file for each. Git's own limit is 100."""

_OPTIONS = ("-c", f"fastimport.unpackLimit={_UNPACK_LIMIT}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to be written. A value of None in ``files`` deletes; ``author`` None is the committer."""

    message: str
    author: Person | None
    files: Mapping[str, bytes | None]


class FastImport:
    """One ``git fast-import``. What it wrote is in the repository when the ``with`` block ends without an error.

    Raises:
        GitFailure: from any method: the process ended early (a damaged repository, a full disk).
    """

    def __init__(self, git: GitCommand, committer: Person) -> None:
        self._git = git
        self._committer = committer
        self._process: subprocess.Popen[bytes] | None = None
        self._marks: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kind is not None:
            end(process)
            return
        _, err = process.communicate(b"done\n")
        if process.returncode:
            raise GitFailure("fast-import", process.returncode, err.decode(errors="replace"))

    def modes(self, commit: str, files: Mapping[str, bytes | None]) -> dict[str, str | None]:
        """The mode that each file of a draft shall have on top of ``commit`` (None: it is not there to delete).

        Raises:
            Permanent: a path is no plain file, lies behind a symbolic link, or could not be a path in git.
        """
        return {path: self._mode(commit, path, content) for path, content in files.items()}

    def commit(self, ref: str, parent: str, draft: Draft, modes: Mapping[str, str | None]) -> str:
        """Put a commit on top of ``parent``, point the (private) ref to it, and return its hash."""
        now = int(time.time())
        author = _identity(draft.author or self._committer)
        message = draft.message.encode("utf-8", "replace")
        stream = [f"commit {ref}\nmark {self._next_mark}\nauthor {author} {now} +0000\n".encode()]
        stream.append(f"committer {_identity(self._committer)} {now} +0000\n".encode())
        stream += [_data(message), f"from {self._name(parent)}\n".encode()]
        for path, content in draft.files.items():
            if content is not None:
                stream += [f"M {modes[path]} inline ".encode(), _quoted(path), b"\n", _data(content)]
            elif modes[path] is not None:
                stream += [b"D ", _quoted(path), b"\n"]
        return self._finish(stream)

    def note(self, ref: str, parent: str | None, notes: Mapping[str, bytes], message: str) -> str:
        """Set the notes of commits in a notes tree, in one commit; git sorts them into folders as it likes."""
        now = int(time.time())
        stream = [f"commit {ref}\nmark {self._next_mark}\n".encode()]
        stream.append(f"committer {_identity(self._committer)} {now} +0000\n".encode())
        stream.append(_data(message.encode()))
        if parent is not None:
            stream.append(f"from {parent}\n".encode())
        for commit, text in notes.items():
            stream += [f"N inline {commit}\n".encode(), _data(text)]
        return self._finish(stream)

    @property
    def _next_mark(self) -> str:
        return f":{len(self._marks) + 1}"

    def _name(self, commit: str) -> str:
        """A commit as the stream knows it: what is written here has only a mark until the end."""
        return self._marks.get(commit, commit)

    def _finish(self, stream: list[bytes]) -> str:
        """Send a commit, and return the hash that it has got."""
        mark = self._next_mark
        sha = self._ask(b"".join([*stream, f"get-mark {mark}\n".encode()])).decode().strip()
        self._marks[sha] = mark
        return sha

    def _mode(self, commit: str, path: str, content: bytes | None) -> str | None:
        if not path or clean_path(path) != path or ".git" in path.lower().split("/") or "\0" in path:
            raise Permanent(f"{path!r} cannot be a file of the config repo. Correct the path in slipway.yaml.")
        mode = self._look(commit, path)
        if mode in (LINK, _TREE, _SUBMODULE):
            kind = {LINK: "a symbolic link", _TREE: "a folder"}.get(mode, "a submodule")
            raise Permanent(f"{path} in the config repo is {kind}; only a file can be changed. Name the file itself.")
        if mode is None and content is not None:
            self._refuse_detour(commit, path)
            return _FILE
        return mode

    def _refuse_detour(self, commit: str, path: str) -> None:
        """A new file below something that is no folder would replace that something."""
        folder = path.rpartition("/")[0]
        while folder:
            mode = self._look(commit, folder)
            if mode == _TREE:
                return
            if mode is not None:
                raise Permanent(f"{folder} in the config repo is not a folder, so {path} cannot be written.")
            folder = folder.rpartition("/")[0]

    def _look(self, commit: str, path: str) -> str | None:
        answer = self._ask(b"ls " + self._name(commit).encode() + b" " + _quoted(path) + b"\n")
        return None if answer.startswith(b"missing ") else answer.split(b" ", 1)[0].decode()

    def _ask(self, stream: bytes) -> bytes:
        process = self._process or self._begin()
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise GitFailure("fast-import", -1, "no pipes")
        try:
            process.stdin.write(stream)
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if answer.endswith(b"\n"):
            return answer
        said = process.stderr.read().decode(errors="replace")
        raise GitFailure("fast-import", process.wait(), said)

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = self._git.start(*_OPTIONS, "fast-import", "--quiet", "--force", "--done")
        return self._process


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    """A path as a C-style string, the one form in which every name can be written."""
    raw = path.encode("utf-8", "surrogateescape")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _identity(person: Person) -> str:
    """``Name <address>``; what would end the name or the address early is left out."""
    name = "".join(letter for letter in person.name or person.login if letter not in "<>\n\r\0").strip()
    return f"{name or person.login} <{person.email}>"
