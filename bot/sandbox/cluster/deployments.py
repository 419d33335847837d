"""Deployments: rollouts through ReplicaSets, with the statuses and conditions a real controller shows on the way.

The order of things follows the controller of Kubernetes; the recordings hold it to that.
"""

import copy
import math
import time
from typing import Any

from bot.sandbox.cluster.admission import now, template_hash
from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import World

_REVISION = "deployment.kubernetes.io/revision"
_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MAXIMUM = "deployment.kubernetes.io/max-replicas"
_HASH = "pod-template-hash"
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


class Deployments:
    """The Deployment controller. It remembers when each rollout last made progress, finer than the API's seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._progress_at: dict[str, float] = {}

    def look(self, namespace: str, name: str) -> None:
        """One round: create or scale ReplicaSets by one step, then report."""
        deployment = self._world.get("deployments", namespace, name)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return
        deployment, new, old = self._replica_sets(deployment)
        everything = [*old, *([new] if new else [])]
        if new is not None and not deployment["spec"].get("paused"):
            scaled = self._roll(deployment, new, old)
            everything = self._world.owned("replicasets", deployment)
            new = next(rs for rs in everything if rs["metadata"]["name"] == new["metadata"]["name"])
            if not scaled:
                self._forget_old(deployment, [rs for rs in everything if rs is not new])
        self._report(deployment, everything, new)

    def _replica_sets(self, deployment: Obj) -> tuple[Obj, Obj | None, list[Obj]]:
        """The deployment, its ReplicaSet for the current template (made where missing), and the older ones."""
        owned = self._world.owned("replicasets", deployment)
        template = deployment["spec"]["template"]
        new = next((rs for rs in owned if _template_of(rs) == template), None)
        old = [rs for rs in owned if rs is not new]
        revision = max((int(rs["metadata"]["annotations"][_REVISION]) for rs in old), default=0) + 1
        if new is None and deployment["spec"].get("paused"):
            return deployment, None, old
        if new is None:
            new = self._create(deployment, old, revision)
            reason, message = "NewReplicaSetCreated", f'Created new replica set "{new["metadata"]["name"]}"'
            deployment = self._take_revision(deployment, str(revision), reason, message)
        else:
            if int(new["metadata"]["annotations"][_REVISION]) < revision:
                new = self._annotate(deployment, new, revision)
            deployment = self._take_revision(deployment, new["metadata"]["annotations"][_REVISION], "", "")
        return deployment, new, old

    def _create(self, deployment: Obj, old: list[Obj], revision: int) -> Obj:
        template = copy.deepcopy(deployment["spec"]["template"])
        suffix = template_hash(template)
        labels = {**template["metadata"].get("labels", {}), _HASH: suffix}
        template["metadata"]["labels"] = labels
        selector = copy.deepcopy(deployment["spec"]["selector"])
        selector["matchLabels"] = {**selector.get("matchLabels", {}), _HASH: suffix}
        name = f"{deployment['metadata']['name']}-{suffix}"
        replicas = _surge_to(deployment, old, 0)
        body = {
            "metadata": {"name": name, "labels": labels, "annotations": _annotations(deployment, revision)},
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }
        if "minReadySeconds" in deployment["spec"]:
            body["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        created = self._world.create("replicasets", deployment["metadata"]["namespace"], body, deployment)
        self._say(deployment, f"Scaled up replica set {name} from 0 to {replicas}")
        return created

    def _annotate(self, deployment: Obj, replica_set: Obj, revision: int) -> Obj:
        meta = replica_set["metadata"]
        annotations = {**meta["annotations"], **_annotations(deployment, revision)}
        return self._world.replace("replicasets", {**replica_set, "metadata": {**meta, "annotations": annotations}})

    def _take_revision(self, deployment: Obj, revision: str, reason: str, message: str) -> Obj:
        """Note the revision, and a new ReplicaSet's creation, in one status write of its own."""
        annotations = {**deployment["metadata"].get("annotations", {}), _REVISION: revision}
        status = dict(deployment["status"])
        if reason:
            status["conditions"] = _with_condition(
                status.get("conditions", []), _condition("Progressing", "True", reason, message)
            )
            self._progress_at[deployment["metadata"]["uid"]] = time.monotonic()
        return self._world.write_status("deployments", deployment, status, annotations)

    def _roll(self, deployment: Obj, new: Obj, old: list[Obj]) -> bool:
        """One step towards the new ReplicaSet; whether anything was scaled."""
        wanted = deployment["spec"]["replicas"]
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            if any(self._scale(deployment, rs, 0) for rs in old):
                return True
            waiting = any(self._world.owned("pods", rs) for rs in old)
            return not waiting and self._scale(deployment, new, wanted)
        current = new["spec"]["replicas"]
        target = wanted if current > wanted else _surge_to(deployment, [*old, new], current)
        if self._scale(deployment, new, target):
            return True
        return self._scale_down(deployment, new, old)

    def _scale_down(self, deployment: Obj, new: Obj, old: list[Obj]) -> bool:
        """Old pods go: first those that never became ready, then as many as availability allows."""
        wanted = deployment["spec"]["replicas"]
        minimum = wanted - _limits(deployment)[1]
        total = sum(rs["spec"]["replicas"] for rs in [*old, new])
        unready_new = new["spec"]["replicas"] - new["status"].get("availableReplicas", 0)
        room = total - minimum - unready_new
        if room <= 0:
            return False
        scaled = False
        left = {}
        for rs in old:
            unready = min(room, rs["spec"]["replicas"] - rs["status"].get("availableReplicas", 0))
            left[rs["metadata"]["name"]] = rs["spec"]["replicas"] - max(unready, 0)
            room -= max(unready, 0)
        available = sum(rs["status"].get("availableReplicas", 0) for rs in [*old, new])
        spare = available - minimum
        for rs in old:
            name = rs["metadata"]["name"]
            step = max(min(spare, left[name]), 0)
            spare -= step
            scaled = self._scale(deployment, rs, left[name] - step) or scaled
        return scaled

    def _scale(self, deployment: Obj, replica_set: Obj, replicas: int) -> bool:
        before = replica_set["spec"]["replicas"]
        if before == replicas:
            return False
        spec = {**replica_set["spec"], "replicas": replicas}
        self._world.replace("replicasets", {**replica_set, "spec": spec})
        way = "up" if replicas > before else "down"
        name = replica_set["metadata"]["name"]
        self._say(deployment, f"Scaled {way} replica set {name} from {before} to {replicas}")
        return True

    def _say(self, deployment: Obj, message: str) -> None:
        self._world.event(deployment, "ScalingReplicaSet", message, component="deployment-controller")

    def _forget_old(self, deployment: Obj, old: list[Obj]) -> None:
        """Once complete, only so many old ReplicaSets stay as the history limit says."""
        if not _complete(deployment, deployment["status"]):
            return
        idle = [rs for rs in old if rs["spec"]["replicas"] == 0 and rs["status"].get("replicas", 0) == 0]
        idle.sort(key=lambda rs: int(rs["metadata"]["annotations"][_REVISION]))
        for rs in idle[: max(len(idle) - deployment["spec"]["revisionHistoryLimit"], 0)]:
            meta = rs["metadata"]
            delete(self._world.objects, Target(built_in("replicasets"), meta["namespace"], meta["name"]), {})

    def _report(self, deployment: Obj, everything: list[Obj], new: Obj | None) -> None:
        old_status = deployment["status"]
        status = _counts(deployment, everything, new)
        conditions = [dict(condition) for condition in old_status.get("conditions", [])]
        minimum = deployment["spec"]["replicas"] - _limits(deployment)[1]
        if status.get("availableReplicas", 0) >= minimum:
            available = _condition(
                "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
            )
        else:
            available = _condition(
                "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
            )
        status["conditions"] = _with_condition(conditions, available)
        if not deployment["spec"].get("paused"):
            self._report_progress(deployment, status, new)
        if status != old_status:
            self._world.write_status("deployments", deployment, status)

    def _report_progress(self, deployment: Obj, status: Obj, new: Obj | None) -> None:
        uid = deployment["metadata"]["uid"]
        current = _find_condition(status["conditions"], "Progressing")
        settled = status.get("replicas", 0) == status.get("updatedReplicas", 0)
        if current and current["reason"] == "NewReplicaSetAvailable" and settled:
            return
        what = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
        if _complete(deployment, status):
            condition = _condition(
                "Progressing", "True", "NewReplicaSetAvailable", f"{what} has successfully progressed."
            )
            status["conditions"] = _with_condition(status["conditions"], condition)
        elif _progressed(deployment["status"], status):
            self._progress_at[uid] = time.monotonic()
            condition = _condition("Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.")
            if current and current["status"] == "True":
                condition["lastTransitionTime"] = current["lastTransitionTime"]
            kept = [c for c in status["conditions"] if c["type"] != "Progressing"]
            status["conditions"] = [*kept, condition]
        elif self._timed_out(deployment, current):
            message = f"{what} has timed out progressing."
            condition = _condition("Progressing", "False", "ProgressDeadlineExceeded", message)
            status["conditions"] = _with_condition(status["conditions"], condition)

    def _timed_out(self, deployment: Obj, current: Obj | None) -> bool:
        """Whether the deadline has passed; asks for another look when it will have."""
        if current is None or current["reason"] == "NewReplicaSetAvailable":
            return False
        if current["reason"] == "ProgressDeadlineExceeded":
            return True
        meta = deployment["metadata"]
        deadline = deployment["spec"]["progressDeadlineSeconds"] * self._world.settings.time_scale
        left = self._progress_at.setdefault(meta["uid"], time.monotonic()) + deadline - time.monotonic()
        if left <= 0:
            return True
        self._world.queue.add(("Deployment", meta["namespace"], meta["name"]), left)
        return False


