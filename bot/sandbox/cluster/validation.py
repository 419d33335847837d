"""What an API server refuses with 422: missing parts, labels that do not match, fields that may not change."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from bot.sandbox.cluster.errors import ApiError, Cause, forbidden_change, invalid, invalid_value, required, unsupported
from bot.sandbox.cluster.resources import Resource
from bot.sandbox.cluster.store import Obj

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_FREE_STATEFUL_SET_FIELDS = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FREE_POD_FIELDS = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")


def validate(resource: Resource, new: Obj, old: Obj | None) -> None:
    """Refuse an object that a real server would not store.

    Raises:
        ApiError: 422 with one cause a field.
    """
    causes = list(_name_causes(resource, new))
    for check in _CHECKS.get(resource.kind, ()):
        causes += check(new)
    if old is not None:
        for change in _CHANGES.get(resource.kind, ()):
            causes += change(new, old)
    if causes:
        raise refusal(resource, new["metadata"]["name"], causes)


def refusal(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    """422 for an object of that resource."""
    return invalid(resource.kind, resource.group, name, causes)


def _name_causes(resource: Resource, obj: Obj) -> Iterator[Cause]:
    name = obj["metadata"]["name"]
    labels_only = resource.kind in ("Namespace", "Service")
    if resource.group == "rbac.authorization.k8s.io":
        return
    if not (_LABEL if labels_only else _SUBDOMAIN).fullmatch(name):
        yield invalid_value("metadata.name", name, _LABEL_RULE if labels_only else _SUBDOMAIN_RULE)


def _selector_causes(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    labels = spec["template"].get("metadata", {}).get("labels", {})
    if not spec.get("selector"):
        yield required("spec.selector")
        detail = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels, detail)
    elif not all(labels.get(key) == value for key, value in spec["selector"].get("matchLabels", {}).items()):
        detail = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels, detail)


def _template_causes(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]["template"]["spec"]
    yield from _pod_spec_causes(spec, "spec.template.spec")
    if spec.get("restartPolicy") != "Always":
        yield unsupported("spec.template.spec.restartPolicy", spec["restartPolicy"], ["Always"])


def _job_template_causes(spec: Obj, where: str) -> Iterator[Cause]:
    pods = spec["template"]["spec"]
    yield from _pod_spec_causes(pods, f"{where}.template.spec")
    if pods.get("restartPolicy") not in ("Never", "OnFailure"):
        field = f"{where}.template.spec.restartPolicy"
        yield unsupported(field, pods.get("restartPolicy"), ["OnFailure", "Never"])


def _cron_job_causes(obj: Obj) -> Iterator[Cause]:
    schedule = obj["spec"].get("schedule")
    if not schedule:
        yield required("spec.schedule")
    elif not schedule.startswith("@") and len(schedule.split()) != 5:  # noqa: PLR2004 - a cron line has five fields
        yield invalid_value("spec.schedule", schedule, f"expected exactly 5 fields, found {len(schedule.split())}")
    yield from _job_template_causes(obj["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _pod_spec_causes(spec: Obj, where: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield required(f"{where}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group, ())):
            yield from _container_causes(container, f"{where}.{group}[{index}]", volumes)


def _container_causes(container: Obj, where: str, volumes: set[str]) -> Iterator[Cause]:
    if not container.get("name"):
        yield required(f"{where}.name")
    elif not _LABEL.fullmatch(container["name"]):
        yield invalid_value(f"{where}.name", container["name"], _LABEL_RULE)
    if not container.get("image"):
        yield required(f"{where}.image")
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        yield unsupported(f"{where}.imagePullPolicy", container["imagePullPolicy"], _PULL_POLICIES)
    for index, mount in enumerate(container.get("volumeMounts", ())):
        if mount.get("name") not in volumes and not str(mount.get("name")).startswith("kube-api-access-"):
            field = f"{where}.volumeMounts[{index}].name"
            yield Cause("FieldValueNotFound", field, f'Not found: "{mount.get("name")}"')


def _replicas_causes(obj: Obj) -> Iterator[Cause]:
    replicas = obj["spec"].get("replicas", 0)
    if replicas < 0:
        yield invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")


def _service_causes(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    if not spec.get("ports") and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")


def _fixed(*path: str) -> Callable[[Obj, Obj], Iterator[Cause]]:
    """A field that may not change once the object exists."""

    def check(new: Obj, old: Obj) -> Iterator[Cause]:
        before, after = _at(old, path), _at(new, path)
        if before != after:
            yield invalid_value(".".join(path), after, "field is immutable")

    return check


def _at(obj: Obj, path: tuple[str, ...]) -> Any:
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _stateful_set_change(new: Obj, old: Obj) -> Iterator[Cause]:
    if _without(new["spec"], _FREE_STATEFUL_SET_FIELDS) != _without(old["spec"], _FREE_STATEFUL_SET_FIELDS):
        names = ", ".join(f"'{name}'" for name in _FREE_STATEFUL_SET_FIELDS[:-1])
        detail = f"updates to statefulset spec for fields other than {names} and 'minReadySeconds' are forbidden"
        yield forbidden_change("spec", detail)


def _pod_change(new: Obj, old: Obj) -> Iterator[Cause]:
    if _pod_core(new["spec"]) != _pod_core(old["spec"]):
        detail = (
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
            "previously negative)"
        )
        yield forbidden_change("spec", detail)


def _pod_core(spec: Obj) -> Obj:
    core = _without(spec, _FREE_POD_FIELDS)
    for group in ("containers", "initContainers"):
        if group in core:
            core[group] = [_without(container, ("image",)) for container in core[group]]
    return core


def _without(spec: Obj, names: tuple[str, ...]) -> Obj:
    return {name: value for name, value in spec.items() if name not in names}


def _data_change(new: Obj, old: Obj) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    for name in ("data", "binaryData"):
        if new.get(name) != old.get(name):
            yield forbidden_change(name, "field is immutable when `immutable` is set")
    if not new.get("immutable"):
        yield forbidden_change("immutable", "field is immutable when `immutable` is set")


def _role_change(new: Obj, old: Obj) -> Iterator[Cause]:
    if new.get("roleRef") != old.get("roleRef"):
        yield invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")


def _claim_change(new: Obj, old: Obj) -> Iterator[Cause]:
    if _without(new["spec"], ("resources",)) != _without(old["spec"], ("resources",)):
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden_change("spec", detail)


_WORKLOAD = (_selector_causes, _template_causes, _replicas_causes)
_CHECKS: dict[str, tuple[Callable[[Obj], Iterator[Cause]], ...]] = {
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "DaemonSet": (_selector_causes, _template_causes),
    "Job": (lambda obj: _job_template_causes(obj["spec"], "spec"),),
    "CronJob": (_cron_job_causes,),
    "Pod": (lambda obj: _pod_spec_causes(obj["spec"], "spec"),),
    "Service": (_service_causes,),
}
_CHANGES: dict[str, tuple[Callable[[Obj, Obj], Iterator[Cause]], ...]] = {
    "Deployment": (_fixed("spec", "selector"),),
    "ReplicaSet": (_fixed("spec", "selector"),),
    "DaemonSet": (_fixed("spec", "selector"),),
    "StatefulSet": (_stateful_set_change,),
    "Job": (
        _fixed("spec", "completions"),
        _fixed("spec", "selector"),
        _fixed("spec", "template"),
        _fixed("spec", "completionMode"),
    ),
    "Pod": (_pod_change,),
    "ConfigMap": (_data_change,),
    "Secret": (_data_change, _fixed("type")),
    "RoleBinding": (_role_change,),
    "ClusterRoleBinding": (_role_change,),
    "PersistentVolumeClaim": (_claim_change,),
}
