"""Rollouts through the adapter: how they end, what is told, and what waiting for them costs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bot.adapters.kubernetes import watch as kubernetes_watch
from bot.errors import Permanent, Transient
from bot.facts import Applied, Diagnosis, Rollout, RolloutState
from bot.sandbox.cluster import Cluster, faults
from tests.contract import cluster_fixtures, kubernetes_stage
from tests.contract.cluster_fixtures import config_map, deployment, eventually
from tests.contract.kubernetes_stage import Stage, changed, job, pod, workload

cluster_api, stage, pods = cluster_fixtures.cluster_api, kubernetes_stage.stage, kubernetes_stage.pods

PROGRESSING, COMPLETE, FAILED = RolloutState.PROGRESSING, RolloutState.COMPLETE, RolloutState.FAILED
BROKEN = "registry.example.com/web:broken"


def impatient(image: str, deadline: int = 2) -> dict[str, object]:
    return changed(deployment(image=image), progressDeadlineSeconds=deadline)


def failed(stage: Stage, pods: Cluster, *, image: str = BROKEN) -> Applied:
    """A Deployment whose rollout has failed."""
    pods.time_scale = 0.1
    (applied,) = stage.apply(impatient(image))
    assert stage.ended(applied).state is FAILED
    return applied


def test_a_rollout_is_waited_for_to_its_end(stage: Stage, pods: Cluster) -> None:
    applied = stage.apply(deployment(replicas=3), config_map("settings"))
    assert stage.clusters.rollout(stage.target, applied, wait=20) == Rollout(COMPLETE, "web: 3 of 3 pods available")


def test_a_look_does_not_wait_for_the_end(stage: Stage, pods: Cluster) -> None:
    with pods.controllers_paused():
        applied = stage.apply(deployment())
        seen = stage.clusters.rollout(stage.target, applied, wait=0)
    assert seen == Rollout(PROGRESSING, "web: the cluster has not looked at the change yet")


def test_objects_without_pods_need_no_waiting(stage: Stage) -> None:
    applied = stage.apply(config_map("settings"))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is COMPLETE


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_roll_out_to_a_new_image_too(stage: Stage, pods: Cluster, kind: str) -> None:
    spec: dict[str, Any] = {"serviceName": "db", "replicas": 2} if kind == "StatefulSet" else {}
    assert stage.ended(*stage.apply(workload(kind, **spec))).state is COMPLETE
    (applied,) = stage.apply(workload(kind, image="registry.example.com/db:2", **spec))
    assert applied.generation == 2
    assert stage.ended(applied) == Rollout(COMPLETE, "db: 2 of 2 pods available")
    live = pods.list("Pod", stage.target.namespace)
    assert {one["spec"]["containers"][0]["image"] for one in live} == {"registry.example.com/db:2"}


def test_a_job_that_fails_fails_the_rollout(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "CrashLoopBackOff")
    ended = stage.ended(*stage.apply(job(BROKEN, backoffLimit=0)))
    assert ended.state is FAILED
    assert ended.detail.startswith("migrate: the Job failed: Job has reached the specified backoff limit")


def test_a_rollout_that_fails_says_how_far_it_came_and_the_pods_say_why(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "ImagePullBackOff")
    stage.ended(*stage.apply(deployment()))
    applied = failed(stage, pods)
    ended = stage.clusters.rollout(stage.target, [applied], wait=0)
    assert ended.state is FAILED
    assert ended.detail.startswith("web: 1 of 2 pods updated; ")
    found = stage.clusters.diagnose(stage.target, [applied])
    assert found.reasons == (f'web: ImagePullBackOff: Back-off pulling image "{BROKEN}": not found',)
    assert any(f'Failed to pull image "{BROKEN}"' in line for line in found.events)
    assert found.logs == ()


def test_a_recovery_is_not_failed_by_the_deadline_that_was_exceeded_before(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "ImagePullBackOff")
    stage.ended(*stage.apply(impatient("registry.example.com/web:1")))
    failed(stage, pods)
    assert stage.ended(*stage.apply(impatient("registry.example.com/web:1"))).state is COMPLETE


def test_applying_a_failed_rollout_again_ends_as_failed_too(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "ImagePullBackOff")
    failed(stage, pods)
    (again,) = stage.apply(impatient(BROKEN))
    assert not again.changed
    assert stage.ended(again).state is FAILED


def test_applying_a_failed_rollout_again_completes_where_the_cause_was_mended(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "ImagePullBackOff")
    failed(stage, pods)
    (again,) = stage.apply(impatient(BROKEN))
    pods.heal()
    assert stage.ended(again).state is COMPLETE


def test_a_crash_is_told_with_its_exit_code_and_its_last_words(stage: Stage, pods: Cluster) -> None:
    words = "".join(f"line {number}\n" for number in range(40)) + "KeyError: 'SECRET_KEY'\n"
    pods.fail_image("broken", "CrashLoopBackOff", log=words)
    applied = failed(stage, pods)
    found = eventually(lambda: stage.clusters.diagnose(stage.target, [applied]), lambda seen: seen.logs)
    assert found.reasons == ("web: CrashLoopBackOff: Error, exit code 1",)
    assert found.logs[-1] == "web: KeyError: 'SECRET_KEY'"
    assert len(found.logs) == 20


def test_pods_that_find_no_node_are_told_of(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "Unschedulable")
    found = stage.clusters.diagnose(stage.target, [failed(stage, pods)])
    assert found.reasons[0].startswith("not scheduled: Unschedulable: 0/2 nodes are available")
    assert any("FailedScheduling" in line for line in found.events)


def test_pods_of_the_rollout_before_are_not_told_of(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("first", "CreateContainerConfigError", message='secret "first" not found')
    pods.fail_image("second", "CreateContainerConfigError", message='secret "second" not found')
    failed(stage, pods, image="registry.example.com/web:first")
    found = stage.clusters.diagnose(stage.target, [failed(stage, pods, image="registry.example.com/web:second")])
    assert found.reasons == ('web: CreateContainerConfigError: secret "second" not found',)


def test_the_pods_of_every_kind_of_workload_are_asked(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "CreateContainerConfigError", message='secret "key" not found')
    made = stage.apply(
        workload("StatefulSet", "db", BROKEN, serviceName="db"), workload("DaemonSet", "agent", BROKEN), pod(BROKEN)
    )
    wanted = {f'{name}: CreateContainerConfigError: secret "key" not found' for name in ("db", "agent", "web")}
    eventually(lambda: set(stage.clusters.diagnose(stage.target, made).reasons), lambda seen: seen == wanted)


def test_what_may_not_be_read_is_left_out_of_the_diagnosis(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "CrashLoopBackOff", log="boom\n")
    applied = failed(stage, pods)
    eventually(lambda: stage.clusters.diagnose(stage.target, [applied]), lambda seen: seen.logs)
    for resource in ("events", "replicasets"):
        pods.forbid("*", resource)
    found = stage.clusters.diagnose(stage.target, [applied])
    assert found.events == ()
    assert found.reasons == ("web: CrashLoopBackOff: Error, exit code 1",)
    assert found.logs == ("web: boom",)
    pods.forbid("*", "*")
    assert stage.clusters.diagnose(stage.target, [applied]) == Diagnosis()


def test_a_cluster_that_is_gone_gives_an_empty_diagnosis(stage: Stage, pods: Cluster) -> None:
    applied = stage.apply(deployment())
    pods.stop()
    assert stage.clusters.diagnose(stage.target, applied) == Diagnosis()


def test_a_workload_that_somebody_deletes_meanwhile_has_failed(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "ImagePullBackOff")
    applied = stage.apply(deployment(image=BROKEN))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    stage.api.call("DELETE", stage.api.path("apps/v1", "Deployment", "web"))
    assert stage.ended(*applied) == Rollout(FAILED, "web: the Deployment was deleted")


def test_a_job_that_cleans_up_after_itself_is_known_to_have_succeeded(stage: Stage, pods: Cluster) -> None:
    with pods.controllers_paused():
        applied = stage.apply(job(ttlSecondsAfterFinished=0))
        assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    eventually(lambda: pods.get("Job", stage.target.namespace, "migrate"), lambda live: live is None)
    assert stage.ended(*applied).state is COMPLETE


def test_many_rollouts_that_wait_side_by_side_share_one_watch(stage: Stage, pods: Cluster) -> None:
    names = [f"web-{number}" for number in range(12)]
    with pods.controllers_paused():
        applied = [stage.apply(deployment(name, replicas=1)) for name in names]
    before = len(pods.requests_log)
    with ThreadPoolExecutor(len(names)) as threads:
        ends = list(threads.map(lambda made: stage.ended(*made), applied))
    assert {end.state for end in ends} == {COMPLETE}
    asked = [(one.method, one.query.get("watch", "list")) for one in pods.requests_log[before:]]
    assert sorted(asked) == [("GET", "list"), ("GET", "true")]


@pytest.mark.parametrize("disturb", [Cluster.close_watches, Cluster.expire_history])
def test_a_watch_goes_on_after_it_was_closed_or_its_history_expired(
    stage: Stage, pods: Cluster, disturb: Callable[[Cluster], None]
) -> None:
    pods.fail_image("broken", "never ready")
    applied = stage.apply(deployment(image=BROKEN))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    eventually(lambda: pods.running_watches)
    disturb(pods)
    pods.heal()
    assert stage.ended(*applied).state is COMPLETE


@pytest.mark.parametrize("verbs", [("watch",), ("watch", "list")])
def test_without_the_permission_to_watch_it_is_read_every_second(
    stage: Stage, pods: Cluster, verbs: tuple[str, ...]
) -> None:
    for verb in verbs:
        pods.forbid(verb, "deployments")
    pods.fail_image("broken", "never ready")
    applied = stage.apply(deployment(image=BROKEN))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    pods.heal()
    assert stage.ended(*applied).state is COMPLETE


def test_without_the_permission_to_read_the_rule_is_told(stage: Stage, pods: Cluster) -> None:
    applied = stage.apply(deployment())
    pods.forbid("*", "deployments")
    with pytest.raises(Permanent, match=r"Add to the rules of a Role of this user `- {apiGroups: \[\"apps\"\]"):
        stage.clusters.rollout(stage.target, applied, wait=5)


def test_a_watch_that_nobody_asks_ends(stage: Stage, pods: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_watch, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(kubernetes_watch, "STREAM_SECONDS", 1)
    stage.ended(*stage.apply(deployment()))
    eventually(lambda: [one for one in threading.enumerate() if one.name.startswith("watch /")], lambda seen: not seen)
    eventually(lambda: pods.running_watches, lambda count: count == 0)


def test_a_cluster_that_goes_away_is_waited_for_and_then_told(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "never ready")
    applied = stage.apply(deployment(image=BROKEN))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    pods.stop()
    with pytest.raises(Transient, match=r"The cluster `staging` at 127\.0\.0\.1:\d+ cannot be reached"):
        stage.clusters.rollout(stage.target, applied, wait=0.5)


def test_a_cluster_that_comes_back_is_asked_on(stage: Stage, pods: Cluster) -> None:
    pods.fail_image("broken", "never ready")
    applied = stage.apply(deployment(image=BROKEN))
    assert stage.clusters.rollout(stage.target, applied, wait=0).state is PROGRESSING
    pods.stop()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(stage.clusters.rollout, stage.target, applied, wait=20)
        pods.heal()
        pods.start()
        assert waiting.result().state is COMPLETE


def test_a_list_that_fails_once_is_asked_for_again(stage: Stage, pods: Cluster) -> None:
    pods.faults.add("GET", r"/deployments$", faults.status(500, {"kind": "Status", "message": "etcd", "code": 500}))
    applied = stage.apply(deployment())
    assert stage.clusters.rollout(stage.target, applied, wait=20).state is COMPLETE
