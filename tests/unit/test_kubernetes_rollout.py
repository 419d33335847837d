"""Where a rollout stands, decided on objects that a 1.36 control plane showed, and on variations of them."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.kubernetes.rollout import SECOND_CHANCE, Look, combined, decide
from bot.facts import Applied, Rollout, RolloutState

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "contract/recordings/rollout-objects.json").read_text(encoding="utf-8")
)
NEW_IMAGE, BROKEN = RECORDED["new image"], RECORDED["broken image and back"]
STATEFUL_SET, DAEMON_SET = RECORDED["stateful set"][-1], RECORDED["daemon set"][-1]
PROGRESSING, COMPLETE, FAILED = RolloutState.PROGRESSING, RolloutState.COMPLETE, RolloutState.FAILED

API_VERSIONS = {"Job": "batch/v1", "Pod": "v1"}


def at(text: str) -> datetime:
    """A time of the day of the recording."""
    return datetime.fromisoformat(f"2026-11-23T{text}+00:00").astimezone(UTC)


def applied_of(live: dict[str, Any], when: datetime, *, changed: bool = True) -> Applied:
    meta = live["metadata"]
    return Applied(
        api_version=API_VERSIONS.get(live["kind"], "apps/v1"),
        kind=live["kind"],
        namespace="recordings",
        name=meta["name"],
        generation=meta.get("generation"),
        changed=changed,
        at=when.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def seen(live: dict[str, Any] | None, applied: Applied, *, after: timedelta = timedelta(0)) -> Rollout:
    return decide(Look(applied, live, datetime.fromisoformat(applied.at) + after))


def variation(live: dict[str, Any], *, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """The object with other parts of spec and status; None takes a part of the status out, as zero is."""
    other = copy.deepcopy(live)
    other["spec"] |= spec or {}
    other["status"] = {name: value for name, value in (other["status"] | status).items() if value is not None}
    return other


def job(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {"kind": "Job", "metadata": {"name": "migrate", "generation": 1}, "spec": spec or {}, "status": status}


def condition(kind: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": message}


def test_the_old_complete_state_just_after_a_patch_is_not_completion() -> None:
    applied = applied_of(NEW_IMAGE[0], at("01:50:37"))
    first = NEW_IMAGE[0]
    assert [first["status"].get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")] == [3, 3, 3]
    assert seen(first, applied).state is PROGRESSING


def test_a_recorded_rollout_completes_once_and_stays_complete() -> None:
    applied = applied_of(NEW_IMAGE[0], at("01:50:37"))
    states = [seen(live, applied).state for live in NEW_IMAGE]
    assert states == [PROGRESSING] * 13 + [COMPLETE] * 2


def test_a_recorded_failure_fails_only_when_its_deadline_has_passed() -> None:
    broken = [live for live in BROKEN if live["metadata"]["generation"] == 3]
    applied = applied_of(broken[0], at("01:50:44"))
    assert [seen(live, applied).state for live in broken] == [PROGRESSING] * 4 + [FAILED]


def test_a_failure_says_how_far_it_came_and_what_the_controller_says() -> None:
    broken = [live for live in BROKEN if live["metadata"]["generation"] == 3]
    said = seen(broken[-1], applied_of(broken[0], at("01:50:44"))).detail
    assert said == (
        'snapcraft-io: 1 of 3 pods updated; ReplicaSet "snapcraft-io-696ccc4cf4" has timed out progressing.'
    )


def test_the_deadline_that_the_rollout_before_exceeded_does_not_fail_the_recovery() -> None:
    back = [live for live in BROKEN if live["metadata"]["generation"] == 4]
    applied = applied_of(back[0], at("01:50:52"))
    assert "ProgressDeadlineExceeded" in json.dumps(back[0])
    assert [seen(live, applied).state for live in back] == [PROGRESSING] * 3 + [COMPLETE] * 2


def test_an_old_exceeded_deadline_does_not_count_even_when_the_generation_is_observed() -> None:
    stale = variation(BROKEN[5], observedGeneration=4)
    stale["metadata"]["generation"] = 4
    applied = applied_of(stale, at("01:50:52"))
    assert seen(stale, applied, after=timedelta(minutes=9)).state is PROGRESSING


def test_a_deadline_exceeded_within_the_second_of_the_apply_counts() -> None:
    assert seen(BROKEN[5], applied_of(BROKEN[5], at("01:50:51"))).state is FAILED


def test_an_apply_that_changed_nothing_gives_a_failed_rollout_a_moment_and_then_fails() -> None:
    failed = variation(BROKEN[5], spec={"progressDeadlineSeconds": 600})
    again = applied_of(failed, at("09:00:00"), changed=False)
    assert seen(failed, again, after=SECOND_CHANCE - timedelta(seconds=1)).state is PROGRESSING
    assert seen(failed, again, after=SECOND_CHANCE).state is FAILED


def test_a_short_deadline_shortens_the_moment() -> None:
    again = applied_of(BROKEN[5], at("09:00:00"), changed=False)
    assert BROKEN[5]["spec"]["progressDeadlineSeconds"] == 5
    assert seen(BROKEN[5], again, after=timedelta(seconds=4)).state is PROGRESSING
    assert seen(BROKEN[5], again, after=timedelta(seconds=5)).state is FAILED


def test_a_look_that_is_older_than_the_apply_says_nothing() -> None:
    applied = applied_of(BROKEN[-1], at("01:50:52"))
    assert applied.generation == 4
    assert seen(NEW_IMAGE[-1], applied).state is PROGRESSING


def test_a_change_by_somebody_else_since_must_be_observed_too() -> None:
    applied = applied_of(NEW_IMAGE[-1], at("01:50:37"))
    scaled = variation(NEW_IMAGE[-1], spec={"replicas": 5})
    scaled["metadata"]["generation"] = 3
    assert seen(scaled, applied).state is PROGRESSING


def test_a_deployment_scaled_to_zero_is_complete_with_all_counts_absent() -> None:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
    nothing = variation(NEW_IMAGE[-1], spec={"replicas": 0}, **counts)
    assert seen(nothing, applied_of(nothing, at("01:50:37"))).state is COMPLETE


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"updatedReplicas": None, "replicas": 3}, "0 of 3 pods updated"),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old pod still to go"),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, "2 of 3 pods available"),
    ],
)
def test_the_detail_says_what_is_waited_for(counts: dict[str, Any], said: str) -> None:
    live = variation(NEW_IMAGE[-1], **counts)
    assert seen(live, applied_of(live, at("01:50:37"))) == Rollout(PROGRESSING, f"snapcraft-io: {said}")


def test_a_paused_deployment_is_waited_for_and_says_so() -> None:
    paused = variation(NEW_IMAGE[-1], spec={"paused": True}, updatedReplicas=None)
    state = seen(paused, applied_of(paused, at("01:50:37")))
    assert state.state is PROGRESSING
    assert "kubectl rollout resume" in state.detail


def test_pods_that_may_not_be_created_show_in_the_detail() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
    live = variation(NEW_IMAGE[-1], updatedReplicas=None, conditions=[failure])
    assert seen(live, applied_of(live, at("01:50:37"))).detail.endswith("0 of 3 pods updated; exceeded quota: small")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"])
def test_a_workload_that_is_gone_has_failed(kind: str) -> None:
    live = {"kind": kind, "metadata": {"name": "web", "generation": 1}}
    assert seen(None, applied_of(live, at("01:50:37"))) == Rollout(FAILED, f"web: the {kind} was deleted")


def test_a_workload_that_is_going_has_failed() -> None:
    live = copy.deepcopy(NEW_IMAGE[-1])
    live["metadata"]["deletionTimestamp"] = "2026-11-23T01:51:00Z"
    assert seen(live, applied_of(live, at("01:50:37"))).state is FAILED


def test_what_has_no_pods_is_complete_whatever_became_of_it() -> None:
    service = Applied("v1", "Service", "web", "blog", None, changed=True, at="2026-11-23T01:50:37Z")
    volcano = Applied("batch.volcano.sh/v1alpha1", "Job", "web", "x", 1, changed=True, at="2026-11-23T01:50:37Z")
    assert seen(None, service).state is COMPLETE
    assert seen(None, volcano).state is COMPLETE


def test_a_recorded_stateful_set_and_daemon_set_complete_once_they_are_observed() -> None:
    for name in ("stateful set", "daemon set"):
        fresh, done = RECORDED[name]
        assert seen(fresh, applied_of(fresh, at("01:50:59"))).state is PROGRESSING
        assert seen(done, applied_of(fresh, at("01:50:59"))).state is COMPLETE


@pytest.mark.parametrize(
    "status",
    [
        {"updatedReplicas": 1},
        {"availableReplicas": 1},
        {"updateRevision": "db-6f"},
        {"replicas": 1},
        {"observedGeneration": 0},
    ],
)
def test_a_stateful_set_waits_for_every_count_and_for_the_revision(status: dict[str, Any]) -> None:
    live = variation(STATEFUL_SET, **status)
    assert seen(live, applied_of(live, at("01:50:59"))).state is PROGRESSING


def test_a_partitioned_stateful_set_is_complete_when_its_part_is_updated() -> None:
    spec = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    part = variation(STATEFUL_SET, spec=spec, updatedReplicas=1, updateRevision="db-6f")
    none = variation(STATEFUL_SET, spec=spec, updatedReplicas=None, updateRevision="db-6f")
    assert seen(part, applied_of(part, at("01:50:59"))).state is COMPLETE
    assert seen(none, applied_of(none, at("01:50:59"))) == Rollout(
        PROGRESSING, "db: 0 of 1 pod updated, 2 of 2 pods available"
    )


def test_an_older_server_without_available_pods_of_stateful_sets_is_believed_on_ready_ones() -> None:
    live = variation(STATEFUL_SET, availableReplicas=None)
    assert seen(live, applied_of(live, at("01:50:59"))).state is COMPLETE


@pytest.mark.parametrize("kind", ["stateful set", "daemon set"])
def test_with_on_delete_nobody_waits_for_pods_that_are_replaced_by_hand(kind: str) -> None:
    old = {"updatedReplicas": None, "updateRevision": "db-6f", "updatedNumberScheduled": None}
    live = variation(RECORDED[kind][-1], spec={"updateStrategy": {"type": "OnDelete"}}, **old)
    state = seen(live, applied_of(live, at("01:50:59")))
    assert state.state is COMPLETE
    assert "2 run the old version until they are deleted" in state.detail


@pytest.mark.parametrize("status", [{"updatedNumberScheduled": 1}, {"numberAvailable": 1}, {"observedGeneration": 0}])
def test_a_daemon_set_waits_for_every_node(status: dict[str, Any]) -> None:
    live = variation(DAEMON_SET, **status)
    assert seen(live, applied_of(live, at("01:51:01"))).state is PROGRESSING


def test_a_job_is_over_when_it_succeeded_or_failed() -> None:
    running, done = job(active=1), job(conditions=[condition("Complete")])
    failed = job(conditions=[condition("Failed", "Job has reached the specified backoff limit")])
    assert seen(running, applied_of(running, at("01:51:01"))) == Rollout(
        PROGRESSING, "migrate: 0 of 1 runs succeeded, 0 failed"
    )
    assert seen(done, applied_of(done, at("01:51:01"))).state is COMPLETE
    assert seen(failed, applied_of(failed, at("01:51:01"))) == Rollout(
        FAILED, "migrate: the Job failed: Job has reached the specified backoff limit"
    )


def test_nobody_waits_for_a_suspended_job() -> None:
    live = job({"suspend": True})
    assert seen(live, applied_of(live, at("01:51:01"))).state is COMPLETE


def test_a_finished_job_that_is_being_cleaned_up_keeps_its_end() -> None:
    done, running = job(conditions=[condition("Complete")]), job(active=1)
    for live, state in ((done, COMPLETE), (running, FAILED)):
        live["metadata"]["deletionTimestamp"] = "2026-11-23T01:51:05Z"
        assert seen(live, applied_of(live, at("01:51:01"))).state is state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"phase": "Pending"}, PROGRESSING),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, COMPLETE),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}, PROGRESSING),
        (
            {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": 1},
            PROGRESSING,
        ),
        ({"phase": "Succeeded"}, COMPLETE),
        ({"phase": "Failed", "reason": "Evicted"}, FAILED),
    ],
)
def test_a_bare_pod_is_done_when_it_is_ready_or_has_succeeded(status: dict[str, Any], state: RolloutState) -> None:
    live = {"kind": "Pod", "metadata": {"name": "once", "generation": 2}, "spec": {}, "status": status}
    assert seen(live, applied_of(live, at("01:51:01"))).state is state


def test_one_failure_among_several_is_the_answer_and_completion_takes_all() -> None:
    done, waits, broken = Rollout(COMPLETE, "a: ok"), Rollout(PROGRESSING, "b: 1 of 2"), Rollout(FAILED, "c: no")
    assert combined([done, waits, broken]) == broken
    assert combined([done, waits]) == waits
    assert combined([done, done]).state is COMPLETE
    assert combined([]).state is COMPLETE
