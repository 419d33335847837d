"""Writes to GitHub begin some time apart."""

from bot.adapters.github.client import Pace


def test_a_lone_write_waits_for_nothing() -> None:
    pace = Pace(0.1)
    assert pace.turn(7.0) == 7.0
    assert pace.turn(7.5) == 7.5


def test_writes_that_come_together_get_their_turns_in_order() -> None:
    pace = Pace(0.25)
    assert [pace.turn(now) for now in (8.0, 8.0, 8.125, 9.5)] == [8.0, 8.25, 8.5, 9.5]
