"""What the cluster stand-in refuses with 422, kind by kind, and the defaults it fills in before."""

import copy
from typing import Any

import pytest

from bot.sandbox.cluster.defaults import apply_defaults, image_pull_policy
from bot.sandbox.cluster.errors import ApiError
from bot.sandbox.cluster.merge import tidy
from bot.sandbox.cluster.resources import BUILT_IN
from bot.sandbox.cluster.validation import validate

Json = Any
POD: Json = {"containers": [{"name": "web", "image": "web:1"}]}
TEMPLATE: Json = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
SELECTED: Json = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
ONCE: Json = {"restartPolicy": "Never", **POD}
ROLE: Json = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
GOOD: dict[str, Json] = {
    "Deployment": {"spec": SELECTED},
    "StatefulSet": {"spec": {**SELECTED, "serviceName": "web"}},
    "DaemonSet": {"spec": SELECTED},
    "Job": {"spec": {"template": {"spec": ONCE}}},
    "CronJob": {"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": {"spec": ONCE}}}}},
    "Pod": {"spec": POD},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "ConfigMap": {"immutable": True, "data": {"a": "1"}},
    "Secret": {"type": "Opaque"},
    "RoleBinding": {"roleRef": ROLE},
    "PersistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"]}},
}


def made(kind: str, changes: Json = None, name: str = "web") -> Json:
    """A good object of a kind, defaulted, with changes laid over it by path."""
    resource = next(resource for resource in BUILT_IN if resource.kind == kind)
    obj: Json = {
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": {"name": name},
        **copy.deepcopy(GOOD[kind]),
    }
    for path, value in (changes or {}).items():
        at: Json = obj
        *way, last = path.split(".")
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        at[last] = value
    obj = tidy(obj, resource.shape)
    apply_defaults(obj)
    return obj


def refused(kind: str, new: Json, old: Json | None = None) -> ApiError:
    resource = next(resource for resource in BUILT_IN if resource.kind == kind)
    with pytest.raises(ApiError) as error:
        validate(resource, new, old)
    assert (error.value.code, error.value.reason) == (422, "Invalid")
    return error.value


def causes(error: ApiError) -> dict[str, str]:
    return {cause["field"]: cause["message"] for cause in (error.details or {})["causes"]}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_object_passes_and_may_stay_as_it_is(kind: str) -> None:
    resource = next(resource for resource in BUILT_IN if resource.kind == kind)
    validate(resource, made(kind), None)
    validate(resource, made(kind), made(kind))


@pytest.mark.parametrize(
    ("kind", "changes", "field", "message"),
    [
        ("Deployment", {"spec.selector": None}, "spec.selector", "Required value"),
        ("Deployment", {"spec.replicas": -1}, "spec.replicas", "Invalid value: -1: must be greater than"),
        ("Deployment", {"spec.template.spec.containers": []}, "spec.template.spec.containers", "Required value"),
        (
            "Deployment",
            {"spec.template.spec.restartPolicy": "Never"},
            "spec.template.spec.restartPolicy",
            'Unsupported value: "Never": supported values: "Always"',
        ),
        (
            "Pod",
            {"spec.containers.0.imagePullPolicy": "Sometimes"},
            "spec.containers[0].imagePullPolicy",
            'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
        ),
        ("Pod", {"spec.containers.0.name": "Web"}, "spec.containers[0].name", 'Invalid value: "Web": a lowercase'),
        ("Pod", {"spec.containers.0.name": None}, "spec.containers[0].name", "Required value"),
        ("CronJob", {"spec.schedule": "soon"}, "spec.schedule", 'Invalid value: "soon": expected exactly 5 fields'),
        ("CronJob", {"spec.schedule": None}, "spec.schedule", "Required value"),
        (
            "Job",
            {"spec.template.spec.restartPolicy": "Always"},
            "spec.template.spec.restartPolicy",
            'Unsupported value: "Always": supported values: "OnFailure", "Never"',
        ),
        ("Service", {"spec.ports": []}, "spec.ports", "Required value"),
    ],
)
def test_a_bad_object_is_refused_by_field(kind: str, changes: Json, field: str, message: str) -> None:
    assert causes(refused(kind, made(kind, changes)))[field].startswith(message)


