"""Who owns which field: what Slipway takes over, and which part of ``spec.replicas`` is its own to say."""

import json
from typing import Any

from bot.adapters.kubernetes.ownership import LAST_APPLIED, is_ours, named_in, take_over, with_settled_replicas


def entry(manager: str, operation: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def live(*entries: dict[str, Any], replicas: int = 3, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    meta = {"name": "blog", "resourceVersion": "7", "managedFields": list(entries)}
    return {"metadata": meta | ({"annotations": annotations} if annotations else {}), "spec": {"replicas": replicas}}


def manifest(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "blog"}, "spec": spec}


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
OURS = entry("slipway", "Apply", REPLICAS)
SCALED = entry("kube-controller-manager", "Update", REPLICAS, subresource="scale")
STATUS = entry("kube-controller-manager", "Update", {"f:status": {"f:replicas": {}}}, subresource="status")


def test_nothing_is_taken_over_where_nobody_applied_client_side() -> None:
    helm = entry("helm", "Update", REPLICAS)
    assert take_over(live(OURS, STATUS, helm)) is None


def test_fields_of_kubectl_apply_join_our_own_in_one_entry() -> None:
    kubectl = entry("kubectl-client-side-apply", "Update", {"f:spec": {"f:paused": {}}, "f:metadata": {"f:labels": {}}})
    patch = take_over(live(OURS, kubectl, STATUS))
    assert patch is not None
    merged: dict[str, Any] = {"f:spec": {"f:replicas": {}, "f:paused": {}}, "f:metadata": {"f:labels": {}}}
    assert patch[0]["value"] == [entry("slipway", "Apply", merged), STATUS]


def test_the_patch_fails_where_the_object_has_moved_on() -> None:
    patch = take_over(live(entry("kubectl-client-side-apply", "Update", REPLICAS)))
    assert patch is not None
    assert patch[1] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}


def test_what_kubectl_wrote_becomes_ours_where_we_have_never_applied() -> None:
    kubectl = entry("kubectl-client-side-apply", "Update", REPLICAS, time="2026-11-23T01:50:35Z")
    patch = take_over(live(kubectl, STATUS))
    assert patch is not None
    assert patch[0]["value"][0] == entry("slipway", "Apply", REPLICAS, time="2026-11-23T01:50:35Z")


def test_nobody_owns_the_last_applied_annotation_afterwards() -> None:
    fields = {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}, "f:spec": {"f:paused": {}}}
    patch = take_over(live(entry("kubectl-client-side-apply", "Update", fields)))
    assert patch is not None
    assert patch[0]["value"][0]["fieldsV1"] == {"f:spec": {"f:paused": {}}}


def test_fields_that_kubectl_wrote_by_another_version_of_the_api_are_let_go() -> None:
    old = entry("kubectl-client-side-apply", "Update", {"f:spec": {"f:rollbackTo": {}}}) | {
        "apiVersion": "apps/v1beta1"
    }
    patch = take_over(live(OURS, old))
    assert patch is not None
    assert patch[0]["value"] == [OURS]


def test_updates_of_a_status_are_never_taken_over() -> None:
    assert take_over(live(entry("kubectl-client-side-apply", "Update", REPLICAS, subresource="status"))) is None


def test_of_the_time_before_only_what_was_applied_is_taken() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:clusterIP": {}, "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
    }
    last = json.dumps({"metadata": {"name": "blog"}, "spec": {"ports": [{"port": 80}]}})
    before = entry("before-first-apply", "Update", fields)
    patch = take_over(live(OURS, before, annotations={LAST_APPLIED: last}))
    assert patch is not None
    assert patch[0]["value"][0]["fieldsV1"]["f:spec"] == {
        "f:replicas": {},
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
    }


def test_of_the_time_before_nothing_is_taken_where_it_is_not_known_what_was_applied() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:volumeName": {}}}
    for annotations in (None, {LAST_APPLIED: "{not json"}):
        patch = take_over(live(OURS, entry("before-first-apply", "Update", fields), annotations=annotations))
        assert patch is not None
        assert patch[0]["value"] == [OURS]


def test_a_field_set_is_narrowed_to_what_an_object_names() -> None:
    fields: dict[str, Any] = {
        "f:a": {"f:b": {}, "f:gone": {}},
        "f:list": {'k:{"name":"x"}': {"f:name": {}, "f:more": {}}, 'k:{"name":"y"}': {"f:name": {}}},
        "f:set": {'v:"one"': {}, 'v:"two"': {}},
    }
    value = {"a": {"b": 1}, "list": [{"name": "x"}], "set": ["one"]}
    assert named_in(fields, value) == {
        "f:a": {"f:b": {}},
        "f:list": {'k:{"name":"x"}': {"f:name": {}}},
        "f:set": {'v:"one"': {}},
    }


def test_replicas_are_applied_while_they_are_ours_alone() -> None:
    assert with_settled_replicas(manifest(replicas=3), live(OURS, STATUS)) == manifest(replicas=3)
    assert with_settled_replicas(manifest(replicas=3), None) == manifest(replicas=3)


def test_replicas_are_left_to_an_autoscaler_that_owns_them_with_us_or_alone() -> None:
    assert with_settled_replicas(manifest(replicas=3, paused=True), live(OURS, SCALED)) == manifest(paused=True)
    assert with_settled_replicas(manifest(replicas=3), live(SCALED)) == manifest()


def test_replicas_that_somebody_edited_by_hand_are_taken_back() -> None:
    edited = entry("kubectl-edit", "Update", REPLICAS)
    assert with_settled_replicas(manifest(replicas=3), live(edited, replicas=9)) == manifest(replicas=3)


def test_replicas_gone_from_the_manifest_are_kept_while_we_alone_own_them() -> None:
    assert with_settled_replicas(manifest(paused=True), live(OURS, replicas=5)) == manifest(paused=True, replicas=5)


def test_replicas_gone_from_the_manifest_are_given_up_to_whoever_owns_them_too() -> None:
    assert with_settled_replicas(manifest(), live(OURS, SCALED)) == manifest()
    assert with_settled_replicas(manifest(), live(OURS, entry("helm", "Update", REPLICAS))) == manifest()


def test_objects_without_replicas_are_applied_as_they_are() -> None:
    config_map = {"metadata": {"name": "m"}, "data": {"replicas": "3"}}
    assert with_settled_replicas(config_map, live(OURS)) is config_map


def test_an_object_is_ours_once_we_have_applied_it() -> None:
    assert is_ours(live(STATUS, OURS))
    assert not is_ours(live(STATUS, entry("slipway", "Update", {})))
    assert not is_ours({"metadata": {"name": "blog"}})
