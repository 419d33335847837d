"""When a failed delivery is asked for again, and whose turn it is to be looked at."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.facts import FailedDelivery
from bot.steps.redeliver import REPOS_A_LOOK, is_due, turn

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def failed(attempts: int, minutes: float, event: str = "push") -> FailedDelivery:
    at = (NOW - timedelta(minutes=minutes)).isoformat()
    return FailedDelivery("guid", "/repos/org/site/hooks/1/deliveries", 1, event, attempts, at)


@pytest.mark.parametrize(("attempts", "pause"), [(1, 0), (2, 1), (3, 3), (5, 15), (6, 31), (50, 31)])
def test_pauses_between_attempts_grow_up_to_half_an_hour(attempts: int, pause: float) -> None:
    assert is_due(failed(attempts, pause), NOW)
    assert not is_due(failed(attempts, pause - 0.1), NOW)


def test_events_that_are_not_used_are_left_alone() -> None:
    assert not is_due(failed(1, 5, "ping"), NOW)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_everybody_has_a_turn_and_none_is_long(count: int) -> None:
    sources = [f"org/site-{number}" for number in range(count)]
    turns = max(1, -(-count // REPOS_A_LOOK))
    chosen = [turn(sources, 1000 + number) for number in range(turns)]
    assert sorted(source for some in chosen for source in some) == sorted(sources)
    assert max(map(len, chosen)) <= REPOS_A_LOOK
