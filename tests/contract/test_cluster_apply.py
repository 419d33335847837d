"""Server-side apply: what a manager owns, gives up, shares and takes over."""

import copy
from typing import Any

from tests.contract import cluster_fixtures
from tests.contract.cluster_fixtures import ClusterApi, config_map, deployment, owners_of

cluster_api = cluster_fixtures.cluster_api
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


def container_of(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_field_left_out_by_its_sole_owner_is_removed(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings", colour="red", size="9"))
    cluster_api.apply(config_map("settings", colour="red"))
    assert cluster_api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}


def test_a_struct_left_out_by_its_sole_owner_goes_with_its_defaults(cluster_api: ClusterApi) -> None:
    with_probe = deployment(replicas=0)
    container_of(with_probe)["readinessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    cluster_api.apply(with_probe)
    assert container_of(cluster_api.get("apps/v1", "Deployment", "web"))["readinessProbe"]["failureThreshold"] == 3
    cluster_api.apply(deployment(replicas=0))
    assert "readinessProbe" not in container_of(cluster_api.get("apps/v1", "Deployment", "web"))


def test_an_item_of_a_list_map_left_out_by_its_owner_is_removed_alone(cluster_api: ClusterApi) -> None:
    manifest = deployment(replicas=0)
    container_of(manifest)["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    cluster_api.apply(manifest)
    container_of(manifest)["env"] = [{"name": "B", "value": "3"}]
    cluster_api.apply(manifest)
    assert container_of(cluster_api.get("apps/v1", "Deployment", "web"))["env"] == [{"name": "B", "value": "3"}]


def test_a_field_that_somebody_else_owns_too_stays_when_one_owner_leaves_it(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings", colour="red"))
    assert cluster_api.apply(config_map("settings", colour="red"), "other").status == 200
    cluster_api.apply(config_map("settings", size="9"))
    live = cluster_api.get("v1", "ConfigMap", "settings")
    assert live["data"] == {"colour": "red", "size": "9"}
    assert owners_of(live) == {
        "other Apply": {"f:data": {"f:colour": {}}},
        "slipway Apply": {"f:data": {"f:size": {}}},
    }


def test_another_value_for_somebody_elses_field_is_a_conflict_that_names_it(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings", colour="red"))
    refused = cluster_api.apply(config_map("settings", colour="blue"), "other")
    assert refused.status == 409
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "slipway": .data.colour'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "slipway"', "field": ".data.colour"}
    ]
    assert cluster_api.get("v1", "ConfigMap", "settings")["data"] == {"colour": "red"}


def test_force_takes_the_field_from_its_owner(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("settings", colour="red", size="9"))
    assert cluster_api.apply(config_map("settings", colour="blue"), "other", force="true").status == 200
    live = cluster_api.get("v1", "ConfigMap", "settings")
    assert live["data"] == {"colour": "blue", "size": "9"}
    assert owners_of(live) == {
        "other Apply": {"f:data": {"f:colour": {}}},
        "slipway Apply": {"f:data": {"f:size": {}}},
    }


def test_containers_merge_by_name_and_keep_what_another_manager_added(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=0))
    sidecar = deployment(replicas=0)
    sidecar["spec"] = {"template": {"spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]}}}
    assert cluster_api.apply(sidecar, "mesh").status == 200
    cluster_api.apply(deployment(image="registry.example.com/web:2", replicas=0))
    pods = cluster_api.get("apps/v1", "Deployment", "web")["spec"]["template"]["spec"]
    assert [(c["name"], c["image"]) for c in pods["containers"]] == [
        ("web", "registry.example.com/web:2"),
        ("proxy", "proxy:1"),
    ]


def test_applying_the_same_again_changes_neither_version_nor_generation(cluster_api: ClusterApi) -> None:
    manifest = deployment(replicas=0)
    container_of(manifest)["resources"] = {"limits": {"cpu": 1, "memory": "1024Mi"}}
    first = cluster_api.apply(config_map("settings", colour="red")).body
    assert cluster_api.apply(config_map("settings", colour="red")).body == first
    before = cluster_api.apply(manifest).body
    again = cluster_api.apply(manifest).body
    assert again["metadata"]["generation"] == before["metadata"]["generation"] == 1
    assert container_of(again)["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


def test_a_dry_run_shows_the_result_and_stores_nothing(cluster_api: ClusterApi) -> None:
    created = cluster_api.apply(config_map("settings", colour="red"), dryRun="All")
    assert created.status == 201
    assert "resourceVersion" not in created.body["metadata"]
    assert cluster_api.call("GET", cluster_api.path("v1", "ConfigMap", "settings")).status == 404
    stored = cluster_api.apply(config_map("settings", colour="red")).body
    changed = cluster_api.apply(config_map("settings", colour="blue"), dryRun="All").body
    assert changed["data"] == {"colour": "blue"}
    assert changed["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]
    assert cluster_api.get("v1", "ConfigMap", "settings") == stored


def test_a_client_side_applied_field_stays_until_its_ownership_is_taken_over(cluster_api: ClusterApi) -> None:
    manifest = config_map("settings", colour="red", size="9")
    where = cluster_api.path("v1", "ConfigMap")
    cluster_api.call("POST", f"{where}?fieldManager=kubectl-client-side-apply", manifest)
    cluster_api.apply(config_map("settings", colour="red"), force="true")
    live = cluster_api.get("v1", "ConfigMap", "settings")
    assert live["data"] == {"colour": "red", "size": "9"}
    assert set(owners_of(live)) == {"kubectl-client-side-apply Update", "slipway Apply"}

    entries = [e for e in live["metadata"]["managedFields"] if e["manager"] == "kubectl-client-side-apply"]
    taken_over = [{**entries[0], "manager": "slipway", "operation": "Apply"}]
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": taken_over},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]
    assert cluster_api.call("PATCH", f"{where}/settings?fieldManager=slipway", patch, JSON_PATCH).status == 200
    cluster_api.apply(config_map("settings", colour="red"), force="true")
    live = cluster_api.get("v1", "ConfigMap", "settings")
    assert live["data"] == {"colour": "red"}
    assert set(owners_of(live)) == {"slipway Apply"}


def test_a_rewrite_of_ownership_from_a_stale_version_is_refused(cluster_api: ClusterApi) -> None:
    stale = cluster_api.apply(config_map("settings", colour="red")).body["metadata"]["resourceVersion"]
    cluster_api.apply(config_map("settings", colour="blue"))
    patch = [{"op": "replace", "path": "/metadata/resourceVersion", "value": stale}]
    refused = cluster_api.call("PATCH", cluster_api.path("v1", "ConfigMap", "settings"), patch, JSON_PATCH)
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert "causes" not in refused.body["details"]
    assert refused.body["message"] == (
        'Operation cannot be fulfilled on configmaps "settings": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_by_somebody_else_takes_the_field_and_is_a_conflict_later(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=0))
    where = cluster_api.path("apps/v1", "Deployment", "web")
    cluster_api.call("PATCH", f"{where}?fieldManager=person", {"spec": {"paused": True, "replicas": 1}}, MERGE_PATCH)
    refused = cluster_api.apply(deployment(replicas=0))
    assert refused.status == 409
    causes = refused.body["details"]["causes"]
    assert [(c["message"], c["field"]) for c in causes] == [('conflict with "person" using apps/v1', ".spec.replicas")]


def test_replicas_given_up_to_a_co_owner_stay_and_given_up_alone_become_one(cluster_api: ClusterApi) -> None:
    without = copy.deepcopy(deployment())
    del without["spec"]["replicas"]
    cluster_api.apply(deployment(replicas=0))
    where = cluster_api.path("apps/v1", "Deployment", "web")
    scale = {"spec": {"replicas": 3}}
    assert cluster_api.call("PATCH", f"{where}/scale?fieldManager=hpa", scale, MERGE_PATCH).status == 200
    cluster_api.apply(without)
    assert cluster_api.get("apps/v1", "Deployment", "web")["spec"]["replicas"] == 3

    alone = deployment("alone", replicas=0)
    cluster_api.apply(alone)
    del alone["spec"]["replicas"]
    cluster_api.apply(alone)
    assert cluster_api.get("apps/v1", "Deployment", "alone")["spec"]["replicas"] == 1


def test_finalizers_are_a_set_that_managers_share(cluster_api: ClusterApi) -> None:
    def held(*names: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "held", "finalizers": [f"example.com/{name}" for name in names]},
        }

    cluster_api.apply(held("a"))
    cluster_api.apply(held("b"), "other")
    live = cluster_api.get("v1", "ConfigMap", "held")
    assert sorted(live["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    assert owners_of(live)["slipway Apply"] == {"f:metadata": {"f:finalizers": {'v:"example.com/a"': {}}}}
    cluster_api.apply(held())
    cluster_api.apply(held(), "other")
    assert "finalizers" not in cluster_api.get("v1", "ConfigMap", "held")["metadata"]


def test_two_items_with_one_key_are_refused_by_that_key(cluster_api: ClusterApi) -> None:
    manifest = deployment()
    containers = manifest["spec"]["template"]["spec"]["containers"]
    containers.append(containers[0])
    refused = cluster_api.apply(manifest)
    assert refused.status == 500
    assert refused.body["message"].endswith('.spec.template.spec.containers: duplicate entries for key [name="web"]')


def test_the_template_of_a_job_cannot_be_changed(cluster_api: ClusterApi) -> None:
    def job(image: str) -> dict[str, Any]:
        pods = {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": image}]}
        spec = {"suspend": True, "template": {"spec": pods}}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": spec}

    assert cluster_api.apply(job("registry.example.com/web:1")).status == 201
    refused = cluster_api.apply(job("registry.example.com/web:2"), force="true")
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["spec.template"]
    assert refused.body["message"].endswith(": field is immutable")


def test_a_body_for_another_object_than_the_url_names_is_refused(cluster_api: ClusterApi) -> None:
    manifest = config_map("settings", colour="red")
    where = cluster_api.path("v1", "ConfigMap", "other")
    refused = cluster_api.call("PATCH", f"{where}?fieldManager=slipway", manifest, cluster_fixtures.APPLY)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert refused.body["message"] == "the name of the object (settings) does not match the name on the URL (other)"
