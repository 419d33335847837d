"""The apps' source repositories: looked at, checked out by commit, never run, never written.

A checkout takes nothing from the repository but its files: no hooks, no filters (Git LFS pointers stay pointers), no
submodules. Symbolic links are real ones, as a build expects; one that leads out of the checkout is refused, since
whatever follows it would read the worker's own files.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bot.adapters.git.command import GitCommand, Login, Patience, Renew, Token, plain_url
from bot.adapters.git.errors import GitFailure, explain
from bot.adapters.git.remote_refs import RemoteRefs
from bot.errors import Permanent, Transient
from bot.releases import FULL_SHA

_PREFIX = "slipway-checkout-"
_UNADVERTISED = ("not our ref", "unadvertised object", "no such remote ref", "couldn't find remote ref")


class GitSourceRepos:
    """``bot.ports.SourceRepos`` over HTTP. Safe for threads.

    Args:
        folder: where checkouts go; of one process only: checkouts that a killed one left there are removed.
        base_url: what clone URLs begin with, as in ``https://github.com``.
        token: gives the credential for a repo at each call.
        renew: is told when that was refused.
        patience: how long git may take.
    """

    def __init__(
        self, folder: Path, *, base_url: str, token: Token, renew: Renew | None = None, patience: Patience | None = None
    ) -> None:
        self._folder = folder.absolute()
        self._base_url = plain_url(base_url).rstrip("/")
        self._login = Login(token, renew)
        self._patience = patience or Patience()
        self._refs = RemoteRefs(self._login, self._patience)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Permanent(
                f"The folder {self._folder}, where checkouts go, cannot be made ({error.strerror}). See to its disk "
                "and its rights; SLIPWAY_STATE names the place."
            ) from None
        for left in self._folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)

    def branch_head(self, repo: str, branch: str) -> str | None:
        """See ``bot.ports``."""
        ref, url = f"refs/heads/{branch}", self._url(repo)
        seen = self._refs.look(url, repo, [ref])
        return seen.get(ref) if seen is not None else self._head_by_git(url, repo, ref)

    def _head_by_git(self, url: str, repo: str, ref: str) -> str | None:
        git = GitCommand(self._folder, self._login, patience=self._patience)
        try:
            answer = git.remote(url, repo, "ls-remote", url, ref, timeout=self._patience.look)
        except GitFailure as failure:
            raise explain(failure, "looking at the branches of", repo) from failure
        lines = (line.partition("\t") for line in answer.decode(errors="replace").splitlines())
        return next((sha for sha, _, name in lines if name == ref), None)

    def checkout(self, repo: str, sha: str) -> AbstractContextManager[Path]:
        """See ``bot.ports``.

        Raises:
            Permanent: the commit is gone, or holds a symbolic link that leads out of the checkout.
        """
        return self._checkout(repo, sha)

    @contextmanager
    def _checkout(self, repo: str, sha: str) -> Iterator[Path]:
        if not FULL_SHA.fullmatch(sha):
            raise Permanent(f"{sha!r} is not a commit of {repo}: 40 hex digits are needed.")
        with self._room(repo) as folder:
            tree = Path(folder, "tree")
            git = GitCommand(Path(folder, "git"), self._login, work_tree=tree, patience=self._patience)
            try:
                _make_repository(git.folder)
                self._get(git, repo, sha)
                git.local("checkout", "--quiet", "--force", "--detach", sha)
            except GitFailure as failure:
                raise explain(failure, f"checking out {sha[:7]} of", repo) from failure
            shutil.rmtree(git.folder)
            _refuse_escapes(tree, repo, sha)
            yield tree

    def _room(self, repo: str) -> "tempfile.TemporaryDirectory[str]":
        """A folder for one checkout."""
        try:
            room = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=self._folder, ignore_cleanup_errors=True)
            Path(room.name, "tree").mkdir()
        except OSError as error:
            raise Transient(
                f"Could not check out {repo} yet: no folder can be made in {self._folder} ({error.strerror}). See to "
                "its disk and its rights (SLIPWAY_STATE names the place); it is tried again."
            ) from None
        return room

    def _get(self, git: GitCommand, repo: str, sha: str) -> None:
        """Fetch the one commit; where the server does not serve commits by hash, the branches, to look for it there."""
        url, quiet = self._url(repo), ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules")
        try:
            git.remote(url, repo, *quiet, "--depth=1", url, sha, timeout=self._patience.fetch)
        except GitFailure as failure:
            if not any(words in failure.stderr for words in _UNADVERTISED):
                raise
        else:
            return
        git.remote(url, repo, *quiet, url, "+refs/heads/*:refs/heads/*", timeout=self._patience.fetch)
        try:
            git.local("cat-file", "-e", f"{sha}^{{commit}}")
        except GitFailure:
            raise Permanent(
                f"Commit {sha} is not in {repo} any more: the branch was probably force-pushed. "
                "The branch's new head is what will be released."
            ) from None

    def _url(self, repo: str) -> str:
        return f"{self._base_url}/{repo}.git"


def _make_repository(folder: Path) -> None:
    """What ``git init`` makes, as far as git asks for it (gitrepository-layout); saves each build a process."""
    for name in ("objects", "refs"):
        (folder / name).mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")


def _refuse_escapes(tree: Path, repo: str, sha: str) -> None:
    """Refuse symbolic links to anywhere outside the tree, whether anything is there or not."""
    root = os.path.realpath(tree)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                raise Permanent(
                    f"{path.relative_to(root)} in {repo} at {sha[:7]} is a symbolic link to {path.readlink()}, outside "
                    "the repository. Such a link is not followed in a build: replace it by the file itself."
                )
