"""The three patch formats besides server-side apply: JSON patch, merge patch and strategic merge patch."""

import copy
from typing import Any

from bot.sandbox.cluster.errors import ApiError, bad_request
from bot.sandbox.cluster.schema import Shape

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH, STRATEGIC_PATCH)


def patched(content_type: str, obj: Any, patch: Any, shape: Shape) -> Any:
    """The object with one patch laid over it; the object itself stays as it is.

    Raises:
        ApiError: 400 for a patch of the wrong form, 422 for a JSON patch that does not fit the object.
    """
    if content_type == JSON_PATCH:
        if not isinstance(patch, list):
            raise bad_request("error decoding patch: a JSON patch is a list of operations")
        return json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    return strategic_merge(obj, patch, shape) if content_type == STRATEGIC_PATCH else merge_patch(obj, patch)


def merge_patch(obj: Any, patch: Any) -> Any:
    """RFC 7386: null removes a key, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(obj) if isinstance(obj, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def strategic_merge(obj: Any, patch: Any, shape: Shape) -> Any:
    """As a merge patch, with list-maps merged by key and ``$patch: delete`` and ``$patch: replace`` obeyed."""
    shape = shape.resolve(patch)
    if isinstance(patch, dict):
        return _strategic_map(obj if isinstance(obj, dict) else {}, patch, shape)
    if isinstance(patch, list) and isinstance(obj, list) and (shape.keys or shape.is_set):
        return _strategic_list(obj, patch, shape)
    return patch


def _strategic_map(obj: dict[str, Any], patch: dict[str, Any], shape: Shape) -> dict[str, Any]:
    result = {} if patch.get("$patch") == "replace" else dict(obj)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            result.pop(name, None)
        else:
            result[name] = strategic_merge(result.get(name), value, shape.child(name) or shape)
    return result


def _strategic_list(items: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if shape.is_set:
        return [*items, *(value for value in patch if value not in items)]
    key = shape.keys[0]
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    result = list(items)
    for change in patch:
        at = next((i for i, item in enumerate(result) if item.get(key) == change.get(key)), None)
        if change.get("$patch") == "delete":
            result = [item for item in result if item.get(key) != change.get(key)]
        elif at is None:
            result.append(change)
        else:
            result[at] = strategic_merge(result[at], change, shape.element or shape)
    return result


def json_patch(obj: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902, whole or not at all.

    Raises:
        ApiError: 422 where a path does not exist or a test fails.
    """
    result = copy.deepcopy(obj)
    for operation in operations:
        try:
            _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = f"the server rejected our request due to an error in our request: {operation.get('op')} {error}"
            raise ApiError(422, message, "Invalid") from error
    return result


def _operate(root: Any, operation: dict[str, Any]) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _set(root, path, operation["value"], insert=True)
        case "replace":
            _get(root, path)
            _set(root, path, operation["value"], insert=False)
        case "remove":
            _pop(root, path)
        case "move":
            _set(root, path, _pop(root, _pointer(operation["from"])), insert=True)
        case "copy":
            _set(root, path, copy.deepcopy(_get(root, _pointer(operation["from"]))), insert=True)
        case "test":
            if _get(root, path) != operation["value"]:
                raise ValueError(operation["path"])
        case other:
            raise ValueError(other)


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _set(root: Any, path: list[str], value: Any, *, insert: bool) -> None:
    holder = _get(root, path[:-1])
    if not isinstance(holder, list):
        holder[path[-1]] = value
    elif path[-1] == "-":
        holder.append(value)
    elif insert:
        holder.insert(int(path[-1]), value)
    else:
        holder[int(path[-1])] = value


def _pop(root: Any, path: list[str]) -> Any:
    holder = _get(root, path[:-1])
    return holder.pop(int(path[-1])) if isinstance(holder, list) else holder.pop(path[-1])
