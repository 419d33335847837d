"""The Kubernetes adapter on a cluster, for tests: see ``cluster_fixtures`` for which cluster."""

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import config

from bot.adapters.kubernetes.clusters import KubernetesClusters
from bot.errors import Permanent
from bot.facts import Applied, Rollout, RolloutState, Target
from bot.sandbox.cluster import Cluster
from tests.contract.cluster_fixtures import PATIENCE_SECONDS, ClusterApi

PODS = "pods of invented images do not come up on a real cluster"


@dataclass(frozen=True, slots=True)
class Stage:
    """The adapter, the cluster behind it, and where tests apply."""

    clusters: KubernetesClusters
    api: ClusterApi
    target: Target

    @property
    def stand_in(self) -> Cluster:
        """The stand-in; only in tests that have asked for it by ``pods``."""
        assert self.api.stand_in is not None
        return self.api.stand_in

    def apply(self, *manifests: Mapping[str, Any]) -> tuple[Applied, ...]:
        """Apply into the test's namespace."""
        return self.clusters.apply(self.target, manifests)

    def refused(self, *manifests: Mapping[str, Any]) -> str:
        """Apply what the cluster refuses; what a person reads."""
        with pytest.raises(Permanent) as caught:
            self.apply(*manifests)
        return str(caught.value)

    def exists(self, api_version: str, kind: str, name: str) -> bool:
        """Whether the object is there."""
        return self.api.call("GET", self.api.path(api_version, kind, name)).status == 200

    def ended(self, *applied: Applied) -> Rollout:
        """Wait as a sync does, look by look, until the rollout has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (seen := self.clusters.rollout(self.target, applied, wait=1)).state is RolloutState.PROGRESSING:
            assert time.monotonic() < deadline, seen
        return seen

    def sent(self, method: str, path_part: str) -> list[str]:
        """The requests so far whose path holds a text: their paths."""
        log = self.stand_in.requests_log
        return [one.path for one in log if one.method == method and path_part in one.path]


@pytest.fixture
def stage(cluster_api: ClusterApi) -> Iterator[Stage]:
    """The adapter on the cluster under test."""
    clusters = KubernetesClusters(str(cluster_api.kubeconfig))
    yield Stage(clusters, cluster_api, Target(_context(cluster_api), cluster_api.namespace))
    clusters.close()


@pytest.fixture
def pods(stage: Stage) -> Cluster:
    """The stand-in, whose pods come up or fail as told."""
    if stage.api.stand_in is None:
        pytest.skip(PODS)
    return stage.api.stand_in


def _context(api: ClusterApi) -> str:
    if api.context is not None:
        return api.context
    _, current = config.list_kube_config_contexts(str(api.kubeconfig))  # type: ignore[no-untyped-call]
    return str(current["name"])


def changed(manifest: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """The manifest with other parts of its spec; None takes a part out."""
    other: dict[str, Any] = copy.deepcopy(dict(manifest))
    other["spec"] = {name: value for name, value in (other["spec"] | spec).items() if value is not None}
    return other


def workload(kind: str, name: str = "db", image: str = "registry.example.com/db:1", **spec: Any) -> dict[str, Any]:
    """A StatefulSet or DaemonSet."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def job(image: str = "registry.example.com/web:1", **spec: Any) -> dict[str, Any]:
    """A Job that runs once."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": pod}, **spec},
    }


def pod(image: str = "registry.example.com/web:1", **spec: Any) -> dict[str, Any]:
    """A bare Pod."""
    containers = [{"name": "web", "image": image}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, "spec": {"containers": containers, **spec}}


def secret(**data: Any) -> dict[str, Any]:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": data}
