"""Deleting through the adapter: only what is there, only what Slipway applied, and never data."""

from typing import Any

import pytest

from bot.errors import Permanent
from bot.sandbox.cluster import Cluster, faults
from tests.contract import cluster_fixtures, kubernetes_stage
from tests.contract.cluster_fixtures import config_map, deployment
from tests.contract.kubernetes_stage import Stage

cluster_api, stage, pods = cluster_fixtures.cluster_api, kubernetes_stage.stage, kubernetes_stage.pods


def pruned(stage: Stage, *manifests: dict[str, Any], dry_run: bool = False) -> tuple[str, ...]:
    return stage.clusters.prune(stage.target, manifests, dry_run=dry_run)


def test_what_slipway_applied_is_listed_first_and_then_deleted(stage: Stage) -> None:
    objects = (config_map("settings"), deployment())
    stage.apply(*objects)
    assert pruned(stage, *objects, dry_run=True) == ("ConfigMap `settings`", "Deployment `web`")
    assert stage.exists("v1", "ConfigMap", "settings")
    assert pruned(stage, *objects) == ("ConfigMap `settings`", "Deployment `web`")
    assert not stage.exists("v1", "ConfigMap", "settings")
    assert pruned(stage, config_map("settings")) == ()


def test_what_somebody_else_applied_stays(stage: Stage) -> None:
    body = config_map("settings", colour="red")
    stage.api.call("POST", stage.api.path("v1", "ConfigMap") + "?fieldManager=kubectl-create", body)
    assert pruned(stage, body) == ()
    assert stage.exists("v1", "ConfigMap", "settings")


def test_data_and_what_is_cluster_wide_stays(stage: Stage) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    namespace = f"{stage.target.namespace}-kept"
    base = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    stage.apply(claim, base)
    try:
        assert pruned(stage, claim, base) == ()
        assert stage.exists("v1", "PersistentVolumeClaim", "data")
        assert stage.api.call("GET", f"/api/v1/namespaces/{namespace}").body["status"]["phase"] == "Active"
    finally:
        stage.api.call("DELETE", f"/api/v1/namespaces/{namespace}")


def test_a_kind_that_is_not_served_any_more_is_passed_over(stage: Stage) -> None:
    old = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "web"}}
    assert pruned(stage, old) == ()


def test_somebody_who_was_faster_is_no_failure(stage: Stage, pods: Cluster) -> None:
    stage.apply(config_map("settings"))
    gone = {
        "kind": "Status",
        "code": 404,
        "reason": "NotFound",
        "message": "not found",
        "details": {"name": "settings"},
    }
    pods.faults.add("DELETE", "settings", faults.perform_then_status(404, gone))
    assert pruned(stage, config_map("settings")) == ("ConfigMap `settings`",)


def test_a_missing_right_is_named(stage: Stage, pods: Cluster) -> None:
    stage.apply(config_map("settings"))
    pods.forbid("delete", "configmaps")
    with pytest.raises(Permanent, match=r"cannot be deleted: .*may not delete `configmaps`"):
        pruned(stage, config_map("settings"))
    assert stage.exists("v1", "ConfigMap", "settings")


def test_an_answer_that_was_lost_doubles_and_loses_nothing(stage: Stage, pods: Cluster) -> None:
    stage.apply(config_map("settings"), config_map("more"))
    pods.faults.add("DELETE", "settings", faults.perform_then_drop())
    assert pruned(stage, config_map("settings"), config_map("more")) == ("ConfigMap `settings`", "ConfigMap `more`")
    assert not stage.exists("v1", "ConfigMap", "more")
