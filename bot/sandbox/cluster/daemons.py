"""DaemonSets: a pod on every node, replaced node by node."""

import copy
import math

from bot.sandbox.cluster.admission import template_hash
from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.pods import NODES
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.stateful import REVISION_LABEL
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import World, is_ready

_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSets:
    """The DaemonSet controller."""

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, namespace: str, name: str) -> None:
        """One step on every node, then report."""
        daemon = self._world.get("daemonsets", namespace, name)
        if daemon is None or "deletionTimestamp" in daemon["metadata"]:
            return
        revision = template_hash(daemon["spec"]["template"])
        by_node = {_node(pod): pod for pod in self._world.owned("pods", daemon)}
        for node in NODES:
            if node not in by_node:
                self._create_pod(daemon, node, revision)
        if daemon["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace_some(daemon, by_node, revision)
        self._report(daemon, revision)

    def _replace_some(self, daemon: Obj, by_node: dict[str, Obj], revision: str) -> None:
        """Old pods that do not serve go at once, others as far as ``maxUnavailable`` allows."""
        limit = daemon["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
        if not isinstance(limit, int):
            limit = max(math.floor(int(str(limit).rstrip("%")) * len(NODES) / 100), 1)
        room = limit - sum(node not in by_node or not is_ready(by_node[node]) for node in NODES)
        for node in NODES:
            pod = by_node.get(node)
            if pod is None or _revision(pod) == revision or "deletionTimestamp" in pod["metadata"]:
                continue
            if is_ready(pod):
                if room <= 0:
                    continue
                room -= 1
            self._delete_pod(daemon, pod)

    def _create_pod(self, daemon: Obj, node: str, revision: str) -> None:
        meta = daemon["metadata"]
        pod = copy.deepcopy(daemon["spec"]["template"])
        pod["metadata"]["generateName"] = f"{meta['name']}-"
        generation = meta.get("annotations", {}).get(_GENERATION, "1")
        labels = {REVISION_LABEL: revision, "pod-template-generation": generation}
        pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **labels}
        fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
        terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
        affinity = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        pod["spec"].setdefault("affinity", {})["nodeAffinity"] = affinity
        created = self._world.create("pods", meta["namespace"], pod, daemon)
        self._say(daemon, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _delete_pod(self, daemon: Obj, pod: Obj) -> None:
        meta = pod["metadata"]
        delete(self._world.objects, Target(built_in("pods"), meta["namespace"], meta["name"]), {})
        self._say(daemon, "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def _say(self, daemon: Obj, reason: str, message: str) -> None:
        self._world.event(daemon, reason, message, component="daemonset-controller")

    def _report(self, daemon: Obj, revision: str) -> None:
        by_node = {_node(pod): pod for pod in self._world.owned("pods", daemon)}
        ready = sum(is_ready(pod) for pod in by_node.values())
        updated = sum(_revision(pod) == revision for pod in by_node.values())
        status: Obj = {
            "currentNumberScheduled": len(by_node),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(NODES),
            "numberReady": ready,
            "observedGeneration": daemon["metadata"]["generation"],
        }
        rest = {"updatedNumberScheduled": updated, "numberAvailable": ready, "numberUnavailable": len(NODES) - ready}
        status |= {name: count for name, count in rest.items() if count}
        if status != daemon["status"]:
            self._world.write_status("daemonsets", daemon, status)


def _node(pod: Obj) -> str:
    """The node a daemon's pod is meant for, scheduled or not."""
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def _revision(pod: Obj) -> str:
    return str(pod["metadata"]["labels"].get(REVISION_LABEL, ""))
