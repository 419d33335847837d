"""Many callers, one piece of work: what a fetch, a push, a note and a stored delivery have in common.

The first caller does the work for everyone who waits at that moment; who comes later waits for the next round,
or joins where the work asks for newcomers. A lone caller starts at once.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Waiting(Generic[T, R]):
    """A caller's item, and where its answer is put. ``since`` is ``time.monotonic()``."""

    item: T
    answer: Future[R] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


Take = Callable[[], list[Waiting[T, R]]]
"""Hands over everyone who waits now; empty where nobody does."""


class Together(Generic[T, R]):
    """Runs ``work`` by one caller at a time, for all who wait.

    Args:
        work: is given a ``Take``, and answers every item that it takes. What it raises is raised to each caller
            that it left without an answer.
    """

    def __init__(self, work: Callable[[Take[T, R]], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._waiting: list[Waiting[T, R]] = []
        self._led = False

    def ask(self, item: T) -> R:
        """Have the work done for an item, with whoever else waits, and return its answer."""
        mine: Waiting[T, R] = Waiting(item)
        with self._changed:
            self._waiting.append(mine)
            while self._led and not mine.answer.done():
                self._changed.wait()
            self._led = self._led or not mine.answer.done()
        if not mine.answer.done():
            self._lead()
        return mine.answer.result()

    def _lead(self) -> None:
        taken: list[Waiting[T, R]] = []

        def take() -> list[Waiting[T, R]]:
            with self._changed:
                new, self._waiting = self._waiting, []
            taken.extend(new)
            return new

        failure: BaseException | None = None
        try:
            self._work(take)
        except BaseException as error:  # noqa: BLE001 - it is raised again, in every caller concerned
            failure = error
        with self._changed:
            self._led = False
            for one in taken:
                if not one.answer.done():
                    one.answer.set_exception(failure or RuntimeError("the work left a caller without an answer"))
            self._changed.notify_all()
