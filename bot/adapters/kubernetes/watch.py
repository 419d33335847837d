"""Live objects, kept up to date by one watch for each kind and namespace, however many rollouts wait for them.

A watch starts when it is first asked, and ends when nobody has asked for a minute. Where watching is not permitted,
it reads every second what was asked for.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.discovery import Resource
from bot.adapters.kubernetes.errors import in_full
from bot.errors import SlipwayError, Transient
from bot.wording import quoted

IDLE_SECONDS = 60.0
"""A watch that nobody has asked for so long ends."""

STREAM_SECONDS = 50
"""How long the server is asked to keep one stream open; a connection that died in silence is noticed then."""

SILENCE_SECONDS = STREAM_SECONDS + 10.0
PAUSE_SECONDS = 1.0
"""Between reads where watching is not possible, and before trying again after trouble."""

_NOT_PERMITTED = (HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED)

Live = Mapping[str, Any]


class _Watch:
    """The objects of one collection. Its thread writes; whoever holds ``changed`` may read."""

    def __init__(self, connection: Connection, collection: str, changed: "Changes") -> None:
        self.ended = False
        self._connection = connection
        self._collection = collection
        self._changed = changed
        self._stop = threading.Event()
        self._asked: dict[str, float] = {}
        self._objects: dict[str, Live] = {}
        self._gone: dict[str, Live] = {}
        self._synced = False
        self._error: SlipwayError | None = None
        self._last_asked = time.monotonic()
        threading.Thread(target=self._run, name=f"watch {collection}", daemon=True).start()

    def ask(self, name: str) -> Live | None:
        """The object as last seen; waits for the first look.

        Raises:
            Transient, Permanent: the cluster cannot be asked now.
        """
        with self._changed.condition:
            self._last_asked = self._asked[name] = time.monotonic()
            self._changed.condition.wait_for(lambda: self._synced or self._error is not None or self.ended)
            if self._error is not None:
                raise self._error
            if not self._synced:
                raise Transient(f"The cluster {quoted(self._connection.context)} could not be watched.")
            return self._objects.get(name)

    def last_seen(self, name: str) -> Live | None:
        """The last state of an object that is gone, where this watch saw it go."""
        with self._changed.condition:
            return self._gone.get(name)

    def take(self, live: Live) -> None:
        """Remember an object, unless a newer one is known."""
        name = live["metadata"]["name"]
        with self._changed.condition:
            known = self._objects.get(name)
            if known is not None and _version(known) > _version(live):
                return
            self._objects[name] = _lean(live)
            self._gone.pop(name, None)
            self._changed.tell()

    def stop(self) -> None:
        """End at the next occasion."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while self._wanted():
                self._round()
        finally:
            with self._changed.condition:
                self.ended = True
                self._changed.tell()

    def _wanted(self) -> bool:
        return not self._stop.is_set() and time.monotonic() - self._last_asked < IDLE_SECONDS

    def _round(self) -> None:
        """Keep up with the collection by whatever is permitted, until something comes between."""
        try:
            if not self._is_followed():
                self._poll()
        except Refusal as refusal:
            self._trouble(in_full(refusal))
        except SlipwayError as error:
            self._trouble(error)

    def _is_followed(self) -> bool:
        """List, then follow the changes for as long as they can be had without a gap. False: it is not permitted."""
        try:
            version: str | None = self._list()
            while version is not None and self._wanted():
                version = self._follow(version)
        except Refusal as refusal:
            if refusal.code != HTTPStatus.GONE and refusal.code not in _NOT_PERMITTED:
                raise
            return refusal.code == HTTPStatus.GONE
        return True

    def _list(self) -> str:
        body = self._connection.get(self._collection).body
        version = str(body["metadata"]["resourceVersion"])
        listed = {item["metadata"]["name"]: _lean(item) for item in body["items"]}
        with self._changed.condition:
            newer = {name: live for name, live in self._objects.items() if _version(live) > int(version)}
            self._objects = {**listed, **newer}
            self._fine()
        return version

    def _follow(self, version: str) -> str | None:
        """Take in one stream's events; returns where the next goes on, or None where it broke off."""
        started = time.monotonic()
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(STREAM_SECONDS)),
        ]
        try:
            for event in self._connection.stream(self._collection, query, idle_seconds=SILENCE_SECONDS):
                version = str(event["object"]["metadata"]["resourceVersion"])
                self._take_in(event["type"], event["object"])
                if not self._wanted():
                    break
        except Transient:
            self._lose_sight()
            return None
        if time.monotonic() - started < PAUSE_SECONDS:
            self._stop.wait(PAUSE_SECONDS / 5)
        return version

    def _take_in(self, kind: str, live: Live) -> None:
        match kind:
            case "ADDED" | "MODIFIED":
                self.take(live)
            case "DELETED":
                self._drop(live["metadata"]["name"], live)

    def _drop(self, name: str, last: Live | None) -> None:
        with self._changed.condition:
            known = self._objects.get(name)
            if known is None or (last is not None and _version(known) > _version(last)):
                return
            self._gone[name] = last if last is not None else known
            del self._objects[name]
            self._changed.tell()

    def _poll(self) -> None:
        """Read what is asked for, every second; once in a while see whether watching is permitted by now."""
        until = time.monotonic() + IDLE_SECONDS
        while self._wanted() and time.monotonic() < until:
            with self._changed.condition:
                recent = time.monotonic() - IDLE_SECONDS
                names = [name for name, asked in self._asked.items() if asked > recent]
            for name in names:
                self._read(name)
            with self._changed.condition:
                self._fine()
            self._stop.wait(PAUSE_SECONDS)

    def _read(self, name: str) -> None:
        try:
            self.take(self._connection.get(f"{self._collection}/{quote(name, safe='')}").body)
        except Refusal as refusal:
            if refusal.code != HTTPStatus.NOT_FOUND:
                raise
            self._drop(name, None)

    def _lose_sight(self) -> None:
        """The stream broke off: who asks now waits for the next list, which tells whether the server is still there."""
        with self._changed.condition:
            self._synced = False
        self._stop.wait(PAUSE_SECONDS / 5)

    def _fine(self) -> None:
        self._synced, self._error = True, None
        self._changed.tell()

    def _trouble(self, error: SlipwayError) -> None:
        with self._changed.condition:
            self._error = error
            self._changed.tell()
        self._stop.wait(PAUSE_SECONDS)


