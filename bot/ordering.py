"""Never backwards: whether a release may take another one's place. Pure."""

from enum import Enum

from bot.facts import Comparison


class Order(Enum):
    """How a new release stands to the one an environment runs."""

    FORWARD = "forward"
    SAME = "same"
    BACKWARD = "backward"


def order(new: Comparison | None, deployed_reachable: Comparison | None, *, same: bool) -> Order:
    """Decide from GitHub's comparisons.

    Args:
        new: ``compare/DEPLOYED...NEW``; None where GitHub no longer knows the deployed commit.
        deployed_reachable: ``compare/DEPLOYED...TRACKED BRANCH``; only asked for where ``new`` is behind or diverged.
        same: both are the same commit.

    A release replaces another only if its commit descends from it, or if the deployed commit is no longer
    reachable from the tracked branch (a force-push).
    """
    if same or (new is not None and new.status == "identical"):
        return Order.SAME
    if new is None or new.status == "ahead":
        return Order.FORWARD
    reachable = deployed_reachable is not None and deployed_reachable.status in {"ahead", "identical"}
    return Order.BACKWARD if reachable else Order.FORWARD
