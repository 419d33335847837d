"""What somebody changes on a cluster by hand is shown, and undone where the catalog says so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.test_operator import command
from tests.scenarios.test_shared import live
from tests.scenarios.world import CONFIG, DEVELOPER, AppWorld, Bot, World, until

EXTRA = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata: {{colour: red}}\n"


@pytest.fixture
def running(quiet: tuple[World, Bot]) -> Iterator[World]:
    """A world that looks for what was missed every two seconds."""
    world, bot = quiet
    world.variables["RECONCILE_SECONDS"] = "2"
    bot.start()
    yield world
    bot.stop()


def with_config_map(world: World, name: str) -> AppWorld:
    """An app that is live with a config map."""
    app = world.add_app(name)
    text = world.git("show", f"master:staging/{name}.yaml") + "\n" + EXTRA.format(name=name)
    files: dict[str, str | None] = {f"staging/{name}.yaml": text}
    world.forge.commit(CONFIG, "master", files, "Add a config map", DEVELOPER)
    app.await_live("staging", app.merge("A change"))
    return app


def drift(world: World, app: str) -> list[str]:
    """What ``status`` says of the app on staging."""
    answer = command(world, "status", app, "--json")
    assert answer.returncode == 0, answer.stderr
    facts: dict[str, Any] = json.loads(answer.stdout)
    found: list[str] = facts["apps"][0]["environments"]["staging"]["drift"]
    return found


def edit(world: World, name: str, colour: str) -> None:
    path = f"/api/v1/namespaces/staging/configmaps/{name}?fieldManager=kubectl-edit"
    world.patch(world.clusters["staging"], path, {"data": {"colour": colour}})


def colour(world: World, name: str) -> str:
    found = live(world, "ConfigMap", name)
    return str(found["data"]["colour"]) if found else ""


def test_a_hand_edit_is_shown_and_left_until_somebody_syncs(running: World) -> None:
    app = with_config_map(running, "edited")
    scale = "/apis/apps/v1/namespaces/staging/deployments/edited/scale?fieldManager=kube-controller-manager"
    running.patch(running.clusters["staging"], scale, {"spec": {"replicas": 3}})
    edit(running, "edited", "blue")
    shown = until("the drift", lambda: drift(running, app.name), pause=1)
    assert shown == ["ConfigMap `edited` differs"]
    assert colour(running, "edited") == "blue"
    page = command(running, "status", app.name).stdout
    assert "drifted:" in page
    assert command(running, "sync", app.name, "staging").returncode == 0
    until("the drift to be over", lambda: colour(running, "edited") == "red")
    until("nobody to be told of it", lambda: not drift(running, app.name), pause=1)
    scaled = live(running, "Deployment", "edited")
    assert scaled is not None
    assert scaled["spec"]["replicas"] == 3


def test_where_the_catalog_says_so_a_hand_edit_is_undone(running: World) -> None:
    running.keys = {"staging": {"self_heal": True}}
    app = with_config_map(running, "healed")
    bump = running.git("log", "-1", "--format=%H", "master", "--", "staging/healed.yaml")
    edit(running, "healed", "blue")
    until("the colour of the config branch", lambda: colour(running, "healed") == "red")
    lines = running.git("log", "-1", "--notes=slipway", "--format=%N", bump).splitlines()
    assert len([line for line in lines if '"healed"' in line]) == 1
    assert app.running("staging") is not None


def test_what_something_on_the_cluster_writes_again_is_not_fought_for_ever(
    running: World, quiet: tuple[World, Bot]
) -> None:
    bot = quiet[1]
    running.keys = {"staging": {"self_heal": True}}
    app = with_config_map(running, "fought")
    undone = 0

    def given_up() -> bool:
        nonlocal undone
        if colour(running, "fought") == "red":
            undone += 1
            edit(running, "fought", "blue")
        return "drift comes back" in bot.log()

    until("the bot to leave it", given_up)
    assert undone - 1 == 3  # the first edit was nobody's undoing
    assert drift(running, app.name) == ["ConfigMap `fought` differs"]
