"""The config repo: ``bot.ports.ConfigRepo`` over a bare mirror, with git's plumbing and no work tree.

Cost does not grow with the repo: a look is one question to a running ``git cat-file``, a bump one ``git fast-import``
and one push, and what happened on the branch is kept in an index (``history``).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.adapters.config_repo.branches import Branches
from bot.adapters.config_repo.known_refs import NOTES
from bot.adapters.config_repo.mirror import Mirror
from bot.adapters.config_repo.notes import Notes
from bot.adapters.config_repo.race import DEADLINE
from bot.adapters.config_repo.trees import Trees
from bot.adapters.config_repo.writer import Writer
from bot.adapters.git import walk
from bot.adapters.git.command import Login, Patience, Renew, Token
from bot.adapters.git.history import INDEXED
from bot.adapters.git.objects import clean_path
from bot.adapters.git.signing import SigningKey
from bot.errors import Permanent
from bot.facts import Change, ConfigCommit, Logged
from bot.releases import FULL_SHA, Person

_COMMITS = 4096
"""Commits kept in memory for looks at who changed what: one for each app and environment, and then some."""


class GitConfigRepo:
    """The config repo. Every method is safe for threads. Close it, or use it as a context manager.

    Args:
        folder: a folder of its own for the mirror; one process at a time uses it.
        url: the clone URL, without credentials.
        name: ``owner/name``: what ``token`` is asked for, and what messages call it.
        branch: the config branch; None: the repo's default branch.
        committer: the bot.
        token: gives the credential at each call.
        renew: is told when that was refused.
        patience: how long git may take.
        deadline: seconds in which a write must win the race against other writers.
        signing: the key to sign commits of the config branch and of the bot's own branches with; None: they are not.

    Raises:
        Permanent: another process uses the folder, or the URL holds a credential.
    """

    def __init__(
        self,
        folder: Path,
        *,
        url: str,
        name: str,
        branch: str | None,
        committer: Person,
        token: Token,
        renew: Renew | None = None,
        patience: Patience | None = None,
        deadline: float = DEADLINE,
        signing: SigningKey | None = None,
    ) -> None:
        self._mirror = Mirror(folder, url, name, branch, Login(token, renew), patience)
        self._writer = Writer(self._mirror, committer, deadline=deadline, signing=signing)
        self._branches = Branches(self._mirror, committer, deadline=deadline, signing=signing)
        self._notes = Notes(self._mirror, committer, deadline=deadline)
        self._trees = Trees(self._mirror)
        self._commit = lru_cache(_COMMITS)(self._mirror.find_commit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the helper process and let another process have the folder."""
        self._mirror.close()

    @property
    def branch(self) -> str:
        """See ``bot.ports``; asks the remote once where the constructor was given none."""
        return self._mirror.branch

    def fetch(self) -> str:
        """See ``bot.ports``."""
        self._mirror.fetch()
        return self._mirror.head()

    def read(self, commit: str, path: str) -> bytes | None:
        """See ``bot.ports``. Symbolic links inside the repo are followed; a path that leads out is no file."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._mirror.objects.file(commit, path), commit)

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        """See ``bot.ports``."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._mirror.objects.files(commit, path), commit)

    def last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        """See ``bot.ports``. Paths are files or folders, literally; a change of a link's target is not seen."""
        _require_sha(commit)
        clean = [path for path in map(clean_path, paths) if path is not None]
        return self._mirror.look(lambda: self._last_change(commit, clean), commit) if clean else None

    def commit(self, sha: str) -> ConfigCommit | None:
        """See ``bot.ports``."""
        return self._mirror.sound(lambda: self._mirror.objects.commit(sha)) if FULL_SHA.fullmatch(sha) else None

    def read_ahead(self, commit: str, paths: Sequence[str]) -> None:
        """See ``bot.ports``."""
        _require_sha(commit)
        clean = [path for path in map(clean_path, paths) if path]
        self._mirror.look(lambda: self._read_ahead(commit, clean), commit)

    def _read_ahead(self, commit: str, paths: Sequence[str]) -> None:
        changes = (self._mirror.history.last_change(commit, [path]) for path in paths) if self._on_line(commit) else ()
        self._mirror.objects.get_ahead(chain((f"{commit}:{path}" for path in paths), filter(None, changes)))

    def changed_paths(self, commit: str) -> tuple[str, ...]:
        """See ``bot.ports``. Nothing for the first commit of all."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._changed_paths(commit), commit)

    def find(self, commit: str, trailer: str, value: str) -> ConfigCommit | None:
        """See ``bot.ports``."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._find(commit, trailer, value), commit)

    def log(self, commit: str) -> tuple[Logged, ...]:
        """See ``bot.ports``."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._log(commit), commit)

    def find_all(self, commit: str, trailer: str, prefix: str) -> tuple[ConfigCommit, ...]:
        """See ``bot.ports``."""
        _require_sha(commit)
        return self._mirror.look(lambda: self._find_all(commit, trailer, prefix), commit)

    def contains(self, commit: str, ancestor: str) -> bool:
        """See ``bot.ports``; False where this mirror does not know ``ancestor``."""
        _require_sha(commit)
        if self.commit(ancestor) is None:
            return False
        if self._on_line(commit) and self._mirror.history.on_line_of(commit, ancestor):
            return True
        missing = ("rev-list", "--max-count=1", ancestor, f"^{commit}")
        return not self._mirror.look(lambda: self._mirror.git.local(*missing), commit).strip()

    def branch_tips(self, prefix: str) -> Mapping[str, str]:
        """See ``bot.ports``."""
        return self._mirror.branch_tips(prefix)

    def branch_tip(self, branch: str) -> str | None:
        """See ``bot.ports``."""
        return self._mirror.ref(f"refs/heads/{branch}")

    def make(self, change: Change) -> ConfigCommit | None:
        """See ``bot.ports``."""
        return self._writer.make(change)

    def propose(self, branch: str, change: Change) -> ConfigCommit | None:
        """See ``bot.ports``."""
        return self._branches.propose(branch, change)

    def delete_branch(self, branch: str) -> None:
        """See ``bot.ports``."""
        self._branches.delete(branch)

    def notes(self, commit: str) -> tuple[str, ...]:
        """See ``bot.ports``."""
        return self._mirror.sound(lambda: self._notes.read(commit))

    def add_note(self, commit: str, line: str) -> None:
        """See ``bot.ports``."""
        self._notes.add(commit, line)

    def _changed_paths(self, commit: str) -> tuple[str, ...]:
        parents = self._commit(commit).parents
        if not parents:
            return ()
        names = self._mirror.git.local("diff-tree", "-r", "-z", "--no-renames", "--name-only", parents[0], commit)
        return tuple(name.decode("utf-8", "surrogateescape") for name in names.split(b"\0") if name)

    def fetch_pull_request(self, number: int) -> None:
        """See ``bot.ports``."""
        self._trees.fetch_pull_request(number)

    def merged_tree(self, base: str, head: str) -> str | None:
        """See ``bot.ports``."""
        return self._mirror.look(lambda: self._trees.merged(base, head), head)

    def differing_paths(self, before: str, after: str) -> tuple[str, ...]:
        """See ``bot.ports``."""
        return self._mirror.sound(lambda: self._trees.changed(before, after))

    def _last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        if self._on_line(commit):
            sha = self._mirror.history.last_change(commit, paths)
        else:
            sha = walk.last_change(self._mirror.git, commit, paths)
        return self._commit(sha) if sha else None

    def _log(self, commit: str) -> tuple[Logged, ...]:
        self._commit(commit)
        return walk.log(self._mirror.git, commit, notes=NOTES if self._mirror.ref(NOTES) else None)

    def _find(self, commit: str, trailer: str, value: str) -> ConfigCommit | None:
        if self._on_line(commit) and trailer in INDEXED:
            shas: Sequence[str] = self._mirror.history.carriers(commit, trailer, value)
        else:
            found = ("log", "--format=%H", "--fixed-strings", f"--grep={trailer}: {value}", commit)
            shas = self._mirror.git.local(*found).decode().split()
        commits = map(self._commit, shas)
        return next((found for found in commits if (trailer, value) in found.trailers), None)

    def _find_all(self, commit: str, trailer: str, prefix: str) -> tuple[ConfigCommit, ...]:
        found = ("log", "--format=%H", "--fixed-strings", f"--grep={trailer}: {prefix}", commit)
        commits = map(self._commit, self._mirror.git.local(*found).decode().split())
        return tuple(one for one in commits if any(value.startswith(prefix) for value in one.all_trailers(trailer)))

    def _on_line(self, commit: str) -> bool:
        """Whether the index answers for that commit, after it has learnt what is new."""
        self._commit(commit)
        if not self._mirror.history.covers(commit):
            self._mirror.history.follow(self._mirror.head())
        return self._mirror.history.covers(commit)


def _require_sha(commit: str) -> None:
    if not FULL_SHA.fullmatch(commit):
        raise Permanent(f"{commit!r} is not a commit of the config repo: 40 hex digits are needed.")
