"""What the API server knows about the types it serves: field names, scalar types, and how lists and maps merge.

Field names and types come from the models of the ``kubernetes`` client, at run time. What those models leave out
(list-map keys, sets, atomic maps: ``x-kubernetes-list-type`` and its kin in Kubernetes' OpenAPI description) is in
the tables below. Custom resources bring their own schema.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from kubernetes.client import models

Scalar = Literal["string", "numeric", "boolean", "untyped", "quantity"]

_BY_NAME = ("name",)
_BY_TYPE = ("type",)
_PORTS = ("containerPort", "protocol")

LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "V1Container.env": _BY_NAME,
    "V1Container.ports": _PORTS,
    "V1Container.volumeDevices": ("devicePath",),
    "V1Container.volumeMounts": ("mountPath",),
    "V1EphemeralContainer.env": _BY_NAME,
    "V1EphemeralContainer.ports": _PORTS,
    "V1EphemeralContainer.volumeDevices": ("devicePath",),
    "V1EphemeralContainer.volumeMounts": ("mountPath",),
    "V1ContainerStatus.volumeMounts": ("mountPath",),
    "V1ResourceRequirements.claims": _BY_NAME,
    "V1PodSpec.containers": _BY_NAME,
    "V1PodSpec.ephemeralContainers": _BY_NAME,
    "V1PodSpec.hostAliases": ("ip",),
    "V1PodSpec.imagePullSecrets": _BY_NAME,
    "V1PodSpec.initContainers": _BY_NAME,
    "V1PodSpec.resourceClaims": _BY_NAME,
    "V1PodSpec.schedulingGates": _BY_NAME,
    "V1PodSpec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "V1PodSpec.volumes": _BY_NAME,
    "V1PodStatus.conditions": _BY_TYPE,
    "V1PodStatus.podIPs": ("ip",),
    "V1ServiceAccount.secrets": _BY_NAME,
    "V1ServiceSpec.ports": ("port", "protocol"),
    "V1ServiceStatus.conditions": _BY_TYPE,
    "V1ObjectMeta.ownerReferences": ("uid",),
    "V1DaemonSetStatus.conditions": _BY_TYPE,
    "V1DeploymentStatus.conditions": _BY_TYPE,
    "V1ReplicaSetStatus.conditions": _BY_TYPE,
    "V1StatefulSetStatus.conditions": _BY_TYPE,
    "V1NamespaceStatus.conditions": _BY_TYPE,
    "V1NodeStatus.addresses": _BY_TYPE,
    "V1NodeStatus.conditions": _BY_TYPE,
    "V1PersistentVolumeClaimStatus.conditions": _BY_TYPE,
    "V1PodDisruptionBudgetStatus.conditions": _BY_TYPE,
    "V2HorizontalPodAutoscalerStatus.conditions": _BY_TYPE,
    "V1CustomResourceDefinitionStatus.conditions": _BY_TYPE,
}
KEY_DEFAULTS: Mapping[str, str] = {"protocol": "TCP"}
SETS = frozenset(
    {
        "V1ObjectMeta.finalizers",
        "V1NodeSpec.podCIDRs",
        "V1PodFailurePolicyOnExitCodesRequirement.values",
        "V1ContainerRestartRuleOnExitCodes.values",
        "V1UncountedTerminatedPods.failed",
        "V1UncountedTerminatedPods.succeeded",
    }
)
ATOMIC_MODELS = frozenset(
    {
        "V1ConfigMapKeySelector",
        "V1FileKeySelector",
        "V1LabelSelector",
        "V1LocalObjectReference",
        "V1NodeSelector",
        "V1NodeSelectorTerm",
        "V1ObjectFieldSelector",
        "V1ObjectReference",
        "V1OwnerReference",
        "V1ResourceFieldSelector",
        "V1RoleRef",
        "V1ScopeSelector",
        "V1SecretKeySelector",
        "V1SecretReference",
        "V1ServiceBackendPort",
        "V1TopologySelectorTerm",
        "V1TypedLocalObjectReference",
        "RbacV1Subject",
    }
)
ATOMIC_MAPS = frozenset({"V1PodSpec.nodeSelector", "V1ServiceSpec.selector"})
INT_OR_STRING = frozenset({"port", "targetPort", "maxSurge", "maxUnavailable", "minAvailable"})
QUANTITIES = frozenset(
    {"limits", "requests", "hard", "used", "capacity", "allocatable", "overhead", "allocatedResources"}
    | {"divisor", "sizeLimit", "averageValue", "min", "max", "default", "defaultRequest"}
)
SCALARS: Mapping[str, Scalar] = {
    "str": "string",
    "int": "numeric",
    "float": "numeric",
    "bool": "boolean",
    "datetime": "untyped",
    "bytes": "string",
}
_SCHEMA_SCALARS: Mapping[str, Scalar] = {
    "string": "string",
    "integer": "numeric",
    "number": "numeric",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One node of a type, in the terms of server-side apply.

    A struct is a map with ``fields`` and no ``element``; a plain map has an ``element`` only; a schema that
    preserves unknown fields has both. A list with ``keys`` is a list-map, with ``is_set`` a set, else atomic.
    """

    kind: Literal["map", "list", "scalar", "any"]
    scalar: Scalar = "untyped"
    atomic: bool = False
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    element: "Shape | None" = None
    keys: tuple[str, ...] = ()
    is_set: bool = False

    def child(self, name: str) -> "Shape | None":
        """The shape under a key of a map; None where the schema does not know it."""
        return self.fields.get(name) or self.element

    def resolve(self, value: Any) -> "Shape":
        """Free-form values merge by what they are: maps key by key, lists and scalars as a whole."""
        if self.kind != "any":
            return self
        if isinstance(value, dict):
            return _ANY_MAP
        return _ANY_LIST if isinstance(value, list) else _ANY_SCALAR


