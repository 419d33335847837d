"""Typed operations on whole objects: check against the schema, merge, remove by path, and tidy."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bot.sandbox.cluster.fields import FieldSet, Path, item_element, path_text
from bot.sandbox.cluster.schema import Shape

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_GO_TYPES = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}", int: "int64"}
_KEPT_NULLS = frozenset({"lastProbeTime", "firstTimestamp", "lastTimestamp", "eventTime"})


def type_errors(value: Any, shape: Shape) -> list[str]:
    """What server-side apply's typed check says of a configuration, in its words; empty where it fits."""
    return list(_type_errors(value, shape, ()))


def _type_errors(value: Any, shape: Shape, path: Path) -> Iterator[str]:
    shape = shape.resolve(value)
    if value is None:
        return
    problem = _mismatch(value, shape)
    if problem:
        where = path_text(path)
        yield f"{where}: {problem}" if where else problem
    elif isinstance(value, dict):
        yield from _map_errors(value, shape, path)
    elif isinstance(value, list):
        yield from _list_errors(value, shape, path)


def _mismatch(value: Any, shape: Shape) -> str:
    if shape.kind in ("map", "list"):
        fits = isinstance(value, dict if shape.kind == "map" else list)
        return "" if fits else f"expected {shape.kind}, got &{{{_go(value)}}}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match shape.scalar:
        case "numeric" if not number:
            return f"expected numeric (int or float), got {_GO_TYPES[type(value)]}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{_go(value)}}}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got &{{{_go(value)}}}"
        case "untyped" | "quantity" if isinstance(value, dict | list):
            return f"expected any scalar, got &{{{_go(value)}}}"
    return ""


def _go(value: Any) -> str:
    """Roughly how Go's fmt prints a decoded value; people read it, nothing parses it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _map_errors(value: dict[str, Any], shape: Shape, path: Path) -> Iterator[str]:
    for name, below in value.items():
        here = (*path, "f:" + name)
        child = shape.child(name)
        if child is None:
            yield f"{path_text(here)}: field not declared in schema"
            return
        yield from _type_errors(below, child, here)


def _list_errors(value: list[Any], shape: Shape, path: Path) -> Iterator[str]:
    seen: set[str] = set()
    element_shape = shape.element or shape
    for index, item in enumerate(value):
        if shape.atomic:
            yield from _type_errors(item, element_shape, (*path, f"i:{index}"))
            continue
        if shape.keys and not isinstance(item, dict):
            problem = "associative list with keys may not have non-map elements"
            yield f"{path_text(path)}: element {index}: {problem}"
            return
        element = item_element(item, shape)
        if element in seen:
            yield f"{path_text(path)}: duplicate entries for key {path_text((element,))}"
        seen.add(element)
        yield from _type_errors(item, element_shape, (*path, element))


def merge(live: Any, applied: Any, shape: Shape) -> Any:
    """The live value with the applied one laid over it; list-maps and sets by item, atomic values as a whole."""
    shape = shape.resolve(applied)
    if shape.kind == "scalar" or shape.atomic or applied is None or live is None:
        return applied
    if isinstance(applied, dict) and isinstance(live, dict):
        merged = dict(live)
        for name, value in applied.items():
            child = shape.child(name)
            merged[name] = merge(live[name], value, child) if child and name in live else value
        return merged
    if isinstance(applied, list) and isinstance(live, list):
        return _merge_lists(live, applied, shape)
    return applied


def _merge_lists(live: list[Any], applied: list[Any], shape: Shape) -> list[Any]:
    """Applied items lead; items that only the live list has keep their place before the next shared one."""
    old = {item_element(item, shape): item for item in live}
    new = {item_element(item, shape): item for item in applied}
    waiting = list(old)
    merged: list[Any] = []
    for key, item in new.items():
        while waiting and (waiting[0] not in new or (key in waiting and waiting[0] != key)):
            first = waiting.pop(0)
            if first not in new:
                merged.append(old[first])
        if waiting and waiting[0] == key:
            waiting.pop(0)
        merged.append(merge(old[key], item, shape.element or shape) if key in old else item)
    return merged + [old[key] for key in waiting if key not in new]


def remove(value: Any, paths: FieldSet, shape: Shape) -> Any:
    """The value without the given paths and what is below them. A map or list emptied that way becomes None."""
    shape = shape.resolve(value)
    if not paths or shape.atomic or shape.kind == "scalar" or not value:
        return value
    exact = {path[0] for path in paths if len(path) == 1}
    below: dict[str, set[Path]] = {}
    for path in paths:
        if len(path) > 1:
            below.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, dict):
        kept = {
            name: remove(item, frozenset(below.get("f:" + name, ())), shape.child(name) or shape)
            for name, item in value.items()
            if "f:" + name not in exact
        }
        return kept or None
    left = []
    for item in value:
        element = item_element(item, shape)
        if element not in exact:
            left.append(remove(item, frozenset(below.get(element, ())), shape.element or shape))
    return left or None


def tidy(value: Any, shape: Shape) -> Any:
    """As a typed server stores it: no nulls, no empty plain maps or lists, quantities in canonical form."""
    shape = shape.resolve(value)
    if isinstance(value, dict):
        result = {}
        for name, below in value.items():
            child = shape.child(name)
            if child is None or (below is None and name not in _KEPT_NULLS) or _drops_when_empty(below, child):
                continue
            result[name] = tidy(below, child)
        return result
    if isinstance(value, list):
        return [tidy(item, shape.element or shape) for item in value]
    return canonical_quantity(value) if shape.scalar == "quantity" and value is not None else value


def _drops_when_empty(value: Any, shape: Shape) -> bool:
    plain_map = shape.kind == "map" and not shape.fields
    return value in ({}, []) and (plain_map or shape.kind == "list")


def canonical_quantity(value: Any) -> str:
    """A resource quantity the way the API server writes it back: ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``."""
    text = str(value)
    match = _NUMBER.match(text)
    if match is None:
        return text
    suffix = text[match.end() :]
    if suffix in _BINARY:
        return _scaled(Decimal(match[0]) * Decimal(1024) ** _BINARY[suffix], Decimal(1024), _BINARY) or text
    if suffix in _DECIMAL:
        return _scaled(Decimal(match[0]) * Decimal(1000) ** _DECIMAL[suffix], Decimal(1000), _DECIMAL) or text
    return text


def _scaled(amount: Decimal, base: Decimal, suffixes: dict[str, int]) -> str:
    """The amount with the largest suffix that leaves a whole number; empty where none does."""
    if amount == 0:
        return "0"
    for suffix, power in sorted(suffixes.items(), key=lambda item: -item[1]):
        scaled = amount / base**power
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    whole = amount == amount.to_integral_value()
    return str(int(amount)) if whole else ""
