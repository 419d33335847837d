"""Promotions that a person closed, as the jobs tell."""

from bot.activity import activity
from bot.declined import closed, declined_heads
from bot.facts import Job, JobState
from bot.jobs import DECLINED, REOPENED, Ended, approve_job
from tests.config_fake import FakeQueue

HEAD, OTHER = "ab" * 20, "cd" * 20


def declined(number: int, head: str, attempt: int = 1) -> tuple[Job, Ended]:
    return approve_job(number, DECLINED, attempt), Ended("superseded", f"#{number} was declined at {head}")


def queue_of(*jobs: tuple[Job, Ended]) -> FakeQueue:
    queue = FakeQueue()
    for job, ended in jobs:
        queue.add(job, JobState.DONE, ended)
    return queue


def heads(queue: FakeQueue) -> frozenset[str]:
    return closed(queue.jobs("approve/"))


def test_a_closed_promotion_is_known_by_its_head() -> None:
    assert heads(queue_of(declined(3, HEAD))) == {HEAD}


def test_one_that_slipway_closed_itself_names_no_head() -> None:
    assert heads(queue_of((approve_job(3, DECLINED), Ended("done", "#3 was closed by Slipway")))) == frozenset()


def test_one_that_was_reopened_waits_again_until_it_is_closed_again() -> None:
    reopened = approve_job(3, f"{REOPENED}{HEAD}"), Ended("waiting", "#3 is not approved yet")
    assert heads(queue_of(declined(3, HEAD), reopened)) == frozenset()
    assert heads(queue_of(declined(3, HEAD), reopened, declined(3, HEAD, 2))) == {HEAD}


def test_others_are_not_mixed_up() -> None:
    review = approve_job(4, "review-7-APPROVED"), Ended("waiting", "#4 is not approved yet")
    assert heads(queue_of(declined(3, HEAD), review, declined(4, OTHER))) == {HEAD, OTHER}


def test_a_look_that_is_still_to_come_says_nothing_yet() -> None:
    queue = queue_of(declined(3, HEAD))
    queue.add(approve_job(3, DECLINED, 2), JobState.RUNNING)
    assert heads(queue) == {HEAD}


def test_nothing_is_read_where_no_approval_job_is_new() -> None:
    queue = queue_of(declined(3, HEAD))
    work = activity(queue, str)
    assert declined_heads(queue, (), work, frozenset()) == {HEAD}
    assert declined_heads(queue, work, work, frozenset({OTHER})) == {OTHER}
    queue.add(*(declined(4, OTHER)[0], JobState.DONE, declined(4, OTHER)[1]))
    assert declined_heads(queue, work, activity(queue, str), frozenset({HEAD})) == {HEAD, OTHER}
