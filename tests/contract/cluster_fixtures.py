"""Kubernetes API servers for tests: the stand-in, and with SLIPWAY_TEST_KUBECONFIG a real control plane too.

A test module takes the fixture by name: ``cluster_api = cluster_fixtures.cluster_api``. Each test gets a namespace of
its own. The real cluster is the kubeconfig's current context; the namespace is created and deleted by the fixture.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from kubernetes import client, config

from bot.sandbox.cluster import Cluster, write_kubeconfig

T = TypeVar("T")
APPLY = "application/apply-patch+yaml"
REAL = os.environ.get("SLIPWAY_TEST_KUBECONFIG", "")
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer: JSON where it is JSON, else text."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class ClusterApi:
    """An API server, a namespace on it, and whether it is the stand-in."""

    kubeconfig: Path
    context: str | None
    namespace: str
    client: client.ApiClient
    stand_in: Cluster | None

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **headers: str
    ) -> Answer:
        """One raw request, with the kubeconfig's credentials."""
        token = self.client.configuration.get_api_key_with_prefix("BearerToken")
        sent = {"Content-Type": content_type, "User-Agent": "tests/1"} | ({"Authorization": token} if token else {})
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        url = self.client.configuration.host + path
        response = self.client.rest_client.pool_manager.request(method, url, body=data, headers={**sent, **headers})
        text = response.data.decode()
        single = text.startswith("{") and "\n{" not in text
        return Answer(response.status, json.loads(text) if single else text)

    def path(self, api_version: str, kind: str, name: str = "") -> str:
        """Where objects of a kind live in the test's namespace."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        plural = kind.lower() + ("es" if kind.endswith("s") else "s")
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def apply(self, body: dict[str, Any], manager: str = "slipway", **query: str) -> Answer:
        """Server-side apply into the test's namespace, without force unless asked for."""
        where = self.path(body["apiVersion"], body["kind"], body["metadata"]["name"])
        options = "&".join(f"{key}={value}" for key, value in {"fieldManager": manager, **query}.items())
        return self.call("PATCH", f"{where}?{options}", body, APPLY)

    def get(self, api_version: str, kind: str, name: str) -> dict[str, Any]:
        """One object; it has to be there."""
        answer = self.call("GET", self.path(api_version, kind, name))
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.body
        return found


def eventually(look: Callable[[], T], holds: Callable[[T], object] = bool) -> T:
    """Look until it holds; what was seen last is in the failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.01)
    return seen


def is_complete(deployment: dict[str, Any]) -> bool:
    """Whether a Deployment's rollout is done, as the design tells it."""
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and counts == [wanted] * 3


def deployment(name: str = "web", image: str = "registry.example.com/web:1", replicas: int = 2) -> dict[str, Any]:
    """A small Deployment."""
    labels = {"app": name}
    container = {"name": name, "image": image, "ports": [{"name": "http", "containerPort": 80}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def owners_of(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """FieldsV1 by ``manager operation``."""
    return {f"{e['manager']} {e['operation']}": e["fieldsV1"] for e in obj["metadata"]["managedFields"]}


def connect(kubeconfig: Path, context: str | None = None) -> client.ApiClient:
    """The real client, as the kubeconfig says."""
    api: client.ApiClient = config.new_client_from_config(str(kubeconfig), context)  # type: ignore[no-untyped-call]
    return api


@pytest.fixture(params=["stand-in", *([pytest.param("real", marks=pytest.mark.cluster)] if REAL else [])])
def cluster_api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClusterApi]:
    """The API server under test."""
    if request.param == "real":
        yield from _real()
        return
    path = tmp_path / "kubeconfig"
    with Cluster("staging", namespaces=["recordings"], rollout_seconds=0.1) as cluster:
        write_kubeconfig(path, {"staging": cluster})
        with closing(connect(path, "staging")) as api:
            yield ClusterApi(path, "staging", "recordings", api, cluster)


def _real() -> Iterator[ClusterApi]:
    namespace = f"slipway-{secrets.token_hex(4)}"
    with closing(connect(Path(REAL))) as api:
        cluster = ClusterApi(Path(REAL), None, namespace, api, None)
        created = cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert created.status == 201, created.body
        try:
            yield cluster
        finally:
            cluster.call("DELETE", f"/api/v1/namespaces/{namespace}")
