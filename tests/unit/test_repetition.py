"""A look that came too early is not believed."""

import time

import pytest

from bot.repetition import LONGEST_REQUEST_SECONDS, TooEarly, find, seconds_until_arrived, taken_up, under_way


def test_a_look_in_vain_is_enough_where_nobody_died() -> None:
    with under_way():
        assert find(lambda: 0) == 0


def test_what_may_still_be_on_its_way_is_waited_for() -> None:
    with taken_up(time.monotonic() - 1), under_way(), pytest.raises(TooEarly) as early:
        find(lambda: 0)
    assert early.value.retry_after is not None
    assert 0 < early.value.retry_after <= LONGEST_REQUEST_SECONDS - 1


def test_what_is_there_and_is_not_it_yet_is_waited_for() -> None:
    with taken_up(time.monotonic()), under_way():
        assert find(lambda: "built", lambda text: text == "built") == "built"
        with pytest.raises(TooEarly):
            find(lambda: "building", lambda text: text == "built")


def test_what_is_found_at_once_keeps_nobody_waiting() -> None:
    with taken_up(time.monotonic()), under_way():
        assert find(lambda: ["the comment"]) == ["the comment"]


@pytest.mark.parametrize(("seconds_ago", "was_under_way"), [(LONGEST_REQUEST_SECONDS, True), (0.0, False)])
def test_nothing_is_on_its_way_after_that_time_nor_from_another_step(
    seconds_ago: float, *, was_under_way: bool
) -> None:
    with taken_up(time.monotonic() - seconds_ago), under_way(perhaps=was_under_way):
        assert seconds_until_arrived() == 0
        assert find(lambda: 0) == 0
