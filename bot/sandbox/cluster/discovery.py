"""What the API server says of itself: version, groups and resources.

Answers are the plain (unaggregated) documents whatever ``Accept`` asks for: a client has to fall back on them.
"""

from collections.abc import Sequence
from typing import Any

from bot.sandbox.cluster.resources import Resource

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.4",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SUBRESOURCE_VERBS = {"log": ["get"], "finalize": ["update"]}
_REVIEWS = "authorization.k8s.io"


def core_versions(address: str) -> dict[str, Any]:
    """``GET /api``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(resources: Sequence[Resource]) -> dict[str, Any]:
    """``GET /apis``."""
    names = list(dict.fromkeys([*(r.group for r in resources if r.group), _REVIEWS]))
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, resources) for name in names]}


def group(name: str, resources: Sequence[Resource]) -> dict[str, Any] | None:
    """``GET /apis/GROUP``; None where no such group is served."""
    if name != _REVIEWS and not any(r.group == name for r in resources):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, resources)}


def _group(name: str, resources: Sequence[Resource]) -> dict[str, Any]:
    versions = list(dict.fromkeys(r.version for r in resources if r.group == name)) or ["v1"]
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(api_version: str, resources: Sequence[Resource]) -> dict[str, Any] | None:
    """``GET /api/v1`` or ``GET /apis/GROUP/VERSION``; None where it is not served."""
    entries: list[dict[str, Any]] = []
    for resource in resources:
        if resource.api_version == api_version:
            entries.append(_resource(resource))
            entries += [_subresource(resource, name) for name in resource.subresources]
    if api_version == f"{_REVIEWS}/v1":
        entries.append(_review("selfsubjectaccessreviews", "SelfSubjectAccessReview"))
    if not entries:
        return None
    head = {"kind": "APIResourceList", "groupVersion": api_version}
    return head | ({} if api_version == "v1" else {"apiVersion": "v1"}) | {"resources": entries}


def _resource(resource: Resource) -> dict[str, Any]:
    verbs = [verb for verb in _VERBS if verb != "deletecollection" or resource.plural != "namespaces"]
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs,
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource(resource: Resource, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": "Scale" if name == "scale" else resource.kind,
        "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"]),
    }
    return entry | ({"group": "autoscaling", "version": "v1"} if name == "scale" else {})


def openapi_index(resources: Sequence[Resource]) -> dict[str, Any]:
    """``GET /openapi/v3``."""
    versions = dict.fromkeys(r.api_version for r in resources)
    paths = [f"apis/{version}" if "/" in version else f"api/{version}" for version in versions]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def openapi(api_version: str, resources: Sequence[Resource]) -> dict[str, Any] | None:
    """``GET /openapi/v3/apis/GROUP/VERSION``: no schemas, only that writes may ask for ``fieldValidation``.

    That much is what kubectl looks for before it leaves validation to the server.
    """
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    parameters = [{"name": name, "in": "query"} for name in ("dryRun", "fieldManager", "fieldValidation", "force")]
    paths = {}
    for resource in resources:
        if resource.api_version == api_version:
            kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
            operation = {"x-kubernetes-group-version-kind": kind, "parameters": parameters, "responses": {}}
            where = "namespaces/{namespace}/" if resource.namespaced else ""
            paths[f"{root}/{where}{resource.plural}/{{name}}"] = {"patch": operation}
    if not paths:
        return None
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}, "paths": paths}


def _review(plural: str, kind: str) -> dict[str, Any]:
    return {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
