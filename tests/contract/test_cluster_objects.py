"""Reading, writing and deleting objects, as any client of the API does."""

import base64
import json
from typing import Any

import pytest
from kubernetes import client, dynamic

from tests.contract import cluster_fixtures
from tests.contract.cluster_fixtures import APPLY, ClusterApi, config_map, deployment, eventually, owners_of

cluster_api = cluster_fixtures.cluster_api
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
WIDGETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.slipway.example.com"},
    "spec": {
        "group": "slipway.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}
WIDGET = {"apiVersion": "slipway.example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}


def test_a_name_can_be_created_once(cluster_api: ClusterApi) -> None:
    where = cluster_api.path("v1", "ConfigMap")
    assert cluster_api.call("POST", where, config_map("settings", a="1")).status == 201
    refused = cluster_api.call("POST", where, config_map("settings", a="2"))
    assert (refused.status, refused.body["reason"]) == (409, "AlreadyExists")
    assert refused.body["message"] == 'configmaps "settings" already exists'


def test_a_replace_from_a_stale_version_is_refused(cluster_api: ClusterApi) -> None:
    where = cluster_api.path("v1", "ConfigMap", "settings")
    stale = cluster_api.apply(config_map("settings", a="1")).body
    fresh = cluster_api.call("PUT", where, {**stale, "data": {"a": "2"}})
    assert (fresh.status, fresh.body["data"]) == (200, {"a": "2"})
    refused = cluster_api.call("PUT", where, {**stale, "data": {"a": "3"}})
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (MERGE, {"data": {"a": None, "b": "2"}}),
        (STRATEGIC, {"data": {"a": None, "b": "2"}}),
        (JSON_PATCH, [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}]),
    ],
)
def test_every_patch_format_changes_and_removes(cluster_api: ClusterApi, content_type: str, patch: Any) -> None:
    cluster_api.apply(config_map("settings", a="1", c="3"))
    answer = cluster_api.call("PATCH", cluster_api.path("v1", "ConfigMap", "settings"), patch, content_type)
    assert (answer.status, answer.body["data"]) == (200, {"b": "2", "c": "3"})


