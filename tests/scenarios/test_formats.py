"""A kustomization and a chart go the same way as plain manifests, rendered by the real tools."""

import os
from pathlib import Path

import pytest

from tests.engines import HELM, KUBECTL, require
from tests.scenarios.world import CONFIG, DEPLOYMENT, DEVELOPER, AppWorld, Bot, World, until


def add_kustomized(world: World) -> AppWorld:
    app = world.add_app("layered", manifests=["overlays/{environment}/{app}"])
    base = DEPLOYMENT.format(app="layered", image=app.image).replace(":${TAG_TO_DEPLOY}", "")
    overlay = "resources:\n- ../../../bases/layered # ours\n"
    files: dict[str, str | None] = {
        "bases/layered/kustomization.yaml": "resources: [site.yaml]\n",
        "bases/layered/site.yaml": base,
        **{f"overlays/{name}/layered/kustomization.yaml": overlay for name in world.clusters},
    }
    world.forge.commit(CONFIG, "master", files, "Layer it", DEVELOPER)
    return app


def add_charted(world: World) -> AppWorld:
    helm = {"chart": "charts/site", "tag": "web.tag", "repository": "web.repository", "digest": "web.digest"}
    app = world.add_app("charted", manifests=["values/{app}-{environment}.yaml"], helm=helm)
    image = '"{{ .Values.web.repository }}:{{ .Values.web.tag }}@{{ .Values.web.digest }}"'
    template = DEPLOYMENT.format(app="charted", image="IMAGE").replace("IMAGE:${TAG_TO_DEPLOY}", image)
    values = f"web:\n  repository: {app.image}\n  tag: ${{TAG_TO_DEPLOY}} # by the bot\nother: [1, 2]\n"
    files: dict[str, str | None] = {
        "charts/site/Chart.yaml": "apiVersion: v2\nname: site\nversion: 0.1.0\n",
        "charts/site/templates/site.yaml": template,
        **{f"values/charted-{name}.yaml": values for name in world.clusters},
    }
    world.forge.commit(CONFIG, "master", files, "Chart it", DEVELOPER)
    return app


def go_live(app: AppWorld) -> str:
    """Through staging and an approval into production; the image that then runs."""
    sha = app.merge("First")
    assert app.await_live("staging", sha).outcome == "healthy"
    promotion = app.await_promotion(sha)
    app.approve(promotion["number"])
    assert app.await_live("production", sha).outcome == "healthy"
    image = app.running("production") or ""
    assert image == app.running("staging")
    assert image.startswith(f"{app.image}:{sha[:7]}@sha256:")
    return image


def test_a_kustomization_and_a_chart_go_live_by_their_own_lines(
    quiet: tuple[World, Bot], monkeypatch: pytest.MonkeyPatch
) -> None:
    helm, kubectl = Path(require(HELM)).parent, Path(require(KUBECTL)).parent
    monkeypatch.setenv("PATH", f"{helm}:{kubectl}:{os.environ['PATH']}")
    world, bot = quiet
    layered, charted = add_kustomized(world), add_charted(world)
    bot.start()

    image = go_live(layered)
    tag, _, digest = image.removeprefix(f"{layered.image}:").partition("@")
    entry = f"images:\n- name: {layered.image}\n  newTag: {tag}\n  digest: {digest}\n"
    written = world.git("show", "master:overlays/production/layered/kustomization.yaml") + "\n"
    assert written.replace('"', "") == f"resources:\n- ../../../bases/layered # ours\n{entry}"

    go_live(charted)
    bump = charted.bumps("staging")[0]
    assert world.git("show", "--format=", "--numstat", bump).split() == ["2", "1", "values/charted-staging.yaml"]

    base = world.git("show", "master:bases/layered/site.yaml").replace("replicas: 2", "replicas: 3") + "\n"
    changed = world.forge.commit(CONFIG, "master", {"bases/layered/site.yaml": base}, "Three of it", DEVELOPER)
    assert layered.await_outcome(changed, "staging").outcome == "healthy"
    found = until("a third pod", lambda: world.clusters["staging"].get("Deployment", "staging", "layered"))
    assert found["spec"]["replicas"] == 3
