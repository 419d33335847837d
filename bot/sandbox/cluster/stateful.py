"""StatefulSets: pods with names, one after the other up, and one after the other replaced."""

import copy

from bot.sandbox.cluster.admission import template_hash
from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import World, is_ready

REVISION_LABEL = "controller-revision-hash"


class StatefulSets:
    """The StatefulSet controller.

    As Kubernetes documents it, a pod that never becomes ready blocks every further update of its set, the one
    that would mend it included, until somebody deletes that pod ("Forced rollback").
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, namespace: str, name: str) -> None:
        """One step: create, delete or replace what comes next, then report."""
        stateful = self._world.get("statefulsets", namespace, name)
        if stateful is None or "deletionTimestamp" in stateful["metadata"]:
            return
        revision = f"{name}-{template_hash(stateful['spec']['template'])}"
        self._step(stateful, revision)
        self._report(stateful, revision)

    def _step(self, stateful: Obj, revision: str) -> None:
        pods = {_ordinal(pod): pod for pod in self._world.owned("pods", stateful)}
        wanted = stateful["spec"]["replicas"]
        ordered = stateful["spec"]["podManagementPolicy"] == "OrderedReady"
        for ordinal in range(wanted):
            pod = pods.get(ordinal)
            if pod is None:
                self._create_pod(stateful, ordinal, revision)
            if ordered and (pod is None or not is_ready(pod)):
                return
        surplus = [ordinal for ordinal in sorted(pods, reverse=True) if ordinal >= wanted]
        if surplus:
            for ordinal in surplus[: 1 if ordered else None]:
                self._delete_pod(stateful, pods[ordinal])
        elif stateful["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace_next(stateful, pods, revision)

    def _replace_next(self, stateful: Obj, pods: dict[int, Obj], revision: str) -> None:
        partition = stateful["spec"]["updateStrategy"]["rollingUpdate"]["partition"]
        for ordinal in sorted(pods, reverse=True):
            if ordinal < partition:
                return
            if _revision(pods[ordinal]) != revision:
                self._delete_pod(stateful, pods[ordinal])
                return
            if not is_ready(pods[ordinal]):
                return

    def _create_pod(self, stateful: Obj, ordinal: int, revision: str) -> None:
        spec, meta = stateful["spec"], stateful["metadata"]
        name = f"{meta['name']}-{ordinal}"
        pod = copy.deepcopy(spec["template"])
        pod["metadata"]["name"] = name
        labels = {REVISION_LABEL: revision, "statefulset.kubernetes.io/pod-name": name}
        labels["apps.kubernetes.io/pod-index"] = str(ordinal)
        pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **labels}
        pod["spec"] |= {"hostname": name} | ({"subdomain": spec["serviceName"]} if spec.get("serviceName") else {})
        for claim in spec.get("volumeClaimTemplates", ()):
            self._claim(meta["namespace"], claim, name)
            volume = claim["metadata"]["name"]
            source = {"persistentVolumeClaim": {"claimName": f"{volume}-{name}"}}
            pod["spec"].setdefault("volumes", []).append({"name": volume, **source})
        self._world.create("pods", meta["namespace"], pod, stateful)
        message = f"create Pod {name} in StatefulSet {meta['name']} successful"
        self._say(stateful, "SuccessfulCreate", message)

    def _claim(self, namespace: str, template: Obj, pod_name: str) -> None:
        name = f"{template['metadata']['name']}-{pod_name}"
        if self._world.get("persistentvolumeclaims", namespace, name) is None:
            body = {"metadata": {**template["metadata"], "name": name}, "spec": template["spec"]}
            self._world.create_alone("persistentvolumeclaims", namespace, body)

    def _delete_pod(self, stateful: Obj, pod: Obj) -> None:
        meta = pod["metadata"]
        if "deletionTimestamp" in meta:
            return
        delete(self._world.objects, Target(built_in("pods"), meta["namespace"], meta["name"]), {})
        name = stateful["metadata"]["name"]
        self._say(stateful, "SuccessfulDelete", f"delete Pod {meta['name']} in StatefulSet {name} successful")

    def _say(self, stateful: Obj, reason: str, message: str) -> None:
        self._world.event(stateful, reason, message, component="statefulset-controller")

    def _report(self, stateful: Obj, revision: str) -> None:
        pods = self._world.owned("pods", stateful)
        ready = sum(is_ready(pod) for pod in pods)
        updated = sum(_revision(pod) == revision for pod in pods)
        current = stateful["status"].get("currentRevision", revision)
        if updated == len(pods) == ready == stateful["spec"]["replicas"]:
            current = revision
        counts = {
            "readyReplicas": ready,
            "currentReplicas": sum(_revision(pod) == current for pod in pods),
            "updatedReplicas": updated,
        }
        status: Obj = {"observedGeneration": stateful["metadata"]["generation"], "replicas": len(pods)}
        status |= {name: count for name, count in counts.items() if count}
        status |= {"currentRevision": current, "updateRevision": revision, "collisionCount": 0}
        status["availableReplicas"] = ready
        if status != stateful["status"]:
            self._world.write_status("statefulsets", stateful, status)


def _ordinal(pod: Obj) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _revision(pod: Obj) -> str:
    return str(pod["metadata"].get("labels", {}).get(REVISION_LABEL, ""))


class Claims:
    """Binds every claim to storage that does not exist."""

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, namespace: str, name: str) -> None:
        """Bind it."""
        claim = self._world.get("persistentvolumeclaims", namespace, name)
        if claim is None or claim["status"]["phase"] == "Bound":
            return
        status = {"phase": "Bound", "accessModes": claim["spec"].get("accessModes", [])}
        self._world.write_status("persistentvolumeclaims", claim, status)
