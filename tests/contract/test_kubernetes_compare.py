"""Comparing through the adapter: what an apply would change, and that nothing is written or given away."""

import base64
import json
from typing import Any

import pytest

from bot.errors import Transient
from bot.facts import Difference, Target
from bot.sandbox.cluster import Cluster, faults
from bot.sandbox.faults import Answer
from tests.contract import cluster_fixtures, kubernetes_stage
from tests.contract.cluster_fixtures import config_map, deployment
from tests.contract.kubernetes_stage import Stage, changed, secret

cluster_api, stage, pods = cluster_fixtures.cluster_api, kubernetes_stage.stage, kubernetes_stage.pods


def compared(stage: Stage, *manifests: dict[str, Any]) -> tuple[Difference, ...]:
    return stage.clusters.compare(stage.target, manifests)


def only(stage: Stage, manifest: dict[str, Any]) -> Difference:
    (found,) = compared(stage, manifest)
    return found


def test_what_is_applied_already_would_not_change(stage: Stage) -> None:
    objects = [deployment(), config_map("settings", colour="red"), secret(password="czNjcjN0")]
    stage.apply(*objects)
    assert [one.changes for one in compared(stage, *objects)] == [False, False, False]


def test_a_new_object_is_shown_as_its_manifest_has_it_and_not_created(stage: Stage) -> None:
    found = only(stage, config_map("settings", colour="red"))
    assert (found.before, found.changes, found.problem) == (None, True, "")
    assert found.after == "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: red\n"
    assert not stage.exists("v1", "ConfigMap", "settings")


def test_a_change_is_shown_without_what_servers_write_and_not_made(stage: Stage) -> None:
    stage.apply(deployment(replicas=2))
    found = only(stage, deployment(replicas=3))
    assert found.before is not None
    assert found.after == found.before.replace("replicas: 2", "replicas: 3")
    for bookkeeping in ("managedFields", "resourceVersion", "generation", "status:", "uid", "creationTimestamp"):
        assert bookkeeping not in found.after
    assert stage.api.get("apps/v1", "Deployment", "web")["spec"]["replicas"] == 2


def test_a_hand_edit_would_be_set_back(stage: Stage) -> None:
    stage.apply(config_map("settings", colour="red"))
    path = stage.api.path("v1", "ConfigMap", "settings") + "?fieldManager=kubectl-edit"
    stage.api.call("PATCH", path, {"data": {"colour": "blue"}}, "application/merge-patch+json")
    found = only(stage, config_map("settings", colour="red"))
    assert "colour: blue" in (found.before or "")
    assert "colour: red" in (found.after or "")


def test_what_others_own_beside_the_manifest_is_no_change(stage: Stage) -> None:
    stage.apply(deployment(replicas=2))
    path = stage.api.path("apps/v1", "Deployment", "web")
    scale = f"{path}/scale?fieldManager=kube-controller-manager"
    assert stage.api.call("PATCH", scale, {"spec": {"replicas": 5}}, "application/merge-patch+json").status == 200
    note = {"metadata": {"annotations": {"example.com/by-hand": "yes"}}}
    stage.api.call("PATCH", f"{path}?fieldManager=kubectl-annotate", note, "application/merge-patch+json")
    assert not only(stage, deployment(replicas=2)).changes


def test_a_secrets_values_are_never_shown_but_its_changed_keys_are(stage: Stage) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    old, new = secret(same=encoded("keep"), other=encoded("old-value")), secret(same=encoded("keep"))
    new["stringData"] = {"other": "new-value", "fresh": "fresh-value"}
    stage.api.call("POST", stage.api.path("v1", "Secret") + "?fieldManager=kubectl-client-side-apply", old)
    stage.apply(old)
    found = only(stage, new)
    shown = f"{found.before}{found.after}{found.note}{found.problem}"
    for value in ("keep", "old-value", "new-value", "fresh-value"):
        assert value not in shown
        assert encoded(value) not in shown
    assert "same: (hidden)" in (found.after or "")
    assert "fresh:" in (found.after or "")
    assert "fresh:" not in (found.before or "")
    assert "other: (hidden; another value)" in (found.after or "")


def test_the_copy_of_a_manifest_that_kubectl_keeps_is_not_shown(stage: Stage) -> None:
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": {"key": "c2VjcmV0"}}'}
    body = secret(key="c2VjcmV0")
    body["metadata"]["annotations"] = annotation
    stage.api.call("POST", stage.api.path("v1", "Secret") + "?fieldManager=kubectl-client-side-apply", body)
    found = only(stage, secret(key="b3RoZXI="))
    assert "c2VjcmV0" not in f"{found.before}{found.after}"
    assert found.note == "there, and not applied by Slipway so far"


def test_what_somebody_else_has_in_another_namespace_is_not_shown(stage: Stage) -> None:
    theirs = config_map("coredns", secret="of-the-cluster")
    theirs["metadata"]["namespace"] = "kube-system"
    path = "/api/v1/namespaces/kube-system/configmaps"
    theirs["metadata"]["name"] = f"slipway-test-{stage.target.namespace}"
    assert stage.api.call("POST", path, theirs).status == 201
    try:
        found = only(stage, theirs | {"data": {"secret": "mine"}})
        assert found.changes
        assert "of-the-cluster" not in f"{found.before}{found.after}"
        assert "not applied by Slipway" in found.note
    finally:
        stage.api.call("DELETE", f"{path}/{theirs['metadata']['name']}")


def test_refusals_are_told_beside_what_would_work(stage: Stage) -> None:
    wrong = changed(deployment(), nonsense=1)
    old = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "web"}}
    good, refused, unserved = compared(stage, config_map("settings"), wrong, old)
    assert good.changes
    assert (refused.kind, refused.name, refused.changes) == ("Deployment", "web", False)
    assert "`spec.nonsense` is no field of this kind" in refused.problem
    assert "`apiVersion: networking.k8s.io/v1`" in unserved.problem


def test_an_object_of_a_namespace_that_comes_along_is_shown_untried(stage: Stage) -> None:
    namespace = f"{stage.target.namespace}-new"
    base = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    inside = config_map("settings", colour="red")
    inside["metadata"]["namespace"] = namespace
    _, found = compared(stage, base, inside)
    assert found.changes
    assert "its namespace comes with this change" in found.note
    (refused,) = stage.clusters.compare(Target(stage.target.context, namespace), [config_map("settings")])
    assert f"the namespace `{namespace}` does not exist" in refused.problem


def test_what_the_server_warns_of_is_told(stage: Stage, pods: Cluster) -> None:
    text = 'policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+; say \\"hello\\"'
    body = config_map("settings")
    body["metadata"] |= {"uid": "1", "resourceVersion": "1"}
    answer = Answer(200, {"Content-Type": "application/json", "Warning": f'299 - "{text}"'}, _json(body))
    pods.faults.add("PATCH", "settings.*dryRun=All", answer)
    found = only(stage, config_map("settings"))
    assert found.warnings == ('policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+; say "hello"',)


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def test_a_cluster_that_is_away_is_no_refusal(stage: Stage, pods: Cluster) -> None:
    pods.faults.add("PATCH", "settings", faults.drop())
    with pytest.raises(Transient):
        compared(stage, config_map("settings"))
