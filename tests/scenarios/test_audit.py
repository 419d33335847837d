"""Git tells it all: what the bot did and what people did around it, from a plain clone, without the database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.scenarios.test_rollback import await_rollback, live_on_both, next_sha_fails
from tests.scenarios.world import APPROVER, BOT, CONFIG, DEVELOPER, ROOT, AppWorld, Bot, World


def plain_clone(world: World, folder: Path) -> Path:
    """What anybody who may read the config repo can have."""
    clone = ["git", "clone", "--quiet", world.git_dir.as_uri(), str(folder)]
    notes = ["git", "-C", str(folder), "fetch", "--quiet", "origin", "refs/notes/slipway:refs/notes/slipway"]
    for command in (clone, notes):
        subprocess.run(command, check=True)
    return folder


def audit(clone: Path, *arguments: str) -> Any:
    """The command inside the clone, with not one of the bot's variables."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bot", "audit", "--json", *arguments]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def play(world: World, app: AppWorld) -> tuple[str, str, str]:
    """A good release goes live, a bad one is rolled back, somebody edits production; the three commits of it all."""
    good = live_on_both(app, "A good version")
    next_sha_fails(world, app, "production", good)
    bad = app.merge("A bad version")
    app.approve(app.await_promotion(bad)["number"])
    back = await_rollback(app, "production", good)
    app.await_outcome(back, "production")
    path = f"production/{app.name}.yaml"
    text = world.git("show", f"master:{path}").replace("replicas: 2", "replicas: 3") + "\n"
    edited = world.forge.commit(CONFIG, "master", {path: text}, "More pods", DEVELOPER)
    app.await_outcome(edited, "production")
    return good, bad, edited


def test_deleting_the_database_loses_no_history(quiet: tuple[World, Bot], tmp_path: Path) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("history")
    good, bad, edited = play(world, app)
    bot.stop()
    for left in world.folder.glob("slipway.db*"):
        left.unlink()
    assert not list(world.folder.glob("slipway.db*"))
    facts = audit(plain_clone(world, tmp_path / "clone"), "--app", app.name)
    live, failed, back, edit = reversed([one for one in facts["entries"] if one["environment"] == "production"][:4])

    assert (live["kind"], live["release"], live["outcome"]) == ("release", f"history@{good}", "healthy")
    assert (live["merged_by"], live["approved_by"], live["approval"]) == (DEVELOPER, [APPROVER], "approved")
    assert (live["source"], live["source_commit"], live["source_pull_request"]) == (app.source, good, 1)
    assert live["image"] == f"{app.image}:{good[:7]}@{world.digest(app.image, good[:7])}"
    assert live["merged_at"] <= live["at"] <= live["healthy_at"]
    assert live["lead_seconds"] >= live["seconds"] >= 0
    assert (failed["release"], failed["outcome"]) == (f"history@{bad}", "failed")
    assert (failed["approved_by"], failed["reverted_by"]) == ([APPROVER], back["config_commit"])
    assert "CrashLoopBackOff" in failed["outcome_reason"]
    assert (back["kind"], back["release"], back["by"]) == ("rollback", f"history@{good}", BOT)
    assert (back["reverts"], back["hold"], back["outcome"]) == ([failed["config_commit"]], "set", "healthy")
    assert "CrashLoopBackOff" in back["reason"]
    assert (edit["kind"], edit["config_commit"], edit["approval"]) == ("edit", edited, "unapproved")
    assert (edit["outcome"], edit["title"]) == ("healthy", "More pods")
    overall = facts["dora"]["overall"]
    assert (overall["deployments"], overall["failures"], overall["restored"]) == (3, 1, 1)
    assert overall["lead_seconds"] == live["lead_seconds"]


def test_a_bot_that_begins_anew_goes_on_with_the_same_trail(quiet: tuple[World, Bot], tmp_path: Path) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("anew")
    live_on_both(app, "First")
    bot.stop()
    before = audit(plain_clone(world, tmp_path / "before"))["entries"]
    for left in world.folder.glob("slipway.db*"):
        left.unlink()
    bot.start()
    second = app.merge("Second")
    app.await_live("staging", second)
    app.await_promotion(second)
    bot.stop()
    after = audit(plain_clone(world, tmp_path / "after"))["entries"]
    assert after[-len(before) :] == before
    assert [(one["kind"], one["release"]) for one in after[: -len(before)]] == [("release", f"anew@{second}")]
