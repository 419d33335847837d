"""The bare mirror under ``GitConfigRepo``: one folder, one process, fetched and pushed over HTTP.

It is a copy and may be lost at any time: whatever is damaged is thrown away and cloned afresh.
"""

import contextlib
import fcntl
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import structlog

from bot.adapters.config_repo.known_refs import BRANCHES, NOTES, has_news, store
from bot.adapters.config_repo.push import Pushed, RefUpdate, push
from bot.adapters.git.command import GitCommand, Login, Patience, plain_url
from bot.adapters.git.errors import GitFailure, disk_is_full, explain, failure_is_remote, mirror_is_broken
from bot.adapters.git.history import History
from bot.adapters.git.objects import Damaged, ObjectReader, UnknownCommit
from bot.adapters.git.remote_refs import RemoteRefs
from bot.adapters.together import Take, Together
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import ConfigCommit

log = structlog.get_logger()

T = TypeVar("T")

_REFSPECS = (f"+{BRANCHES}*:{BRANCHES}*", f"+{NOTES}*:{NOTES}*")
"""A pattern for the notes too: a plain name would make the fetch fail where there are none yet."""

_TIDY_EVERY = 500
"""Commits made and refs fetched between two ``git gc --auto``, which does nothing below some thousand loose objects."""


class Mirror:
    """The mirror. Everything here is safe for threads.

    Args:
        folder: is its own: holds the mirror and a lock that keeps other processes away.
        url: the clone URL, without credentials.
        name: ``owner/name``, as the token is asked for.
        branch: the config branch; None: the one the remote's HEAD names.

    Raises:
        Permanent: another process uses the folder.
    """

    def __init__(
        self, folder: Path, url: str, name: str, branch: str | None, login: Login, patience: Patience | None
    ) -> None:
        self.url, self.name = plain_url(url), name
        self._branch = branch
        self._login = login
        self._folder = folder.absolute()
        self._lock = _lock(self._folder)
        self.git = GitCommand(self._folder / "mirror.git", login, patience=patience)
        self.objects = ObjectReader(self.git)
        self.history = History(self.git)
        self._remote = RemoteRefs(login, self.git.patience)
        self._refs: dict[str, str] | None = None
        self._stored: Mapping[str, str] | None = None
        self._pushed_since_fetch: dict[str, str | None] = {}
        self._made_since_tidy = 0
        self._damaged = False
        self.generation = 0
        self._state = threading.Lock()
        self._fetches: Together[None, None] = Together(self._fetch_for_all)
        try:
            self._prepare()
        except SlipwayError:
            self.close()
            raise

    def close(self) -> None:
        """End the helper process and let another process have the folder."""
        self.objects.close()
        self._remote.close()
        self._lock.close()

    @property
    def branch(self) -> str:
        """The config branch; asks the remote once where none was named."""
        if self._branch is None:
            self._branch = self._default_branch()
        return self._branch

    @property
    def branch_ref(self) -> str:
        """The config branch as a ref."""
        return f"refs/heads/{self.branch}"

    def fetch(self) -> None:
        """Bring all branches and the notes up to date. Callers who wait at once share one fetch."""
        self._fetches.ask(None)

    def ref(self, ref: str) -> str | None:
        """What a ref points to, as of the last fetch or own push."""
        if self._refs is None:
            self.fetch()
        return (self._refs or {}).get(ref)

    def branch_tips(self, prefix: str) -> dict[str, str]:
        """The branches whose name begins so, as of the last fetch or own push."""
        if self._refs is None:
            self.fetch()
        begin = f"refs/heads/{prefix}"
        found = {ref: sha for ref, sha in (self._refs or {}).items() if ref.startswith(begin)}
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in found.items()}

    def head(self) -> str:
        """The config branch's head, as of the last fetch or own push."""
        head = self.ref(self.branch_ref)
        if head is None:
            raise Permanent(
                f"The config repo {self.name} has no branch {self.branch}. Push it there, or correct CONFIG_BRANCH."
            )
        return head

    def look(self, question: Callable[[], T], commit: str) -> T:
        """Ask about a commit: after a fetch where it is not known yet, after a clone where the mirror is damaged."""
        with contextlib.suppress(UnknownCommit):
            return self.sound(question)
        self.fetch()
        try:
            return self.sound(question)
        except UnknownCommit:
            raise Permanent(
                f"The config repo {self.name} has no commit {commit} any more: was its branch force-pushed?"
            ) from None

    def sound(self, work: Callable[[], T]) -> T:
        """Work on the mirror; once more, on a fresh clone, where it turns out to be damaged.

        Raises:
            UnknownCommit: there is no such commit as of the last fetch.
            Transient: a fresh clone does not help, or the disk is full.
        """
        seen = self.generation
        try:
            return work()
        except (Damaged, GitFailure) as problem:
            self._mend(problem, seen)
        try:
            return work()
        except UnknownCommit:
            raise
        except (Damaged, GitFailure) as problem:
            raise Transient(f"The local mirror of {self.name} cannot be used: {problem}") from problem

    def _mend(self, problem: Damaged | GitFailure, seen: int) -> None:
        """Clone afresh, unless that was done since generation ``seen``, or would be of no use: then raise."""
        if isinstance(problem, GitFailure) and (problem.status < 0 or disk_is_full(problem)):
            raise explain(problem, "working on the mirror of", self.name) from problem
        if isinstance(problem, UnknownCommit) and not self._must_have(problem.sha):
            raise problem
        with self._state:
            self._damaged = self._damaged or self.generation == seen
        self.fetch()

    def _must_have(self, sha: str) -> bool:
        """Whether a ref names that commit, or the config branch's line holds it."""
        return sha in (self._refs or {}).values() or self.history.covers(sha)

    def find_commit(self, sha: str) -> ConfigCommit:
        """A commit that must be there."""
        found = self.objects.commit(sha)
        if found is None:
            raise UnknownCommit(sha)
        return found

    def push(self, updates: Sequence[RefUpdate], *, commits: int = 1) -> dict[str, Pushed | SlipwayError]:
        """See ``push.push``. What is done is remembered, also beyond a fetch that had begun before it.

        Args:
            updates: the refs.
            commits: how many each of them brings; tells when the mirror is to be tidied.
        """
        results = push(self.git, self.url, self.name, updates)
        done = {one.ref: one.sha for one in updates if results[one.ref] is Pushed.DONE}
        with self._state:
            self._pushed_since_fetch.update(done)
            self._refs = _changed(self._refs or {}, done)
            self._made_since_tidy += len(done) * commits
        return results

    def _prepare(self) -> None:
        """Leave a usable repository of the right remote in the folder, and nothing of a git that was killed."""
        for pattern in ("**/*.lock", "objects/pack/tmp_*", "fast_import_crash_*"):
            for left in self.git.folder.glob(pattern):
                left.unlink(missing_ok=True)
        try:
            mine = self.git.local("config", "--get", "remote.origin.url").strip() == self.url.encode()
        except GitFailure:
            mine = False
        if not mine:
            self._throw_away()

    def _create(self, folder: Path) -> None:
        git = GitCommand(folder, self._login)
        try:
            git.local("init", "--quiet", "--bare")
            git.local("config", "remote.origin.url", self.url)
        except GitFailure as failure:
            raise explain(failure, "making the mirror of", self.name) from failure

    def _throw_away(self) -> None:
        """Away with the mirror at once, by a rename; whoever reads it now gets an error and comes again."""
        fresh, old = self._folder / "fresh.git", self._folder / "damaged.git"
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)
        self._create(fresh)
        with self._state:
            with contextlib.suppress(FileNotFoundError):
                self.git.folder.rename(old)
            fresh.rename(self.git.folder)
            self.objects.close()
            self.history = History(self.git)
            self.generation += 1
            self._damaged, self._stored = False, None
            had_one = old.exists()
        if had_one:
            log.warning("mirror cloned afresh", repo=self.name, folder=str(self._folder))
        shutil.rmtree(old, ignore_errors=True)

    def _fetch_for_all(self, take: Take[None, None]) -> None:
        waiting = take()
        if self._damaged:
            self._throw_away()
        try:
            self._fetch()
        except GitFailure as failure:
            if not (mirror_is_broken(failure) or self._is_unsound(failure)):
                raise explain(failure, "fetching the config repo", self.name) from failure
            self._throw_away()
            self._fetch_again()
        for one in waiting:
            one.answer.set_result(None)

    def _is_unsound(self, failure: GitFailure) -> bool:
        """Whether git finds fault with the mirror, after a failure that is neither the server's nor the network's."""
        if failure.timed_out or disk_is_full(failure) or failure_is_remote(failure):
            return False
        try:
            self.git.local("fsck", "--connectivity-only", "--no-dangling")
        except GitFailure:
            return True
        return False

    def _fetch_again(self) -> None:
        try:
            self._fetch()
        except GitFailure as failure:
            raise explain(failure, "cloning the config repo", self.name) from failure

    def _fetch(self) -> None:
        with self._state:
            self._pushed_since_fetch = {}
            before = self._refs
        due = before is None or self._made_since_tidy >= _TIDY_EVERY
        if due or not self._is_known_already(before or {}):
            self._fetch_by_git()
        if due:
            with self._state:
                self._made_since_tidy = 0
            self.git.local("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")

    def _is_known_already(self, before: Mapping[str, str]) -> bool:
        """Whether the remote has nothing but what is here: what was there ``before``, and own pushes."""
        if self._stored is None:
            return False
        seen = self._remote.look(self.url, self.name, (BRANCHES, NOTES))
        with self._state:
            refs = dict(self._refs or {})
        if seen is None or has_news(seen, before, refs):
            return False
        try:
            store(self.git, self._stored, refs)
        except GitFailure:
            return False
        self._stored = refs
        return True

    def _fetch_by_git(self) -> None:
        self.git.remote(
            self.url,
            self.name,
            *("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *(self.url, *_REFSPECS),
            timeout=self.git.patience.fetch,
        )
        lines = self.git.local("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", NOTES)
        refs = {name: sha for sha, _, name in (line.partition(" ") for line in _text(lines).split("\n")) if name}
        with self._state:
            self._made_since_tidy += len(refs.items() - (self._refs or {}).items())
            self._refs, self._stored = _changed(refs, self._pushed_since_fetch), refs

    def _default_branch(self) -> str:
        try:
            answer = self.git.remote(
                *(self.url, self.name, "ls-remote", "--symref", self.url, "HEAD"), timeout=self.git.patience.look
            )
        except GitFailure as failure:
            raise explain(failure, "looking for the default branch of", self.name) from failure
        for line in _text(answer).split("\n"):
            target, _, name = line.partition("\t")
            if name == "HEAD" and target.startswith("ref: refs/heads/"):
                return target.removeprefix("ref: refs/heads/")
        raise Permanent(
            f"The config repo {self.name} has no default branch: push a first commit, or set CONFIG_BRANCH."
        )


def _changed(refs: Mapping[str, str], by: Mapping[str, str | None]) -> dict[str, str]:
    """The refs after a push; None is a deletion."""
    return {ref: sha for ref, sha in {**refs, **by}.items() if sha is not None}


def _text(output: bytes) -> str:
    """Names of refs are bytes to git; whatever they are, they come back as they went."""
    return output.decode("utf-8", "surrogateescape")


def _lock(folder: Path) -> BinaryIO:
    """Keep the folder for this process; freed by its death."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("ab")
    except OSError as error:
        raise Permanent(f"{folder}, where the mirror of the config repo goes, cannot be used: {error}") from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.close()
        raise Permanent(
            f"Another process uses the mirror in {folder}. Give every worker a WORKER_ID of its own."
        ) from None
    return opened
