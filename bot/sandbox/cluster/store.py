"""Where a stand-in cluster keeps its objects, and the history that watches replay.

Stored objects are never changed in place: a write replaces them. So readers may keep what they were given.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.resources import Resource

Obj = dict[str, Any]
Key = tuple[str, str]
"""Group and plural of a resource: all its versions share their objects."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. ``previous`` is the object before it, so that a selector can tell who left its selection."""

    version: int
    type: str
    key: Key
    obj: Obj
    previous: Obj | None


def key_of(resource: Resource) -> Key:
    """Where a resource's objects are kept."""
    return (resource.group, resource.plural)


class Store:
    """Objects by resource, namespace and name, with one resourceVersion counter for all. Guard it by ``lock``."""

    def __init__(self, history_limit: int) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 100
        self.oldest = self.version
        self.listeners: list[Callable[[Change], None]] = []
        self._history_limit = history_limit
        self._objects: dict[Key, dict[tuple[str, str], Obj]] = {}
        self._history: list[Change] = []

    def get(self, key: Key, namespace: str, name: str) -> Obj | None:
        """One object, or None."""
        with self.lock:
            return self._objects.get(key, {}).get((namespace, name))

    def all(self, key: Key, namespace: str = "") -> list[Obj]:
        """All objects of a resource, or those of a namespace, by namespace and name."""
        with self.lock:
            found = self._objects.get(key, {})
            return [found[at] for at in sorted(found) if not namespace or at[0] == namespace]

    def everything(self) -> list[tuple[Key, Obj]]:
        """All objects there are, each with where it is kept."""
        with self.lock:
            return [(key, obj) for key, objects in self._objects.items() for obj in objects.values()]

    def put(self, key: Key, obj: Obj) -> Obj:
        """Create or replace; returns the object as stored, with its new resourceVersion."""
        with self.lock:
            self.version += 1
            meta = {**obj["metadata"], "resourceVersion": str(self.version)}
            stored = {**obj, "metadata": meta}
            at = (meta.get("namespace", ""), meta["name"])
            previous = self._objects.setdefault(key, {}).get(at)
            self._objects[key][at] = stored
            self._record(Change(self.version, "MODIFIED" if previous else "ADDED", key, stored, previous))
            return stored

    def remove(self, key: Key, namespace: str, name: str) -> Obj | None:
        """Delete; returns the last state, under the resourceVersion of the deletion."""
        with self.lock:
            obj = self._objects.get(key, {}).pop((namespace, name), None)
            if obj is None:
                return None
            self.version += 1
            last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
            self._record(Change(self.version, "DELETED", key, last, obj))
            return last

    def _record(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > self._history_limit:
            self.oldest = self._history[0].version
            del self._history[0]
        for listener in self.listeners:
            listener(change)
        self.changed.notify_all()

    def since(self, version: int) -> list[Change]:
        """Every change after that resourceVersion that is still remembered."""
        with self.lock:
            start = bisect_right(self._history, version, key=lambda change: change.version)
            return self._history[start:]

    def forget_history(self) -> None:
        """Make every resourceVersion up to now too old to watch from."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self._history.clear()
            self.changed.notify_all()
