"""What a step says while it runs, for people who look on: the last lines, redacted, written down now and then.

Nothing depends on it: where it cannot be written, the step goes on all the same.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import structlog

from bot.errors import SlipwayError
from bot.logs import hide_in_lines
from bot.ports import Journal
from bot.progress import Output

log = structlog.get_logger()

MOST_LINES = 200
MOST_CHARACTERS = 64 * 1024
LONGEST_LINE = 1000

CONTEXT_LINES = 100
"""Kept ahead of those that are shown: a secret of many lines, such as a key, is known by its first."""

EVERY_SECONDS = 1.0
"""The least time between two writes."""

_UNSEEN = re.compile(r"[^\S\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What would break a line, or turn its direction round."""


class StepLog:
    """Takes a step's lines from any thread; a context, at whose end everything is written.

    Args:
        journal: where it is written.
        job: the id of the job whose step it is.
        step: the step's name.
        redact: hides secrets; it is given all lines at once, since a secret may have many.
    """

    def __init__(self, journal: Journal, job: str, step: str, redact: Callable[[str], str]) -> None:
        self._journal = journal
        self._job = job
        self._step = step
        self._redact = redact
        self._began = time.time()
        self._lines: deque[str] = deque(maxlen=MOST_LINES + CONTEXT_LINES)
        self._count = 0
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._written = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self._write()

    def __call__(self, line: str) -> None:
        """Take a line."""
        if len(line) > LONGEST_LINE:
            line = self._redact(line)[:LONGEST_LINE] + " …"
        with self._lock:
            self._lines.append(_UNSEEN.sub(" ", line))
            self._count += 1
            if self._timer is None:
                pause = max(0.0, self._written + EVERY_SECONDS - time.monotonic())
                self._timer = threading.Timer(pause, self._tick)
                self._timer.daemon = True
                self._timer.start()

    def last(self, count: int) -> tuple[str, ...]:
        """The last lines, redacted."""
        return tuple(self._shown()[-count:])

    def _tick(self) -> None:
        with self._lock:
            self._timer = None
            self._written = time.monotonic()
        self._write()

    def _write(self) -> None:
        lines = self._shown()
        if not lines:
            return
        text = _end_of(lines)
        output = Output(self._step, text, self._count - text.count("\n") - 1, self._began, time.time())
        try:
            self._journal.note(self._job, output)
        except SlipwayError as error:
            log.warning("what a step says cannot be shown", step=self._step, reason=str(error))

    def _shown(self) -> list[str]:
        with self._lock:
            kept = list(self._lines)
        return list(hide_in_lines(self._redact, kept)[-MOST_LINES:])


def _end_of(lines: Sequence[str]) -> str:
    """The last lines that fit."""
    room, first = MOST_CHARACTERS, len(lines)
    while first and len(lines[first - 1]) < room:
        first -= 1
        room -= len(lines[first]) + 1
    return "\n".join(lines[first:])
