"""What every line of the log says of the work that it belongs to: its job, app, environment and release.

The release's id, ``APP@<40 hex>``, is on the lines of all processes, from the delivery that told of the commit to
``latest`` (docs/operations.md).
"""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.releases import Release, release_id

KEYS = ("delivery", "app", "environment", "commit")
"""Of a job's input, as it is."""


def context_of(values: Mapping[str, Any]) -> dict[str, str]:
    """What a job's input tells."""
    found = {key: str(values[key]) for key in KEYS if values.get(key)}
    if values.get("app") and values.get("sha"):
        found["release"] = release_id(values["app"], values["sha"])
    return found


def about(release: Release | str | None) -> None:
    """What this run's lines say from here on: which release it is about, where only a step could find that out."""
    if release is not None:
        structlog.contextvars.bind_contextvars(release=release if isinstance(release, str) else release.id)
