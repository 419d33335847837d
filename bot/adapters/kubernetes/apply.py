"""Server-side apply of a set of objects: all of them or, as far as a dry run can tell, none.

Everything is looked at and tried first, and every problem is told at once. A namespace or a definition that the set
itself brings must really be there before what stands on it can be tried.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bot.adapters.kubernetes import replace
from bot.adapters.kubernetes.connection import APPLY_PATCH, JSON_PATCH, Answer, Connection, Refusal
from bot.adapters.kubernetes.discovery import Discovery, Resource
from bot.adapters.kubernetes.errors import cannot_be_tried, explained, immutable, in_full
from bot.adapters.kubernetes.items import DEFINITION, Item, Located, locate
from bot.adapters.kubernetes.order import rank
from bot.adapters.kubernetes.ownership import MANAGER, take_over, with_settled_replicas
from bot.errors import Permanent, Transient
from bot.facts import Applied, Target
from bot.wording import quoted

DEFINITION_SECONDS = 30.0
"""How long a new CustomResourceDefinition may take until its kind is served."""

TRIES = 3
"""How often a read and the write that stands on it are repeated when somebody else was faster."""

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})

Live = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tried:
    """An object that the dry run let pass.

    Attributes:
        replaced: the live object that must be deleted for it.
        answer: what the dry run gave; None where only the writing itself can tell.
    """

    item: Item
    live: Live | None
    replaced: Live | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One object as it was answered, whole."""

    applied: Applied
    resource: Resource
    live: Live


