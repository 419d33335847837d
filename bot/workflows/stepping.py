"""How every workflow runs a step, and what it does with an error."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import structlog

from bot.errors import Permanent, SlipwayError
from bot.jobs import Ended
from bot.ports import Run
from bot.repetition import under_way
from bot.shortages import shortage

T = TypeVar("T")
LOG = structlog.get_logger()

SERVING = "What ran before keeps serving."


def step(run: Run, name: str, function: Callable[[], T]) -> T:
    """Run a step. The one place that catches broadly: a defect becomes a sentence, its traceback a log entry."""

    def guarded() -> T:
        try:
            return function()
        except SlipwayError:
            raise
        except Exception as defect:
            if isinstance(defect, OSError) and (lacking := shortage(f"it was to {name}", defect)) is not None:
                raise lacking from None
            LOG.exception("defect", run=run.id, step=name)
            raise Permanent(
                f"Slipway has a defect: {type(defect).__name__} while it was to {name} ({run.id}). The worker's log "
                "has the details; please report it."
            ) from None

    return run.step(name, guarded)


def tell(run: Run, name: str, function: Callable[[], T]) -> T | None:
    """Tell people. That GitHub cannot be told changes nothing about what was done, so it only goes to the log."""
    try:
        return step(run, name, function)
    except SlipwayError as error:
        LOG.warning("could not tell", run=run.id, step=name, reason=str(error))
        return None


class Telling(Generic[T]):
    """People are told in a thread of its own while the work goes on: GitHub's answers keep no release waiting.

    ``end`` waits until they are told, so that what is said next stays the last word. Call it before that is said, and
    before a job is started that has its own to say. A run that is taken up again tells in ``end`` what was not told.
    """

    def __init__(self, run: Run, name: str, function: Callable[[], T]) -> None:
        self._run, self._name, self._function = run, name, function
        self._begun: Future[T] | None = None
        step(run, f"begin to {name}", self._begin)

    def end(self) -> T | None:
        """Wait until they are told. As ``tell``: that they cannot be told only goes to the log."""
        return tell(self._run, self._name, self._finish)

    def _begin(self) -> None:
        self._begun = future = Future[T]()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(self._function))
            except BaseException as error:  # noqa: BLE001 - it is raised again where the end is waited for
                future.set_exception(error)

        threading.Thread(target=work, name="telling", daemon=True).start()

    def _finish(self) -> T:
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun.result()
        with under_way():  # another try, or the process that had begun it died
            return self._function()


def failed(error: SlipwayError) -> Ended:
    """How a workflow ends that an error stopped."""
    return Ended("failed", str(error), retry=not isinstance(error, Permanent))
