"""Whether work that is wanted is to be asked for: not while it is under way, done, or given up. Reads only."""

from collections.abc import Iterable

from bot.facts import Job, JobRecord, JobState
from bot.jobs import Ended, attempt_of, next_attempt
from bot.ports import Queue

MOST_ATTEMPTS_AFTER_DEFECTS = 3
"""A job that ended in a defect of ours is tried this often by itself; a person may `retry` it beyond that."""


def all_due(queue: Queue, jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Those that are due. The queue is asked once for all of them: nearly always it knows each, and that is all."""
    asked = tuple(jobs)
    known = queue.known([job.id for job in asked])
    news = (job for job in asked if job.id not in known or _again(known[job.id]))
    return tuple(found for job in news if (found := due(queue, job)) is not None)


def due(queue: Queue, job: Job) -> Job | None:
    """The job, or its next attempt; None where it is under way, done, or must not be tried again by itself.

    The caller has just found that the work is wanted: an attempt that was superseded earlier, or waited for a hold or
    a freeze to end, is asked for anew.
    """
    while (record := queue.job(job.id)) is not None:
        if not _again(record):
            return None
        job = next_attempt(job)
    return job


def _again(record: JobRecord) -> bool:
    match record.state:
        case JobState.QUEUED | JobState.RUNNING:
            return False
        case JobState.FAILED:
            return attempt_of(record.id) < MOST_ATTEMPTS_AFTER_DEFECTS
        case JobState.DONE:
            ended = record.result
            return isinstance(ended, Ended) and (ended.retry or ended.outcome in {"superseded", "waiting"})
