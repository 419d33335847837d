"""Processes are killed: at every write, and at any moment."""

import random
import threading
import time

from bot.facts import JobState
from tests.faults import history
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge, unfinished
from tests.faults.mortal import how_often, mortal
from tests.faults.plan import Plan
from tests.faults.stage import Process, Stage
from tests.scenarios.world import AppWorld, until

TAKEOVER_PATIENCE = 60.0
CRASH_SECONDS = 10
"""The deadline of a rollout that is to fail."""

LONGEST_SECONDS = 900.0


def kill_at_writes(plan: Plan) -> None:
    """One worker, killed before and after every single write of a release, from the build to ``latest``."""
    plan.say(f"the worker is killed {how_often(plan)} of a release")
    with plan.stage() as stage:
        journey = Journey(stage.world.add_app("writes"), rounds=1)
        stage.process("web").start()
        journey.merge()
        with mortal(plan, stage):
            plan.tally.stuck += travel(stage.world, [journey], moved=lambda: len(stage.executioner.killed))
        judge(stage, plan.tally, arrived([journey]), straight=journey.live)
        plan.tally.releases += len(journey.live)


def kill_at_rollback(plan: Plan) -> None:
    """The same of a release whose pods crash on staging: back to the healthy one, once, and on with the next."""
    plan.say(f"the worker is killed {how_often(plan)} of a rollback")
    with plan.stage() as stage:
        stage.world.deadline_seconds = CRASH_SECONDS
        for name in ("web", "a"):
            stage.process(name).start()
        app = stage.world.add_app("crashes")
        journey = Journey(app, rounds=1)
        plan.tally.stuck += travel(stage.world, [journey])
        (good,) = journey.live
        staging = stage.world.clusters["staging"]
        staging.fail_image(f"{app.image}:(?!{good[:7]})", "CrashLoopBackOff")
        with mortal(plan, stage, "push|PATCH .*comments"):
            crashing = app.merge("A change that crashes")
            until("the way back", lambda: _went_back(stage, app, good), LONGEST_SECONDS)
        staging.heal()
        journey.rounds, journey.merged = 2, 2
        plan.tally.stuck += travel(stage.world, [journey])
        judge(stage, plan.tally, arrived([journey]), straight=[crashing])
        plan.tally.releases += len(journey.live)


def _went_back(stage: Stage, app: AppWorld, good: str) -> bool:
    bumps = history.read(stage.world).of(app.name, "staging")
    return any(bump.rollback and bump.sha == good and bump.healthy for bump in bumps) and not unfinished(stage)


def kill_at_random(plan: Plan) -> None:
    """Two workers and the web process, each killed or restarted at any moment, while releases go through."""
    apps, rounds = plan.choose(short=4, whole=20), plan.choose(short=2, whole=10)
    kills = plan.choose(short=6, whole=100)
    plan.say(f"{apps * rounds} releases of {apps} apps on 2 workers, {kills} kills at random, and rolling restarts")
    with plan.stage(reconcile_seconds=10) as stage:
        for name in ("web", "a", "b"):
            stage.process(name).start()
        journeys = [Journey(stage.world.add_app(f"random-{number}"), rounds) for number in range(apps)]
        killer = Killer(plan, stage, kills)
        killer.start()
        plan.tally.stuck += travel(stage.world, journeys, more=killer.is_alive, moved=lambda: plan.tally.kills)
        killer.finish()
        for name in ("web", "a", "b"):
            stage.process(name).start()
        judge(stage, plan.tally, arrived(journeys))
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


class Killer(threading.Thread):
    """Kills one of the three after another. Each seed does the same, as far as processes can."""

    def __init__(self, plan: Plan, stage: Stage, kills: int, seed: int = 4) -> None:
        super().__init__(name="killer", daemon=True)
        self._plan = plan
        self._stage = stage
        self._kills = kills
        self._random = random.Random(seed)
        self._enough = threading.Event()

    def run(self) -> None:
        """Until there were so many kills."""
        for number in range(1, self._kills + 1):
            if self._enough.wait(self._random.uniform(0.2, self._plan.choose(short=4, whole=12))):
                return
            victim = self._stage.process(self._random.choice(["a", "a", "b", "b", "web"]))
            victim.kill()
            self._plan.tally.kills += 1
            if victim.name != "web" and self._random.random() < 0.5:
                self._await_takeover(victim)
            victim.start()
            if number % 10 == 5:
                self._restart(self._stage.process(self._random.choice(["a", "b"])))
            if number % 10 == 0:
                self._plan.say(f"  {number} kills")

    def finish(self) -> None:
        """Kill no more."""
        self._enough.set()
        self.join()

    def _await_takeover(self, victim: Process) -> None:
        """The other worker finds that it is dead, and takes its jobs."""
        began = time.monotonic()
        while any(job.state is JobState.RUNNING and job.worker == victim.name for job in unfinished(self._stage)):
            if time.monotonic() - began > TAKEOVER_PATIENCE:
                self._plan.tally.stuck.append(f"nobody took over the jobs of the worker {victim.name}")
                return
            time.sleep(0.2)
        self._plan.tally.took_over(time.monotonic() - began)

    def _restart(self, process: Process) -> None:
        seconds = process.terminate()
        process.start()
        if seconds > 20:
            self._plan.tally.stuck.append(f"the worker {process.name} took {seconds:.0f} s to stop")
