"""How every workflow runs a step, and what it does with an error."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from bot.errors import Permanent, SlipwayError
from bot.jobs import Ended
from bot.ports import Run

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
            LOG.exception("defect", run=run.id, step=name)
            raise Permanent(
                f"Slipway has a defect: {type(defect).__name__} while it was to {name} ({run.id}). The worker's log "
                "has the details; please report it."
            ) from None

    return run.step(name, guarded)


def tell(run: Run, name: str, function: Callable[[], None]) -> None:
    """Tell people. That GitHub cannot be told changes nothing about what was done, so it only goes to the log."""
    try:
        step(run, name, function)
    except SlipwayError as error:
        LOG.warning("could not tell", run=run.id, step=name, reason=str(error))


def failed(error: SlipwayError) -> Ended:
    """How a workflow ends that an error stopped."""
    return Ended("failed", str(error), retry=not isinstance(error, Permanent))
