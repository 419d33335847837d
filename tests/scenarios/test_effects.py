"""A person's pull request to the config repo is told what it would do, before the merge."""

import base64
from collections.abc import Mapping
from typing import Any

from tests.scenarios.world import CONFIG, DEPLOYMENT, DEVELOPER, OUTSIDER, World, until

SECRET = """\
---
apiVersion: v1
kind: Secret
metadata:
  name: {app}
data:
  password: {value}
"""


def pull_request(world: World, branch: str, files: Mapping[str, str | None], author: str = DEVELOPER) -> int:
    """Somebody commits files to a branch of the config repo and opens a pull request."""
    world.forge.commit(CONFIG, branch, dict(files), f"Change {branch}", DEVELOPER)
    return world.forge.open_pull_request(CONFIG, branch, "master", f"Change {branch}", author=author)


def statuses(world: World, number: int) -> dict[str, tuple[str, str]]:
    """Context to (state, description) on a pull request's head."""
    sha = world.api(f"/repos/{CONFIG}/pulls/{number}")["head"]["sha"]
    listed = world.api(f"/repos/{CONFIG}/commits/{sha}/status")["statuses"]
    return {one["context"]: (one["state"], one["description"]) for one in listed}


def comments(world: World, number: int) -> list[str]:
    return [one["body"] for one in world.api(f"/repos/{CONFIG}/issues/{number}/comments")]


def await_status(world: World, number: int, context: str, state: str) -> str:
    """The description of a status, once it has that state."""

    def look() -> str | None:
        found = statuses(world, number).get(context)
        return found[1] if found and found[0] == state else None

    return until(f"{context} {state} on #{number}; it has {statuses(world, number)}", look)


def text_of(world: World, path: str) -> str:
    return world.git("show", f"master:{path}") + "\n"


def test_a_change_is_shown_object_by_object_before_the_merge(shared: World) -> None:
    app = shared.add_app("shown")
    app.await_live("staging", app.merge("A change"))
    changed = text_of(shared, "staging/shown.yaml").replace("replicas: 2", "replicas: 3")
    hidden = base64.b64encode(b"s3cr3t-value").decode()
    changed += SECRET.format(app="shown", value=hidden)
    number = pull_request(shared, "more-pods", {"staging/shown.yaml": changed})
    told = await_status(shared, number, "slipway/effect", "success")
    assert told == "2 objects would change: shown in staging"
    (comment,) = comments(shared, number)
    assert "### shown in staging" in comment
    assert "-  replicas: 2\n+  replicas: 3" in comment
    assert "Secret `shown` would be created" in comment
    assert "+  password: (hidden)" in comment
    assert hidden not in comment
    assert "in production" not in comment
    live = shared.clusters["staging"].get("Deployment", "staging", "shown")
    assert live is not None
    assert live["spec"]["replicas"] == 2
    assert shared.clusters["staging"].get("Secret", "staging", "shown") is None
    assert "slipway/catalog" not in statuses(shared, number)


def test_what_looks_like_a_secret_in_any_manifest_is_not_shown_but_its_change_is(shared: World) -> None:
    app = shared.add_app("careless")
    careless = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: careless\ndata:\n  password: {0}\n"
    good = text_of(shared, "staging/careless.yaml")
    files: dict[str, str | None] = {"staging/careless.yaml": good + careless.format("hunter-one")}
    shared.forge.commit(CONFIG, "master", files, "Be careless", DEVELOPER)
    app.await_live("staging", app.merge("A change"))
    changed = text_of(shared, "staging/careless.yaml").replace("hunter-one", "hunter-two")
    number = pull_request(shared, "careless", {"staging/careless.yaml": changed})
    assert await_status(shared, number, "slipway/effect", "success") == "1 object would change: careless in staging"
    (comment,) = comments(shared, number)
    assert "# what changes is redacted" in comment
    assert "hunter" not in comment


def test_what_the_cluster_refuses_is_told_and_a_push_that_mends_it_updates_the_comment(shared: World) -> None:
    app = shared.add_app("refused")
    app.await_live("staging", app.merge("A change"))
    good = text_of(shared, "staging/refused.yaml")
    bad = good.replace("  replicas: 2", "  replicas: 2\n  nonsense: 1")
    old = "---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: refused\n"
    number = pull_request(shared, "nonsense", {"staging/refused.yaml": bad + old})
    await_status(shared, number, "slipway/effect", "failure")
    (comment,) = comments(shared, number)
    assert "❌ Deployment `refused`: `spec.nonsense` is no field of this kind" in comment
    assert "write `apiVersion: networking.k8s.io/v1`" in comment
    shared.forge.commit(CONFIG, "nonsense", {"staging/refused.yaml": good + "# a comment\n"}, "Mend it", DEVELOPER)
    assert await_status(shared, number, "slipway/effect", "success") == "Nothing would change on the clusters"
    (mended,) = comments(shared, number)
    assert "❌" not in mended


