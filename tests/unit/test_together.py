"""Callers who wait at once share the work; nobody is left without an answer."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bot.adapters.together import Take, Together


def test_a_lone_caller_is_served_at_once() -> None:
    rounds: list[list[int]] = []

    def double(take: Take[int, int]) -> None:
        waiting = take()
        rounds.append([one.item for one in waiting])
        for one in waiting:
            one.answer.set_result(2 * one.item)

    together = Together(double)

    assert [together.ask(1), together.ask(2)] == [2, 4]
    assert rounds == [[1], [2]]


def test_those_who_come_meanwhile_are_served_together_next() -> None:
    rounds: list[list[int]] = []
    others: list[Future[int]] = []
    everybody_waits = threading.Event()

    def double(take: Take[int, int]) -> None:
        waiting = take()
        if not rounds:
            others.extend(pool.submit(together.ask, number) for number in range(8))
            while len(together._waiting) < 8:
                everybody_waits.wait(0.001)
        rounds.append(sorted(one.item for one in waiting))
        for one in waiting:
            one.answer.set_result(2 * one.item)

    together = Together(double)
    with ThreadPoolExecutor(8) as pool:
        assert together.ask(100) == 200
        assert sorted(other.result() for other in others) == [2 * number for number in range(8)]
    assert rounds == [[100], list(range(8))]


def test_what_the_work_raises_is_raised_to_whoever_has_no_answer_yet() -> None:
    def fail(take: Take[int, int]) -> None:
        for one in take():
            if one.item == 1:
                one.answer.set_result(1)
        raise ValueError("no")

    together = Together(fail)

    assert together.ask(1) == 1
    with pytest.raises(ValueError, match="no"):
        together.ask(2)
    assert together.ask(1) == 1


def test_work_that_forgets_a_caller_does_not_leave_it_waiting() -> None:
    def forget(take: Take[int, int]) -> None:
        take()

    with pytest.raises(RuntimeError, match="without an answer"):
        Together(forget).ask(1)
