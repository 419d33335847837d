"""What counts of the time between two looks at a rollout."""

from datetime import timedelta

import pytest

from bot.steps.rollout import MOST_COUNTED, counted


@pytest.mark.parametrize(
    ("passed", "seconds"),
    [
        (timedelta(seconds=5.5), 5.5),
        (timedelta(hours=-1), 0.0),
        (timedelta(days=1), MOST_COUNTED.total_seconds()),
    ],
)
def test_a_clock_that_jumps_makes_no_rollout_late(passed: timedelta, seconds: float) -> None:
    assert counted(passed) == seconds
