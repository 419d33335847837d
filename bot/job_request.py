"""How a command asks a worker for a job, and follows it where the person who asks wants to wait."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import click
from rich.console import Console

from bot.errors import Permanent
from bot.facts import Job, JobRecord, JobState
from bot.jobs import Ended, next_attempt
from bot.ports import Queue

GOOD = frozenset({"done", "healthy"})
"""Outcomes of a job that did what was asked."""

LOOK_SECONDS = 0.5

EXIT_CODES = """
\b
Exit codes:
  0  asked for; with --wait: done, and healthy where pods were waited for
  1  refused, and nothing is changed; with --wait also: it ended otherwise; standard error says why
  2  wrong usage
"""

wait_option = click.option(
    "--wait", is_flag=True, help="Follow the job to its end. Ctrl-C stops the waiting, not the job."
)


def unused(queue: Queue, job: Job) -> Job:
    """The first attempt of this work that nobody has asked for yet.

    Raises:
        Permanent: an earlier attempt is under way.
    """
    while (record := queue.job(job.id)) is not None:
        if record.state in {JobState.QUEUED, JobState.RUNNING}:
            raise Permanent(f"{record.id} is {record.state.value} already.")
        job = next_attempt(job)
    return job


def ask(
    queue: Queue,
    job: Job,
    told: Callable[[str], str],
    *,
    facts: Mapping[str, object] | None = None,
    as_json: bool,
    wait: bool,
) -> None:
    """Put the next attempt of a job into the queue, say so, and follow it if that is wanted.

    Args:
        queue: where workers find it.
        job: its first attempt.
        told: the sentence for people, of the attempt's id.
        facts: what ``--json`` prints beside the id.
        as_json: print facts.
        wait: follow it; the process ends with 1 where it does not end well.
    """
    asked = unused(queue, job)
    queue.enqueue(asked)
    known = {"job": asked.id, **(facts or {})}
    if not wait:
        click.echo(json.dumps(known) if as_json else f"{told(asked.id)}; a worker takes it up now.")
        return
    if not as_json:
        click.echo(f"{told(asked.id)}.")
    ended = _followed(queue, asked.id)
    if as_json:
        click.echo(json.dumps({**known, "outcome": ended.outcome, "detail": ended.detail}))
    elif ended.outcome in GOOD:
        click.echo(f"{ended.outcome}: {ended.detail}" if ended.detail else ended.outcome)
    if ended.outcome not in GOOD:
        click.echo(f"Error: {asked.id} ended {ended.outcome}. {ended.detail}".rstrip(), err=True)
        sys.exit(1)


def _followed(queue: Queue, job_id: str) -> Ended:
    """How the job ended, once it has; meanwhile a line on standard error turns, where that is a terminal."""
    console = Console(stderr=True)
    began, shown = time.monotonic(), ""
    turning: AbstractContextManager[object] = console.status("") if console.is_terminal else nullcontext()
    with turning:
        while (ended := _ended(record := queue.job(job_id))) is None:
            state = "runs" if record and record.state is JobState.RUNNING else "waits for a free worker"
            if console.is_terminal and hasattr(turning, "update"):
                turning.update(f"{job_id} {state}, {time.monotonic() - began:.0f} s")
            elif state != shown:
                console.print(f"{job_id} {state}", soft_wrap=True, highlight=False)
                shown = state
            time.sleep(LOOK_SECONDS)
    return ended


def _ended(record: JobRecord | None) -> Ended | None:
    if record is None or record.state in {JobState.QUEUED, JobState.RUNNING}:
        return None
    if record.state is JobState.FAILED:
        return Ended("failed", str(record.result or ""))
    return record.result if isinstance(record.result, Ended) else Ended("done")
