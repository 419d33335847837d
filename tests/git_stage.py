"""A config repo on a git server, people who push to it, and the adapter in front, for the git tests."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.adapters.config_repo import GitConfigRepo
from bot.facts import Change, ConfigCommit, Reader
from bot.releases import Person
from tests.git_server import GitServer, serve

T = TypeVar("T")

CONFIG = "org/config"
TOKEN = "t0ken-canary-1f2e3d"
BOT = Person("slipway[bot]", 41)
ANN = Person("ann", 7, "Ann Onymous")
FILES = {"staging/a.yaml": "image: a:1\n", "staging/b.yaml": "image: b:1\n", "production/a.yaml": "image: a:1\n"}
HERMETIC = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "EMAIL": "paula@example.org",
}


@dataclass
class GitStage:
    """``folder`` holds the server's repositories and the mirrors."""

    server: GitServer
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def bare(self, repo: str = CONFIG) -> Path:
        return self.server.root / f"{repo}.git"

    def git(self, *arguments: str, repo: str = CONFIG, stdin: bytes | None = None) -> str:
        """Git in the server's own repository."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.bare(repo), input=stdin, env=HERMETIC, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def create(self, repo: str) -> None:
        self.bare(repo).mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", repo=repo)
        self.git("config", "http.receivepack", "true", repo=repo)

    def commit(
        self,
        files: Mapping[str, str | None],
        message: str = "Edit by hand",
        *,
        branch: str = "main",
        repo: str = CONFIG,
        base: str | None = None,
        merge: str | None = None,
        at: str = "1700000000",
    ) -> str:
        """Somebody pushes a commit on top of the branch (or of ``base``). None deletes."""
        parent = base or self.tip(branch, repo=repo)
        stream = [f"commit refs/heads/{branch}\ncommitter Paula <paula@example.org> {at} +0200\n"]
        stream.append(f"data {len(message.encode())}\n{message}\n")
        stream.append(f"from {parent}\n" if parent else "")
        stream.append(f"merge {merge}\n" if merge else "")
        for path, text in files.items():
            stream.append(f"D {path}\n" if text is None else f"M 644 inline {path}\ndata {len(text)}\n{text}\n")
        self.git("fast-import", "--quiet", "--force", repo=repo, stdin="".join(stream).encode())
        return self.tip(branch, repo=repo) or ""

    def tip(self, branch: str = "main", *, repo: str = CONFIG) -> str | None:
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", repo=repo) or None

    def subjects(self, branch: str = "main") -> list[str]:
        """Of the branch, newest first."""
        return self.git("log", "--format=%s", branch).splitlines()

    def show(self, path: str, branch: str = "main") -> str:
        return self.git("show", f"{branch}:{path}")

    def open(self, folder: str = "mirror", **options: Any) -> GitConfigRepo:
        """The adapter; ``options`` are its constructor's."""
        return self.stack.enter_context(
            GitConfigRepo(
                self.folder / folder,
                **{
                    "url": f"{self.server.url}/{CONFIG}.git",
                    "name": CONFIG,
                    "branch": None,
                    "committer": BOT,
                    "token": lambda repo: TOKEN,
                    **options,
                },
            )
        )


def bump(app: str, version: int, environment: str = "staging", author: Person | None = ANN) -> Change:
    """A bump as the bot makes it: the image's line, whatever else the file holds."""
    id_ = f"{app}@{version}/{environment}"
    path = f"{environment}/{app}.yaml"

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        lines = (read(path) or b"image: none\n").split(b"\n")
        return {path: b"\n".join(f"image: {app}:{version}".encode() if b"image:" in line else line for line in lines)}

    message = f"{app}: {version} to {environment}\n\nSlipway-Id: {id_}\nApp: {app}\nImage: {app}:{version}\n"
    return Change(id_, message, author, edit)


def together(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Run all calls at the same moment; the futures are done."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [pool.submit(run, call) for call in calls]


def made(change: ConfigCommit | None) -> ConfigCommit:
    assert change is not None
    return change


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[GitStage]:
    """A server with one config repo, some manifests in it."""
    with serve(tmp_path / "server", TOKEN) as server:
        stage = GitStage(server, tmp_path)
        stage.create(CONFIG)
        stage.commit(FILES, "First")
        with stage.stack:
            yield stage
