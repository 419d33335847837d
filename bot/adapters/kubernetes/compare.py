"""What an apply would change, object by object, by a server-side dry run. Nothing is written.

What is shown of an object may end in public: a Secret's values never leave this module, and neither does what an
object of somebody else's, in another namespace, holds now.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import yaml

from bot.adapters.kubernetes.apply import Applier, Live, NotReplaceableError, Tried
from bot.adapters.kubernetes.connection import Refusal
from bot.adapters.kubernetes.errors import explained
from bot.adapters.kubernetes.items import DEFINITION, SERVERS_OWN, Item
from bot.adapters.kubernetes.ownership import LAST_APPLIED, is_ours
from bot.errors import Permanent, SlipwayError
from bot.facts import Difference, Target

HIDDEN, HIDDEN_CHANGED = "(hidden)", "(hidden; another value)"
"""What stands for a Secret's value that stays, and for one that becomes another."""

_SECRET_PARTS = ("data", "stringData")


def compare(applier: Applier, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """See ``ports.Clusters.compare``."""
    located = applier.located(target, objects)
    brought = {item.name for item in located.items if item.kind == "Namespace"}
    found = [_compared(applier, target, item, brought) for item in located.items]
    found += [_untried(manifest, target) for manifest in located.waiting]
    return (*found, *(Difference("", None, "", problem=problem) for problem in located.problems))


def _compared(applier: Applier, target: Target, item: Item, brought: set[str]) -> Difference:
    try:
        live = applier.live(item)
        tried = applier.try_one(item, live)
    except Refusal as refusal:
        if refusal.code == HTTPStatus.NOT_FOUND and refusal.kind == "namespaces" and refusal.name in brought:
            note = "its namespace comes with this change, so the cluster could not try it"
            return _new(item, note=note)
        return _problem(item, explained(refusal, secret=item.kind == "Secret"))
    except NotReplaceableError as error:
        return _problem(item, Permanent(str(error)))
    return _difference(tried, live, target)


def _difference(tried: Tried, live: Live | None, target: Target) -> Difference:
    item, answer = tried.item, tried.answer
    warnings = answer.warnings if answer is not None else ()
    if live is None:
        note = "" if answer is not None else "a webhook of the cluster does not let it be tried"
        return _new(item, warnings=warnings, note=note)
    if tried.replaced is not None:
        return _new(item, warnings=warnings, note="the finished one is deleted for it", before=_shown(live))
    if answer is None:
        note = "a webhook of the cluster does not let it be tried"
        return Difference(item.kind, item.namespace, item.name, note=note)
    if not is_ours(live) and item.namespace != target.namespace:
        same = _wish(live) == _wish(answer.body)
        note = "" if same else "there, and not applied by Slipway so far: what it holds is not shown"
        became = "unchanged\n" if same else "changed\n"
        return Difference(item.kind, item.namespace, item.name, "unchanged\n", became, "", warnings, note)
    before, after = _masked(item.kind, _wish(live), _wish(answer.body))
    note = "" if is_ours(live) else "there, and not applied by Slipway so far"
    return Difference(item.kind, item.namespace, item.name, _yaml(before), _yaml(after), warnings=warnings, note=note)


def _new(item: Item, *, warnings: tuple[str, ...] = (), note: str = "", before: str | None = None) -> Difference:
    """An object that is not there yet, as its manifest has it: what the server would fill in is no news."""
    return Difference(item.kind, item.namespace, item.name, before, _shown(item.manifest), "", warnings, note)


def _untried(manifest: Mapping[str, Any], target: Target) -> Difference:
    metadata = manifest["metadata"]
    note = f"its kind comes with this change ({DEFINITION}), so the cluster could not try it"
    namespace = metadata.get("namespace") or target.namespace
    return Difference(str(manifest["kind"]), namespace, str(metadata["name"]), None, _shown(manifest), note=note)


def _problem(item: Item, error: SlipwayError) -> Difference:
    """What the cluster refuses.

    Raises:
        Transient: it refuses nothing, but is in trouble.
    """
    if not isinstance(error, Permanent):
        raise error
    return Difference(item.kind, item.namespace, item.name, problem=str(error))


def _wish(live: Mapping[str, Any]) -> dict[str, Any]:
    """What of an object is somebody's wish: neither bookkeeping nor what controllers say of it."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in SERVERS_OWN}
    annotations = {name: value for name, value in (metadata.pop("annotations", None) or {}).items() if _is_wish(name)}
    kept = {name: value for name, value in live.items() if name not in ("status", "metadata")}
    return kept | {"metadata": metadata | ({"annotations": annotations} if annotations else {})}


def _is_wish(annotation: str) -> bool:
    """Kubectl's copy of a whole manifest repeats a Secret's values; a controller counts revisions."""
    return annotation not in (LAST_APPLIED, "deployment.kubernetes.io/revision")


def _masked(kind: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without the values of a Secret; which keys come, go and change is still to be seen."""
    if kind != "Secret":
        return before, after
    old, new = dict(before), dict(after)
    for part in _SECRET_PARTS:
        values = before.get(part) or {}, after.get(part) or {}
        if values[0]:
            old[part] = dict.fromkeys(values[0], HIDDEN)
        if values[1]:
            new[part] = {
                name: HIDDEN if name not in values[0] or values[0][name] == value else HIDDEN_CHANGED
                for name, value in values[1].items()
            }
    return old, new


def _shown(manifest: Mapping[str, Any]) -> str:
    wish = _wish(manifest)
    return _yaml(_masked(str(manifest["kind"]), wish, wish)[1])


def _yaml(value: Mapping[str, Any]) -> str:
    """Keys in the order of every manifest, then by name."""
    first = ("apiVersion", "kind", "metadata")
    ordered = {name: value[name] for name in (*first, *sorted(set(value) - {*first})) if name in value}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=120)
