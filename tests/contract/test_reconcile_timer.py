"""The timer of reconciles, on a real queue: a round each interval, whatever the clock did before."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.queue import DbosQueue
from bot.jobs import reconcile_job
from bot.reconcile_timer import ReconcileTimer
from bot.wiring import QUEUES
from tests.scenarios.world import PATIENCE, until

SECONDS = 0.5


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DbosQueue]:
    migrate(f"sqlite:///{tmp_path}/slipway.db")
    with closing(DbosQueue(f"sqlite:///{tmp_path}/slipway.db", QUEUES)) as queue:
        yield queue


def rounds(queue: DbosQueue) -> set[int]:
    numbers = (job.id.rpartition("/")[2] for job in queue.jobs("reconcile/", limit=10_000))
    return {int(number) for number in numbers if number.isdecimal()}


def test_rounds_are_held_where_their_numbers_were_used_up_before_the_clock_was_put_back(queue: DbosQueue) -> None:
    now = int(time.time() / SECONDS)
    used = range(now - 1, now + int(2 * PATIENCE / SECONDS))
    for number in used:
        queue.enqueue(reconcile_job(str(number)))
    ReconcileTimer(queue, SECONDS).start()
    until("rounds of new numbers", lambda: len(rounds(queue) - set(used)) >= 2)


def test_of_two_who_ask_in_one_interval_one_is_content(queue: DbosQueue) -> None:
    seconds = 4.0
    for _ in range(2):
        ReconcileTimer(queue, seconds).start()
    until("a round", lambda: rounds(queue))
    time.sleep(seconds / 4)
    assert len(rounds(queue)) == 1
