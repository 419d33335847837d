"""The kinds the stand-in serves: one table, read by discovery, by the router and by storage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.cluster.schema import Shape, shape_of_custom, shape_of_model


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API. ``model`` names the client model its shape comes from; custom kinds have a shape."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    model: str = ""
    custom_shape: Shape | None = field(default=None, compare=False)
    has_generation: bool = False
    singular_name: str = ""

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``deployments.apps``, as error messages name a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """``deployment``."""
        return self.singular_name or self.kind.lower()

    @property
    def shape(self) -> Shape:
        """The type of its objects."""
        return self.custom_shape or shape_of_model(self.model or f"V1{self.kind}")


def _core(plural: str, kind: str, *short: str, **more: Any) -> Resource:
    return Resource("", "v1", plural, kind, short_names=short, **more)


def _apps(plural: str, kind: str, short: str, *subresources: str) -> Resource:
    return Resource(
        "apps",
        "v1",
        plural,
        kind,
        short_names=(short,),
        categories=("all",),
        subresources=subresources,
        has_generation=True,
    )


def _rbac(plural: str, kind: str, *, namespaced: bool = True) -> Resource:
    return Resource("rbac.authorization.k8s.io", "v1", plural, kind, namespaced)


_STATUS = ("status",)

BUILT_IN: tuple[Resource, ...] = (
    _core("configmaps", "ConfigMap", "cm"),
    _core("events", "Event", "ev", model="CoreV1Event"),
    _core("limitranges", "LimitRange", "limits"),
    _core("namespaces", "Namespace", "ns", namespaced=False, subresources=("finalize", "status")),
    _core("nodes", "Node", "no", namespaced=False, subresources=_STATUS),
    _core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", subresources=_STATUS),
    _core("persistentvolumes", "PersistentVolume", "pv", namespaced=False, subresources=_STATUS),
    _core("pods", "Pod", "po", categories=("all",), subresources=("log", "status"), has_generation=True),
    _core("resourcequotas", "ResourceQuota", "quota", subresources=_STATUS),
    _core("secrets", "Secret"),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("services", "Service", "svc", categories=("all",), subresources=_STATUS),
    _apps("daemonsets", "DaemonSet", "ds", "status"),
    _apps("deployments", "Deployment", "deploy", "scale", "status"),
    _apps("replicasets", "ReplicaSet", "rs", "scale", "status"),
    _apps("statefulsets", "StatefulSet", "sts", "scale", "status"),
    Resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
        short_names=("hpa",), categories=("all",), subresources=_STATUS, model="V2HorizontalPodAutoscaler",
    ),
    Resource(
        "batch", "v1", "cronjobs", "CronJob",
        short_names=("cj",), categories=("all",), subresources=_STATUS, has_generation=True,
    ),
    Resource("batch", "v1", "jobs", "Job", categories=("all",), subresources=_STATUS, has_generation=True),
    Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False, has_generation=True),
    Resource(
        "networking.k8s.io", "v1", "ingresses", "Ingress",
        short_names=("ing",), subresources=_STATUS, has_generation=True,
    ),
    Resource(
        "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",), has_generation=True
    ),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget",
        short_names=("pdb",), subresources=_STATUS, has_generation=True,
    ),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("rolebindings", "RoleBinding"),
    _rbac("roles", "Role"),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False, short_names=("pc",)),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short_names=("sc",)),
    Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",),
        subresources=_STATUS, has_generation=True,
    ),
)  # fmt: skip


def built_in(plural: str) -> Resource:
    """A built-in resource by its plural name; every plural is unique among them."""
    return next(resource for resource in BUILT_IN if resource.plural == plural)


def custom_resources(definition: Mapping[str, Any]) -> Iterable[Resource]:
    """The resources that a CustomResourceDefinition declares: one for each served version."""
    spec = definition["spec"]
    names = spec["names"]
    for version in spec.get("versions", []):
        if version.get("served"):
            yield Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames", ())),
                categories=tuple(names.get("categories", ())),
                subresources=tuple(version.get("subresources", {})),
                custom_shape=shape_of_custom(version.get("schema", {}).get("openAPIV3Schema", {})),
                has_generation=True,
                singular_name=names.get("singular", ""),
            )
