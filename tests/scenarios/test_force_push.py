"""The tracked branch is force-pushed: what it holds now goes live, and what it no longer holds does not come back."""

import subprocess

from bot.releases import Outcome
from tests.scenarios.world import DEVELOPER, AppWorld, World, until


def begun_again(app: AppWorld) -> str:
    """The branch's second newest commit, with another one on top of it."""

    def git(*arguments: str) -> str:
        command = ["git", "--git-dir", str(app.world.folder / "github" / f"{app.source}.git"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    identity = ["-c", f"user.name={DEVELOPER}", "-c", f"user.email={DEVELOPER}@example.com"]
    return git(*identity, "commit-tree", git("rev-parse", "master^^{tree}"), "-p", "master^", "-m", "Begin again")


def test_a_force_push_of_the_tracked_branch_brings_its_new_head_and_not_the_old_one(shared: World) -> None:
    app = shared.add_app("forced")
    first = app.merge("One")
    app.await_live("staging", first)
    dropped = app.merge("Two")
    app.await_live("staging", dropped)
    head = begun_again(app)
    shared.forge.move_branch(app.source, "master", head, DEVELOPER)
    assert app.await_live("staging", head).outcome is Outcome.HEALTHY
    app.approve(app.await_promotion(head)["number"])
    app.await_live("production", head)
    assert f":{head[:7]}@" in (app.running("staging") or "")
    shared.forge.move_branch(app.source, "master", dropped, DEVELOPER)
    until("the deliveries", shared.forge.wait_for_deliveries)
    newest = app.merge("Three")
    app.await_live("staging", newest)
    assert [len(app.bumps("staging", sha)) for sha in (first, dropped, head, newest)] == [1, 1, 1, 1]