ANY = Shape("any")
_ANY_MAP = Shape("map", element=ANY)
_ANY_LIST = Shape("list", atomic=True, element=ANY)
_ANY_SCALAR = Shape("scalar")


@cache
def shape_of_model(name: str) -> Shape:
    """The shape of a client model, as ``V1Deployment``."""
    if name == "V1JSONSchemaProps":
        return ANY
    model = getattr(models, name)
    fields = {
        model.attribute_map[attribute]: _shape_of_type(type_name, name, model.attribute_map[attribute])
        for attribute, type_name in model.openapi_types.items()
    }
    return Shape("map", fields=fields, atomic=name in ATOMIC_MODELS)


def _shape_of_type(type_name: str, owner: str, field_name: str) -> Shape:
    """The shape of one model field from the client's own notation, as ``Dict[str, V1Foo]``."""
    where = f"{owner}.{field_name}"
    if match := re.fullmatch(r"(?:List|list)\[(.+)\]", type_name):
        element = _shape_of_type(match[1], owner, "")
        keys = LIST_KEYS.get(where, ())
        return Shape("list", element=element, keys=keys, is_set=where in SETS, atomic=not keys and where not in SETS)
    if match := re.fullmatch(r"(?:Dict|dict)[\[(]str, (.+)[\])]", type_name):
        element = _shape_of_type(match[1], owner, field_name)
        return Shape("map", element=element, atomic=where in ATOMIC_MAPS)
    if type_name == "str" and field_name in QUANTITIES:
        return Shape("scalar", scalar="quantity")
    if type_name in SCALARS:
        return Shape("scalar", scalar=SCALARS[type_name])
    if type_name == "object":
        return Shape("scalar") if field_name in INT_OR_STRING else ANY
    return shape_of_model(type_name)


def shape_of_schema(schema: Mapping[str, Any]) -> Shape:
    """The shape of a custom resource's structural ``openAPIV3Schema``."""
    if schema.get("x-kubernetes-int-or-string"):
        return Shape("scalar")
    kind = schema.get("type", "")
    if kind == "object":
        return _shape_of_object(schema)
    if kind == "array":
        relation = schema.get("x-kubernetes-list-type", "atomic")
        element = shape_of_schema(schema.get("items", {}))
        keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if relation == "map" else ()
        return Shape("list", element=element, keys=keys, is_set=relation == "set", atomic=relation == "atomic")
    return Shape("scalar", scalar=_SCHEMA_SCALARS[kind]) if kind in _SCHEMA_SCALARS else ANY


def _shape_of_object(schema: Mapping[str, Any]) -> Shape:
    fields = {name: shape_of_schema(part) for name, part in schema.get("properties", {}).items()}
    extra = schema.get("additionalProperties")
    element = shape_of_schema(extra) if isinstance(extra, Mapping) else None
    if schema.get("x-kubernetes-preserve-unknown-fields") or extra is True:
        element = ANY
    return Shape("map", fields=fields, element=element, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def shape_of_custom(schema: Mapping[str, Any]) -> Shape:
    """A custom resource's whole object: its schema, with the fields that every object has."""
    inner = shape_of_schema({**schema, "type": "object"})
    base = {
        "apiVersion": Shape("scalar", scalar="string"),
        "kind": Shape("scalar", scalar="string"),
        "metadata": shape_of_model("V1ObjectMeta"),
    }
    return Shape("map", fields={**inner.fields, **base}, element=inner.element)
