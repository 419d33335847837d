"""The API server's refusals: a ``Status`` body and its HTTP code, in the words a real control plane uses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.resources import Resource


class ApiError(Exception):
    """A request refused with a ``Status``; ``reason`` and ``details`` are left out of the body where empty."""

    def __init__(self, code: int, message: str, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = details

    def body(self) -> dict[str, Any]:
        """The ``Status`` object."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


@dataclass(frozen=True, slots=True)
class Cause:
    """One invalid field: the cause's reason, the field's path, and what is wrong with it."""

    reason: str
    field: str
    message: str


def invalid_value(field: str, value: Any, detail: str) -> Cause:
    """A value that may not be there; it is quoted as JSON."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return Cause("FieldValueInvalid", field, f"Invalid value: {text}: {detail}")


def required(field: str, detail: str = "") -> Cause:
    """A value that is missing."""
    return Cause("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def forbidden_change(field: str, detail: str) -> Cause:
    """A change that may not be made."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def unsupported(field: str, value: Any, supported: Sequence[str]) -> Cause:
    """A value outside an enumeration."""
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return Cause("FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {choices}')


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object or the options of a request do not pass validation."""
    parts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {"name": name} if name else {}
    details |= {"group": group} if group else {}
    details |= {"kind": kind}
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return ApiError(422, f'{qualified} "{name}" is invalid: {text}', "Invalid", details)


def _details(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name} if name else {}
    details |= {"group": resource.group} if resource.group else {}
    return details | {"kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    return ApiError(404, f'{resource.qualified} "{name}" not found', "NotFound", _details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: create of a name that is taken."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, message, "AlreadyExists", _details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    """409: the write names a resourceVersion that is no longer the newest."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, message, "Conflict", _details(resource, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, message, "BadRequest")


def unauthorized() -> ApiError:
    """401: a bearer token nobody has."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: Resource, subresource: str, namespace: str, name: str) -> ApiError:
    """403: no RBAC grant."""
    plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{plural}" '
        f'in API group "{resource.group}" {where}'
    )
    return ApiError(403, message, "Forbidden", _details(resource, name))


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    """415."""
    types = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {types}"
    return ApiError(415, message, "UnsupportedMediaType")


def expired(version: int, oldest: int) -> ApiError:
    """410: a watch from before the history that is kept."""
    return ApiError(410, f"too old resource version: {version} ({oldest})", "Expired")
