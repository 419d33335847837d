"""What a pod's status says in each state of its life, in a node's words (pure)."""

from typing import Any

from bot.sandbox.cluster.admission import now
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import Failure

_MISSING_CONFIG = 'configmap "global-config" not found'
_PULL_PROBLEMS = ("ImagePullBackOff", "ErrImagePull")
_INITIALIZING: Obj = {"waiting": {"reason": "PodInitializing"}}


def condition(kind: str, *, value: bool, reason: str = "", message: str = "") -> Obj:
    """One condition; the reason is left out where there is none."""
    found: Obj = {"type": kind, "status": str(value), "lastProbeTime": None, "lastTransitionTime": now()}
    return found | ({"reason": reason, "message": message} if reason else {})


def unschedulable(pod: Obj, message: str) -> Obj:
    """No node takes it."""
    found = condition("PodScheduled", value=False, reason="Unschedulable", message=message)
    return {**pod["status"], "conditions": [found]}


def starting(pod: Obj) -> Obj:
    """On a node, containers being made."""
    initial = pod["spec"].get("initContainers", ())
    waiting = _INITIALIZING if initial else {"waiting": {"reason": "ContainerCreating"}}
    status = {
        **pod["status"],
        "phase": "Pending",
        "conditions": _conditions(ready=False, uninitialized=[one["name"] for one in initial]),
        "hostIP": "127.0.0.1",
        "startTime": now(),
        "containerStatuses": [_container(one, waiting) for one in pod["spec"]["containers"]],
    }
    if initial:
        status["initContainerStatuses"] = [_container(one, _INITIALIZING) for one in initial]
    return status


def ready(pod: Obj, address: str) -> Obj:
    """Up and serving, initial containers done."""
    return {
        **pod["status"],
        **_initialized(pod),
        "phase": "Running",
        "conditions": _conditions(ready=True),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "containerStatuses": [_running(pod, one) for one in pod["spec"]["containers"]],
    }


def ended(pod: Obj, phase: str, *, exit_code: int) -> Obj:
    """All containers have run to their end."""
    states = [_container(one, _terminated(exit_code)) for one in pod["spec"]["containers"]]
    return {**pod["status"], "phase": phase, "containerStatuses": states}


def failing(pod: Obj, container: Obj, failure: Failure) -> Obj:
    """One container fails; an initial one keeps all others from starting."""
    if container in pod["spec"].get("initContainers", ()):
        return _failing_initial(pod, container, failure)
    containers = pod["spec"]["containers"]
    states = [_failing(pod, one, failure) if one == container else _running(pod, one) for one in containers]
    created = all("waiting" not in state["state"] or state["lastState"] for state in states)
    return {
        **pod["status"],
        **_initialized(pod),
        "phase": "Running" if created else "Pending",
        "conditions": _conditions(ready=False),
        "containerStatuses": states,
    }


def _failing_initial(pod: Obj, container: Obj, failure: Failure) -> Obj:
    initial = pod["spec"]["initContainers"]
    at = initial.index(container)
    before = [_container(one, _terminated(0), ready=True) for one in initial[:at]]
    after = [_container(one, _INITIALIZING) for one in initial[at + 1 :]]
    return {
        **pod["status"],
        "phase": "Pending",
        "conditions": _conditions(ready=False, uninitialized=[one["name"] for one in initial[at:]]),
        "initContainerStatuses": [*before, _failing(pod, container, failure), *after],
        "containerStatuses": [_container(one, _INITIALIZING) for one in pod["spec"]["containers"]],
    }


def is_same(status: Obj, other: Obj) -> bool:
    """Whether two failing states differ in nothing but times."""
    return _timeless(status) == _timeless(other)


def _timeless(status: Obj) -> tuple[Any, ...]:
    states = [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]
    return status["phase"], [(s["name"], s["ready"], sorted(s["state"]), s["state"].get("waiting")) for s in states]


