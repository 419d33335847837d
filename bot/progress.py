"""How far a job is: the steps that it has done, and the last lines of what its running step says. Plain values."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step as it was recorded. Times are seconds since 1970; ``result`` is what it returned, where that is read."""

    name: str
    began: float
    ended: float
    failed: bool = False
    result: Any = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a step says: its last lines, redacted, and how many lines came before them. Times as above."""

    step: str
    text: str
    left_out: int
    began: float
    at: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; without an output where none of its steps says anything."""

    steps: tuple[StepDone, ...] = ()
    output: Output | None = None
