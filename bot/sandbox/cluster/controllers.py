"""The thread that plays controller manager, scheduler and node: it looks at whatever changed."""

import threading
from collections.abc import Callable, Iterator

from bot.sandbox.cluster.admission import now
from bot.sandbox.cluster.daemons import DaemonSets
from bot.sandbox.cluster.deletion import FOREGROUND, finish_foreground
from bot.sandbox.cluster.deployments import Deployments
from bot.sandbox.cluster.errors import ApiError
from bot.sandbox.cluster.jobs import Jobs
from bot.sandbox.cluster.pods import Pods
from bot.sandbox.cluster.replica_sets import ReplicaSets
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.stateful import Claims, StatefulSets
from bot.sandbox.cluster.store import Change, Obj
from bot.sandbox.cluster.world import Work, World

_SETTLING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})


class Controllers:
    """One worker for all controllers of a cluster, fed by every change in the store."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._looks: dict[str, Callable[[str, str], None]] = {
            "Pod": Pods(world).look,
            "ReplicaSet": ReplicaSets(world).look,
            "Deployment": Deployments(world).look,
            "StatefulSet": StatefulSets(world).look,
            "PersistentVolumeClaim": Claims(world).look,
            "DaemonSet": DaemonSets(world).look,
            "Job": Jobs(world).look,
            "Namespace": self._look_at_namespace,
            "CustomResourceDefinition": self._look_at_definition,
            "Orphans": self._collect,
        }
        self._thread = threading.Thread(target=self._run, name="cluster-controllers", daemon=True)
        world.store.listeners.append(self._notice)

    def start(self) -> None:
        """Begin to look; a no-op where it already does."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Finish the look under way and end."""
        self._world.queue.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._world.queue.take()) is not None:
            kind, namespace, name = work
            with self._world.store.lock:
                try:
                    self._looks[kind](namespace, name)
                except ApiError as error:
                    if error.code not in (403, 404, 409):  # the object or its namespace went away meanwhile
                        raise

    def _notice(self, change: Change) -> None:
        """Turn a change into work: the object itself, and whoever controls it."""
        meta = change.obj["metadata"]
        for work in _work_of(change.obj):
            if work[0] in self._looks:
                self._world.queue.add(work, self._settling(change.obj) if work[0] == change.obj["kind"] else 0)
        if change.type == "DELETED" or FOREGROUND in meta.get("finalizers", ()):
            self._world.queue.add(("Orphans", meta.get("namespace", ""), meta["uid"]))

    def _settling(self, obj: Obj) -> float:
        """A workload whose new spec no controller has seen yet keeps its old status for a moment."""
        seen = obj.get("status", {}).get("observedGeneration", 0)
        unseen = obj["kind"] in _SETTLING and seen != obj["metadata"].get("generation", 0)
        return self._world.settings.settle_seconds if unseen else 0.0

    def _collect(self, _namespace: str, uid: str) -> None:
        """Garbage collection: what a deleted object owned goes too; then the object, if it waited for that."""
        store = self._world.store
        for key, obj in store.everything():
            meta = obj["metadata"]
            if any(owner["uid"] == uid for owner in meta.get("ownerReferences", ())):
                store.remove(key, meta.get("namespace", ""), meta["name"])
            elif meta["uid"] == uid and FOREGROUND in meta.get("finalizers", ()):
                finish_foreground(store, key, obj)

    def _look_at_namespace(self, _namespace: str, name: str) -> None:
        """A new namespace gets its service account; a deleted one is emptied, then removed."""
        namespace = self._world.get("namespaces", "", name)
        if namespace is None:
            return
        if "deletionTimestamp" not in namespace["metadata"]:
            self._furnish(name)
            return
        for key, obj in self._world.store.everything():
            if obj["metadata"].get("namespace") == name:
                self._world.store.remove(key, name, obj["metadata"]["name"])
        self._world.remove(built_in("namespaces"), namespace)

    def _furnish(self, namespace: str) -> None:
        bodies = {"serviceaccounts": {"metadata": {"name": "default"}}}
        bodies["configmaps"] = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}}
        for plural, body in bodies.items():
            if self._world.get(plural, namespace, body["metadata"]["name"]) is None:
                self._world.create_alone(plural, namespace, body)

    def _look_at_definition(self, _namespace: str, name: str) -> None:
        """Establish a custom resource: from then on it is served."""
        definition = self._world.get("customresourcedefinitions", "", name)
        if definition is None or definition.get("status", {}).get("conditions"):
            return
        spec = definition["spec"]
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now(), "reason": reason, "message": message}
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ]
        stored = [version["name"] for version in spec["versions"] if version.get("storage")]
        status = {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}
        self._world.write_status("customresourcedefinitions", definition, status)


def _work_of(obj: Obj) -> Iterator[Work]:
    meta = obj["metadata"]
    namespace = meta.get("namespace", "")
    yield (obj["kind"], namespace, meta["name"])
    for owner in meta.get("ownerReferences", ()):
        if owner.get("controller"):
            yield (owner["kind"], namespace, owner["name"])