@pytest.mark.parametrize(
    ("kind", "changes", "field", "message"),
    [
        ("StatefulSet", {"spec.serviceName": "db"}, "spec", "Forbidden: updates to statefulset spec for fields"),
        ("Job", {"spec.template.spec.containers.0.image": "web:2"}, "spec.template", "Invalid value: {"),
        ("Pod", {"spec.hostname": "other"}, "spec", "Forbidden: pod updates may not change fields"),
        ("ConfigMap", {"data.a": "2"}, "data", "Forbidden: field is immutable when `immutable` is set"),
        ("ConfigMap", {"immutable": None}, "immutable", "Forbidden: field is immutable when `immutable` is set"),
        ("Secret", {"type": "kubernetes.io/tls"}, "type", 'Invalid value: "kubernetes.io/tls": field is immutable'),
        ("RoleBinding", {"roleRef.name": "writer"}, "roleRef", "Invalid value: {"),
        ("PersistentVolumeClaim", {"spec.accessModes": ["ReadOnlyMany"]}, "spec", "Forbidden: spec is immutable"),
    ],
)
def test_a_change_that_may_not_be_is_refused_by_field(kind: str, changes: Json, field: str, message: str) -> None:
    assert causes(refused(kind, made(kind, changes), made(kind)))[field].startswith(message)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Pod", {"spec.containers.0.image": "web:2"}),
        ("StatefulSet", {"spec.template.spec.containers.0.image": "web:2"}),
        ("CronJob", {"spec.jobTemplate.spec.template.spec.containers": [{"name": "web", "image": "web:2"}]}),
    ],
)
def test_an_image_may_change_where_kubernetes_lets_it(kind: str, changes: Json) -> None:
    resource = next(resource for resource in BUILT_IN if resource.kind == kind)
    validate(resource, made(kind, changes), made(kind))


def test_a_name_out_of_bounds_is_refused() -> None:
    assert causes(refused("Pod", made("Pod", name="Web_1")))["metadata.name"].startswith('Invalid value: "Web_1"')
    assert "RFC 1123 label" in causes(refused("Service", made("Service", name="a.b")))["metadata.name"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("host:5000/web", "Always"),
        ("host:5000/web:1", "IfNotPresent"),
        ("web:latest@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_an_image_is_pulled_anew_only_where_its_tag_may_have_moved(image: str, policy: str) -> None:
    assert image_pull_policy(image) == policy


def test_volumes_probes_and_references_get_their_defaults() -> None:
    container = {
        "name": "web",
        "image": "web:1",
        "livenessProbe": {"tcpSocket": {"port": 80}},
        "startupProbe": {"grpc": {"port": 80}},
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    }
    volumes = [
        {"name": "config", "configMap": {"name": "a"}},
        {"name": "host", "hostPath": {"path": "/a"}},
        {"name": "plain"},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    spec = made("Pod", {"spec.containers": [container], "spec.volumes": volumes, "spec.serviceAccountName": "bot"})[
        "spec"
    ]
    web = spec["containers"][0]
    assert web["livenessProbe"] == {
        "tcpSocket": {"port": 80},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert web["startupProbe"]["grpc"] == {"port": 80, "service": ""}
    assert web["lifecycle"]["preStop"]["httpGet"] == {"port": 80, "scheme": "HTTP", "path": "/"}
    assert web["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert spec["volumes"][0]["configMap"]["defaultMode"] == 0o644
    assert spec["volumes"][1]["hostPath"]["type"] == ""
    assert spec["volumes"][2] == {"name": "plain", "emptyDir": {}}
    assert spec["volumes"][3]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600
    assert spec["serviceAccount"] == "bot"
