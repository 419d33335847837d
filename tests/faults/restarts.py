"""All workers are restarted one after another, as a new version is brought out, while releases go through."""

import threading

from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge
from tests.faults.plan import Plan
from tests.faults.stage import Process, Stage
from tests.scenarios.world import until

WORKERS = ("a", "b")
STOP_SECONDS = 20.0
"""What the design promises; the process gets a second for the machine."""

STARTING_PATIENCE = 60.0


def restart(plan: Plan) -> None:
    """Nothing is lost, and each worker has ended within 20 s of SIGTERM."""
    apps, rounds = plan.choose(short=2, whole=10), plan.choose(short=1, whole=5)
    times = plan.choose(short=2, whole=20)
    plan.say(f"{apps * rounds} releases, while each of {len(WORKERS)} workers is restarted in turn, {times} times")
    with plan.stage(reconcile_seconds=10) as stage:
        for name in ("web", *WORKERS):
            stage.process(name).start()
        journeys = [Journey(stage.world.add_app(f"rolling-{number}"), rounds) for number in range(apps)]
        roller = Roller(plan, stage, times)
        roller.start()
        plan.tally.stuck += travel(stage.world, journeys, more=roller.is_alive, moved=lambda: len(roller.took))
        roller.finish()
        judge(stage, plan.tally, arrived(journeys))
        plan.say(f"  {len(roller.took)} workers stopped within {max(roller.took, default=0.0):.1f} s of SIGTERM")
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


class Roller(threading.Thread):
    """Restarts one worker after another; the next one's turn comes when this one works again.

    Attributes:
        took: the seconds from each SIGTERM to the process's end.
    """

    def __init__(self, plan: Plan, stage: Stage, times: int) -> None:
        super().__init__(name="roller", daemon=True)
        self._plan = plan
        self._stage = stage
        self._times = times
        self._enough = threading.Event()
        self.took: list[float] = []

    def run(self) -> None:
        """So many times, with a pause in which work begins."""
        for _ in range(self._times):
            for name in WORKERS:
                if self._enough.wait(self._plan.choose(short=3, whole=5)):
                    return
                self._restart(self._stage.process(name))

    def finish(self) -> None:
        """Restart no more."""
        self._enough.set()
        self.join()

    def _restart(self, process: Process) -> None:
        seconds = process.terminate()
        self.took.append(seconds)
        if seconds > STOP_SECONDS + 1:
            self._plan.tally.stuck.append(f"the worker {process.name} took {seconds:.0f} s to stop")
        began = process.log().count("worker started")
        process.start()
        until(f"{process.name} to be back", lambda: process.log().count("worker started") > began, STARTING_PATIENCE)
