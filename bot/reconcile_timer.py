"""Asks for a reconcile at start and every interval. Many workers ask; the interval's number in the id lets one run."""

import threading
import time
import uuid

import structlog

from bot.errors import SlipwayError
from bot.jobs import reconcile_job
from bot.ports import Queue

LOG = structlog.get_logger()


class ReconcileTimer:
    """A daemon thread that enqueues reconcile jobs.

    Args:
        queue: the durable queue.
        seconds: the interval, ``RECONCILE_SECONDS``.
    """

    def __init__(self, queue: Queue, seconds: float) -> None:
        self._queue = queue
        self._seconds = seconds
        self._thread = threading.Thread(target=self._tick, name="reconcile-timer", daemon=True)

    def start(self) -> None:
        """Ask once at once, then at the beginning of each interval."""
        self._thread.start()

    def _tick(self) -> None:
        self._ask(f"start-{uuid.uuid4().hex[:12]}")
        while True:
            time.sleep(self._seconds - time.time() % self._seconds)
            self._ask(str(round(time.time() / self._seconds)))

    def _ask(self, occasion: str) -> None:
        """A database that is away is said once a tick; the next tick asks again."""
        try:
            self._queue.enqueue(reconcile_job(occasion))
        except SlipwayError as error:
            LOG.warning("cannot ask for a reconcile", reason=str(error))
