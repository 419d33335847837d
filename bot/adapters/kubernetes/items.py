"""From manifests to what is sent: checked, stripped of what only servers write, and located."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.kubernetes.discovery import Discovery, Resource
from bot.facts import Target
from bot.wording import quoted

DEFINITION = "CustomResourceDefinition"
SERVERS_OWN = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
"""Metadata that a manifest may carry from an export; the server refuses some of it, and none of it is a wish."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object to apply, and where."""

    manifest: dict[str, Any]
    resource: Resource
    namespace: str | None

    @property
    def kind(self) -> str:
        """The kind."""
        return self.resource.kind

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def path(self) -> str:
        """The object's path on the server."""
        return self.resource.path(self.namespace, self.name)

    def __str__(self) -> str:
        return described(self.kind, self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class Located:
    """Manifests by what can be said of them now.

    Attributes:
        items: those whose kind is served.
        waiting: those whose kind a definition among the manifests is to bring.
        problems: what is wrong with the rest.
    """

    items: tuple[Item, ...]
    waiting: tuple[Mapping[str, Any], ...]
    problems: tuple[str, ...]


def described(kind: str, name: str, namespace: str | None) -> str:
    """How messages name an object."""
    where = f" in namespace {quoted(namespace)}" if namespace else ""
    return f"{kind} {quoted(name)}{where}"


def locate(discovery: Discovery, target: Target, manifests: Sequence[Mapping[str, Any]]) -> Located:
    """Find every manifest's place on the cluster.

    Raises:
        Refusal, Transient, Permanent: the cluster cannot be asked what it serves.
    """
    brought = frozenset(_brought(manifests))
    items: list[Item] = []
    waiting: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for manifest in manifests:
        api_version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        metadata = manifest.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
            problems.append(f"a {kind} has no `metadata.name`: give it one (`generateName` cannot be applied)")
            continue
        resource = discovery.find(api_version, kind)
        if resource is not None:
            namespace = (metadata.get("namespace") or target.namespace) if resource.namespaced else None
            items.append(Item(_stripped(manifest, resource), resource, namespace))
        elif (api_version, kind) in brought:
            waiting.append(manifest)
        else:
            problems.append(f"{kind} {quoted(name)}: {discovery.not_served(api_version, kind)}")
    problems += _repeated(items)
    return Located(tuple(items), tuple(waiting), tuple(problems))


def _brought(manifests: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """The apiVersion and kind of what definitions among the manifests define."""
    for manifest in manifests:
        spec = manifest.get("spec")
        if manifest["kind"] == DEFINITION and isinstance(spec, Mapping):
            for version in spec.get("versions") or ():
                yield f"{spec.get('group')}/{version.get('name')}", str((spec.get("names") or {}).get("kind"))


def _stripped(manifest: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    dropped = {*SERVERS_OWN, *(() if resource.namespaced else ("namespace",))}
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in dropped}
    return {**{name: value for name, value in manifest.items() if name != "status"}, "metadata": metadata}


def _repeated(items: Sequence[Item]) -> Iterable[str]:
    seen: set[str] = set()
    for item in items:
        if item.path in seen:
            yield f"{item} is in the manifests twice: keep one"
        seen.add(item.path)
