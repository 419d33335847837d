"""Kubernetes API servers by kubeconfig context: server-side apply, rollouts, and why pods do not come up."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapters.kubernetes.apply import Applier
from bot.adapters.kubernetes.client import Kubeconfig
from bot.adapters.kubernetes.compare import compare
from bot.adapters.kubernetes.connection import Connection
from bot.adapters.kubernetes.diagnosis import Diagnoses
from bot.adapters.kubernetes.discovery import Discovery
from bot.adapters.kubernetes.prune import prune
from bot.adapters.kubernetes.waiting import Rollouts
from bot.adapters.kubernetes.watch import Watches
from bot.facts import Applied, Diagnosis, Difference, Rollout, Target


class _Cluster:
    """What is kept of one cluster between calls."""

    def __init__(self, kubeconfig: Kubeconfig, context: str) -> None:
        self.connection = Connection(kubeconfig, context)
        self.discovery = Discovery(self.connection)
        self.watches = Watches(self.connection)


class KubernetesClusters:
    """``ports.Clusters``. Safe to share between threads.

    Args:
        kubeconfig: one path or several with ``:`` between them, as in KUBECONFIG. None: kubectl's default file, and
            where there is none, the credentials of the pod that this runs in, for whichever context.
    """

    def __init__(self, kubeconfig: str | None) -> None:
        self._kubeconfig = Kubeconfig(kubeconfig)
        self._lock = threading.Lock()
        self._clusters: dict[str, _Cluster] = {}

    def contexts(self) -> tuple[str, ...] | None:
        """See ``bot.ports``."""
        return self._kubeconfig.contexts()

    def apply(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Applied, ...]:
        """See ``bot.ports``."""
        cluster = self._cluster(target.context)
        results = Applier(cluster.connection, cluster.discovery).apply(target, objects)
        for result in results:
            cluster.watches.saw(result.resource, result.live)
        return tuple(result.applied for result in results)

    def compare(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
        """See ``bot.ports``."""
        cluster = self._cluster(target.context)
        return compare(Applier(cluster.connection, cluster.discovery), target, objects)

    def prune(self, target: Target, objects: Sequence[Mapping[str, Any]], *, dry_run: bool) -> tuple[str, ...]:
        """See ``bot.ports``."""
        cluster = self._cluster(target.context)
        applier = Applier(cluster.connection, cluster.discovery)
        return prune(cluster.connection, applier, target, objects, dry_run=dry_run)

    def rollout(self, target: Target, applied: Sequence[Applied], *, wait: float) -> Rollout:
        """See ``bot.ports``."""
        cluster = self._cluster(target.context)
        return Rollouts(cluster.connection, cluster.discovery, cluster.watches).wait(applied, wait)

    def diagnose(self, target: Target, applied: Sequence[Applied]) -> Diagnosis:
        """See ``bot.ports``."""
        cluster = self._cluster(target.context)
        return Diagnoses(cluster.connection, cluster.discovery).of(applied)

    def close(self) -> None:
        """Stop watching and close connections."""
        with self._lock:
            clusters = list(self._clusters.values())
            self._clusters.clear()
        for cluster in clusters:
            cluster.watches.close()
            cluster.connection.close()

    def _cluster(self, context: str) -> _Cluster:
        with self._lock:
            if context not in self._clusters:
                self._clusters[context] = _Cluster(self._kubeconfig, context)
            return self._clusters[context]
