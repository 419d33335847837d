"""Ends the process that lost its worker lock: another may have its id by now, and take over its work.

One thread asks, another counts the questions without an answer, since a question to a machine that vanished may hang
for longer than is allowed. It counts rather than looks at a clock: a process that was paused as a whole
(a laptop's lid, ``SIGSTOP``) did nothing wrong meanwhile.
"""

import os
import threading
from collections.abc import Callable

import structlog

from bot.adapters.dbos.worker_lock import LostLockError, WorkerLock

log = structlog.get_logger()

CHECK_SECONDS = 0.5

LOST_AFTER = 8
"""Questions without an answer (4 s). DESIGN.md allows 5 s from losing the lock to the end of the process."""

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: whoever runs the worker may start it again."""


class Watchdog:
    """Asks a lock for as long as it is started; ``on_lost`` gets the reason."""

    def __init__(self, lock: WorkerLock, on_lost: Callable[[str], None]) -> None:
        self._lock = lock
        self._on_lost = on_lost
        self._stopped = threading.Event()
        self._unanswered = 0

    def start(self) -> None:
        """Start both threads."""
        for target in (self._ask, self._count):
            threading.Thread(target=target, name=f"watchdog{target.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _ask(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            try:
                self._lock.check()
            except LostLockError as error:
                self._lost(str(error))
            self._unanswered = 0

    def _count(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            self._unanswered += 1
            if self._unanswered > LOST_AFTER:
                self._lost("the database does not answer")

    def _lost(self, reason: str) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            self._on_lost(reason)


def end_process(reason: str) -> None:
    """End without unwinding anything: a step's thread may be anywhere. Not even a log that blocks delays it."""
    timer = threading.Timer(0.5, os._exit, (EXIT_CODE,))
    timer.daemon = True
    timer.start()
    log.critical("worker lock lost", reason=reason)
    os._exit(EXIT_CODE)
