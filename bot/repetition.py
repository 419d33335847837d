"""Whether what is done now may have been done before: only then GitHub has to be asked before it is told.

A step that certainly runs for the first time leaves out looks that would find nothing. Whoever knows nothing of steps
(a command, the web process, a new engine) is taken to repeat something, and looks.

A look can come too early: what was sent out just before a worker died, or a connection broke, may still be on its way.
So the step that was under way then begins once more, when that must have arrived, before it does something again that
nobody refuses. It begins from its beginning, since by then other things may have happened, too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from bot.errors import Transient

T = TypeVar("T")

LONGEST_REQUEST_SECONDS = 10.0
"""GitHub ends a request that takes longer
(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts)."""

_FIRST_TIME: ContextVar[bool] = ContextVar("first_time", default=False)
_TAKEN_UP: ContextVar[float | None] = ContextVar("taken_up", default=None)
_UNDER_WAY: ContextVar[bool] = ContextVar("under_way", default=False)


def may_be_repeated() -> bool:
    """Whether the effect may be there already because this very step ran, or began to run, before."""
    return not _FIRST_TIME.get()


def seconds_until_arrived() -> float:
    """How long the effect may still be on its way from whoever left off in the middle of this step; 0 where not."""
    at = _TAKEN_UP.get()
    if at is None or not _UNDER_WAY.get():
        return 0.0
    return max(0.0, at + LONGEST_REQUEST_SECONDS - time.monotonic())


class TooEarly(Transient):
    """It cannot be told yet whether something is to be done. Waiting for that is no failed attempt."""


def find(look: Callable[[], T], is_it: Callable[[T], object] = bool) -> T:
    """What a look for the effect finds.

    Raises:
        TooEarly: that is not it, and it may still be on its way.
    """
    found = look()
    seconds = seconds_until_arrived()
    if seconds and not is_it(found):
        raise TooEarly("What was sent before may still arrive; until then nothing is sent again.", seconds)
    return found


@contextmanager
def first_time(*, certain: bool = True) -> Iterator[None]:
    """Within it nothing is a repetition, if that is ``certain``."""
    token = _FIRST_TIME.set(certain)
    try:
        yield
    finally:
        _FIRST_TIME.reset(token)


@contextmanager
def taken_up(at: float | None) -> Iterator[None]:
    """Within it whoever did this before left off by ``at``, seconds of the monotonic clock; None: nobody did."""
    token = _TAKEN_UP.set(at)
    try:
        yield
    finally:
        _TAKEN_UP.reset(token)


@contextmanager
def under_way(*, perhaps: bool = True) -> Iterator[None]:
    """Within it is what whoever left off was in the middle of, if it ``perhaps`` is."""
    token = _UNDER_WAY.set(perhaps)
    try:
        yield
    finally:
        _UNDER_WAY.reset(token)
