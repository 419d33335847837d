"""What an API server adds to an object besides defaults: identity, first status, addresses, the service account."""

import copy
import json
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from bot.sandbox.cluster.resources import Resource
from bot.sandbox.cluster.store import Obj

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_TOKEN_SECONDS = 3607
_LEAN_TEMPLATE: Obj = {"metadata": {}, "spec": {"containers": None}}

FIRST_STATUS: dict[str, Obj] = {
    "CronJob": {},
    "CustomResourceDefinition": {},
    "DaemonSet": {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0},
    "Deployment": {},
    "HorizontalPodAutoscaler": {"currentReplicas": 0, "desiredReplicas": 0},
    "Ingress": {"loadBalancer": {}},
    "Job": {},
    "Namespace": {"phase": "Active"},
    "PersistentVolume": {"phase": "Pending"},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "Pod": {"phase": "Pending"},
    "PodDisruptionBudget": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
    "ReplicaSet": {"replicas": 0},
    "ResourceQuota": {},
    "Service": {"loadBalancer": {}},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
}
"""What each kind's status holds before any controller has seen the object."""

_EMPTY_SPECS: dict[str, Obj] = {
    "Deployment": {"selector": None, "template": _LEAN_TEMPLATE, "strategy": {}},
    "ReplicaSet": {"selector": None, "template": _LEAN_TEMPLATE},
    "StatefulSet": {"selector": None, "template": _LEAN_TEMPLATE, "serviceName": "", "updateStrategy": {}},
    "DaemonSet": {"selector": None, "template": _LEAN_TEMPLATE, "updateStrategy": {}},
    "Job": {"template": _LEAN_TEMPLATE},
    "CronJob": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": _LEAN_TEMPLATE}}},
    "Pod": {"containers": None},
}
_EMPTY_EVENT: Obj = {
    "involvedObject": {},
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def now() -> str:
    """The time as the API writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now() -> str:
    """The time with microseconds, as events carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def random_suffix(length: int = 5) -> str:
    """The tail that ``generateName`` gets."""
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(length))


def template_hash(template: Obj) -> str:
    """A stable short name for a pod template, in the letters that real hashes use."""
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(template, sort_keys=True)).int
    letters = ""
    while len(letters) < 10:  # noqa: PLR2004 - real hashes have nine or ten letters
        number, index = divmod(number, len(_SUFFIX_LETTERS))
        letters += _SUFFIX_LETTERS[index]
    return letters


def empty_object(resource: Resource, namespace: str) -> Obj:
    """What a create is compared with to see which fields its author took: the Go zero value, as JSON."""
    empty: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    if namespace:
        empty["metadata"]["namespace"] = namespace
    if resource.kind == "Event":
        empty |= copy.deepcopy(_EMPTY_EVENT)
    if "spec" in resource.shape.fields:
        empty["spec"] = copy.deepcopy(_EMPTY_SPECS.get(resource.kind, {}))
    if "status" in resource.shape.fields:
        empty["status"] = {}
    return empty


def admit_new(resource: Resource, obj: Obj, address: str) -> None:
    """Give a new object its identity and first status, in place. ``address`` is the next free cluster IP."""
    meta = obj["metadata"]
    if "name" not in meta and "generateName" in meta:
        meta["name"] = meta["generateName"] + random_suffix()
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = now()
    if resource.has_generation:
        meta["generation"] = 1
    if resource.kind in FIRST_STATUS:
        obj["status"] = copy.deepcopy(FIRST_STATUS[resource.kind])
    match resource.kind:
        case "Pod":
            _admit_pod(obj)
        case "Service":
            _admit_service(obj, address)
        case "Job":
            _admit_job(obj)
        case "DaemonSet":
            meta.setdefault("annotations", {})["deprecated.daemonset.template.generation"] = "1"


def _admit_pod(pod: Obj) -> None:
    spec = pod["spec"]
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("tolerations", [_toleration("not-ready"), _toleration("unreachable")])
    if spec.get("automountServiceAccountToken", True):
        volume = f"kube-api-access-{random_suffix()}"
        path = "/var/run/secrets/kubernetes.io/serviceaccount"
        spec.setdefault("volumes", []).append({"name": volume, "projected": _token_projection()})
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            mount = {"name": volume, "readOnly": True, "mountPath": path}
            container.setdefault("volumeMounts", []).append(mount)
    pod["status"]["qosClass"] = _quality_of_service(spec)


def _token_projection() -> Obj:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources: list[Any] = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"sources": sources, "defaultMode": 0o644}


def _toleration(what: str) -> Obj:
    return {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }


def _quality_of_service(spec: Obj) -> str:
    resources = [container.get("resources", {}) for container in spec["containers"]]
    if not any(part.get("limits") or part.get("requests") for part in resources):
        return "BestEffort"
    both = all(set(part.get("limits", {})) >= {"cpu", "memory"} for part in resources)
    equal = all(part.get("limits") == part.get("requests") for part in resources)
    return "Guaranteed" if both and equal else "Burstable"


def _admit_service(service: Obj, address: str) -> None:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("clusterIP", address)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _admit_job(job: Obj) -> None:
    meta, spec = job["metadata"], job["spec"]
    if spec.get("manualSelector"):
        return
    owner = {"batch.kubernetes.io/controller-uid": meta["uid"]}
    labels = owner | {
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    spec["template"]["metadata"].setdefault("labels", {}).update(labels)
    spec["selector"] = {"matchLabels": owner}
