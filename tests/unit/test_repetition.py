"""A look that came too early is not believed."""

import time
from collections.abc import Iterator

import pytest

from bot.repetition import LONGEST_REQUEST_SECONDS, find, seconds_until_arrived, taken_up, under_way

JUST_BEFORE_IT_ARRIVES = LONGEST_REQUEST_SECONDS - 0.05


@pytest.fixture
def looks() -> Iterator[list[str]]:
    """What the first look finds, and the second."""
    nothing: list[str] = []
    return iter([nothing, ["the comment"]])


def test_a_look_in_vain_is_enough_where_nobody_died(looks: Iterator[list[str]]) -> None:
    with under_way():
        assert find(lambda: next(looks)) == []


def test_what_may_still_be_on_its_way_is_looked_for_again(looks: Iterator[list[str]]) -> None:
    began = time.monotonic()
    with taken_up(began - JUST_BEFORE_IT_ARRIVES), under_way():
        assert find(lambda: next(looks)) == ["the comment"]
    assert time.monotonic() >= began + LONGEST_REQUEST_SECONDS - JUST_BEFORE_IT_ARRIVES


def test_what_is_there_and_is_not_it_yet_is_looked_at_again() -> None:
    texts = iter(["building", "built"])
    with taken_up(time.monotonic() - JUST_BEFORE_IT_ARRIVES), under_way():
        assert find(lambda: next(texts), lambda text: text == "built") == "built"


def test_what_is_found_at_once_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    with taken_up(time.monotonic()), under_way():
        assert find(lambda: ["the comment"]) == ["the comment"]


@pytest.mark.parametrize(("seconds_ago", "was_under_way"), [(LONGEST_REQUEST_SECONDS, True), (0.0, False)])
def test_nothing_is_on_its_way_after_that_time_nor_from_another_step(
    seconds_ago: float, *, was_under_way: bool
) -> None:
    with taken_up(time.monotonic() - seconds_ago), under_way(perhaps=was_under_way):
        assert seconds_until_arrived() == 0
