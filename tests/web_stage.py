"""The web process for tests: gunicorn as the Procfile starts it, and GitHub's side of a delivery."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from bot.adapters.dbos.queue import DbosQueue
from tests.engines import free_port, running, wait_until
from tests.github_payloads import example
from tests.web_program import QUEUES
from webhooks.signature import HEADER, sign

SECRET = b"a secret of the tests"
PROJECT = Path(__file__).parents[1]
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process."""

    url: str
    database_url: str
    queue: DbosQueue
    pid: int
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def send(
        self,
        body: bytes,
        event: str | None = "push",
        delivery: str | None = None,
        *,
        signature: str | None = "",
        content_type: str = "application/json",
    ) -> requests.Response:
        """Send a delivery, signed unless another signature, or None, is given."""
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": str(uuid4()) if delivery is None else delivery,
            "Content-Type": content_type,
            HEADER: sign(SECRET, body) if signature == "" else signature,
        }
        present = {name: value for name, value in headers.items() if value is not None}
        return requests.post(f"{self.url}/webhooks/github", data=body, headers=present, timeout=30)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def stored(self, delivery: str) -> bool:
        return self.queue.job(f"delivery/{delivery}") is not None


TEST_COMMAND = [sys.executable, "-m", "gunicorn", "--config", "python:webhooks.gunicorn_conf"]
TEST_COMMAND += ["tests.web_program:create_app()"]


def procfile_command() -> list[str]:
    """The line ``web`` of the Procfile, with the gunicorn of this environment."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    line = next(line.removeprefix("web: ") for line in lines if line.startswith("web: "))
    program, *arguments = shlex.split(line)
    assert program == "gunicorn"
    return [str(Path(sys.executable).with_name(program)), *arguments]


@contextmanager
def serving(folder: Path, database_url: str, command: Sequence[str] = TEST_COMMAND) -> Iterator[Web]:
    """gunicorn with the settings of the Procfile."""
    log, port = folder / "web.log", str(free_port())
    environment = {"DATABASE_URL": database_url, "GITHUB_WEBHOOK_SECRET": SECRET.decode(), "PORT": port}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in (environment | {"PYTHONPATH": str(PROJECT)}).items():
            patch.setenv(name, value)
        process = stack.enter_context(running(command, log=log))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), process, log)
        queue = stack.enter_context(closing(DbosQueue(database_url, QUEUES)))
        yield Web(url, database_url, queue, process.pid, log)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def push() -> bytes:
    return json.dumps(example("push", ref="refs/tags/simple-tag") | {"ref": "refs/heads/main"}).encode()


def told(response: requests.Response) -> tuple[int, Any]:
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, response.json()
