"""`delivery`, `reconcile`, `round` and `catalog`: they look at what is, and start what it asks for."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot import events
from bot.budget import BUDGETS, Budgets
from bot.errors import SlipwayError
from bot.facts import Job
from bot.jobs import Ended, drift_job
from bot.memory import ConfigLook
from bot.ports import Run
from bot.services import Services
from bot.steps import missed
from bot.steps.check_catalog import check_catalog
from bot.steps.parts import Part
from bot.steps.redeliver import redeliver_failed
from bot.workflows.stepping import failed, step, tell

NOTHING = "nothing to do"


def delivery(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A webhook came: start what it is about. What it says is only where to look."""
    event = events.from_json(values["event"])
    looks: list[ConfigLook] = []
    ended = _start(run, "see what the delivery is about", lambda: missed.jobs_for(services, event, looks.append))
    if looks and ended.outcome == "done":
        services.memory.looked = looks[-1]
    return ended


def reconcile(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Start whatever was missed: merges, reviews and config changes whose webhook never came.

    Asked about one app, it starts what a hold had kept out.
    """
    app = values.get("app")
    if app is not None:
        return _start(run, "see what the hold kept out", lambda: missed.missed_jobs_of(services, app, values["change"]))
    occasion = run.id.rpartition("/")[2]
    if occasion.isdecimal():  # of the timer; one after a start or a hold's change comes in between
        run.start(drift_job(int(occasion)))
    ended = _start(run, "compare what is with what was done", lambda: missed.missed_jobs(services, occasion))
    tell(run, "have failed deliveries sent again", lambda: redeliver_failed(services, occasion))
    step(run, BUDGETS, lambda: Budgets(services.forge.budgets()))  # for /metrics, which reads what steps returned
    return ended


def round_(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Look at many apps, part by part: each once a round, and no two parts at once.

    What a part takes counts as part of the pause after it.
    """
    parts, found = int(values["parts"]), list[str]()
    for number in range(parts):
        began = services.clock.now()
        look = partial(missed.missed_jobs_in, services, Part(number, parts))
        ended = _start(run, f"compare part {number + 1} of {parts}", look)
        if ended.detail != NOTHING:
            found.append(ended.detail)
        if number + 1 < parts:
            took = (services.clock.now() - began).total_seconds()
            run.sleep(max(0.0, values["pause"] - took))
    return Ended("done", ", ".join(found) or NOTHING)


def catalog(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """The catalog changed: what is wrong with it is said on that commit."""
    try:
        problems = step(run, "check the catalog", lambda: check_catalog(services, values["commit"]))
    except SlipwayError as error:
        return failed(error)
    return Ended("failed", problems) if problems else Ended("done", "the catalog is good")


def _start(run: Run, name: str, look: Callable[[], tuple[Job, ...]]) -> Ended:
    try:
        jobs = step(run, name, look)
    except SlipwayError as error:
        return failed(error)
    started = [job.id for job in jobs if run.start(job)]
    return Ended("done", ", ".join(started) if started else NOTHING)
