"""A worker that dies at every write that it has not died at yet, and is started again whenever it is dead."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.executioner import each_kind, each_write
from tests.faults.plan import Plan
from tests.faults.stage import Process, Stage

GLANCE_SECONDS = 0.05


def how_often(plan: Plan) -> str:
    """How often the worker dies, in words."""
    return "once at each kind of write" if plan.short else "before and after every write"


@contextmanager
def mortal(plan: Plan, stage: Stage, pattern: str = "") -> Iterator[None]:
    """The worker ``a`` dies so; afterwards it lives on.

    ``pattern`` is of the writes at which it dies in the short form.
    """
    worker, executioner = stage.process("a"), stage.executioner
    executioner.kill, executioner.say = worker.kill, plan.say
    executioner.choose = each_kind(pattern) if plan.short else each_write()
    killed_before = len(executioner.killed)
    with _revived(worker):
        try:
            yield
        finally:
            executioner.choose = None
            plan.tally.kills += len(executioner.killed) - killed_before
    worker.start()


@contextmanager
def _revived(process: Process) -> Iterator[None]:
    """The process is started again whenever it is dead."""
    stopping = threading.Event()

    def revive() -> None:
        while not stopping.wait(GLANCE_SECONDS):
            if not process.alive:
                process.start()

    thread = threading.Thread(target=revive, name="reviver", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
