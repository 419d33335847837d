"""Has GitHub send again what it could not deliver, as far back as it keeps it: comments' commands are nowhere else."""

from datetime import datetime, timedelta

import structlog

from bot.errors import SlipwayError
from bot.facts import FailedDelivery
from bot.services import Services
from bot.steps.state import catalog_now

LOG = structlog.get_logger()

GITHUB_KEEPS = timedelta(days=3)
"""https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries"""

LOOK_BACK = timedelta(hours=1)
"""How far each look but the first goes back. Every attempt is an entry of its own, so what keeps failing stays in."""

FEW_SOURCES = 50
"""Of more source repos no look reads every log; their turns are rare, so each goes back as far as GitHub does."""

REPOS_A_LOOK = 10
"""Source repos whose log one look reads, in turns: two requests each of the 5,000 an hour."""

EVENTS = frozenset({"push", "pull_request", "pull_request_review", "issue_comment"})


def redeliver_failed(services: Services, occasion: str) -> None:
    """Have everything sent again that is due: not taken by any attempt, and not stored here.

    Args:
        services: the ports.
        occasion: of the reconcile: ``start-…``, where every log of a few is read whole, or the number of the interval.
    """
    at_start = occasion.startswith("start-")
    if not at_start and not occasion.isdecimal():
        return
    sources = sorted({app.source for app in catalog_now(services.config).apps} - {services.config_name})
    few = len(sources) <= FEW_SOURCES
    chosen = (sources if few else []) if at_start else turn(sources, int(occasion))
    now = services.clock.now()
    since = now - (LOOK_BACK if few and not at_start else GITHUB_KEEPS)
    for delivery in services.deliveries.failed([services.config_name, *chosen], since):
        if is_due(delivery, now) and services.queue.job(f"delivery/{delivery.guid}") is None:
            _ask_again(services, delivery)


def _ask_again(services: Services, delivery: FailedDelivery) -> None:
    """One that GitHub will not send any more keeps no other from being sent."""
    try:
        services.deliveries.redeliver(delivery)
    except SlipwayError as error:
        LOG.warning("delivery not asked for again", delivery=delivery.guid, reason=str(error))
    else:
        LOG.info("delivery asked for again", delivery=delivery.guid, about=delivery.event)


def turn(sources: list[str], number: int) -> list[str]:
    """Pure: whose turn it is in an interval; after a few of them everybody had one."""
    turns = max(1, -(-len(sources) // REPOS_A_LOOK))
    return sources[number % turns :: turns]


def is_due(delivery: FailedDelivery, now: datetime) -> bool:
    """Pure: at once after the first failure, then after growing pauses: 1, 3, 7, 15, 31 minutes."""
    pause = timedelta(minutes=min(2 ** (delivery.attempts - 1) - 1, 31))
    return delivery.event in EVENTS and now - datetime.fromisoformat(delivery.at) >= pause
