"""Who is measured: Slipway, what git itself takes (the floor), a script as people write it; and who gets in the way.

A *wave* is some bumps of different manifests that are ready at the same moment.
"""

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bot.adapters.config_repo import GitConfigRepo
from bot.errors import Transient, UnknownOutcome
from bot.facts import Change, ConfigCommit
from bot.releases import Person
from tests.bench.git import git
from tests.bench.repository import MAIN, Bump, commit_stream
from tests.bench.server import TOKEN

BOT = Person("slipway[bot]", 41)


@dataclass
class Slipway:
    """The adapter, called by a worker's threads, one for each bump. ``made`` is what it says it committed."""

    config: GitConfigRepo
    pool: ThreadPoolExecutor
    made: list[tuple[Bump, str | None]] = field(default_factory=list)

    def run(self, wave: Sequence[Bump]) -> None:
        changes = [bump.change for bump in wave]
        commits = list(self.pool.map(self._make, changes))
        self.made += [(bump, made.sha if made else None) for bump, made in zip(wave, commits, strict=True)]

    def _make(self, change: Change, attempts: int = 5) -> ConfigCommit | None:
        """As a workflow's step does it: what may pass is tried again."""
        try:
            return self.config.make(change)
        except (Transient, UnknownOutcome):
            if attempts == 1:
                raise
        return self._make(change, attempts - 1)


@contextlib.contextmanager
def slipway(folder: Path, url: str, threads: int) -> Iterator[Slipway]:
    config = GitConfigRepo(folder, url=url, name="org/config", branch="main", committer=BOT, token=lambda _: TOKEN)
    with config, ThreadPoolExecutor(threads) as pool:
        config.fetch()
        yield Slipway(config, pool)


class Floor:
    """What cannot be had cheaper: one ``git fast-import`` of texts that are ready, and one ``git push``."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        git(folder.parent, "clone", "--quiet", "--bare", url, str(folder))

    def run(self, wave: Sequence[Bump]) -> None:
        self.push([(bump.message, {bump.path: bump.text}) for bump in wave])

    def push(self, commits: Sequence[tuple[str, dict[str, bytes]]]) -> None:
        parents = [f"{MAIN}^0", *(None for _ in commits[1:])]
        stream = [commit_stream(*commit, on=parent) for commit, parent in zip(commits, parents, strict=True)]
        git(self._folder, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
        git(self._folder, "push", "--quiet", self._url, f"{MAIN}:{MAIN}")

    def catch_up(self) -> None:
        git(self._folder, "fetch", "--quiet", self._url, f"+{MAIN}:{MAIN}")


class Script:
    """Clone, edit, commit, push: one bump after the other, which spares it the races it would lose."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url

    def run(self, wave: Sequence[Bump]) -> None:
        for bump in wave:
            git(self._folder.parent, "clone", "--quiet", "--depth=1", self._url, str(self._folder))
            (self._folder / bump.path).write_bytes(bump.text)
            git(self._folder, "commit", "--quiet", "--all", f"--message={bump.message}")
            git(self._folder, "push", "--quiet", "origin", "HEAD")
            shutil.rmtree(self._folder)


@dataclass
class Competitor:
    """Somebody who pushes a file of their own every so often, and tries again when they lose."""

    floor: Floor
    every: float
    pushed: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(self._work, over)
            try:
                yield
            finally:
                over.set()
            work.result()

    def _work(self, over: threading.Event) -> None:
        self.floor.catch_up()
        while not over.wait(self.every):
            path = f"by-hand/{len(self.pushed)}.txt"
            while not self._push(path) and not over.is_set():
                self.floor.catch_up()

    def _push(self, path: str) -> bool:
        try:
            self.floor.push([("By hand\n", {path: b"hi\n"})])
        except subprocess.CalledProcessError:
            return False
        self.pushed.append(path)
        return True
