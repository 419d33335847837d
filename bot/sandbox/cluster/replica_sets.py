"""ReplicaSets: as many pods as their spec says."""

import copy

from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import World, is_active, is_ready


class ReplicaSets:
    """The ReplicaSet controller: as many pods as the spec says."""

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, namespace: str, name: str) -> None:
        """Report the pods there are, then create or delete what is missing or too much."""
        replica_set = self._world.get("replicasets", namespace, name)
        if replica_set is None or "deletionTimestamp" in replica_set["metadata"]:
            return
        pods = self._world.owned("pods", replica_set)
        active = [pod for pod in pods if is_active(pod)]
        missing = replica_set["spec"]["replicas"] - len(active)
        for _ in range(missing):
            self._create_pod(replica_set)
        for pod in sorted(active, key=is_ready)[: max(-missing, 0)]:
            meta = pod["metadata"]
            delete(self._world.objects, Target(built_in("pods"), namespace, meta["name"]), {})
            self._say(replica_set, "SuccessfulDelete", f"Deleted pod: {meta['name']}")
        self._report(replica_set, pods, active)

    def _create_pod(self, replica_set: Obj) -> None:
        name = replica_set["metadata"]["name"]
        template = copy.deepcopy(replica_set["spec"]["template"])
        template["metadata"]["generateName"] = f"{name}-"
        pod = self._world.create("pods", replica_set["metadata"]["namespace"], template, replica_set)
        self._say(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _say(self, replica_set: Obj, reason: str, message: str) -> None:
        self._world.event(replica_set, reason, message, component="replicaset-controller")

    def _report(self, replica_set: Obj, pods: list[Obj], active: list[Obj]) -> None:
        ready = sum(is_ready(pod) for pod in active)
        status: Obj = {"replicas": len(active)}
        status |= {"fullyLabeledReplicas": len(active)} if active else {}
        status |= {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
        status["terminatingReplicas"] = sum("deletionTimestamp" in pod["metadata"] for pod in pods)
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        if status != replica_set["status"]:
            self._world.write_status("replicasets", replica_set, status)
