"""Where a rollout stands, by one look at the live object (pure).

Just after an apply the *old* complete state is still shown: a status counts only once its ``observedGeneration`` has
caught up. Counts of zero are absent. Sources: ``kubectl rollout status`` and recordings of a 1.36 control plane.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.facts import Applied, Rollout, RolloutState
from bot.wording import quoted

GRANULARITY = timedelta(seconds=1)
"""Kubernetes' times are whole seconds."""

SECOND_CHANCE = timedelta(seconds=30)
"""How long a rollout that had failed before an apply that changed nothing may still come to life."""

DEFAULT_DEADLINE = 600
"""``progressDeadlineSeconds`` where a Deployment does not say."""

Live = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one applied object. ``live`` None: it is gone. ``now`` is the server's time."""

    applied: Applied
    live: Live | None
    now: datetime


def decide(look: Look) -> Rollout:
    """Where this object's rollout stands. Objects without one are complete.

    A Job may be deleted because it has finished (``ttlSecondsAfterFinished``): its end counts for more.
    """
    judge = _JUDGES.get((look.applied.api_version, look.applied.kind))
    if judge is None:
        return _complete(look.applied.name)
    if look.live is not None:
        state = judge(look, look.live)
        if not look.live["metadata"].get("deletionTimestamp") or (judge is _job and ended(state)):
            return state
    return _failed(f"{look.applied.name}: the {look.applied.kind} was deleted")


def has_rollout(applied: Applied) -> bool:
    """Whether there is anything to wait for."""
    return (applied.api_version, applied.kind) in _JUDGES


def ended(rollout: Rollout) -> bool:
    """Whether waiting longer changes nothing."""
    return rollout.state is not RolloutState.PROGRESSING


def combined(states: Sequence[Rollout]) -> Rollout:
    """Of several: failed as soon as one is, complete when all are; the detail is of those that decide it."""
    for state in (RolloutState.FAILED, RolloutState.PROGRESSING):
        if details := [one.detail for one in states if one.state is state]:
            return Rollout(state, "; ".join(details))
    return _complete("; ".join(one.detail for one in states) or "nothing to wait for")


def _deployment(look: Look, live: Live) -> Rollout:
    name, spec, status = look.applied.name, live["spec"], live.get("status") or {}
    if not _observed(look, live):
        return _unobserved(name)
    progress = _condition(status, "Progressing")
    wanted = spec.get("replicas", 1)
    if progress.get("reason") == "ProgressDeadlineExceeded" and _counts(look, progress, spec):
        return _failed(f"{name}: {_pods(status, wanted)}; {progress.get('message') or 'its progress deadline passed'}")
    if all(status.get(count, 0) == wanted for count in ("replicas", "updatedReplicas", "availableReplicas")):
        return _complete(f"{name}: {_of(wanted, wanted, 'available')}")
    notes = [_pods(status, wanted)]
    if spec.get("paused"):
        notes.append("it is paused (`kubectl rollout resume` goes on)")
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True":
        notes.append(str(failure.get("message") or failure.get("reason")))
    return _progressing(f"{name}: {'; '.join(notes)}")


