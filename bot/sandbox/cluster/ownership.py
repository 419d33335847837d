"""Who owns which field: server-side apply, and the bookkeeping that every other write needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.errors import ApiError
from bot.sandbox.cluster.fields import (
    FieldSet,
    Path,
    compare,
    decode,
    encode,
    field_set,
    path_text,
    with_named_parents,
)
from bot.sandbox.cluster.merge import merge, remove
from bot.sandbox.cluster.schema import Shape

_UNTRACKED_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)


@dataclass(frozen=True, slots=True)
class Manager:
    """A field manager's identity. Updates are told apart by API version too, applies are not."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two entries the same manager."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.name, self.operation, version, self.subresource)

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text + (f" using {self.api_version}" if self.operation == "Update" else "")


@dataclass(frozen=True, slots=True)
class Owned:
    """One entry of managedFields."""

    manager: Manager
    fields: FieldSet
    time: str


Owners = Mapping[tuple[str, str, str, str], Owned]


def read_owners(entries: list[dict[str, Any]]) -> Owners:
    """The entries of ``metadata.managedFields`` by manager."""
    owners = {}
    for entry in entries:
        manager = Manager(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
        owners[manager.identity] = Owned(manager, decode(entry.get("fieldsV1", {})), entry.get("time", ""))
    return owners


def write_owners(owners: Owners) -> list[dict[str, Any]]:
    """The entries as the server lists them: applies first, then by time and name."""
    entries = [_entry(owned) for owned in owners.values() if owned.fields]
    return sorted(
        entries, key=lambda e: (e["operation"], e["time"], e["manager"], e["apiVersion"], e.get("subresource", ""))
    )


def _entry(owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": owned.manager.name,
        "operation": owned.manager.operation,
        "apiVersion": owned.manager.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(owned.fields),
    }
    if owned.manager.subresource:
        entry["subresource"] = owned.manager.subresource
    return entry


def _tracked(paths: FieldSet | set[Path], subresource: str) -> FieldSet:
    """Without what no manager owns: identity, and the half of the object that this endpoint does not write."""
    untracked: set[Path] = {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    untracked |= {("f:metadata", "f:" + name) for name in _UNTRACKED_METADATA}
    other_half = "f:spec" if subresource == "status" else "f:status"
    return frozenset(
        path for path in paths if path not in untracked and path[:2] not in untracked and path[0] != other_half
    )


def apply(
    live: dict[str, Any],
    config: dict[str, Any],
    shape: Shape,
    owners: Owners,
    *,
    manager: Manager,
    force: bool,
    now: str,
) -> tuple[dict[str, Any], Owners]:
    """Server-side apply: the merged object, and who owns what afterwards.

    Raises:
        ApiError: 409 with one cause a field, where another manager owns a field with another value.
    """
    last = owners.get(manager.identity)
    applied = field_set(config, shape)
    mine = _tracked(applied, manager.subresource)
    merged: dict[str, Any] = merge(live, config, shape)
    if last is not None:
        others = frozenset().union(*(o.fields for key, o in owners.items() if key != manager.identity))
        gone = with_named_parents(last.fields, shape) - with_named_parents(applied | others, shape)
        merged = remove(merged, gone, shape) or {}
    after = _yield_fields(live, merged, shape, owners, manager=manager, force=force)
    return merged, {**after, manager.identity: Owned(manager, mine, now)}


def update(
    live: dict[str, Any], new: dict[str, Any], shape: Shape, owners: Owners, *, manager: Manager, now: str
) -> Owners:
    """Who owns what after a create, update or patch: what changed belongs to its manager alone."""
    after = _yield_fields(live, new, shape, owners, manager=manager, force=True)
    difference = compare(live, new, shape)
    taken = _tracked(difference.added | difference.modified, manager.subresource)
    before = after.get(manager.identity)
    kept = before.fields - difference.removed if before is not None else frozenset()
    if not taken:
        return after if before is None else {**after, manager.identity: Owned(manager, kept, before.time)}
    return {**after, manager.identity: Owned(manager, kept | taken, now)}


def _yield_fields(
    live: dict[str, Any], new: dict[str, Any], shape: Shape, owners: Owners, *, manager: Manager, force: bool
) -> dict[tuple[str, str, str, str], Owned]:
    """The owners, each without the fields that this write changes or removes."""
    difference = compare(live, new, shape)
    changed = _tracked(difference.added | difference.modified, manager.subresource)
    conflicts: list[tuple[Manager, Path]] = []
    after = {}
    for key, owned in owners.items():
        if key == manager.identity:
            after[key] = owned
            continue
        lost = owned.fields & changed
        conflicts += [(owned.manager, path) for path in sorted(lost)]
        after[key] = Owned(owned.manager, owned.fields - lost - difference.removed, owned.time)
    if conflicts and not force:
        raise _conflict(conflicts)
    return after


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path_text(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {manager}: {path_text(path)}"
    else:
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(_conflict_lines(conflicts))
    return ApiError(409, message, "Conflict", {"causes": causes})


def _conflict_lines(conflicts: list[tuple[Manager, Path]]) -> list[str]:
    lines = []
    for name in sorted({str(manager) for manager, _ in conflicts}):
        lines.append(f"conflicts with {name}:")
        lines += [f"- {path_text(path)}" for manager, path in conflicts if str(manager) == name]
    return lines
