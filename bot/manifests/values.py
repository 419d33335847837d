"""Manifests as plain data, with the types that kubectl gives them.

kubectl reads YAML by ``sigs.k8s.io/yaml``, that is go-yaml 2: YAML 1.1's booleans (``yes``, ``on``) and octals
(``0755``), but no dates and no sexagesimals, and keys become strings. Only its laxness is not copied: a key set
twice, a tag that it would ignore and a number that JSON cannot hold are refused, for the reader would be misled.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from bot.manifests.documents import ManifestError, Mapping, Node, Scalar, Sequence, Tree, compose, split_documents
from bot.manifests.workloads import is_merge_key

MAX_VALUES = 1_000_000
"""In one file, aliases followed; go-yaml refuses "excessive aliasing" too."""

_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_BOOLEANS = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0|[1-9][0-9]*)")
_INTEGERS = range(-(2**63), 2**64)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WHOLE_FLOATS = 2.0**53
"""Below it a float that is whole is sent as an integer, as Go does; above it would be sent digits that it has not."""

_TYPES: dict[str, tuple[type, ...]] = {
    "": (),
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}
Value = dict[str, Any] | list[Any] | str | int | float | bool | None


def parse_documents(text: str, path: str) -> list[dict[str, Any]]:
    """The objects of a manifest file: ``kind: List`` flattened, aliases resolved, empty documents dropped.

    Raises:
        ManifestError: not YAML, or not what Kubernetes takes for an object; with file and line.
    """
    objects: list[dict[str, Any]] = []
    for document in split_documents(text, path):
        tree = compose(document)
        if tree.root is None or (isinstance(tree.root, Scalar) and tree.root.is_plain and tree.root.value in _NULLS):
            continue
        objects += _Reader(tree).objects(tree.root)
    return objects


def read_value(tree: Tree) -> Value:
    """What a document says, whatever it is.

    Raises:
        ManifestError: it says something twice, or what no reader would take.
    """
    return None if tree.root is None else _Reader(tree).value(tree.root)


class _Reader:
    """Turns one document's tree into objects."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._values_left = MAX_VALUES

    def objects(self, root: Node) -> Iterator[dict[str, Any]]:
        value = self.value(root)
        if not isinstance(value, dict):
            raise self._error(
                root, "a manifest is needed here, a mapping with apiVersion and kind", "correct or remove it"
            )
        yield from self._flat(value, root)

    def _flat(self, manifest: dict[str, Any], root: Node) -> Iterator[dict[str, Any]]:
        for key in ("apiVersion", "kind"):
            if not isinstance(manifest.get(key), str) or not manifest[key]:
                raise self._error(root, f"this object has no {key}", "every Kubernetes object needs one, as text")
        kind, items = manifest["kind"], manifest.get("items")
        if not kind.endswith("List") or not isinstance(items, list):
            yield manifest
            return
        inherited = {} if kind == "List" else {"apiVersion": manifest["apiVersion"], "kind": kind.removesuffix("List")}
        for item in items:
            if not isinstance(item, dict):
                raise self._error(root, f"an item of this {kind} is no object", "correct or remove it")
            yield from self._flat(inherited | item, root)

    def value(self, node: Node) -> Value:
        """A node with all that is below it."""
        self._values_left -= 1
        if self._values_left < 0:
            raise self._error(node, f"aliases blow this document up to over {MAX_VALUES:,} values", "write them out")
        match node:
            case Mapping():
                self._refuse_tag(node, "map")
                return self._mapping(node)
            case Sequence():
                self._refuse_tag(node, "seq")
                return [self.value(item) for item in node.items]
            case Scalar():
                return self._scalar(node)
        raise AssertionError(node)

    def _refuse_tag(self, node: Node, expected: str) -> None:
        if node.tag not in (None, "!", _TAG + expected):
            raise self._error(node, f"Kubernetes has no use for the tag {node.tag}", "remove the tag")

    def _mapping(self, node: Mapping) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for name, value in node.entries:
            if is_merge_key(name):
                merged |= self._merged(value)
                if own.keys() & merged.keys():
                    shadowed = ", ".join(sorted(own.keys() & merged.keys()))
                    reason = f"readers of YAML differ in whether << here replaces {shadowed}"
                    raise self._error(name, reason, "move << to the top of its mapping")
                continue
            key = self._key(name)
            if key in own:
                raise self._error(name, f"the key {key!r} is here twice", "remove one")
            own[key] = self.value(value)
        return merged | own

    def _merged(self, source: Node) -> dict[str, Any]:
        sources = source.items if isinstance(source, Sequence) else [source]
        merged: dict[str, Any] = {}
        for item in reversed(sources):
            if not isinstance(item, Mapping):
                raise self._error(item, "<< needs a mapping, or a list of mappings", "correct it")
            self._values_left -= 1
            merged |= self._mapping(item)
        return merged

    def _key(self, node: Node) -> str:
        value = self._scalar(node) if isinstance(node, Scalar) else None
        if isinstance(value, str):
            return value
        if isinstance(value, int):
            return str(value).lower() if isinstance(value, bool) else str(value)
        raise self._error(node, "a key must be a text", "write it in quotes")

    def _scalar(self, node: Scalar) -> str | float | bool | None:
        tag = (node.tag or "").removeprefix(_TAG)
        if tag in ("!", "str", "timestamp") or (not tag and node.style):
            return node.value
        value = self._finite(node)
        if tag not in _TYPES:
            raise self._error(node, f"Kubernetes has no use for the tag {node.tag}", "remove the tag")
        if tag and type(value) not in _TYPES[tag]:
            raise self._error(node, f"{node.value!r} is not of the type !!{tag}", "remove the tag")
        return value

    def _finite(self, node: Scalar) -> str | float | bool | None:
        value = resolve(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(node, f"the number {node.value} cannot be sent to Kubernetes", "write it in quotes")
        return value

    def _error(self, node: Node, reason: str, remedy: str) -> ManifestError:
        return self._tree.document.error(node.start, reason, remedy)


def resolve(text: str) -> str | float | bool | None:
    """What a plain scalar means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> float | None:
    """A number, or None. NaN stands for every number that JSON cannot hold."""
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    if not text.startswith(tuple("+-.0123456789")):
        return None
    digits = text.replace("_", "")
    for pattern, base in ((_OCTAL, 8), (_INTEGER, 0)):
        if pattern.fullmatch(digits) and int(digits, base) in _INTEGERS:
            return int(digits, base)
    if not _FLOAT.fullmatch(digits):
        return None
    number = float(digits)
    if math.isinf(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _WHOLE_FLOATS else number
