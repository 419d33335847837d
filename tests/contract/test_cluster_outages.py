"""The cluster stand-in on bad days: faults on order, a server that is away, and what its log keeps."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from bot.sandbox.cluster import Cluster, faults, write_kubeconfig
from bot.sandbox.faults import Drop
from tests.contract.cluster_fixtures import APPLY, ClusterApi, config_map, connect, eventually

WHERE = "/api/v1/namespaces/staging/configmaps/settings"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(namespaces=["staging"]) as cluster:
        yield cluster


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as manager:
        yield manager


def send(
    http: urllib3.PoolManager, cluster: Cluster, method: str = "PATCH", timeout: float = 10.0
) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": APPLY}
    body = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}' if method == "PATCH" else None
    url = f"{cluster.url}{WHERE}?fieldManager=slipway"
    return http.request(method, url, body=body, headers=headers, timeout=timeout)


def is_stored(cluster: Cluster) -> bool:
    return cluster.get("ConfigMap", "staging", "settings") is not None


def test_a_status_on_order_comes_as_often_as_ordered_and_does_nothing(
    cluster: Cluster, http: urllib3.PoolManager
) -> None:
    body = {"kind": "Status", "status": "Failure", "code": 503, "message": "not now"}
    cluster.faults.add("PATCH", "/configmaps/settings", faults.status(503, body), times=2)
    answers = [send(http, cluster) for _ in range(2)]
    assert [(answer.status, answer.json()["message"]) for answer in answers] == [(503, "not now")] * 2
    assert not is_stored(cluster)
    assert send(http, cluster).status == 201


def test_a_gateway_that_gives_up_hides_that_the_write_was_done(cluster: Cluster, http: urllib3.PoolManager) -> None:
    cluster.faults.add("PATCH", r"fieldManager=slipway", faults.perform_then_status(504, "gateway timeout"))
    answer = send(http, cluster)
    assert (answer.status, answer.data) == (504, b"gateway timeout")
    assert is_stored(cluster)


@pytest.mark.parametrize(("fault", "stored"), [(faults.drop(), False), (faults.perform_then_drop(), True)])
def test_a_dropped_connection_says_nothing_about_the_write(
    cluster: Cluster, http: urllib3.PoolManager, fault: Drop, stored: bool
) -> None:
    cluster.faults.add("PATCH", "/configmaps/", fault)
    with pytest.raises(ProtocolError):
        send(http, cluster)
    assert is_stored(cluster) == stored
    assert [entry.status for entry in cluster.requests_log] == [0]
    assert send(http, cluster).status in (200, 201)


def test_a_late_answer_is_too_late_for_a_client_in_a_hurry_and_the_write_is_done(
    cluster: Cluster, http: urllib3.PoolManager
) -> None:
    cluster.faults.add("PATCH", "/configmaps/", faults.delay(0.3))
    with pytest.raises(ReadTimeoutError):
        send(http, cluster, timeout=0.05)
    eventually(lambda: is_stored(cluster))


def test_a_stopped_server_refuses_and_comes_back_on_its_port_with_its_state(
    cluster: Cluster, http: urllib3.PoolManager
) -> None:
    assert send(http, cluster).status == 201
    url = cluster.url
    cluster.stop()
    with pytest.raises((NewConnectionError, MaxRetryError, ProtocolError)):
        send(http, cluster, "GET")
    cluster.start()
    assert cluster.url == url
    assert send(http, cluster, "GET").status == 200


def test_stopping_ends_running_watches_and_idle_connections(cluster: Cluster, http: urllib3.PoolManager) -> None:
    headers = {"Authorization": f"Bearer {cluster.token}"}
    url = f"{cluster.url}/api/v1/namespaces?watch=true"
    stream = http.request("GET", url, headers=headers, preload_content=False)
    eventually(lambda: cluster.running_watches == 1)
    cluster.stop()
    assert b'"ADDED"' in b"".join(_until_cut(stream))
    assert cluster.running_watches == 0


def _until_cut(stream: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from stream.stream()
    except ProtocolError:
        return


def test_the_log_tells_each_request_and_no_token(cluster: Cluster, http: urllib3.PoolManager) -> None:
    send(http, cluster)
    [entry] = cluster.requests_log
    assert (entry.method, entry.path, entry.query) == ("PATCH", WHERE, {"fieldManager": "slipway"})
    assert (entry.content_type, entry.status) == (APPLY, 201)
    assert b'"settings"' in entry.body
    assert cluster.token not in repr(entry)


def test_each_context_of_a_kubeconfig_is_a_cluster_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    with Cluster("a", namespaces=["staging"]) as staging, Cluster("b", namespaces=["staging"], tls=True) as production:
        write_kubeconfig(path, {"staging": staging, "production": production})
        assert path.stat().st_mode & 0o077 == 0
        for context, cluster in (("staging", staging), ("production", production)):
            with closing(connect(path, context)) as client:
                api = ClusterApi(path, context, "staging", client, cluster)
                assert api.apply(config_map("settings", where=context)).status == 201
        found = [cluster.get("ConfigMap", "staging", "settings") for cluster in (staging, production)]
    assert [obj["data"]["where"] for obj in found if obj] == ["staging", "production"]
