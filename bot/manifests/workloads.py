"""Where Kubernetes workloads keep their images: from a document's tree to the scalars that name them."""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.manifests.documents import ManifestError, Mapping, Node, Scalar, Sequence, Tree

# By kind alone: the place has been the same in every apiVersion, extensions/v1beta1 included.
POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template", "spec"),
    ),
}
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
MERGE_KEY = "<<"

Edge = tuple[int, int]
"""A parent node's identity and the position of a value in it: one place where a node is used."""


@dataclass(frozen=True, slots=True)
class ImageSite:
    """One container's image: whose it is, the scalar, and every place passed on the way from the root to it.

    Two sites share a scalar where an alias or a merge key leads both to it. ``merges`` are the places where the
    container merges mappings: one that gives it no image is none of the image's uses.
    """

    kind: str
    name: str
    namespace: str | None
    container: str
    init: bool
    scalar: Scalar
    trail: tuple[Edge, ...]
    merges: tuple[Edge, ...]
    ambiguity: ManifestError | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A value looked up by key, the places passed, and why another reader could see another value."""

    node: Node | None
    trail: tuple[Edge, ...] = ()
    ambiguity: ManifestError | None = None


def image_sites(tree: Tree) -> Iterator[ImageSite]:
    """Every image of every workload in a document, ``kind: List`` included, in the file's order."""
    if isinstance(tree.root, Mapping):
        yield from _sites(tree, tree.root, ())


def _sites(tree: Tree, manifest: Mapping, trail: tuple[Edge, ...]) -> Iterator[ImageSite]:
    kind = _text(tree, manifest, "kind")
    if kind.endswith("List"):
        items = _lookup(tree, manifest, "items")
        for item, edge in _items(items.node):
            if isinstance(item, Mapping):
                yield from _sites(tree, item, (*trail, *items.trail, edge))
    elif kind in POD_SPECS:
        yield from _workload_sites(tree, manifest, kind, trail)


def _workload_sites(tree: Tree, manifest: Mapping, kind: str, trail: tuple[Edge, ...]) -> Iterator[ImageSite]:
    pod = _descend(tree, manifest, POD_SPECS[kind])
    metadata = _lookup(tree, manifest, "metadata").node
    for list_name in CONTAINER_LISTS:
        containers = _lookup(tree, pod.node, list_name)
        for container, edge in _items(containers.node):
            image = _lookup(tree, container, "image")
            if isinstance(image.node, Scalar) and image.node.value.strip():
                yield ImageSite(
                    kind=kind,
                    name=_text(tree, metadata, "name"),
                    namespace=_text(tree, metadata, "namespace") or None,
                    container=_text(tree, container, "name"),
                    init=list_name == "initContainers",
                    scalar=image.node,
                    trail=(*trail, *pod.trail, *containers.trail, edge, *image.trail),
                    merges=tuple(_merge_edges(container)),
                    ambiguity=pod.ambiguity or containers.ambiguity or image.ambiguity,
                )


def _descend(tree: Tree, node: Node, keys: tuple[str, ...]) -> _Found:
    found = _Found(node)
    for key in keys:
        step = _lookup(tree, found.node, key)
        found = _Found(step.node, (*found.trail, *step.trail), found.ambiguity or step.ambiguity)
    return found


def _lookup(tree: Tree, node: Node | None, key: str) -> _Found:
    """The value of a key, from a merge key (``<<``) where the mapping itself does not have it.

    The last of two wins, as for kubectl; but where two readers of YAML could differ, that is noted.
    """
    found, is_merged = _Found(None), False
    for position, (name, value) in enumerate(node.entries if isinstance(node, Mapping) else ()):
        if not isinstance(name, Scalar):
            continue
        if name.value == key:
            candidate, merges = _Found(value), False
        elif is_merge_key(name):
            candidate, merges = _merged(tree, value, key), True
        else:
            continue
        if candidate.node is not None:
            ambiguity = candidate.ambiguity
            if found.node is not None and (merges or not is_merged):
                ambiguity = tree.document.error(name.start, f"{key!r} is set twice in one mapping", "remove one")
            found, is_merged = _Found(candidate.node, ((id(node), position), *candidate.trail), ambiguity), merges
    return found


def _merged(tree: Tree, source: Node, key: str) -> _Found:
    """Look a key up in what ``<<`` names: one mapping, or a list of which the first that has the key wins."""
    if isinstance(source, Mapping):
        return _lookup(tree, source, key)
    for item, edge in _items(source):
        found = _lookup(tree, item, key)
        if found.node is not None:
            return _Found(found.node, (edge, *found.trail), found.ambiguity)
    return _Found(None)


def is_merge_key(node: Node) -> bool:
    """Whether a key is ``<<``, and not in quotes."""
    return isinstance(node, Scalar) and node.is_plain and node.value == MERGE_KEY


def _merge_edges(node: Node) -> Iterator[Edge]:
    for position, (name, value) in enumerate(node.entries if isinstance(node, Mapping) else ()):
        if is_merge_key(name):
            yield id(node), position
            yield from (edge for _, edge in _items(value))


def _items(node: Node | None) -> Iterator[tuple[Node, Edge]]:
    if isinstance(node, Sequence):
        yield from ((item, (id(node), position)) for position, item in enumerate(node.items))


def _text(tree: Tree, node: Node | None, key: str) -> str:
    value = _lookup(tree, node, key).node
    return value.value if isinstance(value, Scalar) else ""
