"""Sets of field paths, as ``metadata.managedFields`` records them (FieldsV1).

A path is a tuple of FieldsV1 elements: ``f:NAME`` for a field, ``k:{"name":"web"}`` for an item of a list-map,
``v:"x"`` for an item of a set, ``i:0`` for
an item known only by its place. The rules follow Kubernetes' structured-merge-diff.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.cluster.schema import KEY_DEFAULTS, Shape

Path = tuple[str, ...]
FieldSet = frozenset[Path]

_MISSING: Any = object()


def item_element(item: Any, shape: Shape) -> str:
    """The path element of one item of a list-map or a set."""
    if shape.is_set:
        return "v:" + _compact(item)
    keys = item if isinstance(item, dict) else {}
    found = {key: keys.get(key, KEY_DEFAULTS.get(key, "")) for key in sorted(shape.keys)}
    return "k:" + _compact(found)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def children(value: Any, shape: Shape) -> Iterator[tuple[str, Any, Shape]]:
    """The path element, value and shape of everything directly below a granular map or list."""
    if isinstance(value, dict):
        for name, below in value.items():
            if (child := shape.child(name)) is not None:
                yield "f:" + name, below, child
    elif isinstance(value, list) and shape.element is not None:
        for item in value:
            yield item_element(item, shape), item, shape.element


def field_set(value: Any, shape: Shape) -> FieldSet:
    """The fields that an applied configuration claims."""
    return frozenset(_claimed(value, shape, ()))


def _claimed(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    shape = shape.resolve(value)
    if shape.kind == "scalar" or shape.atomic:
        yield path
        return
    for element, below, child in children(value, shape):
        here = (*path, element)
        yield from _claimed(below, child, here)
        listed = not element.startswith("f:") or element[2:] not in shape.fields
        if listed or below is None or below == {}:
            yield here


@dataclass(slots=True)
class Comparison:
    """How an object differs from an earlier state of itself."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    """What changed from old to new; composites that appear or vanish are listed beside their leaves."""
    result = Comparison()
    _compare(old, new, shape, (), result)
    return result


def _compare(old: Any, new: Any, shape: Shape, path: Path, result: Comparison) -> None:
    if old is not _MISSING and new is not _MISSING and old == new:
        return
    shape = shape.resolve(old if new is _MISSING else new)
    leaf = shape.kind == "scalar" or shape.atomic or (_empty(old) and _empty(new))
    if not leaf:
        before = {element: (below, child) for element, below, child in children(old, shape)}
        after = {element: (below, child) for element, below, child in children(new, shape)}
        for element in before.keys() | after.keys():
            was, child = before.get(element, (_MISSING, None))
            now, child_now = after.get(element, (_MISSING, None))
            _compare(was, now, child_now or child or shape, (*path, element), result)
    if old is _MISSING:
        result.added.add(path)
    elif new is _MISSING:
        result.removed.add(path)
    elif leaf:
        result.modified.add(path)


def _empty(value: Any) -> bool:
    return value is _MISSING or value is None or value in ({}, [])


def with_named_parents(paths: Iterable[Path], shape: Shape) -> FieldSet:
    """The paths, with every struct field on the way to them; map keys and list items are left out."""
    result = set(paths)
    for path in list(result):
        at: Shape | None = shape
        for depth, element in enumerate(path[:-1], start=1):
            if at is None or at.kind != "map":
                at = at.element if at is not None and at.kind == "list" else None
                continue
            name = element[2:]
            if name in at.fields:
                result.add(path[:depth])
            at = at.child(name)
    return frozenset(result)


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """FieldsV1: a trie, with ``.`` where a path with others below it is a member itself."""
    members = frozenset(paths)
    root: dict[str, Any] = {}
    for path in sorted(members):  # a parent comes before what is below it
        node = root
        for depth, element in enumerate(path, start=1):
            node = node.setdefault(element, {})
            if depth < len(path) and path[:depth] in members:
                node["."] = {}
    return root


def decode(fields: dict[str, Any]) -> FieldSet:
    """The set that FieldsV1 stands for."""
    return frozenset(_decoded(fields, ()))


def _decoded(node: dict[str, Any], path: Path) -> Iterator[Path]:
    if path and (not node or "." in node):
        yield path
    for element, below in node.items():
        if element != ".":
            yield from _decoded(below, (*path, element))


def path_text(path: Path) -> str:
    """A path as error messages print it: ``.spec.containers[name="web"].image``."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    if element.startswith("f:"):
        return "." + element[2:]
    if element.startswith("i:"):
        return f"[{element[2:]}]"
    value = json.loads(element[2:])
    if element.startswith("v:"):
        return f"[={_compact(value)}]"
    return "[" + ",".join(f"{key}={_compact(value[key])}" for key in value) + "]"