def test_a_bad_catalog_is_told_before_the_merge_and_again_when_it_is_mended(shared: World) -> None:
    shared.add_app("catalogued")
    bad = shared.catalog().replace("gate: commit", "gate: comit")
    number = pull_request(shared, "bad-catalog-early", {"slipway.yaml": bad})
    told = await_status(shared, number, "slipway/catalog", "failure")
    assert "did you mean `commit`" in told
    (comment,) = [text for text in comments(shared, number) if "catalog of this pull request cannot be used" in text]
    assert "environments[staging].gate" in comment
    good = shared.catalog() + "# a remark\n"
    shared.forge.commit(CONFIG, "bad-catalog-early", {"slipway.yaml": good}, "Mend it", DEVELOPER)
    await_status(shared, number, "slipway/catalog", "success")
    assert [text for text in comments(shared, number) if "catalog" in text] == [
        "<!-- slipway: slipway.yaml -->\n\nThe catalog of this pull request can be used now.\n"
    ]


def test_nobody_without_write_permission_has_the_clusters_asked(shared: World) -> None:
    app = shared.add_app("strange")
    asked = len(shared.clusters["staging"].requests_log)
    changed = text_of(shared, "staging/strange.yaml").replace("replicas: 2", "replicas: 3")
    bad = shared.catalog().replace("gate: commit", "gate: comit")
    files = {"staging/strange.yaml": changed, "slipway.yaml": bad}
    number = pull_request(shared, "by-a-stranger", files, author=OUTSIDER)
    await_status(shared, number, "slipway/catalog", "failure")
    log: list[Any] = shared.clusters["staging"].requests_log[asked:]
    assert [one.path for one in log if app.name in one.path] == []
    assert "slipway/effect" not in statuses(shared, number)


def test_an_app_that_only_the_pull_request_catalogs_is_not_tried(shared: World) -> None:
    shared.add_app("known")
    manifest = DEPLOYMENT.format(app="newcomer", image=f"{shared.registry_host}/newcomer")
    entry = f"- name: newcomer\n  source: acme/known\n  image: {shared.registry_host}/newcomer\n"
    files = {"staging/newcomer.yaml": manifest, "slipway.yaml": shared.catalog() + entry}
    number = pull_request(shared, "newcomer", files)
    await_status(shared, number, "slipway/catalog", "success")
    assert await_status(shared, number, "slipway/effect", "success") == "Nothing would change on the clusters"


def test_conflicts_are_said(shared: World) -> None:
    shared.add_app("torn")
    text = text_of(shared, "staging/torn.yaml")
    number = pull_request(shared, "torn", {"staging/torn.yaml": text.replace("replicas: 2", "replicas: 3")})
    await_status(shared, number, "slipway/effect", "success")
    other = text.replace("replicas: 2", "replicas: 4")
    shared.forge.commit(CONFIG, "master", {"staging/torn.yaml": other}, "Four", DEVELOPER)
    five = text.replace("replicas: 2", "replicas: 5")
    shared.forge.commit(CONFIG, "torn", {"staging/torn.yaml": five}, "Five", DEVELOPER)
    assert "conflicts" in await_status(shared, number, "slipway/effect", "error")
    (comment,) = comments(shared, number)
    assert "it conflicts with the config branch" in comment


def test_a_cluster_that_is_away_is_asked_again(shared: World) -> None:
    app = shared.add_app("later")
    app.await_live("staging", app.merge("A change"))
    changed = text_of(shared, "staging/later.yaml").replace("replicas: 2", "replicas: 3")
    shared.clusters["staging"].stop()
    try:
        number = pull_request(shared, "while-away", {"staging/later.yaml": changed})
        told = await_status(shared, number, "slipway/effect", "error")
        assert told == "later in staging: the cluster could not be asked"
    finally:
        shared.clusters["staging"].start()
    await_status(shared, number, "slipway/effect", "success")
    (comment,) = comments(shared, number)
    assert "+  replicas: 3" in comment
