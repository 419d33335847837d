"""What a cluster serves: from apiVersion and kind to a path.

Only the group version in question is asked for, once; a kind that is not there is asked for again, for a definition
may just have been installed.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.errors import Permanent
from bot.wording import did_you_mean, quoted

HOMES: Mapping[str, str] = {
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "ConfigMap": "v1",
    "CronJob": "batch/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "IngressClass": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "Pod": "v1",
    "PodDisruptionBudget": "policy/v1",
    "PriorityClass": "scheduling.k8s.io/v1",
    "ReplicaSet": "apps/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "StatefulSet": "apps/v1",
    "StorageClass": "storage.k8s.io/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
}
"""Where kinds live today that older manifests have elsewhere.

Source: https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

_ALSO: Mapping[str, str] = {
    "Ingress": ", where a backend is `service.name` with `service.port`, and every path needs a `pathType`",
    "Deployment": ", where `spec.selector` is required",
    "DaemonSet": ", where `spec.selector` is required",
    "StatefulSet": ", where `spec.selector` is required",
    "HorizontalPodAutoscaler": ", where `metrics` are a list of mappings with a `type`",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as one cluster serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def collection(self, namespace: str | None) -> str:
        """The path of all objects of the kind, in a namespace where it has those."""
        within = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{_root(self.api_version)}{within}/{self.plural}"

    def path(self, namespace: str | None, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{quote(name, safe='')}"


def _root(api_version: str) -> str:
    prefix = "/apis" if "/" in api_version else "/api"
    return f"{prefix}/{quote(api_version)}"


class Discovery:
    """The kinds of one cluster, remembered. Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Resource]] = {}

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The kind, or None where the cluster does not serve it.

        Raises:
            Refusal, Transient, Permanent: the cluster cannot be asked.
        """
        with self._lock:
            known = self._known.get(api_version, {}).get(kind)
        if known is not None:
            return known
        served = self._ask(api_version)
        with self._lock:
            self._known[api_version] = served
        return served.get(kind)

    def not_served(self, api_version: str, kind: str) -> str:
        """Why an object of a kind that ``find`` knows not cannot be applied, and what to write instead."""
        served = self._known.get(api_version, {})
        home = HOMES.get(kind)
        if home is not None and home != api_version:
            also = _ALSO.get(kind, "")
            return f"{quoted(api_version)} {kind} is not served (any more): write `apiVersion: {home}`{also}"
        if served:
            meant = did_you_mean(kind, served) or ": correct `kind`"
            return f"the API {quoted(api_version)} has no kind {quoted(kind)}{meant}"
        return (
            f"the API {quoted(api_version)} is not served: correct `apiVersion`, or install the definition of "
            f"{quoted(kind)} first"
        )

    def _ask(self, api_version: str) -> dict[str, Resource]:
        try:
            body = self._connection.get(_root(api_version)).body
        except Refusal as refusal:
            if refusal.code == HTTPStatus.NOT_FOUND:
                return {}
            raise
        if not isinstance(body, dict):
            raise Permanent(f"The server of the context {quoted(self._connection.context)} is no Kubernetes API.")
        return {
            entry["kind"]: Resource(api_version, entry["kind"], entry["name"], entry["namespaced"])
            for entry in body.get("resources") or ()
            if "/" not in entry["name"]
        }
