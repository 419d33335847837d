"""Pods: scheduled, started and made ready, or failing the way they were told to, as a scheduler and a node do it."""

import time

from bot.sandbox.cluster import pod_status
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.store import Obj, key_of
from bot.sandbox.cluster.world import KUBELET, SCHEDULER, Failure, World

NODES = ("fake-1", "fake-2")


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
            if "conditions" not in pod["status"]:
                self._world.write_status("pods", pod, pod_status.unschedulable(pod, message))
                self._world.event(pod, "FailedScheduling", message, warning=True, component=SCHEDULER)
            return
        node = self._node_for(pod)
        status = {**pod["status"], "conditions": [pod_status.condition("PodScheduled", value=True)]}
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
        self._write(pod, pod_status.starting(pod))
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
        self._write(pod, pod_status.ready(pod, address))
        for container in pod["spec"]["containers"]:
            self._say(pod, "Pulled", f'Container image "{container["image"]}" already present on machine')
            self._say(pod, "Started", f"Started container {container['name']}")

    def _finish(self, pod: Obj) -> None:
        if self._wait(pod, "finish " + pod["metadata"]["uid"], self._world.settings.pod_seconds):
            self._write(pod, pod_status.ended(pod, "Succeeded", exit_code=0))

    def _fail(self, pod: Obj, failure: Failure, container: Obj) -> None:
        policy = pod["spec"]["restartPolicy"]
        if failure.reason == "CrashLoopBackOff" and policy == "Never":
            self._write(pod, pod_status.ended(pod, "Failed", exit_code=1))
            return
        status = pod_status.failing(pod, container, failure)
        if policy == "Always" and pod_status.is_same(status, pod["status"]):
            return
        self._write(pod, status)
        for reason, message, warning in pod_status.failure_events(pod, container, failure):
            self._say(pod, reason, message, warning=warning)
        if policy == "OnFailure":  # a job's pod: its restarts count towards the backoff limit
            meta = pod["metadata"]
            self._world.queue.add(("Pod", meta["namespace"], meta["name"]), self._world.settings.pod_seconds)

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
