"""Which adapter serves the web process. It stores deliveries, so it loads nothing that talks to GitHub or a cluster.

Its pages read the config repo. What they need for that is loaded when somebody looks at one.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from bot.adapters.dbos.database import refuse_other_machines
from bot.adapters.dbos.journal import DbosJournal
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.tally import QueueTally
from bot.links import Links
from bot.logs import Redactor
from bot.ports import ConfigRepo
from bot.queue_tally import Tally
from bot.settings import Settings, WebSettings

QUEUES: Mapping[str, str] = {
    "delivery": "deliveries",
    "reconcile": "deliveries",
    "catalog": "deliveries",
    "command": "approvals",
    "action": "approvals",
    "release": "releases",
    "build": "builds",
    "approve": "approvals",
    "promote": "approvals",
    "sync": "syncs",
    "prune": "syncs",
    "effect": "looks",
    "drift": "looks",
    "round": "looks",
    "rollback": "rollbacks",
    "notify": "messages",
}
"""The queue of each workflow."""

CREDENTIALS = ("GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "GITHUB_APP_PRIVATE_KEY", "GITHUB_OAUTH_CLIENT_SECRET")
"""Variables whose values no log and no page may hold."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the web process is made of.

    Attributes:
        jobs: the queue once more, with a connection of its own: whoever looks at a page keeps no delivery waiting.
        journal: how far each of them is, for the same people.
        open_config: see ``webhooks.sight.Source``.
        tally: counts the jobs, for ``/metrics``.
        redact: hides this process's credentials.
    """

    queue: DbosQueue
    webhook_secret: bytes
    database_ok: Callable[[], None]
    jobs: DbosQueue
    journal: DbosJournal
    open_config: Callable[[], tuple[ConfigRepo, Callable[[str], Links]]]
    tally: Callable[[], Tally]
    redact: Redactor = field(default_factory=Redactor)


def web_parts(environment: Mapping[str, str] = os.environ) -> WebParts:
    """The web process: it stores deliveries, and shows what is there. Nothing is opened before the first request."""
    settings = WebSettings.read(environment)
    refuse_other_machines(settings.database_url)
    queue = DbosQueue(settings.database_url, QUEUES)
    return WebParts(
        queue=queue,
        webhook_secret=settings.webhook_secret.get_secret_value().encode(),
        database_ok=queue.check_writable,
        jobs=DbosQueue(settings.database_url, QUEUES, connections=1),
        journal=DbosJournal(settings.database_url),
        open_config=lambda: open_config(environment),
        tally=QueueTally(settings.database_url).count,
        redact=Redactor(environment[name] for name in CREDENTIALS if environment.get(name)),
    )


def open_config(environment: Mapping[str, str]) -> tuple[ConfigRepo, Callable[[str], Links]]:
    """The config repo through the web process's own mirror, and where on GitHub it is.

    Raises:
        SettingsError: the worker's variables are not set here.
    """
    from bot.config_mirror import open_mirror  # noqa: PLC0415 - only for those who look

    settings = Settings.read(environment)
    return open_mirror(settings, "web"), partial(Links, settings.github_url, settings.config_repo)
