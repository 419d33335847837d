"""The write half of the API: create, replace, apply, patch and delete, as the real server orders the checks."""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.admission import admit_new, empty_object, now
from bot.sandbox.cluster.defaults import apply_defaults
from bot.sandbox.cluster.errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    forbidden_change,
    invalid,
    modified,
    not_found,
    required,
)
from bot.sandbox.cluster.merge import tidy, type_errors
from bot.sandbox.cluster.ownership import Manager, Owners, apply, read_owners, update, write_owners
from bot.sandbox.cluster.patches import APPLY_PATCH, patched
from bot.sandbox.cluster.resources import BUILT_IN, Resource, built_in, custom_resources
from bot.sandbox.cluster.store import Obj, Store, key_of
from bot.sandbox.cluster.validation import validate

_KEPT_METADATA = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink")
_CONTROLLERS = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. ``name`` is empty for a collection."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The options that write requests share."""

    manager: str = _CONTROLLERS
    dry_run: bool = False
    force: bool = False
    strict: bool = False


class Objects:
    """Objects as the API server keeps them: every method holds the store's lock from look to write."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._addresses = (f"10.96.{n // 250}.{n % 250 + 1}" for n in itertools.count(10))
        self._resources: tuple[tuple[str, ...], tuple[Resource, ...]] = ((), BUILT_IN)

    def resources(self) -> Sequence[Resource]:
        """Everything that is served now: the built-in kinds, and those of established definitions."""
        definitions = [
            definition
            for definition in self.store.all(key_of(built_in("customresourcedefinitions")))
            if any(c["type"] == "Established" for c in definition.get("status", {}).get("conditions", ()))
        ]
        versions = tuple(definition["metadata"]["resourceVersion"] for definition in definitions)
        if self._resources[0] != versions:
            custom = [resource for definition in definitions for resource in custom_resources(definition)]
            self._resources = (versions, (*BUILT_IN, *custom))
        return self._resources[1]

    def get(self, target: Target) -> Obj:
        """One object.

        Raises:
            ApiError: 404.
        """
        obj = self.store.get(key_of(target.resource), target.namespace, target.name)
        if obj is None:
            raise not_found(target.resource, target.name)
        return obj

    def create(self, target: Target, body: Obj, options: WriteOptions) -> Obj:
        """POST."""
        resource = target.resource
        self._check_identity(target, body)
        new = self._decoded(resource, body, options)
        with self.store.lock:
            name = new["metadata"].get("name", "")
            if name and self.store.get(key_of(resource), target.namespace, name):
                raise already_exists(resource, name)
            if not name and "generateName" not in new["metadata"]:
                causes = [required("metadata.name", "name or generateName is required")]
                raise invalid(resource.kind, resource.group, "", causes)
            return self._store_new(target, new, None, options)

    def replace(self, target: Target, body: Obj, options: WriteOptions) -> Obj:
        """PUT. Creates nothing: a missing object is 404."""
        self._check_identity(target, body)
        new = self._decoded(target.resource, body, options)
        with self.store.lock:
            return self._store_change(target, self.get(target), new, None, options)

    def patch(self, target: Target, content_type: str, patch: Any, options: WriteOptions) -> tuple[Obj, bool]:
        """PATCH in any of the four formats; the object, and whether it is new (only apply creates)."""
        if content_type == APPLY_PATCH:
            return self.apply(target, patch, options)
        if options.force:
            cause = forbidden_change("force", "may not be specified for non-apply patch")
            raise _bad_options(cause)
        with self.store.lock:
            live = self.get(target)
            new = patched(content_type, live, patch, target.resource.shape)
            return self._store_change(target, live, self._decoded(target.resource, new, options), None, options), False

    def apply(self, target: Target, config: Any, options: WriteOptions) -> tuple[Obj, bool]:
        """Server-side apply.

        Raises:
            ApiError: 500 where the configuration does not fit the schema (as real servers answer), 409 on conflicts.
        """
        resource = target.resource
        if not options.manager:
            raise _bad_options(required("fieldManager", "is required for apply patch"))
        self._check_configuration(target, config)
        with self.store.lock:
            live = self.store.get(key_of(resource), target.namespace, target.name)
            if live is None and target.subresource:
                raise not_found(resource, target.name)
            base = live or {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": target.name},
            }
            manager = Manager(options.manager, "Apply", resource.api_version, target.subresource)
            owners = read_owners(base["metadata"].get("managedFields", []))
            if live is not None and not owners:  # nobody knows who wrote it: the server says so, by this name
                unknown = Manager("before-first-apply", "Update", resource.api_version)
                empty = empty_object(resource, target.namespace)
                owners = update(empty, _bare(live), resource.shape, {}, manager=unknown, now=now())
            merged, owners = apply(
                base, config, resource.shape, owners, manager=manager, force=options.force, now=now()
            )
            new = tidy(merged, resource.shape)
            if live is None:
                return self._store_new(target, new, owners, options), True
            return self._store_change(target, live, new, owners, options), False

    def write_status(
        self, resource: Resource, live: Obj, status: Obj, annotations: Obj | None = None, manager: str = _CONTROLLERS
    ) -> Obj:
        """As a controller does it: the new status, and with it annotations of its own."""
        meta = live["metadata"]
        target = Target(resource, meta.get("namespace", ""), meta["name"], "status")
        new = {**live, "status": status, "metadata": {**meta, **({"annotations": annotations} if annotations else {})}}
        with self.store.lock:
            return self._store_change(target, self.get(target), new, None, WriteOptions(manager))

    def _check_configuration(self, target: Target, config: Any) -> None:
        if not isinstance(config, dict) or not isinstance(config.get("metadata"), dict | None):
            raise bad_request(
                "error decoding YAML: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        if "kind" not in config:
            raise bad_request("Object 'Kind' is missing in the applied configuration")
        meta = config.get("metadata") or {}
        if meta.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        if config.get("apiVersion") != target.resource.api_version:
            given, served = config.get("apiVersion"), target.resource.api_version
            message = (
                f"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {served}"
            )
            raise bad_request(message)
        self._check_identity(target, config)
        if problems := type_errors(config, target.resource.shape):
            text = problems[0] if len(problems) == 1 else "\n  ".join(["errors:", *problems])
            what = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {config['apiVersion']}, Kind={config['kind']}"
            raise ApiError(500, f"failed to create typed patch object ({what}): {text}")

    def _check_identity(self, target: Target, body: Obj) -> None:
        """The body and the URL must speak of the same object."""
        meta = body.get("metadata") or {}
        name, namespace = meta.get("name", target.name), meta.get("namespace", target.namespace)
        if target.name and name != target.name:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
        if target.resource.namespaced and namespace != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if body.get("kind", target.resource.kind) != target.resource.kind:
            served = f"{target.resource.api_version}, Kind={target.resource.kind}"
            raise bad_request(f"no kind {body['kind']!r} is served here: expected {served}")

    def _decoded(self, resource: Resource, body: Any, options: WriteOptions) -> Obj:
        """The body as a typed server reads it: unknown fields dropped, or refused where asked to be strict."""
        if not isinstance(body, dict):
            raise bad_request("the body is not an object")
        problems = type_errors(body, resource.shape)
        unknown = [problem for problem in problems if problem.endswith("not declared in schema")]
        if len(unknown) < len(problems):
            wrong = next(problem for problem in problems if problem not in unknown)
            what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            raise bad_request(f"{what}: {wrong}")
        if unknown and options.strict:
            names = ", ".join(f'unknown field "{problem.split(":")[0].lstrip(".")}"' for problem in unknown)
            raise bad_request(f"strict decoding error: {names}")
        decoded: Obj = tidy(copy.deepcopy(body), resource.shape)
        decoded.setdefault("metadata", {})
        return decoded | {"apiVersion": resource.api_version, "kind": resource.kind}

    def _store_new(self, target: Target, new: Obj, owners: Owners | None, options: WriteOptions) -> Obj:
        resource, meta = target.resource, new["metadata"]
        self._check_namespace(target)
        for name in ("resourceVersion", "managedFields", "deletionTimestamp"):
            meta.pop(name, None)
        if target.namespace:
            meta["namespace"] = target.namespace
        new.pop("status", None)
        apply_defaults(new)
        if owners is None:
            manager = Manager(options.manager, "Update", resource.api_version)
            base = empty_object(resource, target.namespace)
            owners = update(base, new, resource.shape, {}, manager=manager, now=now())
        validate(resource, new if "name" in meta else {**new, "metadata": {**meta, "name": "generated"}}, None)
        admit_new(resource, new, next(self._addresses))
        _record_owners(meta, owners)
        return new if options.dry_run else self.store.put(key_of(resource), new)

    def _check_namespace(self, target: Target) -> None:
        if not target.namespace:
            return
        namespaces = built_in("namespaces")
        namespace = self.store.get(key_of(namespaces), "", target.namespace)
        if namespace is None:
            raise not_found(namespaces, target.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            what = f'{target.resource.qualified} "{target.name}" is forbidden'
            why = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            raise ApiError(403, f"{what}: {why}", "Forbidden")

    def _store_change(self, target: Target, live: Obj, new: Obj, owners: Owners | None, options: WriteOptions) -> Obj:
        resource, shape = target.resource, target.resource.shape
        meta = new["metadata"]
        if meta.get("resourceVersion", live["metadata"]["resourceVersion"]) != live["metadata"]["resourceVersion"]:
            raise modified(resource, target.name)
        entries = meta.pop("managedFields", None)
        new = self._confined(target, live, new)
        apply_defaults(new)
        if owners is None:
            manager = Manager(options.manager, "Update", resource.api_version, target.subresource)
            before = _entries_to_start_from(entries, live, target.subresource)
            owners = update(_bare(live), new, shape, before, manager=manager, now=now())
        if target.subresource != "status":
            validate(resource, new, live)
        _record_owners(new["metadata"], owners)
        _count_generation(resource, live, new)
        if _timeless(new) == _timeless(live):
            return live
        return new if options.dry_run else self._put(target, live, new)

    def _confined(self, target: Target, live: Obj, new: Obj) -> Obj:
        """Only what this endpoint may write: not the identity, and either the status or the rest."""
        meta = {k: v for k, v in new["metadata"].items() if k not in _KEPT_METADATA}
        meta |= {k: live["metadata"][k] for k in _KEPT_METADATA if k in live["metadata"]}
        meta["resourceVersion"] = live["metadata"]["resourceVersion"]
        if target.subresource == "status":
            status = {"status": new["status"]} if "status" in new else {}
            kept = {k: v for k, v in live.items() if k != "status"}
            annotations = {"annotations": meta["annotations"]} if "annotations" in meta else {}
            return copy.deepcopy({**kept, **status, "metadata": {**_bare(live)["metadata"], **annotations}})
        confined = {k: v for k, v in new.items() if k != "status"} | {"metadata": meta}
        if "status" in live:
            confined["status"] = live["status"]
        return copy.deepcopy(confined)

    def _put(self, target: Target, live: Obj, new: Obj) -> Obj:
        """Store a change; the write that takes the last finalizer off a deleted object removes it."""
        stored = self.store.put(key_of(target.resource), new)
        was_held = live["metadata"].get("finalizers") and live["metadata"].get("deletionTimestamp")
        if was_held and not new["metadata"].get("finalizers"):
            self.store.remove(key_of(target.resource), target.namespace, target.name)
        return stored


def _record_owners(meta: Obj, owners: Owners) -> None:
    if entries := write_owners(owners):
        meta["managedFields"] = entries


def _bad_options(cause: Cause) -> ApiError:
    return invalid("PatchOptions", "meta.k8s.io", "", [cause])


def _bare(obj: Obj) -> Obj:
    """Without the bookkeeping, which no manager owns."""
    meta = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": meta}


def _timeless(obj: Obj) -> Obj:
    """Without the times of the bookkeeping: a write that changes nothing else is no write."""
    entries = [{k: v for k, v in entry.items() if k != "time"} for entry in obj["metadata"].get("managedFields", [])]
    entries.sort(key=str)
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def _entries_to_start_from(entries: list[Obj] | None, live: Obj, subresource: str) -> Owners:
    """A client may rewrite managedFields on the main resource; one empty entry resets them, none keeps them."""
    current: list[Obj] = live["metadata"].get("managedFields", [])
    if subresource or not entries:
        return read_owners(current)
    if entries == [{}]:
        return {}
    return read_owners(entries)


def _count_generation(resource: Resource, live: Obj, new: Obj) -> None:
    if not resource.has_generation:
        return
    ignored = ("metadata", "status", "apiVersion", "kind")
    if {k: v for k, v in new.items() if k not in ignored} != {k: v for k, v in live.items() if k not in ignored}:
        new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
    if resource.kind == "DaemonSet" and new["spec"]["template"] != live["spec"]["template"]:
        annotations = new["metadata"].setdefault("annotations", {})
        name = "deprecated.daemonset.template.generation"
        annotations[name] = str(int(annotations.get(name, "0")) + 1)
