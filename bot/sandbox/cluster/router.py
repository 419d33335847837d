"""From an HTTP request to an answer: paths, verbs, authorization and content types of the API server."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.sandbox.cluster import discovery
from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.errors import ApiError, bad_request, forbidden, unauthorized, unsupported_media
from bot.sandbox.cluster.objects import Objects, Target, WriteOptions
from bot.sandbox.cluster.patches import APPLY_PATCH, PATCH_TYPES
from bot.sandbox.cluster.queries import Watch, list_page, selection
from bot.sandbox.cluster.resources import Resource
from bot.sandbox.cluster.store import Obj, key_of
from bot.sandbox.cluster.subresources import pod_log, read_scale, write_scale

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_HEALTH = ("/healthz", "/readyz", "/livez")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``token`` never shows in a repr."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: bytes
    user_agent: str
    token: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: JSON for an object, plain text for a string, a stream for a watch."""

    status: int
    body: Obj | str | Watch


@dataclass(frozen=True, slots=True)
class Denial:
    """One thing nobody may do. ``namespace`` None: nowhere."""

    verb: str
    resource: str
    namespace: str | None


class Router:
    """The API server's front: who asks, what for, and whether they may."""

    def __init__(self, objects: Objects, users: Mapping[str, str], log_of: Callable[[Obj, str], str]) -> None:
        self.denials: list[Denial] = []
        self.address = ""
        self._objects = objects
        self._users = users
        self._log_of = log_of

    def answer(self, request: Request) -> Answer:
        """The answer to any request; refusals become their ``Status``."""
        try:
            return self._answer(request)
        except ApiError as error:
            return Answer(error.code, error.body())

    def _answer(self, request: Request) -> Answer:
        user = self._user(request)
        if request.path in _HEALTH:
            return Answer(200, "ok")
        if request.path == "/version":
            return Answer(200, dict(discovery.VERSION))
        if request.path == _REVIEW_PATH and request.method == "POST":
            return self._review(request)
        target = self._target(request.path)
        if target is None:
            return self._discovery(request)
        self._authorize(user, request, target)
        return self._serve(request, target)

    def _user(self, request: Request) -> str:
        if request.token is None:
            return "system:anonymous"
        if request.token not in self._users:
            raise unauthorized()
        return self._users[request.token]

    def _discovery(self, request: Request) -> Answer:
        resources = self._objects.resources()
        parts = request.path.strip("/").split("/")
        found: Obj | None = None
        match parts:
            case ["api"]:
                found = discovery.core_versions(self.address)
            case ["apis"]:
                found = discovery.groups(resources)
            case ["api", "v1"]:
                found = discovery.resource_list("v1", resources)
            case ["apis", name]:
                found = discovery.group(name, resources)
            case ["openapi", "v3"]:
                found = discovery.openapi_index(resources)
            case ["openapi", "v3", "api", version]:
                found = discovery.openapi(version, resources)
            case ["openapi", "v3", "apis", name, version]:
                found = discovery.openapi(f"{name}/{version}", resources)
            case ["apis", name, version]:
                found = discovery.resource_list(f"{name}/{version}", resources)
        if found is None or request.method != "GET":
            return Answer(404, "404 page not found\n")
        return Answer(200, found)

    def _target(self, path: str) -> Target | None:
        """What a resource path is about; None where nothing is served there."""
        parts = path.strip("/").split("/")
        match parts:
            case ["api", "v1", *rest]:
                group, version = "", "v1"
            case ["apis", group, version, *rest]:
                pass
            case _:
                return None
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and self._resource(group, version, rest[2], namespaced=True):  # noqa: PLR2004 - namespaces/NAME/RESOURCE
            namespace, rest = rest[1], rest[2:]
        if not rest:
            return None
        resource = self._resource(group, version, rest[0], namespaced=None)
        if resource is None or (namespace and not resource.namespaced):
            return None
        return self._located(resource, namespace, rest[1:])

    def _located(self, resource: Resource, namespace: str, rest: list[str]) -> Target | None:
        match rest:
            case []:
                return Target(resource, namespace)
            case [name] if namespace or not resource.namespaced:
                return Target(resource, namespace, name)
            case [name, subresource] if subresource in resource.subresources:
                return Target(resource, namespace, name, subresource)
        return None

    def _resource(self, group: str, version: str, plural: str, *, namespaced: bool | None) -> Resource | None:
        for resource in self._objects.resources():
            same = (resource.group, resource.version, resource.plural) == (group, version, plural)
            if same and namespaced in (None, resource.namespaced):
                return resource
        return None

    def _authorize(self, user: str, request: Request, target: Target) -> None:
        verb = _verb(request, target)
        if user == "system:anonymous" or self._denied(verb, target.resource.plural, target.namespace):
            subresource = target.subresource
            raise forbidden(user, verb, target.resource, subresource, target.namespace, target.name)

    def _denied(self, verb: str, plural: str, namespace: str) -> bool:
        return any(
            denial.verb in ("*", verb) and denial.resource in ("*", plural) and denial.namespace in (None, namespace)
            for denial in self.denials
        )

    def _review(self, request: Request) -> Answer:
        """SelfSubjectAccessReview: may I?"""
        review = _json_body(request)
        wanted = review.get("spec", {}).get("resourceAttributes", {})
        denied = self._denied(wanted.get("verb", ""), wanted.get("resource", ""), wanted.get("namespace", ""))
        status = {"allowed": False} if denied else {"allowed": True, "reason": "allowed by the stand-in's policy"}
        meta = {"creationTimestamp": None}
        return Answer(201, {**review, "metadata": meta, "status": status})

    def _serve(self, request: Request, target: Target) -> Answer:
        match target.subresource, request.method:
            case "scale", "GET" | "PUT" | "PATCH":
                answer = self._scale(request, target)
            case "log", "GET":
                answer = Answer(200, pod_log(self._objects.get(target), request.query, self._log_of))
            case _, "GET":
                answer = self._read(request, target)
            case "", "POST" if not target.name:
                answer = Answer(201, self._objects.create(target, _json_body(request), _options(request)))
            case "" | "status", "PUT" if target.name:
                answer = Answer(200, self._objects.replace(target, _json_body(request), _options(request)))
            case "" | "status", "PATCH" if target.name:
                answer = self._patch(request, target)
            case "", "DELETE":
                answer = self._delete(request, target)
            case _:
                message = "the server does not allow this method on the requested resource"
                raise ApiError(405, message, "MethodNotAllowed")
        return answer

    def _read(self, request: Request, target: Target) -> Answer:
        if request.query.get("watch") in ("true", "1"):
            return Answer(200, Watch(self._objects.store, target, request.query))
        if target.name:
            return Answer(200, self._objects.get(target))
        return Answer(200, list_page(self._objects.store, target, request.query))

    def _patch(self, request: Request, target: Target) -> Answer:
        if request.content_type not in PATCH_TYPES:
            raise unsupported_media(PATCH_TYPES)
        options = _options(request)
        if request.content_type == APPLY_PATCH:
            options = WriteOptions(
                request.query.get("fieldManager", ""), options.dry_run, options.force, options.strict
            )
        body = _yaml_body(request) if request.content_type == APPLY_PATCH else _json_body(request)
        obj, created = self._objects.patch(target, request.content_type, body, options)
        return Answer(201 if created else 200, obj)

    def _scale(self, request: Request, target: Target) -> Answer:
        if request.method == "GET":
            return Answer(200, read_scale(self._objects.get(target)))
        return Answer(200, write_scale(self._objects, target, _json_body(request), _options(request)))

    def _delete(self, request: Request, target: Target) -> Answer:
        options = _json_body(request) if request.body else {}
        for name in ("propagationPolicy", "gracePeriodSeconds"):
            if name in request.query:
                options[name] = request.query[name]
        dry_run = "All" in (request.query.get("dryRun", ""), *(options.get("dryRun") or ()))
        if target.name:
            return Answer(200, delete(self._objects, target, options, dry_run=dry_run))
        page = list_page(self._objects.store, target, {k: v for k, v in request.query.items() if k != "limit"})
        chosen = selection(target, request.query)
        for obj in self._objects.store.all(key_of(target.resource), target.namespace):
            if chosen.takes(obj):
                one = Target(target.resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
                delete(self._objects, one, options, dry_run=dry_run)
        return Answer(200, page)


def _verb(request: Request, target: Target) -> str:
    if request.method == "GET" and request.query.get("watch") in ("true", "1"):
        return "watch"
    if request.method in ("GET", "DELETE") and not target.name:
        return "list" if request.method == "GET" else "deletecollection"
    return _VERBS.get(request.method, request.method.lower())


def _options(request: Request) -> WriteOptions:
    """Without ``fieldManager``, the manager is the first part of the user agent."""
    return WriteOptions(
        manager=request.query.get("fieldManager") or request.user_agent.partition("/")[0] or "unknown",
        dry_run=request.query.get("dryRun") == "All",
        force=request.query.get("force") == "true",
        strict=request.query.get("fieldValidation") == "Strict",
    )


def _json_body(request: Request) -> Any:
    """Bodies of these requests are JSON, or YAML where the content type says so."""
    if request.content_type == "application/yaml":
        return _yaml_body(request)
    if request.content_type == "application/vnd.kubernetes.protobuf":
        raise unsupported_media(("application/json", "application/yaml"))
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise bad_request(f"error decoding the request's body: {error}") from error


class _StrictLoader(yaml.CSafeLoader):
    """YAML as the API server reads it: no timestamps, no repeated keys."""


_StrictLoader.yaml_implicit_resolvers = {
    letter: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in result:
            line = key_node.start_mark.line + 1
            raise _yaml_error(f'unmarshal errors:\n  line {line}: key "{key}" already set in map')
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _yaml_body(request: Request) -> Any:
    try:
        return yaml.load(request.body, Loader=_StrictLoader)  # noqa: S506 - a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        raise _yaml_error(str(error.problem)) from error
    except yaml.YAMLError as error:
        raise _yaml_error(str(error)) from error


def _yaml_error(problem: str) -> ApiError:
    return bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {problem}")
