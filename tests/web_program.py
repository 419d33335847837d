"""The web process for tests: the real application on a database, without the rest of the bot.

gunicorn calls ``create_app``; the environment holds ``DATABASE_URL`` and ``GITHUB_WEBHOOK_SECRET``.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from bot import logs
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.tally import QueueTally
from bot.queue_tally import Tally
from webhooks.app import create_app as create_real_app

QUEUES = {"delivery": "deliveries"}


@dataclass(frozen=True, slots=True)
class Parts:
    """As ``bot.wiring.web_parts`` gives them."""

    queue: DbosQueue
    webhook_secret: bytes
    database_ok: Callable[[], None]
    tally: Callable[[], Tally]


def create_app() -> Flask:
    """The application on its own queue; a busy database counts as broken after a second."""
    logs.configure(logs.Redactor(), terminal=False)
    queue = DbosQueue(os.environ["DATABASE_URL"], QUEUES, patience=1)
    return create_real_app(
        Parts(
            queue,
            os.environ["GITHUB_WEBHOOK_SECRET"].encode(),
            queue.check_writable,
            QueueTally(os.environ["DATABASE_URL"]).count,
        )
    )
