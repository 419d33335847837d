"""What leaves the manifests leaves the cluster, where the catalog says so, and nothing else does."""

from collections.abc import Iterator

import pytest

from tests.scenarios.test_effects import await_status, comments, pull_request
from tests.scenarios.test_shared import commit, live, note
from tests.scenarios.world import Bot, World, until

EXTRA = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata: {{a: b}}\n"


@pytest.fixture
def pruning(quiet: tuple[World, Bot]) -> Iterator[World]:
    """A running world whose staging prunes and whose production does not."""
    world, bot = quiet
    world.keys = {"staging": {"prune": True}}
    bot.start()
    yield world
    bot.stop()


def gone(world: World, kind: str, name: str) -> None:
    until(f"{kind} {name} to be gone", lambda: live(world, kind, name) is None)


def test_what_leaves_an_apps_manifests_is_told_beforehand_and_deleted_when_the_rest_is_healthy(pruning: World) -> None:
    app = pruning.add_app("slim")
    text = pruning.git("show", "master:staging/slim.yaml") + "\n"
    commit(pruning, {"staging/slim.yaml": text + EXTRA.format(name="slim-old") + EXTRA.format(name="moved")})
    app.await_live("staging", app.merge("A change"))
    assert live(pruning, "ConfigMap", "slim-old") is not None
    pruning.patch(
        pruning.clusters["staging"],
        "/api/v1/namespaces/staging/configmaps/slim-old?fieldManager=kubectl-edit",
        {"data": {"c": "d"}},
    )
    bumped = pruning.git("show", "master:staging/slim.yaml") + "\n"
    slim = bumped.replace(EXTRA.format(name="slim-old"), "").replace(EXTRA.format(name="moved"), "")
    other = pruning.add_app("taker")
    taker = pruning.git("show", "master:staging/taker.yaml") + "\n" + EXTRA.format(name="moved")
    number = pull_request(pruning, "slim", {"staging/slim.yaml": slim, "staging/taker.yaml": taker})
    await_status(pruning, number, "slipway/effect", "success")
    (comment,) = comments(pruning, number)
    assert "ConfigMap `slim-old` would be deleted" in comment
    assert "ConfigMap `moved` would be deleted" not in comment
    assert live(pruning, "ConfigMap", "slim-old") is not None
    sha = pruning.forge.merge_pull_request("acme/config", number, "dora", "squash")
    assert app.await_outcome(sha, "staging").outcome == "healthy"
    gone(pruning, "ConfigMap", "slim-old")
    other.await_live("staging", other.merge("A change"))
    assert live(pruning, "ConfigMap", "moved") is not None
    assert app.running("staging") is not None


def test_an_app_that_left_goes_with_all_that_slipway_applied_and_only_where_it_is_to(pruning: World) -> None:
    app = pruning.add_app("leaving")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    app.approve(app.await_promotion(sha)["number"])
    app.await_live("production", sha)
    files: dict[str, str | None] = {"staging/leaving.yaml": None, "production/leaving.yaml": None}
    removed = commit(pruning, files, "Remove leaving")
    gone(pruning, "Deployment", "leaving")
    gone(pruning, "Service", "leaving")
    assert app.running("production") is not None
    assert note(pruning, removed, "leaving", "production") is None


def test_an_app_that_left_the_catalog_goes_and_one_that_was_renamed_stays(pruning: World) -> None:
    old = pruning.add_app("old-name", manifests="{environment}/kept.yaml")
    dropped = pruning.add_app("dropped")
    dropped.await_live("staging", dropped.merge("A change"))
    manifests = {f"{name}/kept.yaml": pruning.git("show", f"master:{name}/old-name.yaml") for name in pruning.clusters}
    commit(pruning, manifests, "Keep it elsewhere")
    old.await_live("staging", old.merge("A change"))
    pruning.apps[:] = [one | {"name": "new-name"} for one in pruning.apps if one["name"] == "old-name"]
    commit(pruning, {"slipway.yaml": pruning.catalog()}, "Rename one, drop the other")
    gone(pruning, "Deployment", "dropped")
    assert old.running("staging") is not None
