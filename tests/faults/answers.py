"""Answers are lost, or are others than the truth: about every write of a release, whoever was asked for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http import HTTPStatus

from bot.adapters.github.connection import TIMEOUT
from bot.facts import JobRecord
from bot.jobs import Ended
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge
from tests.faults.lies import Lie, each_write_once
from tests.faults.plan import Plan
from tests.faults.stage import Stage
from tests.scenarios.world import Bot

LIES = (
    Lie(performed=True, status=HTTPStatus.BAD_GATEWAY),
    Lie(performed=False, status=HTTPStatus.TOO_MANY_REQUESTS, retry_after=1),
    Lie(performed=True),
    Lie(performed=False),
    Lie(performed=False, status=HTTPStatus.SERVICE_UNAVAILABLE),
    Lie(performed=False, status=HTTPStatus.FORBIDDEN, retry_after=1),
    Lie(performed=True, after=TIMEOUT + 2),
)
REFUSALS = (
    Lie(performed=False, status=HTTPStatus.UNPROCESSABLE_ENTITY),
    Lie(performed=False, status=HTTPStatus.CONFLICT),
)
"""What no second try mends: somebody has to ask for the job again."""

OPERATOR_LOOKS_SECONDS = 1.0


def lie(plan: Plan) -> None:
    """One release for each kind of lie, which is told once about each of its writes."""
    plan.say("every write of a release is answered otherwise than is true, in each way once")
    for told in LIES[: plan.choose(short=1, whole=len(LIES))]:
        _tell(plan, told)
    for told in REFUSALS[: plan.choose(short=1, whole=len(REFUSALS))]:
        _tell(plan, told, refuses=True)


def _tell(plan: Plan, told: Lie, *, refuses: bool = False) -> None:
    with plan.stage() as stage, _operator(stage) if refuses else nullcontext():
        journey = Journey(stage.world.add_app("answers"), rounds=1)
        for name in ("web", "a"):
            stage.process(name).start()
        executioner = stage.executioner
        executioner.say = plan.say
        executioner.choose = each_write_once(lambda write: told if _believable(told, write) else None)
        plan.tally.stuck += travel(stage.world, [journey], moved=lambda: len(executioner.lied))
        judge(stage, plan.tally, arrived([journey]), straight=() if refuses else journey.live, told=not refuses)
        plan.tally.releases += len(journey.live)
        if not journey.live:
            plan.tally.lost.append(f"the release about whose writes it was said that they were {told}")
        if not executioner.lied:
            plan.tally.lost.append(f"every lie ({told}): no write was met")


def _believable(told: Lie, write: str) -> bool:
    """Only REST APIs refuse so, and only GitHub's asks for a pause with 403; elsewhere that means missing rights."""
    rest = write.startswith("github") and ": push " not in write
    if told in REFUSALS:
        return rest or write.startswith("cluster")
    return rest or told.status is not HTTPStatus.FORBIDDEN


@contextmanager
def _operator(stage: Stage) -> Iterator[None]:
    """Somebody who asks once more for each job that failed."""
    stopping, asked = threading.Event(), set[str]()

    def look() -> None:
        while not stopping.wait(OPERATOR_LOOKS_SECONDS):
            for job in stage.jobs():
                if job.id not in asked and _failed(job):
                    asked.add(job.id)
                    Bot(stage.world, "operator").run("retry", job.id)

    thread = threading.Thread(target=look, name="operator", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _failed(job: JobRecord) -> bool:
    """It did, or what it had to do after it was done."""
    ended = job.result
    return isinstance(ended, Ended) and (ended.outcome == "failed" or ended.detail.startswith("Could not"))
