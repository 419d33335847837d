"""Pods: scheduled, started and made ready, or failing the way they were told to, as a scheduler and a node do it."""

import re
import time
from typing import Any

from bot.sandbox.cluster_admission import now
from bot.sandbox.cluster_resources import built_in
from bot.sandbox.cluster_store import Obj, key_of
from bot.sandbox.cluster_world import KUBELET, SCHEDULER, Failure, World

NODES = ("fake-1", "fake-2")
_MISSING_CONFIG = 'configmap "global-config" not found'
_PULL_PROBLEMS = ("ImagePullBackOff", "ErrImagePull")


def register_node(world: World, name: str) -> None:
    """Join a node to the cluster."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    status = {"conditions": [ready], "addresses": [{"type": "Hostname", "address": name}]}
    node = world.create_alone("nodes", "", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
    world.write_status("nodes", node, status)


class Pods:
    """Moves pods along. One instance per cluster; it remembers when each pod's start is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ready_at: dict[str, float] = {}
        self._addresses = 10
        self._started = 0

    def look(self, namespace: str, name: str) -> None:
        """Take a pod one step further; steps that take time ask to be called again."""
        pod = self._world.get("pods", namespace, name)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod)
        elif pod["status"]["phase"] in ("Succeeded", "Failed"):
            return
        elif "nodeName" not in pod["spec"]:
            self._schedule(pod)
        elif "containerStatuses" not in pod["status"]:
            self._start(pod)
        else:
            self._settle(pod)

    def _end(self, pod: Obj) -> None:
        key = "end " + pod["metadata"]["uid"]
        if self._wait(pod, key, self._world.settings.pod_seconds / 3):
            self._world.remove(built_in("pods"), pod)
            self._ready_at.pop(key)

    def _wait(self, pod: Obj, key: str, seconds: float) -> bool:
        """Whether that much time has passed since the first call with this key; asks for another look if not."""
        due = self._ready_at.setdefault(key, time.monotonic() + seconds)
        left = due - time.monotonic()
        if left <= 0:
            return True
        meta = pod["metadata"]
        self._world.queue.add(("Pod", meta["namespace"], meta["name"]), left)
        return False

    def _failure(self, pod: Obj) -> tuple[Failure, Obj] | None:
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            if failure := self._world.settings.failure_of(container["image"]):
                return failure, container
        return None

    def _schedule(self, pod: Obj) -> None:
        found = self._failure(pod)
        if found is not None and found[0].reason == "Unschedulable":
            message = found[0].message or "0/2 nodes are available: 2 Insufficient memory. no new claims to deallocate."
            condition = _condition("PodScheduled", value=False, reason="Unschedulable", message=message)
            if pod["status"].get("conditions") != [condition]:
                self._world.write_status("pods", pod, {**pod["status"], "conditions": [condition]})
                self._world.event(pod, "FailedScheduling", message, warning=True, component=SCHEDULER)
            return
        node = pod["spec"].get("nodeName") or self._node_for(pod)
        status = {**pod["status"], "conditions": [_condition("PodScheduled", value=True)]}
        bound = {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status}
        self._world.store.put(key_of(built_in("pods")), bound)
        meta = pod["metadata"]
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._world.event(pod, "Scheduled", message, component=SCHEDULER)

    def _node_for(self, pod: Obj) -> str:
        """A daemon's pods name their node by affinity; others take turns."""
        affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
        terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ())
        for term in terms:
            for field in term.get("matchFields", ()):
                return str(field["values"][0])
        return NODES[self._world.store.version % len(NODES)]

    def _start(self, pod: Obj) -> None:
        states = [_container_status(c, {"waiting": {"reason": "ContainerCreating"}}) for c in pod["spec"]["containers"]]
        status = {
            **pod["status"],
            "phase": "Pending",
            "conditions": _conditions(ready=False),
            "hostIP": "127.0.0.1",
            "startTime": now(),
            "containerStatuses": states,
        }
        self._write(pod, status)
        self._started += 1  # pods that start together become ready one after another, as on real nodes
        late = self._started % 3 / 5
        self._wait(pod, pod["metadata"]["uid"], self._world.settings.pod_seconds * (1 + late))

    def _settle(self, pod: Obj) -> None:
        """Once the start is over: fail as told, become ready, or (a job's pod, later) finish."""
        if not self._wait(pod, pod["metadata"]["uid"], self._world.settings.pod_seconds):
            return
        found = self._failure(pod)
        is_up = pod["status"].get("containerStatuses", [{}])[0].get("ready", False)
        if found is not None and not is_up:
            self._fail(pod, *found)
        elif not is_up:
            self._become_ready(pod)
        elif pod["spec"]["restartPolicy"] != "Always":
            self._finish(pod)

    def _become_ready(self, pod: Obj) -> None:
        self._addresses += 1
        address = f"10.244.{self._addresses // 250}.{self._addresses % 250 + 1}"
        states = [_running(pod, container) for container in pod["spec"]["containers"]]
        status = {
            **pod["status"],
            "phase": "Running",
            "conditions": _conditions(ready=True),
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": states,
        }
        self._write(pod, status)
        for container in pod["spec"]["containers"]:
            self._say(pod, "Pulled", f'Container image "{container["image"]}" already present on machine')
            self._say(pod, "Started", f"Started container {container['name']}")

    def _finish(self, pod: Obj) -> None:
        if not self._wait(pod, "finish " + pod["metadata"]["uid"], self._world.settings.pod_seconds):
            return
        ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}}
        states = [{**_container_status(c, ended), "started": False} for c in pod["spec"]["containers"]]
        self._write(pod, {**pod["status"], "phase": "Succeeded", "containerStatuses": states})

    def _fail(self, pod: Obj, failure: Failure, container: Obj) -> None:
        if failure.reason == "CrashLoopBackOff" and pod["spec"]["restartPolicy"] == "Never":
            self._crash_for_good(pod, failure)
            return
        states, phase = [], "Pending"
        for one in pod["spec"]["containers"]:
            if one["name"] != container["name"]:
                states.append(_running(pod, one))
                continue
            state = _failing(pod, one, failure)
            phase = "Running" if state["state"].get("running") or state["lastState"] else "Pending"
            states.append(state)
        status = {**pod["status"], "phase": phase, "containerStatuses": states, "conditions": _conditions(ready=False)}
        if pod["spec"]["restartPolicy"] == "Always" and _stateless(status) == _stateless(pod["status"]):
            return
        self._write(pod, status)
        for reason, message, warning in _events(pod, container, failure):
            self._say(pod, reason, message, warning=warning)
        if pod["spec"]["restartPolicy"] == "OnFailure":  # a job's pod: its restarts count towards the backoff limit
            meta = pod["metadata"]
            self._world.queue.add(("Pod", meta["namespace"], meta["name"]), self._world.settings.pod_seconds)

    def _crash_for_good(self, pod: Obj, failure: Failure) -> None:
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": now(), "finishedAt": now()}}
        if failure.message:
            ended["terminated"]["message"] = failure.message
        states = [{**_container_status(c, ended), "started": False} for c in pod["spec"]["containers"]]
        self._write(pod, {**pod["status"], "phase": "Failed", "containerStatuses": states})

    def _write(self, pod: Obj, status: Obj) -> None:
        self._world.objects.write_status(built_in("pods"), pod, status, manager=KUBELET)

    def _say(self, pod: Obj, reason: str, message: str, *, warning: bool = False) -> None:
        self._world.event(pod, reason, message, warning=warning, component=KUBELET)


