"""People are told beside the work: once, never late, and by whoever takes up the run of a process that died."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from bot.errors import Permanent, Transient
from bot.facts import Job
from bot.workflows.stepping import Telling

T = TypeVar("T")
NAME = "say that it is being built"


class Remembering:
    """A run that remembers its steps, and tries a step once more, as a worker does."""

    id = "release/shop/c0ffee/1"

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        if name not in self.results:
            try:
                self.results[name] = function()
            except Transient:
                self.results[name] = function()
        found: T = self.results[name]
        return found

    def sleep(self, seconds: float) -> None:
        raise AssertionError

    def start(self, job: Job) -> bool:
        raise AssertionError

    def call(self, job: Job) -> Any:
        raise AssertionError


def test_the_work_goes_on_while_people_are_told_and_the_end_waits_for_that() -> None:
    told: list[str] = []
    answer = threading.Event()

    def tell() -> None:
        answer.wait()
        told.append("building")

    telling = Telling(Remembering(), NAME, tell)
    assert told == [], "GitHub has not answered yet"
    answer.set()
    telling.end()
    assert told == ["building"]


def test_what_github_does_not_take_at_first_is_told_again() -> None:
    told: list[str] = []

    def tell() -> None:
        told.append("try")
        if len(told) == 1:
            raise Transient("GitHub is away.")

    Telling(Remembering(), NAME, tell).end()
    assert told == ["try", "try"]


def test_that_people_cannot_be_told_stops_nothing() -> None:
    def tell() -> None:
        raise Permanent("The bot may not comment.")

    Telling(Remembering(), NAME, tell).end()


def test_a_run_that_is_taken_up_tells_what_the_dead_process_may_not_have_told() -> None:
    told: list[str] = []
    run = Remembering()
    run.results[f"begin to {NAME}"] = None
    telling = Telling(run, NAME, lambda: told.append("building"))
    telling.end()
    assert told == ["building"]


def test_a_run_that_is_taken_up_later_tells_nothing_old() -> None:
    told: list[str] = []
    run = Remembering()
    Telling(run, NAME, lambda: told.append("building")).end()
    Telling(run, NAME, lambda: told.append("building")).end()
    assert told == ["building"]
