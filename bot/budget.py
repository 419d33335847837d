"""How many requests GitHub still answers, as its last answer told. Plain values.

Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from collections.abc import Iterable
from dataclasses import dataclass

EVERYTHING = "token"
"""The account of a token that is used for everything."""

BUDGETS = "see what GitHub's budget is"
"""The step of ``reconcile`` whose result is a worker's ``Budgets``."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One account's requests of this hour. Times are seconds since 1970.

    Attributes:
        account: the owner whose installation of the GitHub App was used, or ``token``.
        resets_at: when all of ``limit`` are there again.
        seen_at: when GitHub said so.
    """

    account: str
    limit: int
    remaining: int
    resets_at: int
    seen_at: float


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one worker has seen last of each account."""

    accounts: tuple[Budget, ...]


def newest(seen: Iterable[Budgets]) -> tuple[Budget, ...]:
    """The newest of each account, whichever worker saw it."""
    found: dict[str, Budget] = {}
    for budget in (one for budgets in seen for one in budgets.accounts):
        known = found.get(budget.account)
        if known is None or known.seen_at < budget.seen_at:
            found[budget.account] = budget
    return tuple(found[account] for account in sorted(found))
