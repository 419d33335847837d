"""The real kubectl drives the cluster stand-in: it finds nothing missing that it needs."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster, write_kubeconfig
from tests.contract.cluster_fixtures import config_map, deployment

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on this machine")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(namespaces=["staging"], rollout_seconds=0.1, tls=True) as cluster:
        yield cluster


@pytest.fixture
def kubectl(cluster: Cluster, tmp_path: Path) -> Run:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, {"staging": cluster})

    def run(*arguments: str, body: Any = None) -> subprocess.CompletedProcess[str]:
        command = [str(KUBECTL), f"--kubeconfig={path}", f"--cache-dir={tmp_path}", "-n", "staging", *arguments]
        text = json.dumps(body) if body is not None else None
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_kubectl_applies_and_waits_for_the_rollout(cluster: Cluster, kubectl: Run) -> None:
    applied = kubectl("apply", "--server-side", "-f", "-", body=deployment())
    assert (applied.returncode, applied.stdout) == (0, "deployment.apps/web serverside-applied\n"), applied.stderr
    waited = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert waited.stdout.endswith('deployment "web" successfully rolled out\n'), waited.stderr
    assert kubectl("diff", "--server-side", "-f", "-", body=deployment()).returncode == 0


def test_kubectl_tells_a_conflict_from_a_success(cluster: Cluster, kubectl: Run) -> None:
    kubectl("apply", "--server-side", "--field-manager=slipway", "-f", "-", body=deployment(replicas=0))
    refused = kubectl("apply", "--server-side", "-f", "-", body=deployment(image="other", replicas=0))
    assert refused.returncode == 1
    assert 'conflict with "slipway": .spec.template.spec.containers[name="web"].image' in refused.stderr


def test_kubectl_turns_client_side_ownership_into_server_side_ownership(cluster: Cluster, kubectl: Run) -> None:
    kubectl("apply", "-f", "-", body=config_map("settings", colour="red", size="9"))
    applied = kubectl("apply", "--server-side", "-f", "-", body=config_map("settings", colour="red"))
    assert applied.returncode == 0, applied.stderr
    live = cluster.get("ConfigMap", "staging", "settings")
    assert live is not None
    assert live["data"] == {"colour": "red"}
    assert "kubectl-client-side-apply" not in [entry["manager"] for entry in live["metadata"]["managedFields"]]


def test_kubectl_reads_logs_scales_and_deletes(cluster: Cluster, kubectl: Run) -> None:
    cluster.set_log("web:1", "hello\n")
    kubectl("apply", "--server-side", "-f", "-", body=deployment(replicas=1))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("logs", "deployment/web").stdout == "hello\n"
    assert kubectl("scale", "deployment/web", "--replicas=2").returncode == 0
    assert kubectl("rollout", "status", "deployment/web", "--timeout=30s").returncode == 0
    assert len(cluster.list("Pod", "staging")) == 2
    assert kubectl("delete", "deployment", "web", "--timeout=30s").returncode == 0
    assert kubectl("wait", "--for=delete", "pod", "--all", "--timeout=30s").returncode == 0
    assert cluster.list("Pod", "staging") == []