def test_a_strategic_patch_merges_containers_by_name_and_a_merge_patch_replaces_them(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=0))
    where = cluster_api.path("apps/v1", "Deployment", "web")
    containers = [{"name": "web", "image": "registry.example.com/web:2"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    merged = cluster_api.call("PATCH", where, patch, STRATEGIC).body["spec"]["template"]["spec"]["containers"][0]
    assert (merged["image"], merged["ports"][0]["containerPort"]) == ("registry.example.com/web:2", 80)
    replaced = cluster_api.call("PATCH", where, patch, MERGE).body["spec"]["template"]["spec"]["containers"][0]
    assert "ports" not in replaced


def test_an_unknown_patch_format_is_refused(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings"))
    refused = cluster_api.call("PATCH", cluster_api.path("v1", "ConfigMap", "settings"), {}, "application/json")
    assert (refused.status, refused.body["reason"]) == (415, "UnsupportedMediaType")


def test_a_generation_counts_changes_of_the_spec_only(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=0))
    where = cluster_api.path("apps/v1", "Deployment", "web")
    labelled = cluster_api.call("PATCH", where, {"metadata": {"labels": {"a": "1"}}}, MERGE).body
    assert labelled["metadata"]["generation"] == 1
    changed = cluster_api.call("PATCH", where, {"spec": {"minReadySeconds": 1}}, MERGE).body
    assert changed["metadata"]["generation"] == 2


def test_lists_obey_label_and_field_selectors(cluster_api: ClusterApi) -> None:
    for name, tier in (("one", "front"), ("two", "back"), ("three", "back")):
        labelled = config_map(name)
        labelled["metadata"]["labels"] = {"tier": tier}
        cluster_api.apply(labelled)

    def names(query: str) -> list[str]:
        items = cluster_api.call("GET", f"{cluster_api.path('v1', 'ConfigMap')}?{query}").body["items"]
        return [item["metadata"]["name"] for item in items]

    assert names("labelSelector=tier%3Dback") == ["three", "two"]
    assert names("labelSelector=tier%20in%20(front,side)") == ["one"]
    assert names("labelSelector=tier%20notin%20(front),tier") == ["three", "two"]
    assert names("labelSelector=tier,tier!%3Dback") == ["one"]
    assert names("fieldSelector=metadata.name%3Dtwo") == ["two"]


def test_a_field_that_cannot_be_selected_by_is_named(cluster_api: ClusterApi) -> None:
    refused = cluster_api.call("GET", f"{cluster_api.path('v1', 'ConfigMap')}?fieldSelector=spec.x%3D1")
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert refused.body["message"].endswith("field label not supported: spec.x")


def test_a_list_comes_in_pages_of_the_size_asked_for(cluster_api: ClusterApi) -> None:
    for number in range(3):
        cluster_api.apply(config_map(f"page-{number}"))
    where = f"{cluster_api.path('v1', 'ConfigMap')}?limit=2&fieldSelector=metadata.name!%3Dkube-root-ca.crt"
    first = cluster_api.call("GET", where).body
    second = cluster_api.call("GET", f"{where}&continue={first['metadata']['continue']}").body
    names = [item["metadata"]["name"] for item in [*first["items"], *second["items"]]]
    assert (len(first["items"]), names) == (2, ["page-0", "page-1", "page-2"])
    assert "continue" not in second["metadata"]


def test_a_deleted_object_is_gone_and_its_uid_is_told(cluster_api: ClusterApi) -> None:
    created = cluster_api.apply(config_map("settings")).body
    where = cluster_api.path("v1", "ConfigMap", "settings")
    wrong = cluster_api.call("DELETE", where, {"preconditions": {"uid": "another"}})
    assert (wrong.status, wrong.body["reason"]) == (409, "Conflict")
    deleted = cluster_api.call("DELETE", where)
    assert (deleted.status, deleted.body["status"]) == (200, "Success")
    assert deleted.body["details"] == {
        "name": "settings",
        "kind": "configmaps",
        "uid": created["metadata"]["uid"],
    }
    assert cluster_api.call("GET", where).status == 404


def test_a_finalizer_holds_a_deleted_object_until_it_is_taken_off(cluster_api: ClusterApi) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    cluster_api.apply(held)
    where = cluster_api.path("v1", "ConfigMap", "held")
    cluster_api.call("DELETE", where)
    assert "deletionTimestamp" in cluster_api.get("v1", "ConfigMap", "held")["metadata"]
    cluster_api.call("PATCH", where, {"metadata": {"finalizers": None}}, MERGE)
    assert cluster_api.call("GET", where).status == 404


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_deleting_a_deployment_takes_its_replica_sets_and_pods_along(cluster_api: ClusterApi, policy: str) -> None:
    cluster_api.apply(deployment())
    sets = cluster_api.path("apps/v1", "ReplicaSet")
    pods = cluster_api.path("v1", "Pod")
    eventually(lambda: cluster_api.call("GET", pods).body["items"])
    cluster_api.call("DELETE", cluster_api.path("apps/v1", "Deployment", "web"), {"propagationPolicy": policy})
    for where in (cluster_api.path("apps/v1", "Deployment"), sets, pods):
        eventually(lambda where=where: cluster_api.call("GET", where).body["items"] == [])  # type: ignore[misc]


def test_orphaned_replica_sets_stay_without_an_owner(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=1))
    sets = cluster_api.path("apps/v1", "ReplicaSet")
    eventually(lambda: cluster_api.call("GET", sets).body["items"])
    where = cluster_api.path("apps/v1", "Deployment", "web")
    cluster_api.call("DELETE", where, {"propagationPolicy": "Orphan"})
    eventually(lambda: cluster_api.call("GET", where).status == 404)
    [orphan] = cluster_api.call("GET", sets).body["items"]
    assert "ownerReferences" not in orphan["metadata"]


def test_scale_reads_and_sets_the_replicas(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=0))
    where = cluster_api.path("apps/v1", "Deployment", "web") + "/scale"
    scale = cluster_api.call("GET", where).body
    assert (scale["apiVersion"], scale["spec"]["replicas"]) == ("autoscaling/v1", 0)

    def set_from_a_fresh_read() -> int:
        fresh = cluster_api.call("GET", where).body
        return cluster_api.call("PUT", where, {**fresh, "spec": {"replicas": 2}}).status

    eventually(set_from_a_fresh_read, lambda status: status == 200)
    stale = cluster_api.call("PUT", where, {**scale, "spec": {"replicas": 3}})
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert cluster_api.get("apps/v1", "Deployment", "web")["spec"]["replicas"] == 2


