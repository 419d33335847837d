"""Rollouts on the cluster stand-in: how workloads come up, and how they fail when told to."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster, write_kubeconfig
from bot.sandbox.cluster.world import FailReason
from tests.contract.cluster_fixtures import ClusterApi, connect, deployment, eventually, is_complete

Json = Any
NAMESPACE = "staging"
BROKEN = "registry.example.com/web:broken"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ClusterApi]:
    path = tmp_path / "kubeconfig"
    with Cluster(namespaces=[NAMESPACE], rollout_seconds=0.1) as cluster:
        write_kubeconfig(path, {"staging": cluster})
        with closing(connect(path)) as client:
            yield ClusterApi(path, "staging", NAMESPACE, client, cluster)


@pytest.fixture
def cluster(api: ClusterApi) -> Cluster:
    assert api.stand_in is not None
    return api.stand_in


def pods_of(cluster: Cluster, image: str) -> list[Json]:
    pods = cluster.list("Pod", NAMESPACE)
    return [pod for pod in pods if pod["spec"]["containers"][0]["image"] == image]


def live(cluster: Cluster, kind: str = "Deployment", name: str = "web") -> Json:
    found = cluster.get(kind, NAMESPACE, name)
    assert found is not None
    return found


def reasons(cluster: Cluster, pod: Json) -> set[tuple[str, str]]:
    """Type and reason of the events about a pod."""
    uid = pod["metadata"]["uid"]
    return {(e["type"], e["reason"]) for e in cluster.list("Event", NAMESPACE) if e["involvedObject"]["uid"] == uid}


@pytest.mark.parametrize(
    ("reason", "message", "waiting", "event"),
    [
        ("ImagePullBackOff", "", f'Back-off pulling image "{BROKEN}": not found', ("Warning", "Failed")),
        ("ErrImagePull", "no such host", "no such host", ("Warning", "Failed")),
        ("CreateContainerConfigError", "", 'configmap "global-config" not found', ("Warning", "Failed")),
        ("CrashLoopBackOff", "", "back-off 40s restarting failed container=web", ("Warning", "BackOff")),
    ],
)
def test_a_pod_says_why_it_waits(
    api: ClusterApi, cluster: Cluster, reason: FailReason, message: str, waiting: str, event: tuple[str, str]
) -> None:
    cluster.fail_image(":broken$", reason, message=message)
    api.apply(deployment(image=BROKEN, replicas=1))
    eventually(lambda: [pod for pod in pods_of(cluster, BROKEN) if event in reasons(cluster, pod)])
    [pod] = pods_of(cluster, BROKEN)
    state = pod["status"]["containerStatuses"][0]
    assert state["state"]["waiting"]["reason"] == reason
    assert state["state"]["waiting"]["message"].startswith(waiting)
    assert state["ready"] is False


def test_a_pod_that_fits_on_no_node_stays_unscheduled(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "Unschedulable", message="0/2 nodes are available: 2 Insufficient cpu.")
    api.apply(deployment(image=BROKEN, replicas=1))
    eventually(
        lambda: [pod for pod in pods_of(cluster, BROKEN) if ("Warning", "FailedScheduling") in reasons(cluster, pod)]
    )
    [pod] = pods_of(cluster, BROKEN)
    [condition] = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert condition["message"] == "0/2 nodes are available: 2 Insufficient cpu."
    assert "containerStatuses" not in pod["status"]


def test_a_pod_that_never_becomes_ready_runs_without_being_available(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "never ready")
    api.apply(deployment(image=BROKEN, replicas=1))
    eventually(lambda: [pod for pod in pods_of(cluster, BROKEN) if ("Warning", "Unhealthy") in reasons(cluster, pod)])
    [pod] = pods_of(cluster, BROKEN)
    assert pod["status"]["phase"] == "Running"
    assert "running" in pod["status"]["containerStatuses"][0]["state"]
    assert live(cluster)["status"].get("availableReplicas", 0) == 0


def test_old_pods_serve_on_while_the_new_ones_fail_and_the_deadline_passes(api: ClusterApi, cluster: Cluster) -> None:
    api.apply(deployment(replicas=3))
    eventually(lambda: live(cluster), is_complete)
    cluster.fail_image(":broken$", "ImagePullBackOff")
    cluster.time_scale = 0.001
    api.apply(deployment(image=BROKEN, replicas=3))
    status = eventually(lambda: live(cluster)["status"], lambda seen: "False" in str(seen["conditions"]))
    assert (status["availableReplicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (3, 1, 1)
    assert status["conditions"][-1]["reason"] == "ProgressDeadlineExceeded"
    assert len(pods_of(cluster, "registry.example.com/web:1")) == 3


def test_a_failing_rollout_completes_once_its_cause_is_healed(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "never ready")
    api.apply(deployment(image=BROKEN))
    eventually(lambda: [pod for pod in pods_of(cluster, BROKEN) if ("Warning", "Unhealthy") in reasons(cluster, pod)])
    cluster.heal()
    eventually(lambda: live(cluster), is_complete)
    assert live(cluster)["status"]["conditions"][-1]["reason"] == "NewReplicaSetAvailable"


def test_an_image_that_the_registry_does_not_know_cannot_be_pulled(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    with Cluster(namespaces=[NAMESPACE], rollout_seconds=0.1, known_images=lambda image: "good" in image) as cluster:
        write_kubeconfig(path, {"staging": cluster})
        with closing(connect(path)) as client:
            api = ClusterApi(path, "staging", NAMESPACE, client, cluster)
            api.apply(deployment("good", "registry.example.com/good:1"))
            api.apply(deployment("gone", "registry.example.com/gone:1"))
            eventually(lambda: live(cluster, name="good"), is_complete)
            eventually(lambda: "ImagePullBackOff" in str(pods_of(cluster, "registry.example.com/gone:1")))


def test_the_log_of_a_crashing_container_is_what_the_test_said(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "CrashLoopBackOff", log="one\ntwo\nKeyError: 'DATABASE'\n")
    api.apply(deployment(image=BROKEN, replicas=1))
    pod = eventually(lambda: [pod for pod in pods_of(cluster, BROKEN) if "CrashLoopBackOff" in str(pod)])[0]
    where = api.path("v1", "Pod", pod["metadata"]["name"]) + "/log"
    assert api.call("GET", f"{where}?tailLines=1").body == "KeyError: 'DATABASE'\n"
    assert api.call("GET", f"{where}?container=web&previous=true").body.startswith("one\ntwo\n")
    refused = api.call("GET", f"{where}?container=other")
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")


def test_a_container_that_never_ran_has_no_log(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "ImagePullBackOff")
    api.apply(deployment(image=BROKEN, replicas=1))
    pod = eventually(lambda: [pod for pod in pods_of(cluster, BROKEN) if "ImagePullBackOff" in str(pod)])[0]
    name = pod["metadata"]["name"]
    refused = api.call("GET", api.path("v1", "Pod", name) + "/log")
    assert refused.status == 400
    why = "is waiting to start: trying and failing to pull image"
    assert refused.body["message"] == f'container "web" in pod "{name}" {why}'


def test_recreate_lets_all_old_pods_go_before_a_new_one_comes(api: ClusterApi, cluster: Cluster) -> None:
    manifest = deployment(replicas=2)
    manifest["spec"]["strategy"] = {"type": "Recreate"}
    api.apply(manifest)
    eventually(lambda: live(cluster), is_complete)
    start = live(cluster)["metadata"]["resourceVersion"]
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/web:2"
    api.apply(manifest)
    eventually(lambda: live(cluster), is_complete)
    where = f"{api.path('v1', 'Pod')}?watch=true&timeoutSeconds=0.1&resourceVersion={start}"
    lines = api.call("GET", where).body.splitlines()
    told = [line[:20] for line in lines if '"ADDED"' in line or '"DELETED"' in line]
    assert [kind.split('"')[3] for kind in told] == ["DELETED", "DELETED", "ADDED", "ADDED"]


def test_a_paused_deployment_waits(api: ClusterApi, cluster: Cluster) -> None:
    manifest = deployment(replicas=1)
    manifest["spec"]["paused"] = True
    api.apply(manifest)
    eventually(lambda: live(cluster)["status"].get("observedGeneration"))
    assert cluster.list("ReplicaSet", NAMESPACE) == []
    manifest["spec"]["paused"] = False
    api.apply(manifest)
    eventually(lambda: live(cluster), is_complete)


def test_a_deployment_goes_back_to_an_old_replica_set_and_forgets_those_beyond_its_limit(
    api: ClusterApi, cluster: Cluster
) -> None:
    manifest = deployment(replicas=1)
    manifest["spec"]["revisionHistoryLimit"] = 1
    for tag in ("1", "2", "1", "3"):
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = f"registry.example.com/web:{tag}"
        api.apply(manifest)
        eventually(lambda: live(cluster), is_complete)
    assert live(cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "4"
    eventually(lambda: len(cluster.list("ReplicaSet", NAMESPACE)) == 2)
    images = [rs["spec"]["template"]["spec"]["containers"][0]["image"] for rs in cluster.list("ReplicaSet", NAMESPACE)]
    assert sorted(images) == ["registry.example.com/web:1", "registry.example.com/web:3"]


def workload(kind: str, image: str, **spec: Json) -> Json:
    manifest = deployment("db", image)
    manifest["kind"] = kind
    del manifest["spec"]["replicas"]
    manifest["spec"] |= spec
    return manifest


def test_a_stateful_set_replaces_its_pods_from_the_last_to_the_first(api: ClusterApi, cluster: Cluster) -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    more = {"serviceName": "db", "replicas": 2, "volumeClaimTemplates": [claim]}
    api.apply(workload("StatefulSet", "db:1", **more))
    eventually(lambda: live(cluster, "StatefulSet", "db")["status"].get("readyReplicas") == 2)
    assert [pod["metadata"]["name"] for pod in cluster.list("Pod", NAMESPACE)] == ["db-0", "db-1"]
    eventually(
        lambda: [c["status"]["phase"] for c in cluster.list("PersistentVolumeClaim", NAMESPACE)] == ["Bound"] * 2
    )
    old = live(cluster, "StatefulSet", "db")["status"]["currentRevision"]
    start = live(cluster, "StatefulSet", "db")["metadata"]["resourceVersion"]
    api.apply(workload("StatefulSet", "db:2", **more))
    status = eventually(
        lambda: live(cluster, "StatefulSet", "db")["status"],
        lambda seen: seen["observedGeneration"] == 2 and seen["currentRevision"] != old,
    )
    assert status["updateRevision"] == status["currentRevision"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 2, 2)
    where = f"{api.path('v1', 'Pod')}?watch=true&timeoutSeconds=0.1&resourceVersion={start}"
    gone = [line.split('"name": "')[1][:4] for line in api.call("GET", where).body.splitlines() if '"DELETED"' in line]
    assert gone == ["db-1", "db-0"]


def test_a_stateful_set_stops_at_the_pod_that_does_not_come_up(api: ClusterApi, cluster: Cluster) -> None:
    api.apply(workload("StatefulSet", "db:1", serviceName="db", replicas=2))
    eventually(lambda: live(cluster, "StatefulSet", "db")["status"].get("readyReplicas") == 2)
    cluster.fail_image("^db:broken", "CrashLoopBackOff")
    api.apply(workload("StatefulSet", "db:broken", serviceName="db", replicas=2))
    eventually(lambda: "CrashLoopBackOff" in str(pods_of(cluster, "db:broken")))
    assert [pod["metadata"]["name"] for pod in pods_of(cluster, "db:1")] == ["db-0"]
    assert live(cluster, "StatefulSet", "db")["status"]["updatedReplicas"] == 1


def test_a_daemon_set_runs_on_every_node_and_is_replaced_node_by_node(api: ClusterApi, cluster: Cluster) -> None:
    api.apply(workload("DaemonSet", "agent:1"))
    eventually(lambda: live(cluster, "DaemonSet", "db")["status"].get("numberAvailable") == 2)
    nodes = [pod["spec"]["nodeName"] for pod in cluster.list("Pod", NAMESPACE)]
    assert sorted(nodes) == [node["metadata"]["name"] for node in cluster.list("Node")]
    cluster.fail_image("^agent:broken", "ImagePullBackOff")
    api.apply(workload("DaemonSet", "agent:broken"))
    status = eventually(
        lambda: live(cluster, "DaemonSet", "db")["status"], lambda seen: seen.get("updatedNumberScheduled") == 1
    )
    assert (status["observedGeneration"], status["numberAvailable"], status["numberUnavailable"]) == (2, 1, 1)
    api.apply(workload("DaemonSet", "agent:3"))
    eventually(
        lambda: live(cluster, "DaemonSet", "db")["status"],
        lambda seen: (seen["observedGeneration"], seen.get("updatedNumberScheduled"), seen["numberReady"]) == (3, 2, 2),
    )


def job(image: str, restart_policy: str = "Never", **spec: Json) -> Json:
    pods = {"restartPolicy": restart_policy, "containers": [{"name": "migrate", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": pods}, **spec},
    }


def conditions_of(cluster: Cluster) -> list[tuple[str, str]]:
    status = live(cluster, "Job", "migrate")["status"]
    return [(condition["type"], condition["reason"]) for condition in status.get("conditions", ())]


def test_a_job_completes_when_its_pod_has_run(api: ClusterApi, cluster: Cluster) -> None:
    api.apply(job("migrate:1"))
    eventually(lambda: ("Complete", "CompletionsReached") in conditions_of(cluster))
    status = live(cluster, "Job", "migrate")["status"]
    assert (status["succeeded"], status.get("active", 0)) == (1, 0)
    assert [pod["status"]["phase"] for pod in cluster.list("Pod", NAMESPACE)] == ["Succeeded"]


@pytest.mark.parametrize("restart_policy", ["Never", "OnFailure"])
def test_a_job_gives_up_after_its_backoff_limit(api: ClusterApi, cluster: Cluster, restart_policy: str) -> None:
    cluster.fail_image("^migrate:broken", "CrashLoopBackOff")
    api.apply(job("migrate:broken", restart_policy, backoffLimit=2))
    eventually(lambda: ("Failed", "BackoffLimitExceeded") in conditions_of(cluster))
    assert live(cluster, "Job", "migrate")["status"].get("succeeded", 0) == 0


def test_a_job_gives_up_at_its_deadline_and_leaves_after_its_time_to_live(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image("^migrate:broken", "ImagePullBackOff")
    cluster.time_scale = 0.01
    api.apply(job("migrate:broken", activeDeadlineSeconds=10, ttlSecondsAfterFinished=20))
    eventually(lambda: ("Failed", "DeadlineExceeded") in conditions_of(cluster))
    eventually(lambda: cluster.get("Job", NAMESPACE, "migrate") is None)


def test_a_bare_pod_becomes_ready_and_a_cron_job_only_waits(api: ClusterApi, cluster: Cluster) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare"},
        "spec": deployment()["spec"]["template"]["spec"],
    }
    api.apply(pod)
    cron_job = job("poller:1")
    cron_job["kind"] = "CronJob"
    cron_job["spec"] = {"schedule": "0 * * * *", "jobTemplate": {"spec": job("poller:1")["spec"]}}
    assert api.apply(cron_job).status == 201
    ready = eventually(lambda: live(cluster, "Pod", "bare"), lambda seen: seen["status"]["phase"] == "Running")
    assert {c["type"]: c["status"] for c in ready["status"]["conditions"]}["Ready"] == "True"
    assert cluster.list("Job", NAMESPACE) == []


def test_a_failing_init_container_keeps_the_others_from_starting(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image("^migrate:broken", "CrashLoopBackOff", log="no such table\n")
    manifest = deployment(replicas=1)
    initial = [{"name": name, "image": f"{name}:{tag}"} for name, tag in (("wait", "1"), ("migrate", "broken"))]
    manifest["spec"]["template"]["spec"]["initContainers"] = initial
    api.apply(manifest)
    pod = eventually(lambda: [pod for pod in cluster.list("Pod", NAMESPACE) if "CrashLoopBackOff" in str(pod)])[0]
    states = [*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"]]
    told = [next(iter(state["state"].values()))["reason"] for state in states]
    assert told == ["Completed", "CrashLoopBackOff", "PodInitializing"]
    incomplete = next(c for c in pod["status"]["conditions"] if c["type"] == "Initialized")
    assert (incomplete["status"], incomplete["message"]) == ("False", "containers with incomplete status: [migrate]")
    where = api.path("v1", "Pod", pod["metadata"]["name"]) + "/log?container=migrate"
    assert api.call("GET", where).body == "no such table\n"
    cluster.heal()
    eventually(lambda: live(cluster), is_complete)


def test_a_container_that_fails_beside_a_healthy_one_keeps_the_pod_unready(api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image("^proxy:broken", "CrashLoopBackOff")
    manifest = deployment(replicas=1)
    manifest["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy:broken"})
    api.apply(manifest)
    pod = eventually(lambda: [pod for pod in cluster.list("Pod", NAMESPACE) if "CrashLoopBackOff" in str(pod)])[0]
    assert [state["ready"] for state in pod["status"]["containerStatuses"]] == [True, False]
    assert pod["status"]["phase"] == "Running"
    refused = api.call("GET", api.path("v1", "Pod", pod["metadata"]["name"]) + "/log")
    assert refused.body["message"].endswith("choose one of: [web proxy]")
