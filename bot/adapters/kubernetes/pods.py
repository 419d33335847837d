"""What pods and events say about a rollout that does not get on (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Live = Mapping[str, Any]

_STILL_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons that say nothing: what holds the pod up is in its events or in another container."""

_OPERATORS = {"In": "in", "NotIn": "notin"}


@dataclass(frozen=True, slots=True)
class LogWish:
    """A container whose log may tell why. ``previous``: of its last run, for this one has not said anything yet."""

    container: str
    previous: bool


def is_ready(pod: Live) -> bool:
    """Whether the pod serves, or has done its work."""
    status = pod.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    return ready or status.get("phase") == "Succeeded"


def is_owned(live: Live, uid: str) -> bool:
    """Whether the object with this uid controls this one."""
    references = live["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == uid and one.get("controller") for one in references)


def newest_revision(replica_sets: Iterable[Live]) -> Live | None:
    """Of a Deployment's ReplicaSets the one that it rolls out, by the revision that its controller counts."""
    return max(replica_sets, key=_revision, default=None)


def _revision(replica_set: Live) -> int:
    annotations = replica_set["metadata"].get("annotations") or {}
    return int(annotations.get("deployment.kubernetes.io/revision") or 0)


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as the ``labelSelector`` of a request."""
    terms = [f"{name}={value}" for name, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        match operator:
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
            case _:
                terms.append(f"{key} {_OPERATORS[operator]} ({','.join(expression.get('values') or ())})")
    return ",".join(terms)


def reasons(pods: Sequence[Live]) -> tuple[str, ...]:
    """Why these pods are not ready, one line each, without repeats."""
    lines = [line for pod in pods for line in _pod_reasons(pod)]
    telling = [text for text, is_telling in lines if is_telling]
    return tuple(dict.fromkeys(telling or [text for text, _ in lines]))


def _pod_reasons(pod: Live) -> Iterable[tuple[str, bool]]:
    """Lines, each with whether it says more than that the pod is on its way."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if status.get("reason"):
        yield _line(name, status["reason"], status.get("message")), True
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield _line("not scheduled", condition.get("reason"), condition.get("message")), True
    for container in _containers(status):
        yield from _container_reasons(container)


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Init containers first, as they run. One that has done its work is of no interest."""
    initial = [one for one in status.get("initContainerStatuses") or () if not one.get("ready")]
    return [*initial, *(status.get("containerStatuses") or ())]


def _container_reasons(container: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    name, state = container["name"], container.get("state") or {}
    ended = (container.get("lastState") or {}).get("terminated")
    if waiting := state.get("waiting"):
        reason = waiting.get("reason")
        said = _exit(ended) if reason == "CrashLoopBackOff" and ended else waiting.get("message")
        yield _line(name, reason, said), reason not in _STILL_STARTING
    elif terminated := state.get("terminated"):
        if terminated.get("exitCode"):
            yield _line(name, _exit(terminated)), True
    elif not container.get("ready"):
        yield _line(name, "running, but not ready", f"before that {_exit(ended)}" if ended else None), True


def _exit(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason") or "terminated"
    return _line(f"{reason}, exit code {terminated.get('exitCode')}", terminated.get("message"))


def log_wishes(pod: Live) -> tuple[LogWish, ...]:
    """The containers that have run and failed, or run without getting ready."""
    wishes = []
    for container in _containers(pod.get("status") or {}):
        state = container.get("state") or {}
        has_crashed = "terminated" in (container.get("lastState") or {})
        failed = bool((state.get("terminated") or {}).get("exitCode"))
        unready = "running" in state and not container.get("ready")
        if failed or unready or has_crashed:
            wishes.append(LogWish(container["name"], previous=has_crashed and "waiting" in state))
    return tuple(wishes)


def event_lines(
    events: Iterable[Live], uids: frozenset[str], *, since: Mapping[str, datetime], limit: int
) -> list[str]:
    """The last warnings about these objects, oldest first.

    Args:
        events: of the namespace.
        uids: of the objects in question.
        since: by uid, from when on its events count; an object may have had trouble before.
        limit: at most so many, the last ones.
    """
    dated = []
    for event in events:
        uid = (event.get("involvedObject") or {}).get("uid") or ""
        at = _time(event)
        if event.get("type") == "Warning" and uid in uids and at >= since.get(uid, at):
            dated.append((at, _event_line(event)))
    dated.sort(key=lambda pair: pair[0])
    return list(dict.fromkeys(line for _, line in dated))[-limit:]


def _event_line(event: Live) -> str:
    about = event["involvedObject"]
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    repeats = f" ({count} times)" if count > 1 else ""
    return _line(f"{about.get('kind')} {about.get('name')}", event.get("reason"), event.get("message")) + repeats


def _time(event: Live) -> datetime:
    """When it was last seen: old and new emitters keep that in different fields."""
    series = event.get("series") or {}
    text = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)


def workload_reasons(name: str, live: Live) -> tuple[str, ...]:
    """What a workload's controller says about pods that it cannot even create."""
    return tuple(
        _line(name, condition.get("reason"), condition.get("message"))
        for condition in (live.get("status") or {}).get("conditions") or ()
        if condition.get("type") in ("ReplicaFailure", "FailedCreate") and condition.get("status") == "True"
    )


def _line(*parts: str | None) -> str:
    return ": ".join(" ".join(part.split()) for part in parts if part)
