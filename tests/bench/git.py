"""Git as the benchmark itself runs it: nobody's configuration, and the server's token in the environment."""

import base64
import os
import subprocess
from pathlib import Path

from tests.bench.server import TOKEN

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Paula",
    "GIT_COMMITTER_NAME": "Paula",
    "EMAIL": "paula@example.org",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.extraHeader",
}


def git(folder: Path, *arguments: str, stdin: bytes | None = None, token: str = TOKEN) -> bytes:
    """Run git in a folder and return what it printed; it must succeed, or ``CalledProcessError`` is raised."""
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    environment = {**_ENVIRONMENT, "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, env=environment, capture_output=True, check=True
    )
    return done.stdout
