"""What a cluster's refusals mean, and what to do about them (pure).

Held to recordings of a 1.36 control plane. The status alone does not tell: a field that does not exist answers 500,
a full quota 403, and 409 is either somebody else's field or a version that has moved on.
"""

import re
from http import HTTPStatus

from bot.adapters.kubernetes.connection import Cause, Refusal
from bot.errors import Permanent, SlipwayError, Transient
from bot.wording import listed, quoted

RULE_VERBS = ("get", "list", "watch", "create", "patch")
"""What Slipway needs of every kind that it applies."""

_CANNOT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_TYPED = re.compile(r"^failed to create typed patch object \([^)]*\): ")
_TYPED_FIELD = re.compile(r"(?P<field>\.[^\s:]+(?:\[[^\]]*\][^\s:]*)*): (?P<why>[^\n]+)")
_STRUCTURE = re.compile(r"Invalid value: (?:\{.*\}|\[.*\]|[\w.]+\{.*\}): ", re.DOTALL)
_WEBHOOK = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request(?:: |\.$)?(?P<why>.*)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota: (?P<quota>[^,]+), (?P<numbers>.*)", re.DOTALL)
_NOT_YET = ("error looking up service account", "because it is being terminated")
"""Refusals of a namespace that is only just coming, or still going."""

_REPEATABLE = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


def explained(refusal: Refusal, *, secret: bool = False) -> SlipwayError:
    """The refusal as this project's error, without the name of the object (the caller knows it).

    Args:
        refusal: what the server answered.
        secret: its object is a Secret. Kubernetes quotes wrong values; then only fields are named.
    """
    typed = _TYPED.match(refusal.message)
    if typed is not None:
        return Permanent(_wrong_fields(refusal.message[typed.end() :], secret=secret))
    if refusal.code in _REPEATABLE or refusal.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient(_trouble(refusal, secret=secret), refusal.retry_after)
    match refusal.code:
        case HTTPStatus.FORBIDDEN:
            return _forbidden(refusal, secret=secret)
        case HTTPStatus.CONFLICT:
            return _conflict(refusal)
        case HTTPStatus.UNAUTHORIZED:
            text = _unauthorized(refusal)
        case HTTPStatus.NOT_FOUND if not refusal.name:
            return Transient(f"The cluster {quoted(refusal.context)} does not serve {refusal.path} (yet): 404")
        case HTTPStatus.NOT_FOUND:
            text = _not_found(refusal)
        case _:
            text = _refused(refusal, secret=secret)
    return Permanent(text)


def in_full(refusal: Refusal) -> SlipwayError:
    """The refusal as an error that stands alone."""
    error = explained(refusal)
    if isinstance(error, Permanent):
        return Permanent(f"The cluster {quoted(refusal.context)} refuses {_asked(refusal)}: {error}.")
    return error


def immutable(refusal: Refusal) -> bool:
    """Whether the cluster says that a field cannot change any more."""
    return refusal.code == HTTPStatus.UNPROCESSABLE_ENTITY and (
        "field is immutable" in refusal.message or "may not change fields other than" in refusal.message
    )


def cannot_be_tried(refusal: Refusal) -> bool:
    """Whether only the dry run is refused: by a webhook that has side effects."""
    return refusal.code == HTTPStatus.BAD_REQUEST and "does not support dry run" in refusal.message


def _wrong_fields(text: str, *, secret: bool) -> str:
    """``.spec.nonsense: field not declared in schema``, one or many."""
    found = []
    for match in _TYPED_FIELD.finditer(text):
        field, why = match["field"].lstrip("."), match["why"]
        if "not declared in schema" in why:
            found.append(f"{quoted(field)} is no field of this kind: correct or remove it")
        else:
            found.append(f"{quoted(field)}: {_kind_of_mistake(why) if secret else why}")
    if found:
        return "; ".join(found)
    return "it does not have the shape of its kind" if secret else f"it does not have the shape of its kind: {text}"


