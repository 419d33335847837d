"""Deletes: at once, in the background, in the foreground, gracefully, or held up by finalizers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.sandbox.cluster.errors import ApiError
from bot.sandbox.cluster.objects import Objects, Target
from bot.sandbox.cluster.store import Key, Obj, Store, key_of

FOREGROUND = "foregroundDeletion"
_RETURNS_OBJECT = frozenset(
    {"Service", "Pod", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "ServiceAccount", "Namespace"}
)


def delete(objects: Objects, target: Target, options: Obj, *, dry_run: bool = False) -> Obj:
    """DELETE of one object: what the server answers, the object or a ``Status`` that names it.

    Raises:
        ApiError: 404; 409 where a precondition does not hold.
    """
    with objects.store.lock:
        obj = objects.get(target)
        _check_preconditions(target, obj, options.get("preconditions") or {})
        deleted = obj if dry_run else _delete(objects, target, obj, options)
    if target.resource.kind in _RETURNS_OBJECT or deleted["metadata"].get("finalizers"):
        return deleted
    return _success(target, obj)


def _check_preconditions(target: Target, obj: Obj, preconditions: dict[str, Any]) -> None:
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted, found = preconditions.get(field), obj["metadata"][field]
        if wanted and wanted != found:
            what = f'Operation cannot be fulfilled on {target.resource.qualified} "{target.name}"'
            why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
            details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural}
            raise ApiError(409, f"{what}: {why}", "Conflict", {k: v for k, v in details.items() if v})


def _delete(objects: Objects, target: Target, obj: Obj, options: Obj) -> Obj:
    meta = dict(obj["metadata"])
    finalizers = list(meta.get("finalizers", ()))
    policy = options.get("propagationPolicy", "Background")
    if policy == "Orphan":
        _orphan_dependents(objects, meta["uid"])
    if policy == "Foreground":
        finalizers.append(FOREGROUND)
    grace = _grace_seconds(target, obj, options)
    if not finalizers and grace == 0 and target.resource.kind != "Namespace":
        removed = objects.store.remove(key_of(target.resource), target.namespace, target.name)
        return removed or obj
    if "deletionTimestamp" in meta:
        return obj
    until = datetime.now(UTC) + timedelta(seconds=grace)
    meta |= {"deletionTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "deletionGracePeriodSeconds": grace}
    if finalizers:
        meta["finalizers"] = list(dict.fromkeys(finalizers))
    changed = {**obj, "metadata": meta}
    if target.resource.kind == "Namespace":
        del meta["deletionGracePeriodSeconds"]
        changed["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return objects.store.put(key_of(target.resource), changed)


def _grace_seconds(target: Target, obj: Obj, options: Obj) -> int:
    """Only pods take their time, and only once a node runs them."""
    if target.resource.kind != "Pod" or not obj["spec"].get("nodeName"):
        return 0
    default = obj["spec"].get("terminationGracePeriodSeconds", 30)
    return int(options.get("gracePeriodSeconds", default))


def _orphan_dependents(objects: Objects, uid: str) -> None:
    for key, obj in objects.store.everything():
        owners = obj["metadata"].get("ownerReferences", ())
        if any(owner["uid"] == uid for owner in owners):
            left = [owner for owner in owners if owner["uid"] != uid]
            meta = {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}
            objects.store.put(key, {**obj, "metadata": meta | ({"ownerReferences": left} if left else {})})


def finish_foreground(store: Store, key: Key, obj: Obj) -> None:
    """Take the foreground finalizer off; the object goes where it was the last one."""
    meta = obj["metadata"]
    left = [name for name in meta["finalizers"] if name != FOREGROUND]
    store.put(key, {**obj, "metadata": {**meta, "finalizers": left}})
    if not left:
        store.remove(key, meta.get("namespace", ""), meta["name"])


def _success(target: Target, obj: Obj) -> Obj:
    details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v} | {"uid": obj["metadata"]["uid"]},
    }
