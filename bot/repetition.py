"""Whether what is done now may have been done before: only then GitHub has to be asked before it is told.

A step that certainly runs for the first time leaves out looks that would find nothing. Whoever knows nothing of steps
(a command, the web process, a new engine) is taken to repeat something, and looks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FIRST_TIME: ContextVar[bool] = ContextVar("first_time", default=False)


def may_be_repeated() -> bool:
    """Whether the effect may be there already because this very step ran, or began to run, before."""
    return not _FIRST_TIME.get()


@contextmanager
def first_time(*, certain: bool = True) -> Iterator[None]:
    """Within it nothing is a repetition, if that is ``certain``."""
    token = _FIRST_TIME.set(certain)
    try:
        yield
    finally:
        _FIRST_TIME.reset(token)