class Applier:
    """Applies sets of objects to one cluster."""

    def __init__(self, connection: Connection, discovery: Discovery) -> None:
        self._connection = connection
        self._discovery = discovery

    def apply(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Result, ...]:
        """See ``bot.ports``."""
        located = self.located(target, objects)
        lives, unread = self._lives(located.items)
        bases = [item for item, live in lives if _is_base(item, live)]
        new = {item.name for item in bases if item.kind == "Namespace"}
        now = [(item, live) for item, live in lives if item.namespace not in new]
        later = [item for item, _ in lives if item.namespace in new]
        tried = self._try(now, [*located.problems, *unread], done=())
        if not later and not located.waiting:
            return self._write_all(tried, done=())
        first = [entry for entry in tried if entry.item in bases]
        done = self._write_all(first, done=())
        later += self._brought(target, located.waiting)
        rest = self._try(*self._lives(later), done=done)
        return self._write_all([entry for entry in tried if entry not in first] + rest, done=done)

    def located(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> Located:
        """Where the objects belong on the cluster."""
        try:
            return locate(self._discovery, target, objects)
        except Refusal as refusal:
            raise in_full(refusal) from None

    def _brought(self, target: Target, manifests: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
        """The objects whose kinds were not served until a moment ago."""
        deadline = time.monotonic() + DEFINITION_SECONDS
        while len((located := self.located(target, manifests)).items) < len(manifests):
            if time.monotonic() > deadline:
                raise Transient(
                    f"The cluster {quoted(self._connection.context)} has taken a {DEFINITION}, but does not serve its "
                    f"kind yet: {'; '.join(located.problems)}."
                )
            time.sleep(0.2)
        return located.items

    def _lives(self, items: Iterable[Item]) -> tuple[list[tuple[Item, Live | None]], list[str]]:
        """What is there of these objects now, and what is wrong with those that may not be read."""
        lives, problems = [], []
        for item in items:
            try:
                lives.append((item, self.live(item)))
            except Refusal as refusal:
                problems.append(_problem(item, refusal))
        return lives, problems

    def live(self, item: Item) -> Live | None:
        """The object as it is now, None where there is none.

        Raises:
            Refusal: it may not be read.
            Transient: it is being deleted.
        """
        try:
            live: Live = self._connection.get(item.path).body
        except Refusal as refusal:
            if refusal.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        if live["metadata"].get("deletionTimestamp") and item.kind in _WORKLOADS:
            raise Transient(f"{item} on the cluster {quoted(self._connection.context)} is just being deleted.")
        return live

    def _try(
        self, pairs: Iterable[tuple[Item, Live | None]], problems: Sequence[str], *, done: Sequence[Result]
    ) -> list[Tried]:
        """Dry-run all of them.

        Raises:
            Permanent: some are refused; all that is wrong with all of them.
        """
        found, tried = list(problems), []
        for item, live in pairs:
            try:
                tried.append(self.try_one(item, live))
            except Refusal as refusal:
                found.append(_problem(item, refusal))
            except NotReplaceableError as error:
                found.append(f"{item}: {error}")
        if found:
            raise Permanent(_all(found, self._connection.context, done))
        return tried

    def try_one(self, item: Item, live: Live | None) -> Tried:
        """Dry-run one object.

        Raises:
            Refusal: the cluster refuses it.
            NotReplaceableError: see there.
        """
        try:
            answer = self._patch(item, with_settled_replicas(item.manifest, live), dry_run=True)
        except Refusal as refusal:
            if cannot_be_tried(refusal):
                return Tried(item, live)
            if live is None or (item.resource.api_version, item.kind) not in replace.REPLACED or not immutable(refusal):
                raise
            if (reason := replace.why_not(item, live)) is not None:
                raise NotReplaceableError(reason) from None
        else:
            return Tried(item, live, answer=answer)
        stand_in = Item(replace.under_another_name(item.manifest), item.resource, item.namespace)
        answer = self._patch(stand_in, stand_in.manifest, dry_run=True)
        return Tried(item, None, replaced=live, answer=answer)

    def _write_all(self, tried: Sequence[Tried], *, done: Sequence[Result]) -> tuple[Result, ...]:
        results = list(done)
        for entry in sorted(tried, key=lambda entry: rank(entry.item.kind)):
            try:
                results.append(self._write(entry))
            except Refusal as refusal:
                problem = _problem(entry.item, refusal)
                raise Permanent(_all([problem], self._connection.context, results)) from None
        return tuple(results)

    def _write(self, entry: Tried) -> Result:
        item = entry.item
        if entry.replaced is not None:
            replace.delete(self._connection, item, entry.replaced)
        live = self._taken_over(item, entry.live)
        answer = self._patch(item, with_settled_replicas(item.manifest, live), dry_run=False)
        applied = Applied(
            api_version=item.resource.api_version,
            kind=item.kind,
            namespace=item.namespace,
            name=item.name,
            generation=answer.body["metadata"].get("generation"),
            changed=live is None or _content(live) != _content(answer.body),
            at=answer.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        return Result(applied, item.resource, answer.body)

    def _taken_over(self, item: Item, live: Live | None) -> Live | None:
        """The live object, its client-side applied fields Slipway's own."""
        for _ in range(TRIES):
            patch = take_over(live) if live is not None else None
            if patch is None:
                return live
            try:
                owned: Live = self._connection.request(
                    "PATCH", item.path, query=[("fieldManager", MANAGER)], body=patch, content_type=JSON_PATCH
                ).body
            except Refusal as refusal:
                if refusal.code != HTTPStatus.CONFLICT:
                    raise
                live = self.live(item)
            else:
                return owned
        raise Transient(f"{item} on the cluster {quoted(self._connection.context)} does not hold still.")

    def _patch(self, item: Item, manifest: Mapping[str, Any], *, dry_run: bool) -> Answer:
        query = [("fieldManager", MANAGER), ("force", "true"), *([("dryRun", "All")] if dry_run else [])]
        return self._connection.request("PATCH", item.path, query=query, body=manifest, content_type=APPLY_PATCH)


class NotReplaceableError(Exception):
    """A Job or Pod that would have to be deleted, and may not be."""


def _is_base(item: Item, live: Live | None) -> bool:
    return item.kind == DEFINITION or (item.kind == "Namespace" and live is None)


def _problem(item: Item, refusal: Refusal) -> str:
    """What is wrong with an object.

    Raises:
        Transient: nothing is; the cluster is in trouble.
    """
    error = explained(refusal, secret=item.kind == "Secret")
    if not isinstance(error, Permanent):
        raise error from None
    return f"{item}: {error}"


def _content(live: Live) -> dict[str, Any]:
    """What of an object is somebody's wish: not its bookkeeping, and not what controllers say of it."""
    servers_own = ("managedFields", "resourceVersion", "generation")
    metadata = {name: value for name, value in live["metadata"].items() if name not in servers_own}
    return {name: value for name, value in live.items() if name not in ("status", "metadata")} | {"metadata": metadata}


def _all(problems: Sequence[str], context: str, done: Sequence[Result]) -> str:
    """One paragraph, or a list where there is more than one problem."""
    names = ", ".join(f"{result.applied.kind} {quoted(result.applied.name)}" for result in done)
    so_far = f"Applied before that: {names}." if names else "Nothing was applied."
    if len(problems) == 1:
        return f"The cluster {quoted(context)} refuses {problems[0]}. {so_far}"
    lines = "\n".join(f"- {problem}." for problem in problems)
    return f"The cluster {quoted(context)} refuses {len(problems)} objects. {so_far}\n{lines}"
