"""The pieces of server-side apply that need no server: field sets, merges, quantities, patches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster.errors import ApiError
from bot.sandbox.cluster.fields import compare, decode, encode, field_set, path_text
from bot.sandbox.cluster.merge import canonical_quantity, merge, tidy, type_errors
from bot.sandbox.cluster.patches import json_patch, merge_patch, strategic_merge
from bot.sandbox.cluster.schema import shape_of_model, shape_of_schema

DEPLOYMENT = shape_of_model("V1Deployment")
POD = shape_of_model("V1Pod")
ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "f:deep.dotted/name"])
PATHS = st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


@given(PATHS)
def test_a_field_set_survives_being_written_and_read(paths: frozenset[tuple[str, ...]]) -> None:
    assert decode(encode(paths)) == paths


def test_a_container_port_without_a_protocol_is_keyed_as_tcp() -> None:
    claimed = field_set(pod({"name": "web", "ports": [{"containerPort": 80}]}), POD)
    assert encode(claimed)["f:spec"]["f:containers"]['k:{"name":"web"}']["f:ports"] == {
        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
    }


def test_selectors_and_atomic_lists_are_owned_as_a_whole() -> None:
    spec = {"selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"tolerations": [{"key": "a"}]}}}
    assert encode(field_set({"spec": spec}, DEPLOYMENT)) == {
        "f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:tolerations": {}}}}
    }


def test_a_path_reads_as_error_messages_print_it() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name")
    assert path_text(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert path_text(("f:metadata", "f:finalizers", 'v:"x"')) == '.metadata.finalizers[="x"]'


def test_a_struct_that_appears_is_added_with_its_leaves() -> None:
    old, new = pod({"name": "web"}), pod({"name": "web", "resources": {"limits": {"cpu": "1"}}})
    difference = compare(old, new, POD)
    where = ("f:spec", "f:containers", 'k:{"name":"web"}', "f:resources")
    assert difference.added == {where, (*where, "f:limits"), (*where, "f:limits", "f:cpu")}
    assert compare(new, old, POD).removed == difference.added
    assert not difference.modified


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("ab", "b", "ab"),
        ("ab", "ba", "ba"),
        ("axb", "ba", "xba"),
        ("a", "bc", "abc"),
        ("", "ab", "ab"),
        ("xay", "a", "xay"),
    ],
)
def test_list_maps_merge_in_the_applied_order_and_keep_the_rest_in_place(live: str, applied: str, merged: str) -> None:
    result = merge(pod(*({"name": n} for n in live)), pod(*({"name": n} for n in applied)), POD)
    assert "".join(container["name"] for container in result["spec"]["containers"]) == merged


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (1, "1"), ("1000m", "1"), ("0.5", "500m"), (0.1, "100m"), ("1024Mi", "1Gi"), ("1500Mi", "1500Mi"),
        ("1.5Gi", "1536Mi"), ("2000k", "2M"), ("0", "0"), ("512Mi", "512Mi"), ("lots", "lots"), ("100", "100"),
    ],
)  # fmt: skip
def test_quantities_are_stored_in_canonical_form(written: Any, stored: str) -> None:
    assert canonical_quantity(written) == stored


def test_what_is_null_or_an_empty_map_is_not_stored_but_an_empty_struct_is() -> None:
    spec: dict[str, Any] = {
        "nodeSelector": {},
        "tolerations": [],
        "hostname": None,
        "volumes": [{"name": "a", "emptyDir": {}}],
    }
    assert tidy({"spec": spec}, POD) == {"spec": {"volumes": [{"name": "a", "emptyDir": {}}]}}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"replicas": "three"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"nonsense": 1}, ".spec.nonsense: field not declared in schema"),
        ({"template": []}, ".spec.template: expected map, got &{[]}"),
        ({"paused": "yes"}, ".spec.paused: expected boolean, got &{yes}"),
        ({"template": {"spec": {"containers": {}}}}, ".spec.template.spec.containers: expected list, got &{map[]}"),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            ".spec.template.metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_named_by_its_path(spec: dict[str, Any], problem: str) -> None:
    assert type_errors({"spec": spec}, DEPLOYMENT) == [problem]


def test_ports_and_surges_may_be_numbers_or_text() -> None:
    for surge in (1, "25%"):
        spec = {"strategy": {"rollingUpdate": {"maxSurge": surge}}}
        assert type_errors({"spec": spec}, DEPLOYMENT) == []


def test_a_custom_schema_may_preserve_what_it_does_not_know() -> None:
    shape = shape_of_schema(
        {
            "type": "object",
            "properties": {
                "port": {"x-kubernetes-int-or-string": True},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    )
    value = {"port": 80, "tags": ["a"], "extra": {"any": {"thing": [1]}}}
    assert type_errors(value, shape) == []
    assert ("f:tags", 'v:"a"') in field_set(value, shape)
    assert ("f:extra", "f:any", "f:thing") in field_set(value, shape)
    assert type_errors({"unknown": 1}, shape) == [".unknown: field not declared in schema"]


def test_a_merge_patch_removes_with_null_and_replaces_lists() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None}, "d": [2]}) == {"a": {"c": 2}, "d": [2]}


def test_a_strategic_patch_may_delete_an_item_or_replace_the_list() -> None:
    live = pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    deleted = strategic_merge(live, pod({"name": "a", "$patch": "delete"}), POD)
    assert deleted == pod({"name": "b", "image": "1"})
    assert strategic_merge(live, pod({"name": "c"}, {"$patch": "replace"}), POD) == pod({"name": "c"})


def test_a_json_patch_is_done_whole_or_not_at_all() -> None:
    before = {"a": [1, 2], "b~/c": {"d": 1}}
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/a/0", "value": 1},
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "move", "from": "/b~0~1c/d", "path": "/e"},
        {"op": "copy", "from": "/a/0", "path": "/a/1"},
        {"op": "replace", "path": "/a/0", "value": 9},
    ]
    assert json_patch(before, operations) == {"a": [9, 1, 2, 3], "b~/c": {}, "e": 1}
    with pytest.raises(ApiError) as refused:
        json_patch(before, [{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/missing"}])
    assert (refused.value.code, before) == (422, {"a": [1, 2], "b~/c": {"d": 1}})
