"""Asks for a reconcile at start and every interval. Many workers ask; the interval's number in the id lets one run."""

import threading
import time
import uuid

import structlog

from bot.errors import SlipwayError
from bot.jobs import reconcile_job
from bot.ports import Queue

LOG = structlog.get_logger()

NEWEST = 50
"""Reconciles that are looked through for the highest number."""


class ReconcileTimer:
    """A daemon thread that enqueues reconcile jobs.

    Args:
        queue: the durable queue.
        seconds: the interval, ``RECONCILE_SECONDS``.
    """

    def __init__(self, queue: Queue, seconds: float) -> None:
        self._queue = queue
        self._seconds = seconds
        self._newest = 0
        self._thread = threading.Thread(target=self._tick, name="reconcile-timer", daemon=True)

    def start(self) -> None:
        """Ask once at once, then at the beginning of each interval."""
        self._thread.start()

    def _tick(self) -> None:
        self._newest = self._newest_round()
        self._ask(f"start-{uuid.uuid4().hex[:12]}")
        while True:
            time.sleep(self._seconds - time.time() % self._seconds)
            self._ask_for_round()

    def _ask_for_round(self) -> None:
        """The round of this interval, where nobody has asked for it yet.

        A clock that was put back comes to numbers that were used up before. That nobody has asked for a newer one since
        the last tick tells that from another worker's asking, whatever the clock says; then the next free one is taken.
        """
        number = round(time.time() / self._seconds)
        if not self._ask(str(number)):
            number = max(self._newest, self._newest_round())
            if number == self._newest:
                number += 1
                while not self._ask(str(number)):
                    number += 1
        self._newest = max(self._newest, number)

    def _ask(self, occasion: str) -> bool:
        """Whether that was new. A database that is away is said once a tick; the next tick asks again."""
        try:
            return self._queue.enqueue(reconcile_job(occasion))
        except SlipwayError as error:
            LOG.warning("cannot ask for a reconcile", reason=str(error))
            return True

    def _newest_round(self) -> int:
        """The highest number among the newest rounds; 0 where there is none, or the database is away."""
        try:
            known = self._queue.jobs(reconcile_job("").id, limit=NEWEST)
        except SlipwayError:
            return 0
        occasions = [job.id.rpartition("/")[2] for job in known]
        return max((int(one) for one in occasions if one.isdecimal()), default=0)
