"""The bare mirror under ``GitConfigRepo``: one folder, one process, fetched and pushed over HTTP.

It is a copy and may be lost at any time: whatever is damaged is thrown away and cloned afresh.
"""

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

from bot.adapters.git_command import GitCommand, GitFailure, Patience, Token, plain_url
from bot.adapters.git_errors import disk_is_full, explain, may_have_been_sent, mirror_is_broken, said
from bot.adapters.git_history import History
from bot.adapters.git_objects import Damaged, ObjectReader, UnknownCommit
from bot.adapters.together import Take, Together
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import ConfigCommit

T = TypeVar("T")

NOTES = "refs/notes/slipway"
_REFSPECS = ("+refs/heads/*:refs/heads/*", f"+{NOTES}*:{NOTES}*")
"""A pattern for the notes too: a plain name would make the fetch fail where there are none yet."""

_TIDY_EVERY = 500
"""Commits made between two ``git gc --auto``, which does nothing below some thousand loose objects."""

_RACED = (
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value",
    "failed to update ref",
    "already exists",
    "needs force",
)
_REFUSED = (
    "hook",
    "declined",
    "rule",
    "protected",
    "prohibited",
    "denied",
    "deny",
    "refusing",
    "not allowed",
    "hidden",
)


class Pushed(Enum):
    """What became of a ref that was pushed. ``UNKNOWN``: sent, and no answer came; only the remote knows."""

    DONE = auto()
    RACED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A ref to be pushed.

    ``sha`` None deletes. ``expected`` is the tip that may be replaced ("" for none yet, compare-and-swap by lease);
    None allows only what follows on the present tip (a plain push).
    """

    ref: str
    sha: str | None
    expected: str | None = None


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
        self, folder: Path, url: str, name: str, branch: str | None, token: Token, patience: Patience | None
    ) -> None:
        self.url, self.name = plain_url(url), name
        self._branch = branch
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = _lock(self._folder / "lock")
        self.git = GitCommand(self._folder / "mirror.git", token, patience=patience)
        self.objects = ObjectReader(self.git)
        self.history = History(self.git)
        self._refs: dict[str, str] | None = None
        self._pushed_since_fetch: dict[str, str | None] = {}
        self._made_since_tidy = 0
        self._damaged = False
        self.generation = 0
        self._state = threading.Lock()
        self._fetches: Together[None, None] = Together(self._fetch_for_all)
        self._prepare()

    def close(self) -> None:
        """End the helper process and let another process have the folder."""
        self.objects.close()
        os.close(self._lock_file)

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

    def head(self) -> str:
        """The config branch's head, as of the last fetch or own push."""
        head = self.ref(self.branch_ref)
        if head is None:
            raise Permanent(
                f"The config repo {self.name} has no branch {self.branch}. Push it there, or correct CONFIG_BRANCH."
            )
        return head

    def knows(self, sha: str) -> bool:
        """Whether the mirror must have that commit: a ref names it, or the config branch's line holds it."""
        return sha in (self._refs or {}).values() or self.history.covers(sha)

    def look(self, question: Callable[[], T], commit: str) -> T:
        """Ask the mirror about a commit; fetch where it is not known yet, clone afresh where the mirror is damaged."""
        seen = self.generation
        try:
            return question()
        except UnknownCommit:
            self.fetch()
        except (Damaged, GitFailure) as problem:
            self.mend(problem, seen)
        try:
            return question()
        except UnknownCommit as problem:
            if self.knows(commit):
                self.mend(problem, seen)
        except (Damaged, GitFailure) as problem:
            self.mend(problem, seen)
        try:
            return question()
        except UnknownCommit:
            raise Permanent(
                f"The config repo {self.name} has no commit {commit} any more: was its branch force-pushed?"
            ) from None
        except (Damaged, GitFailure) as problem:
            raise Transient(f"The local mirror of {self.name} cannot be read: {problem}") from problem

    def mend(self, problem: Exception, seen: int) -> None:
        """Clone afresh after ``problem``, met in the mirror's generation ``seen``, unless that was done meanwhile.

        Raises:
            Transient: the disk is full: a clone would not help.
        """
        if isinstance(problem, GitFailure) and disk_is_full(problem):
            raise explain(problem, "writing the mirror of", self.name) from problem
        with self._state:
            self._damaged = self._damaged or self.generation == seen
        self.fetch()

    def find_commit(self, sha: str) -> ConfigCommit:
        """A commit that must be there."""
        found = self.objects.commit(sha)
        if found is None:
            raise UnknownCommit(f"commit {sha} cannot be read")
        return found

    def push(self, updates: Sequence[RefUpdate]) -> dict[str, Pushed | SlipwayError]:
        """Push refs, each by compare-and-swap, in one go. What became of each (an error: refused, nothing done).

        Raises:
            Transient, Permanent: nothing was sent.
        """
        arguments = ["push", "--porcelain", "--no-verify"]
        arguments += [f"--force-with-lease={one.ref}:{one.expected}" for one in updates if one.expected is not None]
        arguments += [self.url, *(f"{one.sha or ''}:{one.ref}" for one in updates)]
        try:
            output = self.git.remote(self.url, self.name, *arguments, timeout=self.git.patience.push).decode()
            failure = None
        except GitFailure as error:
            output, failure = error.stdout, error
        told = _told(output)
        if failure is not None and not any(one.ref in told for one in updates) and not may_have_been_sent(failure):
            raise explain(failure, "pushing to", self.name) from failure
        results = {one.ref: self._judge(one.ref, told.get(one.ref), failure) for one in updates}
        self._note({one.ref: one.sha for one in updates if results[one.ref] is Pushed.DONE})
        return results

    def _note(self, refs: Mapping[str, str | None]) -> None:
        """Remember what a push of our own has changed, also beyond a fetch that had begun before it."""
        with self._state:
            self._pushed_since_fetch.update(refs)
            self._refs = _changed(self._refs or {}, refs)
            self._made_since_tidy += len(refs)

    def _judge(self, ref: str, told: str | None, failure: GitFailure | None) -> Pushed | SlipwayError:
        if told == "":
            return Pushed.DONE
        if told is None or "remote fail" in told or "failed to report" in told:
            return Pushed.UNKNOWN
        if any(words in told for words in _RACED):
            return Pushed.RACED
        words = f"{told}: {said(failure)}" if failure and "remote:" in failure.stderr else told
        if any(word in told for word in _REFUSED):
            return Permanent(
                f"{self.name} does not let the bot push to {ref.removeprefix('refs/heads/')} ({words}). "
                "Let the bot's account or app bypass the branch's rules."
            )
        return Transient(f"The Git server did not take the push to {ref} of {self.name} ({words}).")

    def _prepare(self) -> None:
        """Leave a usable repository of the right remote in the folder, and no lock of a git that was killed."""
        for lock in self.git.folder.rglob("*.lock"):
            lock.unlink(missing_ok=True)
        try:
            mine = self.git.local("config", "--get", "remote.origin.url").decode().strip() == self.url
        except GitFailure:
            mine = False
        if not mine:
            shutil.rmtree(self.git.folder, ignore_errors=True)
            self._create()

    def _create(self) -> None:
        try:
            self.git.local("init", "--quiet", "--bare")
            self.git.local("config", "remote.origin.url", self.url)
        except GitFailure as failure:
            raise explain(failure, "making the mirror of", self.name) from failure

    def _throw_away(self) -> None:
        """Away with the mirror at once, by a rename; whoever reads it now gets an error and comes again."""
        with self._state:
            self.objects.close()
            old = self._folder / "damaged.git"
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                self.git.folder.rename(old)
            self._create()
            self.history = History(self.git)
            self.generation += 1
            self._damaged = False
            shutil.rmtree(old, ignore_errors=True)

    def _fetch_for_all(self, take: Take[None, None]) -> None:
        waiting = take()
        if self._damaged:
            self._throw_away()
        try:
            self._fetch()
        except GitFailure as failure:
            if not mirror_is_broken(failure):
                raise explain(failure, "fetching the config repo", self.name) from failure
            self._throw_away()
            self._fetch_again()
        for one in waiting:
            one.answer.set_result(None)

    def _fetch_again(self) -> None:
        try:
            self._fetch()
        except GitFailure as failure:
            raise explain(failure, "cloning the config repo", self.name) from failure

    def _fetch(self) -> None:
        first = self._refs is None
        with self._state:
            self._pushed_since_fetch = {}
        self.git.remote(
            self.url,
            self.name,
            *("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *(self.url, *_REFSPECS),
            timeout=self.git.patience.fetch,
        )
        lines = self.git.local("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", NOTES)
        refs = {name: sha for sha, _, name in (line.partition(" ") for line in lines.decode().splitlines())}
        with self._state:
            self._refs = _changed(refs, self._pushed_since_fetch)
            due = first or self._made_since_tidy >= _TIDY_EVERY
            self._made_since_tidy = 0 if due else self._made_since_tidy
        if due:
            self.git.local("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")

    def _default_branch(self) -> str:
        try:
            answer = self.git.remote(
                *(self.url, self.name, "ls-remote", "--symref", self.url, "HEAD"), timeout=self.git.patience.look
            )
        except GitFailure as failure:
            raise explain(failure, "looking for the default branch of", self.name) from failure
        for line in answer.decode().splitlines():
            target, _, name = line.partition("\t")
            if name == "HEAD" and target.startswith("ref: refs/heads/"):
                return target.removeprefix("ref: refs/heads/")
        raise Permanent(
            f"The config repo {self.name} has no default branch: push a first commit, or set CONFIG_BRANCH."
        )


def _changed(refs: Mapping[str, str], by: Mapping[str, str | None]) -> dict[str, str]:
    """The refs after a push; None is a deletion."""
    return {ref: sha for ref, sha in {**refs, **by}.items() if sha is not None}


def _told(porcelain: str) -> dict[str, str]:
    """What ``git push --porcelain`` tells about each ref: "" where it is as wished, else the reason."""
    told: dict[str, str] = {}
    for line in porcelain.splitlines():
        flag, _, rest = line.partition("\t")
        refs, _, summary = rest.partition("\t")
        if len(flag) == 1 and summary:
            told[refs.rpartition(":")[2]] = summary if flag == "!" else ""
    return told


def _lock(file: Path) -> int:
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Permanent(
            f"Another process uses the mirror in {file.parent}. Give every worker a WORKER_ID of its own."
        ) from None
    return descriptor