def test_the_status_subresource_writes_the_status_and_nothing_else(cluster_api: ClusterApi) -> None:
    budget = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }
    created = cluster_api.apply(budget).body
    assert created["status"] == {"loadBalancer": {}}
    where = cluster_api.path("networking.k8s.io/v1", "Ingress", "web") + "/status"
    patch = {"spec": {"defaultBackend": None}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    written = cluster_api.call("PATCH", where, patch, MERGE).body
    assert written["spec"] == created["spec"]
    assert written["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1"}]
    assert written["metadata"]["generation"] == 1


def test_text_of_a_secret_is_stored_as_base64(cluster_api: ClusterApi) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"a": "open"}}
    stored = cluster_api.call("POST", cluster_api.path("v1", "Secret"), secret).body
    assert (stored["type"], base64.b64decode(stored["data"]["a"])) == ("Opaque", b"open")


def test_an_invalid_object_is_refused_with_every_cause(cluster_api: ClusterApi) -> None:
    manifest = deployment("Bad_Name")
    manifest["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "no", "mountPath": "/x"}]
    del manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    refused = cluster_api.call("POST", cluster_api.path("apps/v1", "Deployment"), manifest)
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    fields = {cause["field"] for cause in refused.body["details"]["causes"]}
    where = "spec.template.spec.containers[0]"
    assert fields >= {"metadata.name", f"{where}.image", f"{where}.volumeMounts[0].name"}


def test_an_unknown_field_is_dropped_unless_strictness_is_asked_for(cluster_api: ClusterApi) -> None:
    manifest = {**config_map("settings"), "nonsense": 1}
    where = cluster_api.path("v1", "ConfigMap")
    refused = cluster_api.call("POST", f"{where}?fieldValidation=Strict", manifest)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert 'unknown field "nonsense"' in refused.body["message"]
    created = cluster_api.call("POST", where, manifest)
    assert created.status == 201
    assert "nonsense" not in created.body


def test_a_custom_resource_is_served_once_its_definition_is_established(cluster_api: ClusterApi) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    where = cluster_api.path("slipway.example.com/v1", "Widget", "one") + "?fieldManager=slipway"
    assert cluster_api.call("PATCH", where, WIDGET, APPLY).body == "404 page not found\n"
    cluster_api.call("PATCH", f"{definitions}/widgets.slipway.example.com?fieldManager=slipway", WIDGETS, APPLY)
    try:
        created = eventually(lambda: cluster_api.call("PATCH", where, WIDGET, APPLY), lambda seen: seen.status != 404)
        assert (created.status, created.body["metadata"]["generation"]) == (201, 1)
        wrong = cluster_api.call("PATCH", where, {**WIDGET, "spec": {"colour": "red"}}, APPLY)
        assert wrong.status == 500
        assert wrong.body["message"].endswith(".spec.colour: field not declared in schema")
        groups = cluster_api.call("GET", "/apis").body["groups"]
        assert "slipway.example.com" in [group["name"] for group in groups]
    finally:
        cluster_api.call("DELETE", f"{definitions}/widgets.slipway.example.com")


def test_a_namespace_takes_everything_in_it_along(cluster_api: ClusterApi) -> None:
    name = f"{cluster_api.namespace}-more"
    cluster_api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    where = f"/api/v1/namespaces/{name}/configmaps"
    assert cluster_api.call("POST", where, config_map("settings")).status == 201
    terminating = cluster_api.call("DELETE", f"/api/v1/namespaces/{name}").body
    assert terminating["status"]["phase"] == "Terminating"
    eventually(lambda: cluster_api.call("GET", f"/api/v1/namespaces/{name}").status == 404)
    assert cluster_api.call("POST", where, config_map("settings")).status == 404


def test_the_clients_own_dynamic_client_finds_and_applies(cluster_api: ClusterApi, tmp_path: Any) -> None:
    cache = str(tmp_path / "discovery.json")
    found = dynamic.DynamicClient(cluster_api.client, cache_file=cache)  # type: ignore[no-untyped-call]
    resource = found.resources.get(api_version="apps/v1", kind="Deployment")
    applied = resource.server_side_apply(
        body=deployment(replicas=0), name="web", namespace=cluster_api.namespace, field_manager="slipway"
    )
    assert applied.metadata.generation == 1
    typed = client.AppsV1Api(cluster_api.client).read_namespaced_deployment("web", cluster_api.namespace)
    assert typed.to_dict()["spec"]["replicas"] == 0


def test_somebody_may_ask_what_they_may_do(cluster_api: ClusterApi) -> None:
    attributes = {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": cluster_api.namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    where = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert cluster_api.call("POST", where, review).body["status"]["allowed"] is True
    if cluster_api.stand_in is not None:
        cluster_api.stand_in.forbid("patch", "deployments", cluster_api.namespace)
        assert cluster_api.call("POST", where, review).body["status"]["allowed"] is False


def test_what_is_forbidden_in_one_namespace_is_allowed_in_another(cluster_api: ClusterApi) -> None:
    if cluster_api.stand_in is None:
        pytest.skip("RBAC of a real cluster is not this test's to change")
    cluster_api.stand_in.forbid("*", "configmaps", cluster_api.namespace)
    refused = cluster_api.call("GET", cluster_api.path("v1", "ConfigMap"))
    assert refused.status == 403
    assert refused.body["message"] == (
        'configmaps is forbidden: User "deploybot" cannot list resource "configmaps" '
        f'in API group "" in the namespace "{cluster_api.namespace}"'
    )
    assert cluster_api.call("GET", "/api/v1/namespaces/default/configmaps").status == 200


def test_the_server_says_that_it_is_well(cluster_api: ClusterApi) -> None:
    assert [cluster_api.call("GET", path).body for path in ("/healthz", "/readyz", "/livez")] == ["ok"] * 3


def test_a_method_that_a_path_does_not_know_is_refused(cluster_api: ClusterApi) -> None:
    refused = cluster_api.call("POST", cluster_api.path("v1", "ConfigMap", "settings"), json.loads("{}"))
    assert (refused.status, refused.body["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a: 1\na: 2\n", 'key "a" already set in map'),
        ("[]", "cannot unmarshal"),
        ("apiVersion: v1\nmetadata: {name: settings}\n", "Object 'Kind' is missing"),
        ("apiVersion: v2\nkind: ConfigMap\nmetadata: {name: settings}\n", "ncorrect version specified in apply patch"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: elsewhere}\n",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_a_bad_request(
    cluster_api: ClusterApi, body: str, message: str
) -> None:
    where = cluster_api.path("v1", "ConfigMap", "settings") + "?fieldManager=slipway"
    refused = cluster_api.call("PATCH", where, body, APPLY)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert message in refused.body["message"]


def test_force_is_for_apply_alone(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings"))
    where = cluster_api.path("v1", "ConfigMap", "settings") + "?force=true"
    refused = cluster_api.call("PATCH", where, {"data": {"a": "1"}}, MERGE)
    assert (refused.status, refused.body["details"]["causes"][0]["field"]) == (422, "force")


def test_an_object_without_a_name_is_refused_and_one_with_a_generated_name_gets_one(cluster_api: ClusterApi) -> None:
    where = cluster_api.path("v1", "ConfigMap")
    refused = cluster_api.call("POST", where, {"metadata": {}})
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    created = cluster_api.call("POST", where, {"metadata": {"generateName": "settings-"}})
    assert created.body["metadata"]["name"].startswith("settings-")
    assert len(created.body["metadata"]["name"]) == len("settings-") + 5


def test_a_collection_can_be_deleted_by_its_labels(cluster_api: ClusterApi) -> None:
    for name, tier in (("one", "front"), ("two", "back")):
        labelled = config_map(name)
        labelled["metadata"]["labels"] = {"tier": tier}
        cluster_api.apply(labelled)
    assert cluster_api.call("DELETE", f"{cluster_api.path('v1', 'ConfigMap')}?labelSelector=tier%3Dback").status == 200
    assert cluster_api.call("GET", cluster_api.path("v1", "ConfigMap", "one")).status == 200
    assert cluster_api.call("GET", cluster_api.path("v1", "ConfigMap", "two")).status == 404


def test_a_body_that_is_no_json_is_a_bad_request(cluster_api: ClusterApi) -> None:
    assert cluster_api.call("POST", cluster_api.path("v1", "ConfigMap"), "{").status == 400
    wrong = {"metadata": {"name": "settings"}, "data": {"a": 1}}
    assert cluster_api.call("POST", cluster_api.path("v1", "ConfigMap"), wrong).status == 400


def test_ownership_can_be_reset_with_one_empty_entry(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings", a="1"))
    where = cluster_api.path("v1", "ConfigMap", "settings")
    reset = cluster_api.call("PATCH", where, {"metadata": {"managedFields": [{}]}}, MERGE)
    assert "managedFields" not in reset.body["metadata"]
    applied = cluster_api.apply(config_map("settings", a="1")).body
    assert set(owners_of(applied)) == {"before-first-apply Update", "slipway Apply"}