@dataclass(slots=True)
class Changes:
    """What waiting threads wait on: a count of everything that any watch of a cluster has seen."""

    condition: threading.Condition
    count: int = 0

    def tell(self) -> None:
        """Wake the waiting. Only with the condition held."""
        self.count += 1
        self.condition.notify_all()


class Watches:
    """The watches of one cluster. Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._changed = Changes(threading.Condition())

    @property
    def count(self) -> int:
        """Of changes seen so far."""
        with self._changed.condition:
            return self._changed.count

    def wait(self, count: int, seconds: float) -> None:
        """Wait until more than ``count`` changes are seen, or the time is over."""
        with self._changed.condition:
            self._changed.condition.wait_for(lambda: self._changed.count != count, seconds)

    def live(self, resource: Resource, namespace: str | None, name: str) -> Live | None:
        """An object as last seen, or None where it is gone for certain (a watch may lag behind an apply).

        Raises:
            Transient, Permanent: the cluster cannot be asked.
        """
        watch = self._watch(resource.collection(namespace))
        live = watch.ask(name)
        if live is not None:
            return live
        try:
            found: Live = self._connection.get(resource.path(namespace, name)).body
        except Refusal as refusal:
            if refusal.code == HTTPStatus.NOT_FOUND:
                return watch.last_seen(name) if resource.kind == "Job" else None
            raise in_full(refusal) from None
        watch.take(found)
        return found

    def saw(self, resource: Resource, live: Live) -> None:
        """Take in what the server answered to a write: no watch may show something older from now on."""
        with self._lock:
            watch = self._watches.get(resource.collection(live["metadata"].get("namespace")))
        if watch is not None:
            watch.take(live)

    def close(self) -> None:
        """End all watches."""
        with self._lock:
            for watch in self._watches.values():
                watch.stop()
            self._watches.clear()

    def _watch(self, collection: str) -> _Watch:
        with self._lock:
            watch = self._watches.get(collection)
            if watch is None or watch.ended:
                watch = self._watches[collection] = _Watch(self._connection, collection, self._changed)
            return watch


def _version(live: Live) -> int:
    """Resource versions are integers that grow: https://kubernetes.io/docs/reference/using-api/api-concepts/."""
    return int(live["metadata"]["resourceVersion"])


def _lean(live: Live) -> Live:
    """Without the bookkeeping of fields, often half of an object."""
    metadata = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    return {**live, "metadata": metadata}