def _counts(look: Look, progress: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether an exceeded deadline is this rollout's own, not one left over from before the apply.

    Where the apply changed nothing there is no newer one to come: what failed before has failed, but gets a moment,
    for whatever kept the pods from coming up may have been mended meanwhile.
    """
    applied_at = datetime.fromisoformat(look.applied.at)
    fresh_from = applied_at - GRANULARITY if look.applied.changed else applied_at + GRANULARITY
    updated = progress.get("lastUpdateTime")
    if updated is not None and datetime.fromisoformat(updated) >= fresh_from:
        return True
    deadline = timedelta(seconds=min(spec.get("progressDeadlineSeconds", DEFAULT_DEADLINE), SECOND_CHANCE.seconds))
    return not look.applied.changed and look.now - applied_at >= deadline


def _stateful_set(look: Look, live: Live) -> Rollout:
    name, spec, status = look.applied.name, live["spec"], live.get("status") or {}
    if not _observed(look, live):
        return _unobserved(name)
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", status.get("readyReplicas", 0))
    strategy = spec.get("updateStrategy") or {}
    by_hand = strategy.get("type") == "OnDelete"
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    to_update = 0 if by_hand else max(0, wanted - partition)
    done = status.get("replicas", 0) == wanted == available and updated >= to_update
    if done and not by_hand and partition == 0:
        done = status.get("currentRevision") == status.get("updateRevision")
    if not done:
        return _progressing(
            f"{name}: {_of(updated, to_update or wanted, 'updated')}, {_of(available, wanted, 'available')}"
        )
    return _complete(f"{name}: {_of(available, wanted, 'available')}{_left_behind(updated, wanted, by_hand=by_hand)}")


def _daemon_set(look: Look, live: Live) -> Rollout:
    name, spec, status = look.applied.name, live["spec"], live.get("status") or {}
    if not _observed(look, live):
        return _unobserved(name)
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if available < wanted or (updated < wanted and not by_hand):
        return _progressing(f"{name}: {_of(updated, wanted, 'updated')}, {_of(available, wanted, 'available')}")
    return _complete(f"{name}: {_of(available, wanted, 'available')}{_left_behind(updated, wanted, by_hand=by_hand)}")


def _job(look: Look, live: Live) -> Rollout:
    name, spec, status = look.applied.name, live["spec"], live.get("status") or {}
    failed = _condition(status, "Failed")
    if failed.get("status") == "True":
        return _failed(f"{name}: the Job failed: {failed.get('message') or failed.get('reason')}")
    if _condition(status, "Complete").get("status") == "True":
        return _complete(f"{name}: the Job succeeded")
    if spec.get("suspend"):
        return _complete(f"{name}: the Job is suspended")
    done = f"{status.get('succeeded', 0)} of {spec.get('completions') or 1} runs succeeded"
    return _progressing(f"{name}: {done}, {status.get('failed', 0)} failed")


def _pod(look: Look, live: Live) -> Rollout:
    name, status = look.applied.name, live.get("status") or {}
    match status.get("phase"):
        case "Succeeded":
            return _complete(f"{name}: the Pod succeeded")
        case "Failed":
            return _failed(f"{name}: the Pod failed: {status.get('message') or status.get('reason') or 'see its log'}")
    seen = status.get("observedGeneration")
    current = seen is None or seen >= _generation(look, live)
    if current and _condition(status, "Ready").get("status") == "True":
        return _complete(f"{name}: the Pod is ready")
    return _progressing(f"{name}: the Pod is not ready")


_JUDGES: Mapping[tuple[str, str], Callable[[Look, Live], Rollout]] = {
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("batch/v1", "Job"): _job,
    ("v1", "Pod"): _pod,
}


def _generation(look: Look, live: Live) -> int:
    """The newer of what was applied and what is seen: a cache may lag, and somebody may have changed it since."""
    return max(look.applied.generation or 0, live["metadata"].get("generation") or 0)


def _observed(look: Look, live: Live) -> bool:
    return ((live.get("status") or {}).get("observedGeneration") or 0) >= _generation(look, live)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), {})


def _pods(status: Mapping[str, Any], wanted: int) -> str:
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    old = status.get("replicas", 0) - updated
    if updated < wanted:
        return _of(updated, wanted, "updated")
    if old > 0:
        return f"{old} old {'pod' if old == 1 else 'pods'} still to go"
    return _of(available, wanted, "available")


def _of(count: int, wanted: int, what: str) -> str:
    return f"{count} of {wanted} {'pod' if wanted == 1 else 'pods'} {what}"


def _left_behind(updated: int, wanted: int, *, by_hand: bool) -> str:
    if not by_hand or updated >= wanted:
        return ""
    return f"; its strategy is {quoted('OnDelete')}: {wanted - updated} run the old version until they are deleted"


def _unobserved(name: str) -> Rollout:
    return _progressing(f"{name}: the cluster has not looked at the change yet")


def _complete(detail: str) -> Rollout:
    return Rollout(RolloutState.COMPLETE, detail)


def _progressing(detail: str) -> Rollout:
    return Rollout(RolloutState.PROGRESSING, detail)


def _failed(detail: str) -> Rollout:
    return Rollout(RolloutState.FAILED, detail)
