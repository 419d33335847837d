"""A doorbell: whoever changes the queue is heard at once, so that an idle worker need not look all the time.

DBOS's queue threads sleep between two looks by waiting for the event that stops them. ``Doorbell`` is that event with
one addition: a queue can be rung, and then its thread looks, and no other. A look costs milliseconds and takes SQLite's
one write lock, so it is only worth it where there is something to be had; who rings when is in ``listener``. Where
nobody can be heard, the threads still look at each polling interval. DBOS's other threads (it lists its queues, and
looks for delays and time limits, which Slipway uses none of) would look every second; they keep the same interval.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

QUEUE_THREAD = "queue-worker-"
"""How DBOS begins the name of a queue's thread (``dbos/_queue.py``)."""


class Doorbell(threading.Event):
    """An event whose ``wait`` also ends, with False, when the queue of the thread that waits is rung."""

    _cond: threading.Condition
    _flag: bool
    _rung: Counter[str]
    _heard: threading.local
    _pause: float

    @classmethod
    def attach(cls, event: threading.Event, pause: float = 0.0) -> None:
        """Make a bell of an event that nobody waits for yet. ``pause``: no wait for it is shorter, in seconds."""
        vars(event).update(_rung=Counter(), _heard=threading.local(), _pause=pause)
        event.__class__ = cls

    def wait(self, timeout: float | None = None) -> bool:
        """True where it is set; False after the timeout, or when it was rung, be it since this thread last waited.

        A ring while the thread was looking may have been for something that it did not see any more.
        """
        queue = threading.current_thread().name.removeprefix(QUEUE_THREAD)
        heard = getattr(self._heard, "rung", 0)
        timeout = max(timeout, self._pause) if timeout else timeout
        with self._cond:
            self._cond.wait_for(lambda: self._flag or self._rung[queue] != heard, timeout)
            self._heard.rung = self._rung[queue]
            return self._flag

    def ring(self, queues: Iterable[str]) -> None:
        """Wake the threads of these queues, and let none of them wait that has not heard it."""
        with self._cond:
            self._rung.update(queues)
            self._cond.notify_all()


class Doorbells(list[threading.Event]):
    """DBOS's list of the events that stop its threads: it adds each before the thread starts, and it becomes a bell.

    Args:
        pause: see ``Doorbell.attach``.
    """

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self._pause = pause

    def append(self, event: threading.Event) -> None:
        """Add an event that nobody waits for yet."""
        Doorbell.attach(event, self._pause)
        super().append(event)

    def ring(self, queues: Iterable[str]) -> None:
        """Ring these queues."""
        names = tuple(queues)
        for event in self:
            if isinstance(event, Doorbell):
                event.ring(names)


class Awaited:
    """The jobs whose end somebody in this process waits for: one question to the database does for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[threading.Event]] = {}

    @contextmanager
    def end_of(self, job_id: str) -> Iterator[threading.Event]:
        """An event that is set when the job has ended, or nobody is to wait any more. Look only after this began."""
        event = threading.Event()
        with self._lock:
            self._events.setdefault(job_id, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[job_id].remove(event)
                if not self._events[job_id]:
                    del self._events[job_id]

    def ids(self) -> tuple[str, ...]:
        """The jobs that are waited for."""
        with self._lock:
            return tuple(self._events)

    def tell(self, ids: Iterable[str]) -> None:
        """These have ended."""
        with self._lock:
            for job_id in ids:
                for event in self._events.get(job_id, ()):
                    event.set()
