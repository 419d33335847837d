"""How a command asks for a job and follows it to its end."""

import json
from collections.abc import Mapping, Sequence

import pytest

from bot.facts import Job, JobRecord, JobState
from bot.job_request import ask
from bot.jobs import Ended, sync_job

JOB = sync_job("shop", "staging", "c" * 40)
LONG_AGO = "2026-11-24T04:38:09Z"


class Working:
    """A queue whose worker moves a job on each time it is looked at."""

    def __init__(self, *states: tuple[JobState, object]) -> None:
        self.stored: list[str] = []
        self._states = list(states)

    def enqueue(self, job: Job) -> bool:
        self.stored.append(job.id)
        return True

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the port's word
        if id not in self.stored:
            return None
        state, result = self._states.pop(0)
        return JobRecord(id, "sync", state, result, LONG_AGO, LONG_AGO, "worker-0")

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        raise AssertionError

    def known(self, ids: Sequence[str]) -> Mapping[str, JobRecord]:
        raise AssertionError


def told(job: str) -> str:
    return f"Asked for {job}"


def test_without_wait_it_is_only_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    queue = Working()
    ask(queue, JOB, told, as_json=False, wait=False)
    assert queue.stored == [JOB.id]
    assert capsys.readouterr().out == f"Asked for {JOB.id}; a worker takes it up now.\n"


def test_a_job_that_ends_well_is_followed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    queue = Working(
        (JobState.QUEUED, None), (JobState.RUNNING, None), (JobState.DONE, Ended("healthy", "latest is sha256:a1"))
    )
    ask(queue, JOB, told, as_json=False, wait=True)
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"Asked for {JOB.id}.", "healthy: latest is sha256:a1"]
    assert said.err.splitlines() == [f"{JOB.id} waits for a free worker", f"{JOB.id} runs"]


@pytest.mark.parametrize(
    ("state", "result", "words"),
    [
        (JobState.DONE, Ended("failed", "The pods did not become ready."), "ended failed. The pods did not"),
        (JobState.DONE, Ended("superseded", "the config branch moved on"), "ended superseded. the config branch"),
        (JobState.FAILED, "Slipway has a defect.", "ended failed. Slipway has a defect."),
    ],
)
def test_a_job_that_ends_otherwise_is_an_error(
    capsys: pytest.CaptureFixture[str], state: JobState, result: object, words: str
) -> None:
    with pytest.raises(SystemExit) as end:
        ask(Working((state, result)), JOB, told, as_json=False, wait=True)
    assert end.value.code == 1
    assert words in capsys.readouterr().err


def test_json_tells_the_end_too(capsys: pytest.CaptureFixture[str]) -> None:
    queue = Working((JobState.DONE, Ended("healthy", "")))
    ask(queue, JOB, told, facts={"app": "shop"}, as_json=True, wait=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"job": JOB.id, "app": "shop", "outcome": "healthy", "detail": ""}
