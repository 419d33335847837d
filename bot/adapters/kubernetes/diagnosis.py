"""Asks a cluster why pods do not come up: the pods, their events, the ends of their logs.

It helps people with a failure that is already certain, so it never adds one: what may not be read, or cannot be read
now, is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from bot.adapters.kubernetes import pods
from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.discovery import Discovery, Resource
from bot.adapters.kubernetes.rollout import has_rollout
from bot.errors import SlipwayError
from bot.facts import Applied, Diagnosis

EVENTS = 10
LOG_LINES = 20
LOG_BYTES = 20_000
LOGS = 3
"""At most so many containers' logs are read."""

PAGE = 500
PAGES = 10
"""Of a namespace's events; a namespace with more has other problems."""

T = TypeVar("T")
Live = Mapping[str, Any]


@dataclass(slots=True)
class _Found:
    """What is known of some workloads' trouble."""

    reasons: list[str] = field(default_factory=list)
    pods: list[Live] = field(default_factory=list)
    uids: set[str] = field(default_factory=set)
    since: dict[str, datetime] = field(default_factory=dict)


class Diagnoses:
    """Asks one cluster."""

    def __init__(self, connection: Connection, discovery: Discovery) -> None:
        self._connection = connection
        self._discovery = discovery

    def of(self, applied: Sequence[Applied]) -> Diagnosis:
        """See ``bot.ports``."""
        workloads = [item for item in applied if has_rollout(item)]
        found = _Found()
        for item in workloads:
            self._look(item, found)
        namespaces = dict.fromkeys(item.namespace for item in workloads if item.namespace)
        events = [event for namespace in namespaces for event in self._events(namespace)]
        uids = frozenset(found.uids)
        return Diagnosis(
            reasons=tuple(dict.fromkeys((*found.reasons, *pods.reasons(found.pods)))),
            events=tuple(pods.event_lines(events, uids, since=found.since, limit=EVENTS)),
            logs=tuple(self._logs(found.pods)),
        )

    def _look(self, item: Applied, found: _Found) -> None:
        live = self._live(item)
        if live is None:
            return
        uid = live["metadata"]["uid"]
        found.uids.add(uid)
        if item.changed:
            found.since[uid] = datetime.fromisoformat(item.at)
        found.reasons += pods.workload_reasons(item.name, live)
        owner = self._rolled_out(item, live) if item.kind == "Deployment" else live
        found.uids.add(owner["metadata"]["uid"])
        trouble = [pod for pod in self._pods(item, live, owner) if not pods.is_ready(pod)]
        found.pods += trouble
        found.uids.update(pod["metadata"]["uid"] for pod in trouble)

    def _live(self, item: Applied) -> Live | None:
        resource = self._allowed(lambda: self._discovery.find(item.api_version, item.kind), None)
        if resource is None:
            return None
        path = resource.path(item.namespace, item.name)
        live: Live | None = self._allowed(lambda: self._connection.get(path).body, None)
        return live

    def _rolled_out(self, item: Applied, live: Live) -> Live:
        """The newest ReplicaSet; where none can be found, the Deployment itself."""
        sets = self._list("apps/v1", "replicasets", item.namespace, selector=live["spec"]["selector"])
        return pods.newest_revision(one for one in sets if pods.is_owned(one, live["metadata"]["uid"])) or live

    def _pods(self, item: Applied, live: Live, owner: Live) -> list[Live]:
        if item.kind == "Pod":
            return [live]
        selected = self._list("v1", "pods", item.namespace, selector=live["spec"].get("selector") or {})
        if item.kind == "Deployment" and owner is live:
            return selected
        return [pod for pod in selected if pods.is_owned(pod, owner["metadata"]["uid"])]

    def _events(self, namespace: str) -> list[Live]:
        return self._list("v1", "events", namespace, fields="type=Warning")

    def _list(
        self,
        api_version: str,
        plural: str,
        namespace: str | None,
        *,
        selector: Mapping[str, Any] | None = None,
        fields: str = "",
    ) -> list[Live]:
        query = {"limit": str(PAGE)}
        if selector is not None:
            query["labelSelector"] = pods.selector_text(selector)
        if fields:
            query["fieldSelector"] = fields
        path = Resource(api_version, "", plural, namespaced=True).collection(namespace)
        return self._allowed(lambda: list(self._paged(path, query)), [])

    def _paged(self, path: str, query: Mapping[str, str]) -> Iterator[Live]:
        going_on: dict[str, str] = {}
        for _ in range(PAGES):
            page = self._connection.get(path, **query, **going_on).body
            yield from page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return
            going_on = {"continue": token}

    def _logs(self, troubled: Iterable[Live]) -> Iterator[str]:
        """The last lines of failing containers, each with the container's name; one pod speaks for all like it."""
        read: set[str] = set()
        for pod in troubled:
            for wish in pods.log_wishes(pod):
                if wish.container in read or len(read) >= LOGS:
                    continue
                lines = self._log(pod, wish.container, previous=wish.previous)
                if not lines and wish.previous:
                    lines = self._log(pod, wish.container, previous=False)
                if lines:
                    read.add(wish.container)
                yield from (f"{wish.container}: {line}" for line in lines)

    def _log(self, pod: Live, container: str, *, previous: bool) -> list[str]:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{quote(meta['namespace'])}/pods/{quote(meta['name'])}/log"
        query = {"container": container, "tailLines": str(LOG_LINES), "limitBytes": str(LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        text = self._allowed(lambda: self._connection.get(path, **query).body, "")
        return [line for line in str(text).splitlines() if line.strip()]

    def _allowed(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except (Refusal, SlipwayError):
            return otherwise
