"""What an operator asks for on the command line."""

import json
import os
import subprocess
import sys

from tests.scenarios.world import CONFIG, DEVELOPER, ROOT, World, until


def command(world: World, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], **world.variables}
    run = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_sync_puts_back_what_somebody_changed_in_the_cluster(shared: World) -> None:
    app = shared.add_app("by-hand")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    before = app.running("staging")
    _set_image(shared, app.name, "elsewhere/other:1")
    assert app.running("staging") == "elsewhere/other:1"
    asked = command(shared, "sync", app.name, "staging", "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["job"].startswith(f"sync/{app.name}/staging/")
    until("the image to be back", lambda: app.running("staging") == before)


def _set_image(world: World, name: str, image: str) -> None:
    cluster = world.clusters["staging"]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}}
    world.patch(cluster, f"/apis/apps/v1/namespaces/staging/deployments/{name}", patch)


def test_a_retry_of_a_failed_release_works_once_the_cause_is_gone(shared: World) -> None:
    app = shared.add_app("retried", context="missing")
    sha = app.merge("A change")
    until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
    shared.change_app("retried", context=".")
    asked = command(shared, "retry", f"release/retried/{sha}/1")
    assert asked.returncode == 0, asked.stderr
    assert app.await_live("staging", sha).outcome == "healthy"


def test_what_cannot_be_asked_for_is_explained(shared: World) -> None:
    shared.add_app("waits")
    for arguments, words in (
        (("sync", "waits", "staging"), "waits for its first release"),
        (("sync", "wait", "staging"), "did you mean `waits`"),
        (("sync", "waits", "stagin"), "did you mean `staging`"),
        (("retry", "release/waits/x/1"), "There has been no job"),
        (("retry", "nonsense"), "is not the id of a job"),
    ):
        answer = command(shared, *arguments)
        assert answer.returncode == 1
        assert words in answer.stderr
        assert "Traceback" not in answer.stderr


def test_an_app_whose_manifests_were_deleted_is_left_alone(shared: World) -> None:
    app = shared.add_app("leaving")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    commit = shared.forge.commit(CONFIG, "master", {"staging/leaving.yaml": None}, "Remove leaving", DEVELOPER)
    answer = command(shared, "sync", "leaving", "staging")
    assert answer.returncode == 1
    assert "has no manifests" in answer.stderr
    other = shared.add_app("staying")
    other.await_live("staging", other.merge("A change"))
    assert app.outcome(commit, "staging") is None
    assert app.running("staging") is not None