def _kind_of_mistake(why: str) -> str:
    """Without the value that was found."""
    return why.partition(", got")[0]


def _trouble(refusal: Refusal, *, secret: bool) -> str:
    said = "" if secret or not refusal.message else f": {refusal.message}"
    return (
        f"The cluster {quoted(refusal.context)} could not answer {_asked(refusal)} ({refusal.code}){said.rstrip('.')}."
    )


def _asked(refusal: Refusal) -> str:
    return f"{refusal.method} {refusal.path}"


def _unauthorized(refusal: Refusal) -> str:
    return f"the credentials of the context {quoted(refusal.context)} are not accepted (401). Renew them"


def _forbidden(refusal: Refusal, *, secret: bool) -> SlipwayError:
    if any(words in refusal.message for words in _NOT_YET):
        return Transient(f"The cluster {quoted(refusal.context)} is not ready for this: {refusal.message}")
    if cannot := _CANNOT.search(refusal.message):
        return Permanent(_rule(cannot))
    if quota := _QUOTA.search(refusal.message):
        return Permanent(
            f"it would exceed the quota {quoted(quota['quota'])} ({quota['numbers']}): ask for less, or raise the quota"
        )
    return Permanent(_refused(refusal, secret=secret))


def _rule(cannot: re.Match[str]) -> str:
    """The permission that is missing, and the rule that grants it: a line of YAML, to be pasted as it is."""
    verb, resource, group = cannot["verb"], cannot["resource"], cannot["group"] or ""
    where = f"in namespace {quoted(cannot['namespace'])}" if cannot["namespace"] else "cluster-wide"
    role = "Role" if cannot["namespace"] else "ClusterRole"
    verbs = ", ".join(f'"{name}"' for name in dict.fromkeys((*RULE_VERBS, verb)))
    return (
        f"the user {quoted(cannot['user'])} may not {verb} {quoted(resource)} {where}. Add to the rules of a {role} of "
        f'this user `- {{apiGroups: ["{group}"], resources: ["{resource}"], verbs: [{verbs}]}}`'
    )


def _not_found(refusal: Refusal) -> str:
    if refusal.kind == "namespaces":
        return f"the namespace {quoted(refusal.name)} does not exist: create it, or add it to the manifests"
    return f"{refusal.kind} {quoted(refusal.name)} does not exist"


def _conflict(refusal: Refusal) -> SlipwayError:
    owned = [cause for cause in refusal.causes if cause.reason == "FieldManagerConflict"]
    if not owned:
        return Transient(f"It changed on the cluster {quoted(refusal.context)} at the same moment: {refusal.message}")
    fields = listed(cause.field.lstrip(".") for cause in owned)
    owners = listed(dict.fromkeys(cause.message.removeprefix("conflict with ").replace('"', "") for cause in owned))
    return Permanent(f"the fields {fields} belong to {owners}: take them out of the manifest")


def _refused(refusal: Refusal, *, secret: bool) -> str:
    """Invalid fields, admission webhooks and policies, and whatever else there is."""
    if webhook := _WEBHOOK.search(refusal.message):
        why = webhook["why"].strip() if not secret else ""
        return f"the admission webhook {quoted(webhook['name'])} denies it" + (f": {why}" if why else "")
    if refusal.causes:
        return "; ".join(_cause(cause, secret=secret) for cause in refusal.causes)
    if secret:
        return f"it is refused ({refusal.code} {refusal.reason or 'without a reason'})"
    return f"{_STRUCTURE.sub('', refusal.message)} ({refusal.code})"


def _cause(cause: Cause, *, secret: bool) -> str:
    why = cause.reason if secret else _STRUCTURE.sub("", cause.message)
    if "field is immutable" in cause.message:
        why = "it cannot change (field is immutable): keep it, or delete the object on the cluster first"
    return f"{quoted(cause.field)}: {why}" if cause.field else why
