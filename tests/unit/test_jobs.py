from collections.abc import Mapping, Sequence

import pytest

from bot.errors import Permanent
from bot.facts import Job, JobRecord, JobState
from bot.job_request import unused
from bot.jobs import (
    Ended,
    Wish,
    again,
    approve_job,
    attempt_of,
    build_job,
    effect_job,
    next_attempt,
    reconcile_job,
    release_job,
    rollback_job,
    sync_job,
)
from bot.steps.due import due

SHA = "a" * 40


class FakeQueue:
    """A queue that knows some jobs."""

    def __init__(self, *records: JobRecord) -> None:
        self.records = {record.id: record for record in records}

    def enqueue(self, job: Job) -> bool:
        raise AssertionError(f"nothing may be stored here: {job}")

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the port's word
        return self.records.get(id)

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        return tuple(record for record in self.records.values() if record.id.startswith(prefix))[:limit]

    def known(self, ids: Sequence[str]) -> Mapping[str, JobRecord]:
        return {id: self.records[id] for id in ids if id in self.records}  # noqa: A001 - the port's word


def record(job: Job, state: JobState, result: object = None) -> JobRecord:
    return JobRecord(job.id, job.workflow, state, result, "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z", None)


def test_ids_are_made_of_what_the_work_is_about() -> None:
    assert release_job("site", SHA).id == f"release/site/{SHA}/1"
    assert sync_job("site", "staging", SHA, 3).id == f"sync/site/staging/{SHA}/3"
    assert build_job("site", "r.example.com/site", SHA).id == f"build/r.example.com/site/{SHA}/1"
    assert approve_job(7, "review-17-APPROVED").id == "approve/7/review-17-APPROVED/1"
    assert reconcile_job("5").id == "reconcile/5"
    assert sync_job("", "staging", SHA).id == f"shared/staging/{SHA}/1"
    assert again(sync_job("", "staging", SHA).id) == sync_job("", "staging", SHA, 2)
    assert again(effect_job(7, SHA).id) == effect_job(7, SHA, 2)


def test_apps_and_places_have_lanes_of_their_own() -> None:
    assert release_job("site", SHA).partition == release_job("site", "b" * 40).partition
    assert sync_job("site", "staging", SHA).partition != sync_job("site", "production", SHA).partition
    assert build_job("one", "r/x", SHA).partition == build_job("two", "r/x", SHA).partition


@pytest.mark.parametrize(
    "job",
    [
        rollback_job("site", "staging", SHA),
        rollback_job("site", "staging", SHA, 2, wish=Wish("b" * 40)),
        release_job("site", SHA),
        sync_job("site", "staging", SHA),
        approve_job(7, "merged"),
        release_job("a", SHA, 9),
    ],
)
def test_asking_again_is_the_next_attempt_of_the_same_work(job: Job) -> None:
    assert again(job.id) == next_attempt(job)
    assert attempt_of(again(job.id).id) == attempt_of(job.id) + 1


@pytest.mark.parametrize("nonsense", ["", "release/site", "release/site/x/one", "approve/x/merged/1", "a/b/c/d/e"])
def test_nonsense_is_explained(nonsense: str) -> None:
    with pytest.raises(Permanent, match="is not the id of a job"):
        again(nonsense)


def test_a_build_is_retried_by_its_release() -> None:
    with pytest.raises(Permanent, match="retry that"):
        again(f"build/r/x/{SHA}/1")


JOB = release_job("site", SHA)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((), JOB),
        ((record(JOB, JobState.QUEUED),), None),
        ((record(JOB, JobState.RUNNING),), None),
        ((record(JOB, JobState.DONE, Ended("done")),), None),
        ((record(JOB, JobState.DONE, Ended("failed", "no Dockerfile")),), None),
        ((record(JOB, JobState.DONE, Ended("failed", "the registry is away", retry=True)),), next_attempt(JOB)),
        ((record(JOB, JobState.DONE, Ended("superseded")),), next_attempt(JOB)),
        ((record(JOB, JobState.FAILED, "a defect"),), next_attempt(JOB)),
        ((record(JOB, JobState.DONE, "unreadable"),), None),
    ],
)
def test_work_is_due_once_and_again_where_time_may_mend_it(
    records: tuple[JobRecord, ...], expected: Job | None
) -> None:
    assert due(FakeQueue(*records), JOB) == expected


def test_a_defect_is_tried_three_times_by_itself() -> None:
    attempts = [JOB, next_attempt(JOB), next_attempt(next_attempt(JOB))]
    assert due(FakeQueue(*(record(job, JobState.FAILED) for job in attempts)), JOB) is None


def test_an_operator_gets_the_first_attempt_that_nobody_asked_for() -> None:
    done = [record(JOB, JobState.DONE), record(next_attempt(JOB), JobState.FAILED)]
    assert unused(FakeQueue(*done), JOB).id == f"release/site/{SHA}/3"
    with pytest.raises(Permanent, match="is running already"):
        unused(FakeQueue(record(JOB, JobState.RUNNING)), JOB)
