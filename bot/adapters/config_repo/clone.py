"""A clone of the config repo in somebody's folder, to read its history from: ``bot.ports.ConfigHistory``.

Nothing is fetched and nothing is written: what the clone has is what is told, and ``hints`` say what it lacks.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from bot.adapters.config_repo.known_refs import NOTES
from bot.adapters.git import walk
from bot.adapters.git.command import GitCommand, Login
from bot.adapters.git.errors import GitFailure, said
from bot.adapters.git.objects import Damaged, ObjectReader, clean_path
from bot.errors import Permanent
from bot.facts import ConfigCommit, Logged

T = TypeVar("T")

FETCH_NOTES = f"git fetch origin {NOTES}:{NOTES}"
FETCH_ALL = "git fetch --unshallow"


class ConfigClone:
    """The clone that a folder is in. Close it, or use it as a context manager.

    Raises:
        Permanent: the folder is in no Git repository.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        own = _own_folder(self.folder)
        if own is None:
            raise Permanent(
                f"{folder} is not in a Git repository. Name a clone of the config repo with --repo, or make one: "
                "git clone https://github.com/OWNER/NAME"
            )
        shared = own / "commondir"
        self._head_file = own / "HEAD"
        common = (own / shared.read_text().strip()).resolve() if shared.is_file() else own
        self._linked = common != own
        self._git = GitCommand(common, Login(lambda _repo: None))
        self._objects = ObjectReader(self._git)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._objects.close()

    @property
    def branch(self) -> str:
        """What is checked out, without ``refs/heads/``; ``HEAD`` where that is no branch."""
        head = self._head()
        return head.removeprefix("refs/heads/") if head.startswith("refs/heads/") else "HEAD"

    def fetch(self) -> str:
        """The commit that is checked out: a clone is read as it is."""
        try:
            return self._git.local("rev-parse", "--verify", "--quiet", f"{self._head()}^{{commit}}").decode().strip()
        except GitFailure as failure:
            raise Permanent(f"The clone in {self.folder} has no commit yet, or cannot be read: fetch it.") from failure

    def read(self, commit: str, path: str) -> bytes | None:
        """See ``bot.ports``."""
        return self._sound(lambda: self._objects.file(commit, path))

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        """See ``bot.ports``."""
        return self._sound(lambda: self._objects.files(commit, path))

    def last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        """See ``bot.ports``."""
        clean = [path for path in map(clean_path, paths) if path is not None]
        sha = self._sound(lambda: walk.last_change(self._git, commit, clean)) if clean else ""
        return self._sound(lambda: self._objects.commit(sha)) if sha else None

    def log(self, commit: str) -> tuple[Logged, ...]:
        """See ``bot.ports``. In a shallow clone it ends where the clone does."""
        notes = NOTES if self._has_notes() else None
        return self._sound(lambda: walk.log(self._git, commit, notes=notes))

    def hints(self) -> tuple[str, ...]:
        """What the clone lacks, and how to get it, a sentence each."""
        found = []
        if not self._has_notes():
            found.append(f"This clone has no notes, so no outcome is known here. Get them: {FETCH_NOTES}")
        if self._git.local("rev-parse", "--is-shallow-repository").strip() == b"true":
            found.append(f"This clone is shallow, so the trail begins where it does. Get the rest: {FETCH_ALL}")
        return tuple(found)

    def _has_notes(self) -> bool:
        return bool(self._git.local("for-each-ref", "--format=%(objectname)", NOTES))

    def _head(self) -> str:
        """What HEAD names; in a linked work tree that is a file of its own, which git is not asked about."""
        if self._linked:
            return self._head_file.read_text().strip().removeprefix("ref: ")
        try:
            return self._git.local("symbolic-ref", "--quiet", "HEAD").decode().strip()
        except GitFailure:
            return "HEAD"

    def _sound(self, look: Callable[[], T]) -> T:
        try:
            return look()
        except (Damaged, GitFailure) as problem:
            words = said(problem) if isinstance(problem, GitFailure) else str(problem)
            raise Permanent(
                f"The clone in {self.folder} cannot be read ({words}). Look at it with `git fsck`, or clone afresh."
            ) from problem


def is_clone(folder: Path, file: str) -> bool:
    """Whether the folder is in a Git repository that has this file at its root where HEAD is."""
    try:
        with ConfigClone(folder) as clone:
            return clone.read(clone.fetch(), file) is not None
    except Permanent:
        return False


def _own_folder(folder: Path) -> Path | None:
    """The git directory of the repository that a folder is in: ``.git``, where that file points, or a bare one."""
    for at in (folder, *folder.parents):
        git = at / ".git"
        if git.is_dir():
            return git
        if git.is_file():
            return (at / git.read_text().strip().removeprefix("gitdir:").strip()).resolve()
        if (at / "HEAD").is_file() and (at / "objects").is_dir():
            return at
    return None
