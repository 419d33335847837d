"""Applying through the adapter: all or nothing, whose field it is, what is new, and what people are told."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import Transient
from bot.facts import RolloutState, Target
from bot.sandbox.cluster import Cluster, faults
from bot.sandbox.faults import Answer, Fault
from tests.contract import cluster_fixtures, kubernetes_stage
from tests.contract.cluster_fixtures import config_map, deployment, owners_of
from tests.contract.kubernetes_stage import Stage, changed, secret

cluster_api, stage, pods = cluster_fixtures.cluster_api, kubernetes_stage.stage, kubernetes_stage.pods

AUTOSCALER = "kube-controller-manager"


def scale(stage: Stage, replicas: int) -> None:
    """Scale as an autoscaler does."""
    path = stage.api.path("apps/v1", "Deployment", "web") + f"/scale?fieldManager={AUTOSCALER}"
    scaled = stage.api.call("PATCH", path, {"spec": {"replicas": replicas}}, "application/merge-patch+json")
    assert scaled.status == 200, scaled.body


def replicas_of(stage: Stage) -> int:
    return int(stage.api.get("apps/v1", "Deployment", "web")["spec"]["replicas"])


def test_what_is_applied_is_there_and_the_answer_says_so(stage: Stage) -> None:
    applied = stage.apply(deployment(), config_map("settings", colour="red"))
    told = [(one.api_version, one.kind, one.namespace, one.name, one.generation, one.changed) for one in applied]
    assert told == [
        ("v1", "ConfigMap", stage.target.namespace, "settings", None, True),
        ("apps/v1", "Deployment", stage.target.namespace, "web", 1, True),
    ]
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}
    assert list(owners_of(stage.api.get("v1", "ConfigMap", "settings"))) == ["slipway Apply"]


def test_the_time_of_an_answer_is_the_servers(stage: Stage) -> None:
    (applied,) = stage.apply(config_map("settings"))
    server_time = datetime.fromisoformat(applied.at)
    assert server_time.utcoffset() == timedelta(0)
    assert abs(server_time - datetime.now(UTC)) < timedelta(minutes=5)


def test_applying_the_same_again_changes_nothing(stage: Stage, pods: Cluster) -> None:
    first = stage.apply(deployment())
    assert stage.ended(*first).state is RolloutState.COMPLETE
    before = stage.api.get("apps/v1", "Deployment", "web")
    (again,) = stage.apply(deployment())
    assert not again.changed
    assert again.generation == first[0].generation
    assert stage.api.get("apps/v1", "Deployment", "web") == before


def test_another_value_is_a_change(stage: Stage) -> None:
    stage.apply(config_map("settings", colour="red"))
    (applied,) = stage.apply(config_map("settings", colour="blue"))
    assert applied.changed
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "blue"}


def test_a_field_gone_from_the_manifest_is_gone_from_the_cluster(stage: Stage) -> None:
    stage.apply(config_map("settings", colour="red", size="9"))
    stage.apply(config_map("settings", colour="red"))
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}


def test_letters_of_every_kind_arrive_as_they_were_written(stage: Stage) -> None:
    text = "é 😀 \u2028 \x85 \x7f \ufeff \t \"' \\ \n:{}[]#&*!|>%@`"
    stage.apply(config_map("settings", text=text))
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"text": text}


def test_a_field_that_client_side_apply_had_set_goes_when_the_manifest_drops_it(stage: Stage) -> None:
    body = config_map("settings", colour="red", size="9")
    created = stage.api.call(
        "POST", stage.api.path("v1", "ConfigMap") + "?fieldManager=kubectl-client-side-apply", body
    )
    assert created.status == 201
    stage.apply(config_map("settings", colour="red"))
    live = stage.api.get("v1", "ConfigMap", "settings")
    assert live["data"] == {"colour": "red"}
    assert list(owners_of(live)) == ["slipway Apply"]


def test_taking_over_what_is_as_wanted_is_no_change(stage: Stage) -> None:
    body = config_map("settings", colour="red")
    stage.api.call("POST", stage.api.path("v1", "ConfigMap") + "?fieldManager=kubectl-client-side-apply", body)
    (applied,) = stage.apply(body)
    assert not applied.changed


def test_taking_over_is_tried_again_when_somebody_else_was_faster(stage: Stage, pods: Cluster) -> None:
    body = config_map("settings", colour="red", size="9")
    stage.api.call("POST", stage.api.path("v1", "ConfigMap") + "?fieldManager=kubectl-client-side-apply", body)
    status = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"}
    pods.faults.add("PATCH", r"settings\?fieldManager=slipway$", faults.status(409, status))
    stage.apply(config_map("settings", colour="red"))
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}


def test_a_field_that_somebody_edited_by_hand_is_set_back(stage: Stage) -> None:
    stage.apply(config_map("settings", colour="red"))
    edit = {"data": {"colour": "blue"}}
    path = stage.api.path("v1", "ConfigMap", "settings") + "?fieldManager=kubectl-edit"
    stage.api.call("PATCH", path, edit, "application/merge-patch+json")
    (applied,) = stage.apply(config_map("settings", colour="red"))
    assert applied.changed
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}


def test_replicas_that_an_autoscaler_set_are_left_to_it(stage: Stage) -> None:
    stage.apply(deployment(replicas=2))
    scale(stage, 5)
    stage.apply(deployment(replicas=2, image="registry.example.com/web:2"))
    assert replicas_of(stage) == 5


def test_replicas_that_we_and_an_autoscaler_both_own_stay_when_we_let_go(stage: Stage) -> None:
    scale_and_share = deployment(replicas=5)
    stage.apply(deployment(replicas=2))
    scale(stage, 5)
    stage.api.apply(scale_and_share, force="true")
    owners = owners_of(stage.api.get("apps/v1", "Deployment", "web"))
    assert "f:replicas" in owners["slipway Apply"]["f:spec"]
    stage.apply(deployment(replicas=2, image="registry.example.com/web:2"))
    live = stage.api.get("apps/v1", "Deployment", "web")
    assert live["spec"]["replicas"] == 5
    assert "f:replicas" not in owners_of(live)["slipway Apply"]["f:spec"]


def test_replicas_taken_out_of_the_manifest_do_not_fall_to_one(stage: Stage) -> None:
    stage.apply(deployment(replicas=4))
    for _ in range(2):
        stage.apply(changed(deployment(), replicas=None))
        assert replicas_of(stage) == 4


def test_replicas_are_set_by_the_manifest_while_nobody_scales(stage: Stage) -> None:
    stage.apply(deployment(replicas=2))
    stage.apply(deployment(replicas=3))
    assert replicas_of(stage) == 3


def test_what_only_servers_write_is_not_sent(stage: Stage) -> None:
    stage.apply(config_map("settings", colour="red"))
    exported = stage.api.get("v1", "ConfigMap", "settings") | {"data": {"colour": "blue"}, "status": {}}
    exported["metadata"] |= {"resourceVersion": "1", "uid": "another", "creationTimestamp": None}
    stage.apply(exported)
    assert stage.api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "blue"}


def test_one_wrong_object_keeps_all_from_being_applied_and_every_problem_is_told(stage: Stage) -> None:
    moved = deployment("old") | {"apiVersion": "extensions/v1beta1"}
    lost = config_map("lost")
    lost["metadata"]["namespace"] = "absent"
    told = stage.refused(config_map("settings"), changed(deployment(), nonsense=1), moved, lost)
    assert f"The cluster `{stage.target.context}` refuses 3 objects. Nothing was applied." in told
    assert (
        "- Deployment `old`: `extensions/v1beta1` Deployment is not served (any more): write `apiVersion: apps/v1`"
        in told
    )
    assert "- ConfigMap `lost` in namespace `absent`: the namespace `absent` does not exist: create it" in told
    assert f"Deployment `web` in namespace `{stage.target.namespace}`: `spec.nonsense` is no field of this kind" in told
    assert not stage.exists("v1", "ConfigMap", "settings")


def test_a_changed_selector_is_refused_with_what_to_do(stage: Stage) -> None:
    stage.apply(deployment())
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    told = stage.refused(config_map("settings"), other)
    assert "`spec.selector`: it cannot change (field is immutable): keep it, or delete the object" in told
    assert not stage.exists("v1", "ConfigMap", "settings")


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({"apiVersion": "example.com/v1", "kind": "Site"}, "the API `example.com/v1` is not served: correct"),
        ({"apiVersion": "apps/v1", "kind": "Deploymnet"}, "no kind `Deploymnet`; did you mean `Deployment`?"),
        ({"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress"}, "write `apiVersion: networking.k8s.io/v1`"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}, "has no `metadata.name`"),
    ],
)
def test_a_manifest_that_cannot_be_placed_is_refused_by_name(stage: Stage, manifest: dict[str, Any], told: str) -> None:
    assert told in stage.refused({"metadata": {"name": "blog"}} | manifest)


def test_an_object_that_is_there_twice_is_refused(stage: Stage) -> None:
    assert "ConfigMap `settings`" in stage.refused(config_map("settings", a="1"), config_map("settings", a="2"))
    assert not stage.exists("v1", "ConfigMap", "settings")


def test_a_value_of_a_secret_is_not_told(stage: Stage) -> None:
    told = stage.refused(secret(password=["hunter2"]))
    assert "Secret `key`" in told
    assert "hunter2" not in told
    assert base64.b64encode(b"hunter2").decode() not in told


def test_a_permission_that_is_missing_is_told_with_the_rule(stage: Stage, pods: Cluster) -> None:
    pods.forbid("patch", "configmaps")
    told = stage.refused(config_map("settings"), deployment())
    assert 'apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch", "create", "patch"]' in told
    assert not stage.exists("apps/v1", "Deployment", "web")


def test_a_permission_to_read_that_is_missing_is_told_with_the_rule(stage: Stage, pods: Cluster) -> None:
    pods.forbid("get", "configmaps")
    pods.forbid("get", "deployments")
    told = stage.refused(config_map("settings"), deployment())
    assert "may not get `configmaps` in namespace `recordings`" in told
    assert "may not get `deployments` in namespace `recordings`" in told


def test_a_namespace_and_what_is_in_it_come_in_one_go(stage: Stage) -> None:
    name = f"slipway-{secrets.token_hex(4)}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    inside = Target(stage.target.context, name)
    try:
        applied = stage.clusters.apply(inside, [deployment(), config_map("settings"), namespace])
        assert [one.kind for one in applied] == ["Namespace", "ConfigMap", "Deployment"]
        again = stage.clusters.apply(inside, [deployment(), config_map("settings"), namespace])
        assert not any(one.changed for one in again if one.kind != "Deployment")
    finally:
        stage.api.call("DELETE", f"/api/v1/namespaces/{name}")


def test_of_a_new_namespace_with_a_wrong_object_only_the_namespace_comes_to_be(stage: Stage) -> None:
    name = f"slipway-{secrets.token_hex(4)}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    inside = Stage(stage.clusters, stage.api, Target(stage.target.context, name))
    try:
        told = inside.refused(namespace, config_map("settings"), changed(deployment(), nonsense=1))
        assert f"Applied before that: Namespace `{name}`." in told
        assert stage.api.call("GET", f"/api/v1/namespaces/{name}/configmaps/settings").status == 404
    finally:
        stage.api.call("DELETE", f"/api/v1/namespaces/{name}")


def test_a_definition_and_an_object_of_its_kind_come_in_one_go(stage: Stage) -> None:
    group = f"{secrets.token_hex(4)}.example.com"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"host": {"type": "string"}}}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"sites.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "sites", "kind": "Site"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    site = {
        "apiVersion": f"{group}/v1",
        "kind": "Site",
        "metadata": {"name": "blog"},
        "spec": {"host": "a.example.com"},
    }
    try:
        applied = stage.apply(site, definition)
        assert [one.kind for one in applied] == ["CustomResourceDefinition", "Site"]
        assert stage.api.get(f"{group}/v1", "Site", "blog")["spec"] == {"host": "a.example.com"}
    finally:
        stage.api.call("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.{group}")


def test_an_answer_lost_after_the_write_is_settled_by_applying_again(stage: Stage, pods: Cluster) -> None:
    pods.faults.add("PATCH", r"settings\?(?!.*dryRun)", faults.perform_then_drop())
    with pytest.raises(Transient):
        stage.apply(config_map("settings", colour="red"))
    assert stage.exists("v1", "ConfigMap", "settings")
    (again,) = stage.apply(config_map("settings", colour="red"))
    assert not again.changed


@pytest.mark.parametrize(
    "fault",
    [
        faults.drop(),
        faults.status(503, {"kind": "Status", "message": "apiserver is shutting down", "code": 503}),
        faults.status(500, {"kind": "Status", "message": "etcdserver: request timed out", "code": 500}),
        faults.status(429, {"kind": "Status", "message": "too many requests", "code": 429}),
    ],
)
def test_a_server_in_trouble_is_asked_again_later(stage: Stage, pods: Cluster, fault: Fault) -> None:
    pods.faults.add("PATCH", "settings", fault)
    with pytest.raises(Transient):
        stage.apply(config_map("settings"))
    assert stage.apply(config_map("settings"))[0].changed


@pytest.mark.parametrize(
    "busy", [Answer(429, {"Retry-After": "3"}), faults.status(429, {"details": {"retryAfterSeconds": 3}})]
)
def test_a_server_that_is_too_busy_says_when_to_come_back(stage: Stage, pods: Cluster, busy: Fault) -> None:
    pods.faults.add("PATCH", "settings", busy)
    with pytest.raises(Transient) as caught:
        stage.apply(config_map("settings"))
    assert caught.value.retry_after == 3


def test_an_object_that_no_dry_run_may_try_is_applied_untried(stage: Stage, pods: Cluster) -> None:
    message = 'admission webhook "w.example.com" does not support dry run'
    refused = {"kind": "Status", "code": 400, "reason": "BadRequest", "message": message}
    pods.faults.add("PATCH", "settings.*dryRun=All", faults.status(400, refused))
    assert stage.apply(config_map("settings"))[0].changed


def test_a_workload_that_is_being_deleted_is_waited_for(stage: Stage) -> None:
    held = config_map("settings")
    held_deployment = deployment()
    held_deployment["metadata"]["finalizers"] = ["example.com/hold"]
    stage.apply(held_deployment)
    path = stage.api.path("apps/v1", "Deployment", "web")
    stage.api.call("DELETE", path)
    try:
        with pytest.raises(Transient, match="is just being deleted"):
            stage.apply(held, deployment())
        assert not stage.exists("v1", "ConfigMap", "settings")
    finally:
        stage.api.call("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")


def test_a_refusal_that_no_dry_run_foretold_tells_what_was_applied_before_it(stage: Stage, pods: Cluster) -> None:
    denied = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "deployments.apps is forbidden: no"}
    pods.faults.add("PATCH", r"deployments/web\?(?!.*dryRun)", faults.status(403, denied))
    told = stage.refused(deployment(), config_map("settings"))
    assert "deployments.apps is forbidden: no (403). Applied before that: ConfigMap `settings`." in told
