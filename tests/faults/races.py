"""Others write too: a competitor on the config branch, older work that ends last, force-pushes, a second bot."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from bot.sandbox.faults import Delay
from bot.sandbox.forge.git import GitError
from tests.bench.git import git
from tests.bench.repository import Bump, commit_stream
from tests.faults import history
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge
from tests.faults.plan import Plan
from tests.faults.stage import Stage
from tests.scenarios.world import CONFIG, DEVELOPER, AppWorld

OFTEN_SECONDS, AT_TIMES_SECONDS = 0.2, 1.0
"""How often somebody else pushes to the config branch."""

CROWD = 10_000
"""Manifests of a large config repo."""


def compete(plan: Plan) -> None:
    """Somebody pushes to the config branch every 200 ms while bumps land: nobody's commit is lost or overwritten."""
    _compete(plan, plan.choose(short=2, whole=32), OFTEN_SECONDS, manifests=0)


def compete_in_a_crowd(plan: Plan) -> None:
    """Somebody pushes every second to a config repo of 10,000 manifests. Too slow for the short form."""
    if plan.short:
        plan.say(f"a config repo of {CROWD:,} manifests is for the whole suite")
        return
    _compete(plan, 32, AT_TIMES_SECONDS, manifests=CROWD)


def _compete(plan: Plan, apps: int, seconds: float, *, manifests: int) -> None:
    plan.say(f"{apps} releases at once, and somebody who pushes to the config branch every {seconds} s")
    with plan.stage(reconcile_seconds=10) as stage:
        if manifests:
            _crowd(stage, manifests)
        for name in ("web", "a"):
            stage.process(name).start()
        journeys = [Journey(stage.world.add_app(f"race-{number}"), 1) for number in range(apps)]
        with Competitor(stage, plan.choose(short=60, whole=3000), seconds) as competitor:
            plan.tally.stuck += travel(stage.world, journeys)
        judge(stage, plan.tally, arrived(journeys))
        plan.tally.lost += competitor.lost()
        plan.say(f"  the competitor pushed {len(competitor.pushed)} times")
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


def _crowd(stage: Stage, manifests: int) -> None:
    """One commit with so many manifests of apps that are in no catalog."""
    files = {bump.path: bump.text for bump in (Bump(number, 0) for number in range(manifests))}
    master = "refs/heads/master"
    stream = commit_stream("Move in\n", files, on=f"{master}^0", ref=master)
    git(stage.world.git_dir, "fast-import", "--quiet", stdin=stream)


class Competitor:
    """Pushes a file of its own each time, so often at most, and later asks for every one of its commits."""

    def __init__(self, stage: Stage, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self.pushed: list[str] = []
        self._world = stage.world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._push, name="competitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _push(self) -> None:
        while len(self.pushed) < self._most and not self._stopping.wait(self._seconds):
            number = len(self.pushed)
            files: dict[str, str | None] = {f"competitor/{number}.txt": f"{number}\n"}
            with suppress(GitError):  # a bump was quicker: the competitor's push is the one that is rejected
                self.pushed.append(self._world.forge.commit(CONFIG, "master", files, f"Compete {number}", DEVELOPER))

    def lost(self) -> Iterator[str]:
        """Commits that are gone, files that are gone, and merge commits, which a bump must never need."""
        log = history.read(self._world)
        yield from (f"the competitor's commit {sha}" for sha in self.pushed if sha not in log.subjects)
        files = self._world.git("ls-tree", "--name-only", "master", "competitor/").split()
        if len(files) != len(self.pushed):
            yield f"{len(self.pushed) - len(files)} of the competitor's files"
        yield from (f"the straight line of the config branch: {sha} is a merge commit" for sha in log.merges)


def never_backwards(plan: Plan) -> None:
    """An older merge whose build ends last, a revert and a force-push of the source: only ever forward."""
    plan.say("an older merge ends last, a revert on the source branch, a force-push of it")
    with plan.stage() as stage:
        for name in ("web", "a"):
            stage.process(name).start()
        journeys = [_overtake(stage, "overtaken"), _revert(plan, stage), _force_push(plan, stage)]
        plan.tally.stuck += travel(stage.world, journeys)
        judge(stage, plan.tally, arrived(journeys), forced=frozenset({"forced"}))
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


def _overtake(stage: Stage, name: str) -> Journey:
    """The first change's push is slow, and the second one is merged meanwhile."""
    journey = Journey(stage.world.add_app(name), 1)
    stage.registry.faults.add("PUT", f"/v2/{name}/manifests/", Delay(5))
    journey.merge()
    journey.merge()
    return journey


def _revert(plan: Plan, stage: Stage) -> Journey:
    """Two changes are live; then the second one's revert is merged: old content, and a step forward all the same."""
    journey = Journey(stage.world.add_app("reverted"), 3)
    for _ in range(2):
        journey.merge()
        plan.tally.stuck += _arrive(stage, journey)
    forge, app = stage.world.forge, journey.app
    number = forge.revert_pull_request(app.source, journey.merged, DEVELOPER)
    journey.sha = forge.merge_pull_request(app.source, number, DEVELOPER, "squash")
    return journey


def _force_push(plan: Plan, stage: Stage) -> Journey:
    """Two changes are live; then the branch is reset to before the second, with another change on top."""
    journey = Journey(stage.world.add_app("forced"), 3)
    for _ in range(2):
        journey.merge()
        plan.tally.stuck += _arrive(stage, journey)
    journey.sha = _reset(stage, journey.app)
    return journey


def _arrive(stage: Stage, journey: Journey) -> list[str]:
    """Wait for the release under way, and merge no other."""
    single = Journey(journey.app, 1, sha=journey.sha)
    stuck = travel(stage.world, [single])
    journey.live += single.live
    return stuck


def _reset(stage: Stage, app: AppWorld) -> str:
    """Move the tracked branch to its parent with a new commit on top. No webhook tells of it."""
    git_dir = stage.folder / "github" / f"{app.source}.git"
    tree = _git(git_dir, "rev-parse", "master^^{tree}")
    made = _git(git_dir, "commit-tree", tree, "-p", "master^", "-m", "Begin again")
    _git(git_dir, "update-ref", "refs/heads/master", made)
    return made


def _git(git_dir: Path, *arguments: str) -> str:
    identity = ["-c", f"user.name={DEVELOPER}", "-c", f"user.email={DEVELOPER}@example.com"]
    command = ["git", "--git-dir", str(git_dir), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def two_bots(plan: Plan) -> None:
    """A second bot, with a database of its own, on the same config repo: neither doubles, nor goes back."""
    apps, rounds = plan.choose(short=2, whole=8), plan.choose(short=1, whole=3)
    plan.say(f"{apps * rounds} releases with two bots that know nothing of each other")
    with plan.stage() as stage, _second_bot(stage):
        for name in ("web", "a"):
            stage.process(name).start()
        journeys = [Journey(stage.world.add_app(f"shared-{number}"), rounds) for number in range(apps)]
        plan.tally.stuck += travel(stage.world, journeys)
        judge(stage, plan.tally, arrived(journeys), bots=2)
        plan.tally.releases += sum(len(journey.live) for journey in journeys)


@contextmanager
def _second_bot(stage: Stage) -> Iterator[None]:
    folder = stage.folder / "second"
    folder.mkdir()
    own = {"DATABASE_URL": f"sqlite:///{folder}/slipway.db", "SLIPWAY_STATE": str(folder / "state")}
    second = stage.process("second", **own)
    second.start()
    try:
        yield
    finally:
        second.terminate()