def log_of(world: World, pod: Obj, container: str) -> str:
    """What a container has written: as its failure says, or as the image's log was set."""
    image = next(
        one["image"]
        for one in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
        if one["name"] == container
    )
    failure = world.settings.failure_of(image)
    if failure is not None and failure.log:
        return failure.log
    return next((text for pattern, text in reversed(world.settings.logs) if pattern.search(image)), "")


def _condition(kind: str, *, value: bool, reason: str = "", message: str = "") -> Obj:
    condition: Obj = {"type": kind, "status": str(value), "lastProbeTime": None, "lastTransitionTime": now()}
    return condition | ({"reason": reason, "message": message} if reason else {})


def _conditions(*, ready: bool) -> list[Obj]:
    why = {} if ready else {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return [
        _condition("Initialized", value=True),
        _condition("Ready", value=ready, **why),
        _condition("ContainersReady", value=ready, **why),
        _condition("PodScheduled", value=True),
    ]


def _container_status(container: Obj, state: Obj, **more: Any) -> Obj:
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
    digest = re.search(r"sha256:[0-9a-f]{64}", container["image"])
    repository = container["image"].partition("@")[0]
    return _container_status(
        container,
        {"running": {"startedAt": now()}},
        ready=ready,
        started=True,
        imageID=f"{repository}@{digest[0] if digest else 'sha256:' + '0' * 64}",
        containerID=f"fake://{pod['metadata']['uid']}",
    )


def _failing(pod: Obj, container: Obj, failure: Failure) -> Obj:
    image, name = container["image"], container["name"]
    if failure.reason == "never ready":
        return _running(pod, container, ready=False)
    if failure.reason == "CrashLoopBackOff":
        ended = {"exitCode": 1, "reason": "Error", "startedAt": now(), "finishedAt": now()}
        waiting = {"reason": failure.reason, "message": failure.message or _back_off(pod, name)}
        more = {"lastState": {"terminated": ended}, "restartCount": _restarts(pod, name) + 1}
        return _container_status(container, {"waiting": waiting}, **more)
    defaults = {
        "ImagePullBackOff": f'Back-off pulling image "{image}": not found',
        "ErrImagePull": _pull_error(image),
        "CreateContainerConfigError": _MISSING_CONFIG,
    }
    waiting = {"reason": failure.reason, "message": failure.message or defaults[failure.reason]}
    return _container_status(container, {"waiting": waiting})


def _restarts(pod: Obj, container: str) -> int:
    statuses = pod["status"].get("containerStatuses", ())
    return next((int(status["restartCount"]) for status in statuses if status["name"] == container), 0)


def _pull_error(image: str) -> str:
    return f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": not found'


def _back_off(pod: Obj, container: str) -> str:
    meta = pod["metadata"]
    where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    return f"back-off 40s restarting failed container={container} pod={where}"


def _events(pod: Obj, container: Obj, failure: Failure) -> list[tuple[str, str, bool]]:
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


def _stateless(status: Obj) -> Any:
    """What distinguishes two failing states, without times."""
    states = [
        (s["name"], s["ready"], sorted(s["state"]), s["state"].get("waiting")) for s in status["containerStatuses"]
    ]
    return status["phase"], states