def _template_of(replica_set: Obj) -> Obj:
    """The template without the hash that tells ReplicaSets apart."""
    template: Obj = replica_set["spec"]["template"]
    labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != _HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _annotations(deployment: Obj, revision: int) -> Obj:
    wanted = deployment["spec"]["replicas"]
    return {_DESIRED: str(wanted), _MAXIMUM: str(wanted + _limits(deployment)[0]), _REVISION: str(revision)}


def _limits(deployment: Obj) -> tuple[int, int]:
    """Surge and unavailability in pods: percentages round up for the first, down for the second."""
    strategy, wanted = deployment["spec"]["strategy"], deployment["spec"]["replicas"]
    if strategy["type"] != "RollingUpdate":
        return 0, wanted if strategy["type"] == "Recreate" else 0
    surge = _share(strategy["rollingUpdate"]["maxSurge"], wanted, up=True)
    unavailable = _share(strategy["rollingUpdate"]["maxUnavailable"], wanted, up=False)
    return surge, min(unavailable or (0 if surge else 1), wanted)


def _share(value: Any, total: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    part = int(str(value).rstrip("%")) * total / 100
    return math.ceil(part) if up else math.floor(part)


def _surge_to(deployment: Obj, everything: list[Obj], current: int) -> int:
    """How many pods the new ReplicaSet may have now."""
    wanted: int = deployment["spec"]["replicas"]
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return 0 if any(rs["spec"]["replicas"] for rs in everything) else wanted
    total = sum(rs["spec"]["replicas"] for rs in everything)
    room = wanted + _limits(deployment)[0] - total
    return current if room <= 0 else current + min(room, wanted - current)


def _counts(deployment: Obj, everything: list[Obj], new: Obj | None) -> Obj:
    """The numbers of a status; those that are zero are left out, as the API leaves them out."""
    available = sum(rs["status"].get("availableReplicas", 0) for rs in everything)
    numbers = {
        "replicas": sum(rs["status"].get("replicas", 0) for rs in everything),
        "updatedReplicas": new["status"].get("replicas", 0) if new else 0,
        "readyReplicas": sum(rs["status"].get("readyReplicas", 0) for rs in everything),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(rs["spec"]["replicas"] for rs in everything) - available, 0),
    }
    status: Obj = {"observedGeneration": deployment["metadata"]["generation"]}
    status |= {name: numbers[name] for name in _COUNTS if numbers[name]}
    status["terminatingReplicas"] = sum(rs["status"].get("terminatingReplicas", 0) for rs in everything)
    return status


def _complete(deployment: Obj, status: Obj) -> bool:
    wanted = deployment["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return counts == [wanted] * 3 and status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]


def _progressed(before: Obj, after: Obj) -> bool:
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    old_after = after.get("replicas", 0) - after.get("updatedReplicas", 0)
    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_after < old_before or any(after.get(name, 0) > before.get(name, 0) for name in more)


def _condition(kind: str, status: str, reason: str, message: str) -> Obj:
    time_now = now()
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": time_now,
        "lastTransitionTime": time_now,
        "reason": reason,
        "message": message,
    }


def _find_condition(conditions: list[Obj], kind: str) -> Obj | None:
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _with_condition(conditions: list[Obj], new: Obj) -> list[Obj]:
    """The conditions with a new one: the same status and reason change nothing, a kept status keeps its time."""
    current = _find_condition(conditions, new["type"])
    if current and (current["status"], current["reason"]) == (new["status"], new["reason"]):
        return conditions
    if current and current["status"] == new["status"]:
        new = {**new, "lastTransitionTime": current["lastTransitionTime"]}
    return [*(condition for condition in conditions if condition["type"] != new["type"]), new]
