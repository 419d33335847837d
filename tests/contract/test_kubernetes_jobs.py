"""Jobs and bare Pods, whose pods cannot change: when they are made anew, and when people are asked."""

import pytest

from bot.adapters.kubernetes import replace as kubernetes_replace
from bot.errors import Transient
from bot.facts import RolloutState
from bot.sandbox.cluster import Cluster
from tests.contract import cluster_fixtures, kubernetes_stage
from tests.contract.cluster_fixtures import config_map, eventually
from tests.contract.kubernetes_stage import Stage, job, pod

cluster_api, stage, pods = cluster_fixtures.cluster_api, kubernetes_stage.stage, kubernetes_stage.pods


def test_a_finished_job_of_ours_is_made_anew_when_its_image_changes(stage: Stage, pods: Cluster) -> None:
    assert stage.ended(*stage.apply(job())).state is RolloutState.COMPLETE
    old = stage.api.get("batch/v1", "Job", "migrate")
    applied = stage.apply(job("registry.example.com/web:2"))
    new = stage.api.get("batch/v1", "Job", "migrate")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert applied[0].changed
    assert stage.ended(*applied).state is RolloutState.COMPLETE
    assert not stage.apply(job("registry.example.com/web:2"))[0].changed


def test_the_end_of_the_job_before_is_not_taken_for_the_new_ones(stage: Stage, pods: Cluster) -> None:
    stage.ended(*stage.apply(job()))
    with pods.controllers_paused():
        applied = stage.apply(job("registry.example.com/web:2"))
        assert stage.clusters.rollout(stage.target, applied, wait=0.5).state is RolloutState.PROGRESSING


def test_a_running_job_is_not_deleted(stage: Stage, pods: Cluster) -> None:
    with pods.controllers_paused():
        stage.apply(job())
        uid = stage.api.get("batch/v1", "Job", "migrate")["metadata"]["uid"]
        told = stage.refused(config_map("settings"), job("registry.example.com/web:2"))
    assert "a Job cannot be updated while it runs: wait until it has finished, or delete it" in told
    assert stage.api.get("batch/v1", "Job", "migrate")["metadata"]["uid"] == uid
    assert not stage.exists("v1", "ConfigMap", "settings")


def test_somebody_elses_job_is_not_deleted(stage: Stage, pods: Cluster) -> None:
    stage.api.call("POST", stage.api.path("batch/v1", "Job") + "?fieldManager=ci", job())
    eventually(lambda: stage.api.get("batch/v1", "Job", "migrate"), lambda live: live["status"].get("succeeded"))
    told = stage.refused(job("registry.example.com/web:2"))
    assert "this one was not applied by Slipway: delete it first" in told
    assert stage.exists("batch/v1", "Job", "migrate")


def test_a_finished_job_stays_where_the_new_one_would_be_refused(stage: Stage, pods: Cluster) -> None:
    stage.ended(*stage.apply(job()))
    told = stage.refused(job(""))
    assert "spec.template.spec.containers[0].image" in told
    assert stage.exists("batch/v1", "Job", "migrate")


def test_of_a_bare_pod_the_image_is_changed_in_place_and_nothing_else_is(stage: Stage, pods: Cluster) -> None:
    assert stage.ended(*stage.apply(pod())).state is RolloutState.COMPLETE
    uid = stage.api.get("v1", "Pod", "once")["metadata"]["uid"]
    stage.apply(pod("registry.example.com/web:2"))
    live = stage.api.get("v1", "Pod", "once")
    assert live["metadata"]["uid"] == uid
    assert live["spec"]["containers"][0]["image"] == "registry.example.com/web:2"
    told = stage.refused(pod("registry.example.com/web:2", hostname="else"))
    assert "of a running Pod only the image can be changed: delete it first, or make it a Deployment" in told


def test_a_pod_of_ours_that_has_run_to_its_end_is_made_anew(stage: Stage, pods: Cluster) -> None:
    assert stage.ended(*stage.apply(pod(restartPolicy="Never"))).state is RolloutState.COMPLETE
    done = eventually(lambda: stage.api.get("v1", "Pod", "once"), lambda live: live["status"]["phase"] == "Succeeded")
    stage.apply(pod(restartPolicy="Never", hostname="else"))
    live = stage.api.get("v1", "Pod", "once")
    assert live["metadata"]["uid"] != done["metadata"]["uid"]
    assert live["spec"]["hostname"] == "else"


def test_a_job_that_does_not_go_is_waited_for_by_the_next_try(
    stage: Stage, pods: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_replace, "GONE_SECONDS", 0.3)
    held = job()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    stage.ended(*stage.apply(held))
    with pytest.raises(Transient, match="is deleted, but not gone yet"):
        stage.apply(job("registry.example.com/web:2"))
    path = stage.api.path("batch/v1", "Job", "migrate")
    stage.api.call("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    assert stage.apply(job("registry.example.com/web:2"))[0].changed


def test_a_job_that_may_not_be_deleted_is_told_with_the_rule(stage: Stage, pods: Cluster) -> None:
    stage.ended(*stage.apply(job()))
    pods.forbid("delete", "jobs")
    told = stage.refused(job("registry.example.com/web:2"))
    assert 'resources: ["jobs"], verbs: ["get", "list", "watch", "create", "patch", "delete"]' in told