def failure_events(pod: Obj, container: Obj, failure: Failure) -> list[tuple[str, str, bool]]:
    """What a node reports: reason, message, and whether it is a warning."""
    image, meta = container["image"], pod["metadata"]
    if failure.reason in _PULL_PROBLEMS:
        return [
            ("Pulling", f'Pulling image "{image}"', False),
            ("Failed", f'Failed to pull image "{image}": {failure.message or _pull_error(image)}', True),
            ("Failed", "Error: ErrImagePull", True),
            ("BackOff", f'Back-off pulling image "{image}"', False),
            ("Failed", "Error: ImagePullBackOff", True),
        ]
    if failure.reason == "CrashLoopBackOff":
        where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        return [("BackOff", f"Back-off restarting failed container {container['name']} in pod {where}", True)]
    if failure.reason == "CreateContainerConfigError":
        return [("Failed", f"Error: {failure.message or _MISSING_CONFIG}", True)]
    probe = failure.message or "Readiness probe failed: HTTP probe failed with statuscode: 503"
    return [("Unhealthy", probe, True)]


def _conditions(*, ready: bool, uninitialized: list[str] | None = None) -> list[Obj]:
    why = {} if ready else {"reason": "ContainersNotReady", "message": "containers with unready status"}
    incomplete = {}
    if uninitialized:
        message = f"containers with incomplete status: [{' '.join(uninitialized)}]"
        incomplete = {"reason": "ContainersNotInitialized", "message": message}
    return [
        condition("Initialized", value=not uninitialized, **incomplete),
        condition("Ready", value=ready, **why),
        condition("ContainersReady", value=ready, **why),
        condition("PodScheduled", value=True),
    ]


def _initialized(pod: Obj) -> Obj:
    states = [_container(one, _terminated(0), ready=True) for one in pod["spec"].get("initContainers", ())]
    return {"initContainerStatuses": states} if states else {}


def _terminated(exit_code: int) -> Obj:
    times = {"startedAt": now(), "finishedAt": now()}
    return {"terminated": {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", **times}}


def _container(container: Obj, state: Obj, **more: Any) -> Obj:
    status = {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }
    return status | more


def _running(pod: Obj, container: Obj, *, ready: bool = True) -> Obj:
    repository, _, digest = container["image"].partition("@")
    folder, slash, last = repository.rpartition("/")
    name = folder + slash + last.partition(":")[0]
    return _container(
        container,
        {"running": {"startedAt": now()}},
        ready=ready,
        started=True,
        imageID=f"{name}@{digest or 'sha256:' + '0' * 64}",
        containerID=f"fake://{pod['metadata']['uid']}",
    )


def _failing(pod: Obj, container: Obj, failure: Failure) -> Obj:
    image = container["image"]
    if failure.reason == "never ready":
        return _running(pod, container, ready=False)
    if failure.reason == "CrashLoopBackOff":
        waiting = {"reason": failure.reason, "message": failure.message or _back_off(pod, container["name"])}
        more = {"lastState": _terminated(1), "restartCount": _restarts(pod, container["name"]) + 1}
        return _container(container, {"waiting": waiting}, **more)
    usual = {
        "ImagePullBackOff": f'Back-off pulling image "{image}": not found',
        "ErrImagePull": _pull_error(image),
        "CreateContainerConfigError": _MISSING_CONFIG,
    }
    return _container(
        container, {"waiting": {"reason": failure.reason, "message": failure.message or usual[failure.reason]}}
    )


def _restarts(pod: Obj, container: str) -> int:
    statuses = [*pod["status"].get("containerStatuses", ()), *pod["status"].get("initContainerStatuses", ())]
    return next((int(status["restartCount"]) for status in statuses if status["name"] == container), 0)


def _pull_error(image: str) -> str:
    return f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": not found'


def _back_off(pod: Obj, container: str) -> str:
    meta = pod["metadata"]
    where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    return f"back-off 40s restarting failed container={container} pod={where}"
