"""GitHub's own example payloads, from the npm package ``@octokit/webhooks-examples`` (MIT), fetched once.

No merged pull request and no approved review is among them: derive those.
"""

import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.engines import NPM, require

VERSION = "7.6.1"
CACHE = Path(__file__).parents[1] / "var" / "cache" / f"octokit-webhooks-examples-{VERSION}.tgz"


@dataclass(frozen=True, slots=True)
class Example:
    """One payload as GitHub sent it."""

    event: str
    payload: dict[str, Any]


@cache
def examples() -> tuple[Example, ...]:
    """All examples of github.com. Without npm the test is skipped (and fails where ``CI=true``)."""
    if not CACHE.exists():
        _fetch(require(NPM))
    with tarfile.open(CACHE) as archive:
        index = archive.extractfile("package/api.github.com/index.json")
        assert index is not None
        return tuple(Example(event["name"], payload) for event in json.load(index) for payload in event["examples"])


def example(event: str, action: str | None = None, ref: str | None = None) -> dict[str, Any]:
    """A fresh copy of the first payload of an event with that action, or that ref."""
    found = next(
        known.payload
        for known in examples()
        if known.event == event
        and (action is None or known.payload.get("action") == action)
        and (ref is None or known.payload.get("ref") == ref)
    )
    copy: dict[str, Any] = json.loads(json.dumps(found))
    return copy


def _fetch(npm: str) -> None:
    """Into a folder of its own first, since several test processes may come here at once."""
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        command = [npm, "pack", "--silent", f"@octokit/webhooks-examples@{VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"npm pack failed:\n{done.stderr}"
        (Path(folder) / done.stdout.strip()).replace(CACHE)
