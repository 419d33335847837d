"""The git server in a process of its own, so that neither its work nor its memory is taken for Slipway's.

``python -m tests.bench.server FOLDER`` prints its URL; for every line of standard input it prints how many requests
have come in so far, and it ends with its input.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.git_server import serve

TOKEN = "bench-token"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A running server. ``folder`` holds its bare repositories, as ``owner/name.git``."""

    folder: Path
    url: str
    process: subprocess.Popen[str]

    def repo_url(self, repo: str) -> str:
        return f"{self.url}/{repo}.git"

    def bare(self, repo: str) -> Path:
        return self.folder / f"{repo}.git"

    def requests(self) -> int:
        """How many HTTP requests have come in so far, whosever."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return int(_line(self.process))


@contextlib.contextmanager
def serve_apart(folder: Path) -> Iterator[Server]:
    """Run the server until the block ends."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.bench.server", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(folder, _line(process), process)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("The benchmark's git server ended early: what it said is above.")
    return line.strip()


def main(folder: Path) -> None:
    with serve(folder, TOKEN) as server:
        _say(server.url)
        for _ in sys.stdin:
            _say(str(len(server.requests)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
