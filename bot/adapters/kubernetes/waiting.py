"""Waits for rollouts to end, on watches that all waiting threads share."""

import time
from collections.abc import Sequence
from datetime import datetime

from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.discovery import Discovery, Resource
from bot.adapters.kubernetes.errors import in_full
from bot.adapters.kubernetes.rollout import Look, combined, decide, ended, has_rollout
from bot.adapters.kubernetes.watch import Watches
from bot.errors import Permanent, Transient
from bot.facts import Applied, Rollout
from bot.wording import quoted

TICK_SECONDS = 1.0
"""How often to look again without news: some decisions depend on the time."""


class Rollouts:
    """The rollouts of one cluster."""

    def __init__(self, connection: Connection, discovery: Discovery, watches: Watches) -> None:
        self._connection = connection
        self._discovery = discovery
        self._watches = watches

    def wait(self, applied: Sequence[Applied], seconds: float) -> Rollout:
        """Where the rollouts stand once they have ended, or when the time is over.

        Raises:
            Transient: the cluster could not be asked until the end.
            Permanent: it may not be asked.
        """
        places = [(item, self._resource(item)) for item in applied if has_rollout(item)]
        deadline = time.monotonic() + seconds
        while True:
            count = self._watches.count
            trouble: Transient | None = None
            state = None
            try:
                state = combined([self._look(item, resource, self._connection.now()) for item, resource in places])
            except Transient as error:
                trouble = error
            left = deadline - time.monotonic()
            if state is not None and (ended(state) or left <= 0):
                return state
            if trouble is not None and left <= 0:
                raise trouble
            self._watches.wait(count, min(left, TICK_SECONDS))

    def _look(self, item: Applied, resource: Resource, now: datetime) -> Rollout:
        return decide(Look(item, self._watches.live(resource, item.namespace, item.name), now))

    def _resource(self, item: Applied) -> Resource:
        try:
            resource = self._discovery.find(item.api_version, item.kind)
        except Refusal as refusal:
            raise in_full(refusal) from None
        if resource is None:
            context = quoted(self._connection.context)
            raise Permanent(f"The cluster {context} serves no {item.api_version} {item.kind} any more.")
        return resource
