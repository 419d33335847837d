"""Deleting what has left the manifests: only what is there, and only what Slipway has applied."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from bot.adapters.kubernetes.apply import Applier, Live
from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.errors import explained
from bot.adapters.kubernetes.items import Item
from bot.adapters.kubernetes.ownership import is_ours
from bot.errors import Permanent
from bot.facts import Target
from bot.wording import quoted

KEPT = frozenset({"PersistentVolumeClaim"})
"""Deleted data does not come back. Neither does what is cluster-wide (namespaces, definitions, with all in them)."""

_DONE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
"""Somebody else was faster: it is gone, or another one of that name is there."""


def prune(
    connection: Connection,
    applier: Applier,
    target: Target,
    manifests: Sequence[Mapping[str, Any]],
    *,
    dry_run: bool,
) -> tuple[str, ...]:
    """See ``ports.Clusters.prune``."""
    pruned = []
    for item in applier.located(target, manifests).items:
        if item.namespace is None or item.kind in KEPT:
            continue
        try:
            live = _ours(connection, item)
            if live is not None and not dry_run:
                _delete(connection, item, live)
        except Refusal as refusal:
            error = explained(refusal, secret=item.kind == "Secret")
            if not isinstance(error, Permanent):
                raise error from None
            raise Permanent(f"{item} has left the manifests and cannot be deleted: {error}.") from None
        if live is not None:
            pruned.append(f"{item.kind} {quoted(item.name)}")
    return tuple(pruned)


def _ours(connection: Connection, item: Item) -> Live | None:
    """The live object, where Slipway has applied it and nobody is deleting it."""
    try:
        live: Live = connection.get(item.path).body
    except Refusal as refusal:
        if refusal.code == HTTPStatus.NOT_FOUND:
            return None
        raise
    return live if is_ours(live) and not live["metadata"].get("deletionTimestamp") else None


def _delete(connection: Connection, item: Item, live: Live) -> None:
    """Delete exactly this object, what belongs to it in the background."""
    options = {"propagationPolicy": "Background", "preconditions": {"uid": live["metadata"]["uid"]}}
    try:
        connection.request("DELETE", item.path, body=options)
    except Refusal as refusal:
        if refusal.code not in _DONE:
            raise
