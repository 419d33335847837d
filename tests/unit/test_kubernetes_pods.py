"""What pods and events say, on recorded pods of a failing rollout and on what kubelets report besides."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.kubernetes import pods
from bot.adapters.kubernetes.pods import LogWish

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "contract/recordings/rollout-objects.json").read_text(encoding="utf-8")
)
GOOD, BROKEN = RECORDED["pods"]


def pod(*containers: dict[str, Any], name: str = "blog-1", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"containerStatuses": list(containers), **status}}


def container(state: dict[str, Any], *, name: str = "web", last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "ready": False, "state": state, "lastState": {"terminated": last} if last else {}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


CRASH = {"exitCode": 137, "reason": "OOMKilled"}
RUNNING = {"running": {"startedAt": "2026-11-23T01:50:35Z"}}


def test_the_recorded_pods_tell_the_image_that_cannot_be_pulled() -> None:
    assert [pods.is_ready(GOOD), pods.is_ready(BROKEN)] == [True, False]
    assert pods.reasons([BROKEN]) == (
        'snapcraft-io: ImagePullBackOff: Back-off pulling image "registry.example.com/snapcraft.io:broken": not found',
    )
    assert pods.log_wishes(BROKEN) == ()


def test_the_newest_recorded_replica_set_owns_the_failing_pod() -> None:
    newest = pods.newest_revision(RECORDED["replica sets"])
    assert newest is not None
    assert pods.is_owned(BROKEN, newest["metadata"]["uid"])
    assert not pods.is_owned(GOOD, newest["metadata"]["uid"])
    assert pods.newest_revision([]) is None


@pytest.mark.parametrize(
    ("state", "last", "line", "wishes"),
    [
        (
            waiting("CrashLoopBackOff", "back-off 10s restarting failed container=web pod=blog-1_web(uid)"),
            CRASH,
            "web: CrashLoopBackOff: OOMKilled, exit code 137",
            (LogWish("web", previous=True),),
        ),
        (
            waiting("CreateContainerConfigError", 'secret "key" not found'),
            None,
            'web: CreateContainerConfigError: secret "key" not found',
            (),
        ),
        (
            {"terminated": {"exitCode": 3, "reason": "Error", "message": "no\n database"}},
            None,
            "web: Error, exit code 3: no database",
            (LogWish("web", previous=False),),
        ),
        (RUNNING, None, "web: running, but not ready", (LogWish("web", previous=False),)),
        (
            RUNNING,
            {"exitCode": 1, "reason": "Error"},
            "web: running, but not ready: before that Error, exit code 1",
            (LogWish("web", previous=False),),
        ),
    ],
)
def test_a_container_says_why_it_is_not_ready(
    state: dict[str, Any], last: dict[str, Any] | None, line: str, wishes: tuple[LogWish, ...]
) -> None:
    failing = pod(container(state, last=last))
    assert pods.reasons([failing]) == (line,)
    assert pods.log_wishes(failing) == wishes


def test_an_init_container_that_fails_tells_more_than_those_that_wait_for_it() -> None:
    failing = pod(
        container(waiting("PodInitializing")),
        initContainerStatuses=[
            {"name": "done", "ready": True, "state": {"terminated": {"exitCode": 0}}},
            container(waiting("CrashLoopBackOff"), name="migrate", last={"exitCode": 2, "reason": "Error"}),
        ],
    )
    assert pods.reasons([failing]) == ("migrate: CrashLoopBackOff: Error, exit code 2",)
    assert pods.log_wishes(failing) == (LogWish("migrate", previous=True),)


def test_a_container_that_only_starts_is_named_where_nothing_tells_more() -> None:
    assert pods.reasons([pod(container(waiting("ContainerCreating")))]) == ("web: ContainerCreating",)


def test_a_pod_without_a_node_says_why() -> None:
    message = "0/3 nodes are available: 3 Insufficient memory."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    assert pods.reasons([pod(conditions=[condition])]) == (f"not scheduled: Unschedulable: {message}",)


def test_an_evicted_pod_says_so() -> None:
    evicted = pod(reason="Evicted", message="The node was low on resource: memory.")
    assert pods.reasons([evicted]) == ("blog-1: Evicted: The node was low on resource: memory.",)


def test_pods_with_the_same_trouble_are_told_of_once() -> None:
    failing = [pod(container(waiting("CrashLoopBackOff"), last=CRASH), name=name) for name in ("a", "b")]
    assert pods.reasons(failing) == ("web: CrashLoopBackOff: OOMKilled, exit code 137",)


def test_a_pod_that_has_done_its_work_is_not_in_trouble() -> None:
    assert pods.is_ready(pod(phase="Succeeded"))


def test_selectors_of_every_kind_become_the_text_of_a_request() -> None:
    selector = {
        "matchLabels": {"app": "blog"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["web", "api"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "app", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert pods.selector_text(selector) == "app=blog,tier in (web,api),track notin (canary),app,!old"


def event(uid: str, when: str, message: str, **more: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "name": f"pod-{uid}", "uid": uid}
    head = {"type": "Warning", "reason": "BackOff", "message": message, "involvedObject": about, "metadata": {}}
    return head | {"lastTimestamp": f"2026-11-23T{when}Z"} | more


def lines(
    events: list[dict[str, Any]], *uids: str, since: dict[str, datetime] | None = None, limit: int = 10
) -> list[str]:
    return pods.event_lines(events, frozenset(uids), since=since or {}, limit=limit)


def test_the_last_warnings_of_the_objects_in_question_are_told_in_order() -> None:
    events = [
        event("a", "01:00:03", "third"),
        event("a", "01:00:01", "first"),
        event("b", "01:00:02", "somebody else's"),
        event("a", "01:00:02", "second", count=4),
        event("a", "01:00:04", "no warning", type="Normal"),
    ]
    assert lines(events, "a") == [
        "Pod pod-a: BackOff: first",
        "Pod pod-a: BackOff: second (4 times)",
        "Pod pod-a: BackOff: third",
    ]
    assert lines(events, "a", limit=1) == ["Pod pod-a: BackOff: third"]


def test_new_and_old_kinds_of_events_are_dated_by_what_they_have() -> None:
    series = {"count": 9, "lastObservedTime": "2026-11-23T01:00:02.123456Z"}
    recurring = event("a", "00:00:00", "recurring", lastTimestamp=None, series=series)
    first = event("a", "00:00:00", "first", lastTimestamp=None, eventTime="2026-11-23T01:00:01.5Z")
    last = event("a", "00:00:00", "last", lastTimestamp=None) | {
        "metadata": {"creationTimestamp": "2026-11-23T01:00:03Z"}
    }
    assert lines([last, recurring, first], "a") == [
        "Pod pod-a: BackOff: first",
        "Pod pod-a: BackOff: recurring (9 times)",
        "Pod pod-a: BackOff: last",
    ]


def test_warnings_from_before_the_apply_are_left_out() -> None:
    since = {"a": datetime(2026, 11, 23, 1, 0, 2, tzinfo=UTC)}
    events = [event("a", "01:00:01", "old"), event("a", "01:00:02", "new")]
    assert lines(events, "a", since=since) == ["Pod pod-a: BackOff: new"]


def test_a_controller_that_cannot_create_pods_is_quoted() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    cured = {**failure, "status": "False"}
    assert pods.workload_reasons("blog", {"status": {"conditions": [failure]}}) == (
        "blog: FailedCreate: exceeded quota: small",
    )
    assert pods.workload_reasons("blog", {"status": {"conditions": [cured]}}) == ()
