"""The queue as a whole: what waits and runs, and how the work of the last hour went. Plain values."""

from dataclasses import dataclass

from bot.budget import Budget

WINDOW_SECONDS = 3600
"""How far back finished work is counted."""


@dataclass(frozen=True, slots=True)
class Moving:
    """Jobs of one workflow that wait (``queued``) or run; ``oldest_seconds`` since the oldest was stored."""

    workflow: str
    state: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of the last hour's work: how often it ran, and how many seconds that took together."""

    step: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """The whole.

    Attributes:
        moving: what waits and runs now.
        ended: (workflow, outcome) -> jobs that ended within the last hour.
        steps: the last hour's steps.
        reconciled_at: when the last reconcile ended (seconds since 1970), or None.
        rollouts: (environment, outcome) -> syncs that ended within the last hour.
        drifted: environment -> places (apps, and the shared files) that have drifted, of those compared.
        budgets: what GitHub still answers.
    """

    moving: tuple[Moving, ...]
    ended: dict[tuple[str, str], int]
    steps: tuple[StepTime, ...]
    reconciled_at: float | None
    rollouts: dict[tuple[str, str], int]
    drifted: dict[str, int]
    budgets: tuple[Budget, ...]
