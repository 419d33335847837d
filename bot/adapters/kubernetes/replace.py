"""Jobs and bare Pods, whose pods cannot be changed: a finished one of Slipway's own gives way to a new one."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.items import Item
from bot.adapters.kubernetes.ownership import is_ours
from bot.errors import Transient
from bot.wording import quoted

REPLACED = frozenset({("batch/v1", "Job"), ("v1", "Pod")})

GONE_SECONDS = 30.0
"""How long a deleted object may take to go."""

_LONGEST_NAME = 63


def why_not(item: Item, live: Mapping[str, Any]) -> str | None:
    """Why the live object may not give way (pure), or None where it may."""
    if not is_ours(live):
        return (
            f"it has changed, a {item.kind} cannot be updated, and this one was not applied by Slipway: delete it first"
        )
    if finished(live):
        return None
    if item.kind == "Pod":
        return "of a running Pod only the image can be changed: delete it first, or make it a Deployment"
    return "it has changed, and a Job cannot be updated while it runs: wait until it has finished, or delete it"


def finished(live: Mapping[str, Any]) -> bool:
    """Whether a Job or Pod has run to its end."""
    status = live.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    return any(
        condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )


def under_another_name(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as a dry run can try it while the old object is there."""
    suffix = "-dry-run"
    name = str(manifest["metadata"]["name"])[: _LONGEST_NAME - len(suffix)] + suffix
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}}


def delete(connection: Connection, item: Item, live: Mapping[str, Any]) -> None:
    """Delete exactly this object, its pods in the background, and wait until its name is free.

    Raises:
        Refusal: the server does not let us.
        Transient: it takes too long; what is left to do is done by the next try.
    """
    options = {"propagationPolicy": "Background", "preconditions": {"uid": live["metadata"]["uid"]}}
    deadline = time.monotonic() + GONE_SECONDS
    try:
        connection.request("DELETE", item.path, body=options)
        while time.monotonic() < deadline:
            connection.get(item.path)
            time.sleep(0.2)
    except Refusal as refusal:
        if refusal.code == HTTPStatus.NOT_FOUND:
            return
        raise
    raise Transient(f"{item} on the cluster {quoted(connection.context)} is deleted, but not gone yet.")
