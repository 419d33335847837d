"""Git: the source repositories, which are read, and the config repo, which is written."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bot.facts import Change, ConfigCommit, Logged


class SourceRepos(Protocol):
    """The apps' source repositories over git. They are read, never run, never written."""

    def branch_head(self, repo: str, branch: str) -> str | None:
        """The commit a branch points to now (``git ls-remote``: no API budget), None where it is gone."""
        ...

    def checkout(self, repo: str, sha: str) -> AbstractContextManager[Path]:
        """The tree of exactly that commit (shallow, by SHA) in a folder that is gone afterwards, without ``.git``."""
        ...


class ConfigHistory(Protocol):
    """The config repo for those who only read its history: a plain clone will do."""

    @property
    def branch(self) -> str:
        """The config branch."""
        ...

    def fetch(self) -> str:
        """Bring the mirror up to date (branches, notes) and return the config branch's head."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit; None where there is none."""
        ...

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        """The file itself, or every file below the folder, sorted; empty where there is nothing."""
        ...

    def last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        """The newest commit on the first-parent line that changed any of the paths (a merge counts itself)."""
        ...

    def log(self, commit: str) -> tuple[Logged, ...]:
        """The first-parent line that leads to ``commit``, newest first, with paths, notes and what merges brought."""
        ...


class ConfigRepo(ConfigHistory, Protocol):
    """The config repo through a bare mirror. Reads come from the mirror as of the last ``fetch``."""

    def read_ahead(self, commit: str, paths: Sequence[str]) -> None:
        """Say which files, and whose newest changes, are asked for next: that is then quick. Changes nothing else."""
        ...

    def commit(self, sha: str) -> ConfigCommit | None:
        """One commit of the mirror."""
        ...

    def changed_paths(self, commit: str) -> tuple[str, ...]:
        """The paths that differ between a commit and its first parent; those of a merge count as its own."""
        ...

    def find(self, commit: str, trailer: str, value: str) -> ConfigCommit | None:
        """The newest commit reachable from ``commit`` that carries exactly this trailer."""
        ...

    def find_all(self, commit: str, trailer: str, prefix: str) -> tuple[ConfigCommit, ...]:
        """Every commit reachable from ``commit`` with a value of this trailer that begins so, newest first.

        It walks the whole log: for a person's question, not for a look every few minutes.
        """
        ...

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is the commit itself, or reachable from it."""
        ...

    def branch_tips(self, prefix: str) -> Mapping[str, str]:
        """The branches whose name begins so, and the commits they point to, as of the last fetch."""
        ...

    def branch_tip(self, branch: str) -> str | None:
        """The commit another branch points to, as of the last fetch."""
        ...

    def make(self, change: Change) -> ConfigCommit | None:
        """Commit a change onto the config branch and push it by compare-and-swap.

        Loses no race: on a rejected push it fetches and applies the edit to the new head. Concurrent calls share
        one push, one commit each. Returns the commit (the one found, where it was there already), or None where
        the edit changes nothing.
        """
        ...

    def propose(self, branch: str, change: Change) -> ConfigCommit | None:
        """Set a branch of the bot's own to one commit on top of the config branch's head, and push it.

        The branch is moved only if its tip is the bot's own (else Permanent). Left as it is where its tip already
        carries the change's id, sits on a base whose files in question are the same, and would be the same text.
        None where the edit changes nothing.
        """
        ...

    def delete_branch(self, branch: str) -> None:
        """Delete a branch of the bot's own; nothing where it is gone."""
        ...

    def fetch_pull_request(self, number: int) -> None:
        """Bring a pull request's head into the mirror, from a fork too."""
        ...

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree that merging head into base would give, for ``read`` and ``files``; None where they conflict."""
        ...

    def differing_paths(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ between two commits or trees, sorted; a renamed one counts twice."""
        ...

    def notes(self, commit: str) -> tuple[str, ...]:
        """The lines of ``refs/notes/slipway`` on a commit, as of the last fetch."""
        ...

    def add_note(self, commit: str, line: str) -> None:
        """Append a line to the commit's note (compare-and-swap); nothing where that very line is there."""
        ...
