"""Which adapter serves the web process. It stores deliveries, so it loads nothing that talks to GitHub or a cluster."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.adapters.dbos_queue import DbosQueue
from bot.settings import WebSettings

QUEUES: Mapping[str, str] = {
    "delivery": "deliveries",
    "reconcile": "deliveries",
    "catalog": "deliveries",
    "release": "releases",
    "build": "builds",
    "approve": "approvals",
    "sync": "syncs",
}
"""The queue of each workflow."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the web process is made of."""

    queue: DbosQueue
    webhook_secret: bytes
    database_ok: Callable[[], None]


def web_parts(environment: Mapping[str, str] = os.environ) -> WebParts:
    """The web process: it stores deliveries and nothing else. Nothing is opened before the first request."""
    settings = WebSettings.read(environment)
    queue = DbosQueue(settings.database_url, QUEUES)
    secret = settings.webhook_secret.get_secret_value().encode()
    return WebParts(queue, secret, queue.check_writable)
