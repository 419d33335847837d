"""Who owns which field of a live object, by its ``metadata.managedFields`` (pure).

Server-side apply removes a field that is gone from the manifest only if no other manager owns it. So what
``kubectl apply`` has written before must first become Slipway's own; and where an autoscaler owns ``spec.replicas``,
Slipway must not claim it.

Sources: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and client-go's ``csaupgrade``.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

MANAGER = "slipway"
CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
BEFORE_FIRST_APPLY = "before-first-apply"
"""Who the server says wrote what was there when an object first met server-side apply."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Fields = dict[str, Any]
Entry = Mapping[str, Any]


def is_ours(live: Mapping[str, Any]) -> bool:
    """Whether Slipway has applied this object."""
    return any(_is_own(entry) for entry in _entries(live))


def take_over(live: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The JSON patch that makes the fields of client-side apply Slipway's own, or None where there are none.

    It replaces ``resourceVersion`` by itself: the server answers 409 where the object has moved on.
    """
    entries = _entries(live)
    taken = [entry for entry in entries if _is_client_side(entry)]
    if not taken:
        return None
    own = next((entry for entry in entries if _is_own(entry)), None)
    home = own or taken[0]
    fields: Fields = copy.deepcopy(own.get("fieldsV1") or {}) if own is not None else {}
    for entry in taken:
        if entry.get("apiVersion") == home.get("apiVersion"):
            fields = _union(fields, _fields_to_take(entry, live))
    _drop(fields, ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}"))
    merged = {**home, "manager": MANAGER, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry is not own and not _is_client_side(entry)]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *rest]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def with_settled_replicas(manifest: dict[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    """The manifest with as much of ``spec.replicas`` as is Slipway's to say.

    - The scale subresource owns it (an autoscaler, ``kubectl scale``): left out. Whoever scales keeps the number.
    - Slipway alone owns it, and the manifest no longer has it (as one does when an autoscaler comes): kept as it is
      live. Giving up sole ownership would remove the field, and its default is 1.
    - Else as the manifest says.
    """
    spec = manifest.get("spec")
    if live is None or not isinstance(spec, dict):
        return manifest
    owners = [entry for entry in _entries(live) if _owns_replicas(entry)]
    if any(entry.get("subresource") == "scale" for entry in owners):
        return {**manifest, "spec": {name: value for name, value in spec.items() if name != "replicas"}}
    if "replicas" not in spec and owners and all(_is_own(entry) for entry in owners):
        return {**manifest, "spec": {**spec, "replicas": live["spec"]["replicas"]}}
    return manifest


def _entries(live: Mapping[str, Any]) -> list[Entry]:
    return live["metadata"].get("managedFields") or []


def _is_own(entry: Entry) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _is_client_side(entry: Entry) -> bool:
    written_by = entry.get("manager") in (CLIENT_SIDE_APPLY, BEFORE_FIRST_APPLY)
    return written_by and entry.get("operation") == "Update" and not entry.get("subresource")


def _owns_replicas(entry: Entry) -> bool:
    return "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})


def _fields_to_take(entry: Entry, live: Mapping[str, Any]) -> Fields:
    """All of what ``kubectl apply`` sent, or what is known of it.

    The server's own guess of the time before holds every live field, also those that a controller filled in; of
    these only what the last-applied configuration names.
    """
    fields: Fields = entry.get("fieldsV1") or {}
    if entry.get("manager") == CLIENT_SIDE_APPLY:
        return fields
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "null")
    try:
        return named_in(fields, json.loads(text))
    except ValueError:
        return {}


def named_in(fields: Fields, value: Any) -> Fields:
    """The part of a field set that an object names.

    Keys: ``f:NAME`` a field, ``k:{JSON}`` the list item with these keys, ``v:JSON`` an item of a set, ``.`` itself.
    An item's key that is a default (a port's protocol) may be missing in the object.
    """
    kept: Fields = {}
    for key, inner in fields.items():
        mark, _, rest = key.partition(":")
        match mark:
            case "f" if isinstance(value, dict) and rest in value:
                kept[key] = named_in(inner, value[rest])
            case "k" if isinstance(value, list):
                found = _item(value, json.loads(rest))
                if found is not None:
                    kept[key] = named_in(inner, found)
            case "v" if isinstance(value, list) and json.loads(rest) in value:
                kept[key] = inner
            case ".":
                kept[key] = inner
    return kept


def _item(items: list[Any], keys: Mapping[str, Any]) -> Any:
    for item in items:
        if isinstance(item, dict) and all(item.get(name, wanted) == wanted for name, wanted in keys.items()):
            return item
    return None


def _union(one: Fields, other: Fields) -> Fields:
    both = dict(one)
    for key, inner in other.items():
        both[key] = _union(both.get(key, {}), inner)
    return both


def _drop(fields: Fields, path: tuple[str, ...]) -> None:
    """Remove a leaf, and the parents that hold nothing else."""
    first, *rest = path
    if first not in fields:
        return
    if rest:
        _drop(fields[first], tuple(rest))
        if fields[first]:
            return
    del fields[first]
