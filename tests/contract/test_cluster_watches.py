"""Watches: what a client that follows changes is told, and when it has to begin again."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, watch

from bot.sandbox.cluster import Cluster
from tests.contract import cluster_fixtures
from tests.contract.cluster_fixtures import ClusterApi, config_map, deployment, eventually, is_complete

cluster_api = cluster_fixtures.cluster_api


def collected(cluster_api: ClusterApi, query: str, kind: str = "ConfigMap") -> list[tuple[str, str]]:
    """What a short watch tells: type and name of each event."""
    where = cluster_api.path("v1", kind)
    text = cluster_api.call("GET", f"{where}?watch=true&timeoutSeconds=1&{query}").body
    lines = text.splitlines() if isinstance(text, str) else [json.dumps(text)]
    events = [json.loads(line) for line in lines]
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


@pytest.fixture
def stand_in(cluster_api: ClusterApi) -> Cluster:
    if cluster_api.stand_in is None:
        pytest.skip("a real cluster's history is not this test's to expire")
    return cluster_api.stand_in


def test_a_watch_from_a_list_tells_every_change_since_in_order(cluster_api: ClusterApi) -> None:
    start = cluster_api.call("GET", cluster_api.path("v1", "ConfigMap")).body["metadata"]["resourceVersion"]
    cluster_api.apply(config_map("one", a="1"))
    cluster_api.apply(config_map("one", a="2"))
    cluster_api.call("DELETE", cluster_api.path("v1", "ConfigMap", "one"))
    told = collected(cluster_api, f"resourceVersion={start}&fieldSelector=metadata.name%3Done")
    assert told == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]


def test_a_watch_from_nowhere_begins_with_what_exists(cluster_api: ClusterApi) -> None:
    cluster_api.apply(config_map("one"))
    assert collected(cluster_api, "fieldSelector=metadata.name%3Done") == [("ADDED", "one")]


def test_an_object_that_leaves_the_selection_is_told_as_deleted(cluster_api: ClusterApi) -> None:
    start = cluster_api.call("GET", cluster_api.path("v1", "ConfigMap")).body["metadata"]["resourceVersion"]
    labelled = config_map("one")
    labelled["metadata"]["labels"] = {"tier": "front"}
    cluster_api.apply(labelled)
    labelled["metadata"]["labels"] = {"tier": "back"}
    cluster_api.apply(labelled)
    told = collected(cluster_api, f"resourceVersion={start}&labelSelector=tier%3Dfront")
    assert told == [("ADDED", "one"), ("DELETED", "one")]


def test_a_watch_that_asks_for_bookmarks_may_resume_from_its_last_one(
    cluster_api: ClusterApi, stand_in: Cluster
) -> None:
    told = collected(cluster_api, "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
    assert told[0] == ("ADDED", "kube-root-ca.crt")
    assert told[-2:] == [("BOOKMARK", ""), ("BOOKMARK", "")]


def test_the_clients_watch_sees_a_rollout_to_its_end(cluster_api: ClusterApi) -> None:
    cluster_api.apply(deployment(replicas=2))
    api = client.AppsV1Api(cluster_api.client)
    follow: Any = watch.Watch  # an untyped class
    stream = follow().stream(api.list_namespaced_deployment, cluster_api.namespace, timeout_seconds=30)
    last = next(event["raw_object"] for event in stream if is_complete(event["raw_object"]))
    assert last["status"]["conditions"][-1]["reason"] == "NewReplicaSetAvailable"


def test_a_version_too_old_to_watch_from_is_told_as_410(cluster_api: ClusterApi, stand_in: Cluster) -> None:
    start = cluster_api.apply(config_map("one")).body["metadata"]["resourceVersion"]
    stand_in.expire_history()
    where = f"{cluster_api.path('v1', 'ConfigMap')}?watch=true&resourceVersion={start}"
    event = cluster_api.call("GET", where).body
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {start} (")


def test_a_short_history_forgets_by_itself() -> None:
    with Cluster(history_limit=5) as cluster:
        versions = [obj["metadata"]["resourceVersion"] for obj in cluster.list("Namespace")]
        events = list(_raw_watch(cluster, f"?watch=true&resourceVersion={versions[0]}&timeoutSeconds=1"))
    assert [event["type"] for event in events] == ["ERROR"]


def _raw_watch(cluster: Cluster, query: str) -> Iterator[Any]:
    import urllib.request

    request = urllib.request.Request(f"{cluster.url}/api/v1/namespaces{query}")
    request.add_header("Authorization", f"Bearer {cluster.token}")
    with urllib.request.urlopen(request, timeout=30) as response:
        yield from (json.loads(line) for line in response)


def test_a_running_watch_ends_with_410_when_history_expires(cluster_api: ClusterApi, stand_in: Cluster) -> None:
    events: list[Any] = []
    follower = threading.Thread(target=lambda: events.extend(_raw_watch(stand_in, "?watch=true")))
    follower.start()
    eventually(lambda: events)
    stand_in.expire_history()
    follower.join()
    assert [event["type"] for event in events][-1] == "ERROR"


def test_a_watch_that_the_server_ends_can_go_on_from_where_it_was(cluster_api: ClusterApi, stand_in: Cluster) -> None:
    events: list[Any] = []
    follower = threading.Thread(target=lambda: events.extend(_raw_watch(stand_in, "?watch=true")))
    follower.start()
    eventually(lambda: events)
    stand_in.close_watches()
    follower.join()
    last = max(int(event["object"]["metadata"]["resourceVersion"]) for event in events)
    stand_in.create_namespace("later")
    told = list(_raw_watch(stand_in, f"?watch=true&timeoutSeconds=1&resourceVersion={last}"))
    assert [event["object"]["metadata"]["name"] for event in told if event["type"] == "ADDED"] == ["later"]
