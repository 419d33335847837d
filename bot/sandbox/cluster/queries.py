"""The read half of the API: selectors, lists in pages, and watches."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.errors import bad_request, expired
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.resources import Resource
from bot.sandbox.cluster.store import Change, Obj, Store, key_of

_SET_TERM = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)$")
_FIELD_TERM = re.compile(r"^(?P<key>[^!=]+)(?P<op>!=|==|=)(?P<value>.*)$")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "Event": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "reason", "reportingComponent", "source", "type",
    ),
    "Namespace": ("status.phase",),
    "Secret": ("type",),
    "Job": ("status.successful",),
    "ReplicaSet": ("status.replicas",),
}  # fmt: skip
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a collection a request asks for."""

    namespace: str
    name: str
    labels: tuple[str, ...]
    fields: tuple[str, ...]

    def takes(self, obj: Obj) -> bool:
        """Whether the object is in the selection."""
        meta = obj["metadata"]
        if self.namespace and meta.get("namespace") != self.namespace:
            return False
        if self.name and meta["name"] != self.name:
            return False
        labels = meta.get("labels", {})
        return all(_label_matches(t, labels) for t in self.labels) and all(_field_matches(t, obj) for t in self.fields)


def selection(target: Target, query: Mapping[str, str]) -> Selection:
    """The selectors of a request.

    Raises:
        ApiError: 400 for a field that the kind cannot be selected by.
    """
    labels = tuple(t.strip() for t in re.split(r",(?![^(]*\))", query.get("labelSelector", "")) if t.strip())
    fields = tuple(t.strip() for t in query.get("fieldSelector", "").split(",") if t.strip())
    allowed = ("metadata.name", "metadata.namespace", *_FIELDS.get(target.resource.kind, ()))
    for term in fields:
        match = _FIELD_TERM.match(term)
        if match is None:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        if match["key"] not in allowed:
            what = f"{target.resource.api_version}, Resource={target.resource.plural}"
            selectors = f'label selector "{query.get("labelSelector", "")}", field selector "{term}"'
            message = f'Unable to find "{what}" that match {selectors}: field label not supported: {match["key"]}'
            raise bad_request(message)
    return Selection(target.namespace, target.name, labels, fields)


def _label_matches(term: str, labels: Mapping[str, str]) -> bool:
    if match := _SET_TERM.match(term):
        listed = labels.get(match["key"]) in {value.strip() for value in match["values"].split(",")}
        return listed if match["op"] == "in" else not listed
    if match := _FIELD_TERM.match(term):
        equal = labels.get(match["key"].strip()) == match["value"].strip()
        return equal if match["op"] != "!=" else not equal
    return term[1:].strip() not in labels if term.startswith("!") else term in labels


def _field_matches(term: str, obj: Obj) -> bool:
    match = _FIELD_TERM.match(term)
    value: Any = obj
    for name in match["key"].split(".") if match else ():
        value = value.get(name, "") if isinstance(value, dict) else ""
    equal = match is not None and str(value) == match["value"]
    return equal if match is None or match["op"] != "!=" else not equal


def list_page(store: Store, target: Target, query: Mapping[str, str]) -> Obj:
    """A list, or the page of it that ``limit`` and ``continue`` ask for. Items carry no kind, as in real lists."""
    chosen = selection(target, query)
    with store.lock:
        items = [obj for obj in store.all(key_of(target.resource), target.namespace) if chosen.takes(obj)]
        meta: Obj = {"resourceVersion": str(store.version)}
    start = _continue_from(query.get("continue", ""))
    limit = int(query.get("limit") or 0)
    page = items[start : start + limit] if limit else items[start:]
    if limit and start + limit < len(items):
        token = json.dumps({"v": "meta.k8s.io/v1", "start": start + limit}).encode()
        meta |= {"continue": base64.urlsafe_b64encode(token).decode(), "remainingItemCount": len(items) - start - limit}
    return {
        "kind": f"{target.resource.kind}List",
        "apiVersion": target.resource.api_version,
        "metadata": meta,
        "items": [_list_item(target.resource, obj) for obj in page],
    }


def _continue_from(token: str) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["start"])
    except (ValueError, KeyError) as error:
        raise bad_request("continue key is not valid") from error


def _list_item(resource: Resource, obj: Obj) -> Obj:
    """Built-in kinds leave kind and apiVersion out of a list's items; custom ones keep them."""
    return obj if resource.custom_shape else {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a watch asks for. ``start`` None: from now, with what exists as ADDED first."""

    start: int | None
    seconds: float
    bookmarks: bool
    initial_events: bool


def watch_options(query: Mapping[str, str]) -> WatchOptions:
    """The options of a watch request. Without ``timeoutSeconds`` a watch lasts half an hour or more."""
    version = query.get("resourceVersion", "")
    initial = query.get("sendInitialEvents") == "true"
    return WatchOptions(
        start=int(version) if version not in ("", "0") and not initial else None,
        seconds=float(query.get("timeoutSeconds") or 1800),
        bookmarks=query.get("allowWatchBookmarks") == "true",
        initial_events=initial,
    )


class Watch:
    """One watch: its events in order, until its time is over or the cluster closes it."""

    def __init__(self, store: Store, target: Target, query: Mapping[str, str]) -> None:
        self._store = store
        self._key = key_of(target.resource)
        self._resource = target.resource
        self._chosen = selection(target, query)
        self._options = watch_options(query)
        self._cursor = self._options.start or 0
        self._until = time.monotonic() + self._options.seconds
        self.closed = False

    def close(self) -> None:
        """End the watch as a server does that goes away: without a last word."""
        with self._store.lock:
            self.closed = True
            self._store.changed.notify_all()

    def events(self) -> Iterator[Obj]:
        """Watch events; the last is an ERROR (410 Expired) where the history needed is gone."""
        if self._options.start is None:
            yield from self._existing()
        while not self.closed:
            with self._store.lock:
                if self._cursor < self._store.oldest:
                    yield {"type": "ERROR", "object": expired(self._cursor, self._store.oldest).body()}
                    return
                changes = self._store.since(self._cursor)
                if not changes:
                    left = self._until - time.monotonic()
                    if left <= 0:
                        break
                    self._store.changed.wait(left)
                    continue
                self._cursor = changes[-1].version
            yield from (event for change in changes for event in self._event(change))
        if self._options.bookmarks and not self.closed:
            yield self._bookmark({})

    def _existing(self) -> Iterator[Obj]:
        with self._store.lock:
            items = [obj for obj in self._store.all(self._key, self._chosen.namespace) if self._chosen.takes(obj)]
            self._cursor = self._store.version
        yield from ({"type": "ADDED", "object": obj} for obj in items)
        if self._options.initial_events and self._options.bookmarks:
            yield self._bookmark({"annotations": _INITIAL_EVENTS_END})

    def _event(self, change: Change) -> Iterator[Obj]:
        """The change as this watch's selection sees it: an object may enter or leave without being new or gone."""
        if change.key != self._key:
            return
        takes_now = change.type != "DELETED" and self._chosen.takes(change.obj)
        took_before = change.previous is not None and self._chosen.takes(change.previous)
        if takes_now:
            yield {"type": "MODIFIED" if took_before else "ADDED", "object": change.obj}
        elif took_before:
            yield {"type": "DELETED", "object": change.obj}

    def _bookmark(self, more: Obj) -> Obj:
        meta = {"resourceVersion": str(self._cursor), "creationTimestamp": None, **more}
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return {"type": "BOOKMARK", "object": {**head, "metadata": meta}}
