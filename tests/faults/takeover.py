"""A worker dies, loses its database or is told to stop with work under way: another one carries on."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from bot.facts import JobState
from tests.faults.cable import Cable
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge, unfinished
from tests.faults.plan import Plan
from tests.faults.stage import Process, Stage
from tests.scenarios.world import until

PATIENCE = 60.0
TAKEOVER_SECONDS = 30.0
LOST_LOCK_SECONDS = 5.0
STOP_SECONDS = 20.0
"""What the design promises; the last two are of the process, and get a second for the machine."""


def take_over(plan: Plan) -> None:
    """Releases wait for pods that do not come up; then their worker goes, in each way, and the other one is there."""
    plan.say("a worker is killed, then told to stop, then cut from its database, each with work under way")
    with plan.stage() as stage, ExitStack() as stack:
        for name in ("web", "a"):
            stage.process(name).start()
        apps = [stage.world.add_app(f"taken-{number}") for number in range(plan.choose(short=2, whole=8))]
        journeys = [Journey(app, 1) for app in apps]
        stage.world.clusters["staging"].fail_image(".", "never ready")
        for journey in journeys:
            journey.merge()
        _go(plan, stage, "a", "b", stage.process("a").kill)
        _go(plan, stage, "b", "c", lambda: _terminate(plan, stage.process("b")))
        if stage.database_url.startswith("postgres"):
            cable = stack.enter_context(Cable(stage.database_url))
            stage.process("d", DATABASE_URL=cable.url)
            _go(plan, stage, "c", "d", stage.process("c").kill)
            _go(plan, stage, "d", "e", lambda: _cut(plan, cable, stage.process("d")))
        stage.world.clusters["staging"].heal()
        plan.tally.stuck += travel(stage.world, journeys)
        judge(stage, plan.tally, arrived(journeys))
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


def _go(plan: Plan, stage: Stage, victim: str, heir: str, go: Callable[[], None]) -> None:
    """Wait until the victim works and the heir is up; let the victim go; measure until nothing is the victim's."""
    until(f"work of the worker {victim}", lambda: _works(stage, victim), PATIENCE)
    process = stage.process(heir)
    process.start()
    until(f"the worker {heir}", lambda: "worker started" in process.log(), PATIENCE)
    began = time.monotonic()
    go()
    plan.tally.kills += 1
    until(f"the work of {victim} in other hands", lambda: not _works(stage, victim), 2 * PATIENCE)
    seconds = time.monotonic() - began
    plan.say(f"  {heir} took over after {seconds:.1f} s")
    plan.tally.took_over(seconds)
    if seconds > TAKEOVER_SECONDS:
        plan.tally.stuck.append(f"the work of {victim} was taken over only after {seconds:.0f} s")


def _works(stage: Stage, name: str) -> bool:
    return any(job.state is JobState.RUNNING and job.worker == name for job in unfinished(stage))


def _terminate(plan: Plan, process: Process) -> None:
    seconds = process.terminate()
    plan.say(f"  {process.name} stopped within {seconds:.1f} s of SIGTERM")
    if seconds > STOP_SECONDS + 1:
        plan.tally.stuck.append(f"{process.name} took {seconds:.0f} s to stop")


def _cut(plan: Plan, cable: Cable, process: Process) -> None:
    began = time.monotonic()
    cable.cut()
    until(f"the end of {process.name}", lambda: not process.alive, PATIENCE)
    seconds = time.monotonic() - began
    plan.say(f"  {process.name} ended {seconds:.1f} s after it lost its database")
    if seconds > LOST_LOCK_SECONDS + 1:
        plan.tally.stuck.append(f"{process.name} worked on for {seconds:.0f} s without its lock")
