"""The cluster stand-in answers as a 1.36 control plane did: its exchanges are replayed and compared.

``recordings/`` beside this file holds what has to stay true, trimmed. Where the whole recordings lie beside the
checkout (``../shared/kubernetes-recordings``), they are replayed too.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster
from tests.contract import cluster_fixtures
from tests.contract.cluster_fixtures import Answer, ClusterApi, eventually, is_complete

cluster_api = cluster_fixtures.cluster_api
HERE = Path(__file__).parent / "recordings"
WHOLE = Path(__file__).resolve().parents[3] / "shared" / "kubernetes-recordings"
VOLATILE = frozenset(
    {
        "uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "lastUpdateTime",
        "lastTransitionTime", "serverAddress", "gitCommit", "storageVersionHash",
    }
)  # fmt: skip
HASH = re.compile(r"\b(snapcraft-io|db)-[0-9a-z]{8,10}\b")
whole_recordings = pytest.mark.skipif(not WHOLE.is_dir(), reason="the whole recordings are not beside the checkout")
Json = Any


def trimmed(name: str) -> Json:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def whole(name: str) -> Json:
    return json.loads((WHOLE / f"{name}.json").read_text(encoding="utf-8"))


def scrubbed(value: Json) -> Json:
    """Without what differs from run to run: identities, times, addresses, hashes of templates."""
    if isinstance(value, dict):
        return {name: scrubbed(below) for name, below in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return HASH.sub(r"\1-HASH", value) if isinstance(value, str) else value


@pytest.fixture
def cluster(cluster_api: ClusterApi) -> Cluster:
    """The stand-in: recordings are of one cluster, and not replayed on another real one."""
    if cluster_api.stand_in is None:
        pytest.skip("replayed on the stand-in only")
    return cluster_api.stand_in


def replay(cluster_api: ClusterApi, request: Json, **headers: str) -> Answer:
    body = request.get("raw", request.get("body"))
    content_type = request.get("content_type", "application/json")
    return cluster_api.call(request["method"], request["path"], body, content_type, **headers)


def edited(base: Json, changes: Json) -> Json:
    """The manifest with changes laid over it."""
    result = copy.deepcopy(base)
    for name, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = edited(result[name], value) if nested else value
    return result


def with_image(manifest: Json, part: Json) -> Json:
    manifest = edited(manifest, part.get("changes", {}))
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = part["image"]
    return manifest


ERRORS = trimmed("errors")


@pytest.mark.parametrize("step", ERRORS["steps"], ids=lambda step: step["step"])
def test_a_refusal_has_the_recorded_status_and_body(step: Json, cluster_api: ClusterApi, cluster: Cluster) -> None:
    before = with_image(ERRORS["manifest"], ERRORS["before"])
    assert cluster_api.apply(before, force="true").status == 201
    request = dict(step["request"])
    if "image" in request:
        request["body"] = with_image(ERRORS["manifest"], request)
    headers = {"Authorization": "Bearer of-nobody"} if step["step"].startswith("unauthorized") else {}
    if step["step"].startswith("forbidden"):
        cluster.forbid("patch", "deployments")
    answer = replay(cluster_api, request, **headers)
    assert (answer.status, answer.body) == (step["response"]["status"], step["response"]["body"])


@pytest.mark.parametrize("step", trimmed("discovery"), ids=lambda step: step["request"]["path"])
def test_discovery_describes_what_is_served_as_recorded(step: Json, cluster_api: ClusterApi, cluster: Cluster) -> None:
    body = replay(cluster_api, step["request"]).body
    recorded = step["response"]["body"]
    assert set(body) == set(recorded)
    for part in ("groups", "resources"):
        named = {entry["name"]: entry for entry in body.get(part, ())}
        assert [scrubbed(named[entry["name"]]) for entry in recorded.get(part, ())] == scrubbed(recorded.get(part, []))
    named_parts = {"groups": None, "resources": None}
    assert scrubbed({**body, **named_parts}) == scrubbed({**recorded, **named_parts})


def replay_kinds(cluster_api: ClusterApi, steps: Json) -> Iterator[tuple[str, Answer, Answer]]:
    for step in steps:
        expected = Answer(step["response"]["status"], scrubbed(step["response"]["body"]))
        if "complete" in step["step"]:
            answer = wait_for_status(cluster_api, step["request"], expected.body["status"])
        else:
            answer = replay(cluster_api, step["request"])
        yield step["step"], Answer(answer.status, scrubbed(answer.body)), expected


def wait_for_status(cluster_api: ClusterApi, request: Json, status: Json) -> Answer:
    return eventually(lambda: replay(cluster_api, request), lambda seen: scrubbed(seen.body["status"]) == status)


def test_every_kind_is_stored_with_its_recorded_defaults_owners_and_status(
    cluster_api: ClusterApi, cluster: Cluster
) -> None:
    for step, answer, expected in replay_kinds(cluster_api, trimmed("kinds")):
        assert answer == expected, step


@whole_recordings
def test_the_whole_recording_of_other_kinds_is_answered_alike(cluster_api: ClusterApi, cluster: Cluster) -> None:
    for step, answer, expected in replay_kinds(cluster_api, whole("other-kinds")):
        assert answer == expected, step


@whole_recordings
def test_the_whole_recording_of_apply_and_rollout_is_answered_alike(cluster_api: ClusterApi, cluster: Cluster) -> None:
    created, complete, noop, dry_run, changed, at_once, updated = whole("apply-and-rollout")[:7]
    for before, steps in ((created, [complete, noop, dry_run]), (changed, [updated])):
        with cluster.controllers_paused():
            expect(cluster_api, before)
            if before is changed:
                expect(cluster_api, at_once)
        eventually(lambda: cluster.get("Deployment", "recordings", "snapcraft-io"), settled)
        for step in steps:
            expect(cluster_api, step)


@whole_recordings
def test_the_whole_recording_of_a_failing_rollout_is_answered_alike(cluster_api: ClusterApi, cluster: Cluster) -> None:
    cluster.fail_image(":broken$", "ImagePullBackOff")
    for step in whole("apply-and-rollout")[0], whole("apply-and-rollout")[4]:
        replay(cluster_api, step["request"])
        eventually(lambda: cluster.get("Deployment", "recordings", "snapcraft-io"), settled)
    broken, exceeded, pods, replica_sets, _, back, at_once, recovered, _ = whole("failing-rollout-and-recovery")
    cluster.time_scale = 0.05
    with cluster.controllers_paused():
        expect(cluster_api, broken)
    eventually(lambda: cluster.get("Deployment", "recordings", "snapcraft-io"), timed_out)
    expect(cluster_api, exceeded)
    assert waiting_reasons(replay(cluster_api, pods["request"])) == waiting_reasons(Answer(**pods["response"]))
    assert by_revision(replay(cluster_api, replica_sets["request"])) == by_revision(Answer(**replica_sets["response"]))
    with cluster.controllers_paused():
        expect(cluster_api, back)
        expect(cluster_api, at_once)
    eventually(lambda: cluster.get("Deployment", "recordings", "snapcraft-io"), settled)
    expect(cluster_api, recovered)


def expect(cluster_api: ClusterApi, step: Json) -> None:
    answer = replay(cluster_api, step["request"])
    recorded = step["response"]
    assert (answer.status, scrubbed(answer.body)) == (recorded["status"], scrubbed(recorded["body"])), step["step"]


def settled(deployment: Json) -> bool:
    """Complete, with the last old pod gone: the recordings were read then."""
    return is_complete(deployment) and deployment["status"]["terminatingReplicas"] == 0


def timed_out(deployment: Json) -> bool:
    return any(c["reason"] == "ProgressDeadlineExceeded" for c in deployment["status"]["conditions"])


def waiting_reasons(answer: Answer) -> list[Json]:
    """Each pod's phase, image and what it waits for."""
    statuses = [(pod["status"]["phase"], pod["status"]["containerStatuses"][0]) for pod in answer.body["items"]]
    return sorted((phase, s["image"], s["ready"], str(s["state"].get("waiting"))) for phase, s in statuses)


def by_revision(answer: Answer) -> list[Json]:
    """ReplicaSets in order of their revision, without their owner's identity and template hashes."""
    items = sorted(
        answer.body["items"], key=lambda rs: rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    )
    text = json.dumps(scrubbed(items), sort_keys=True)
    text = re.sub(r'"pod-template-hash": "\w+"', '"pod-template-hash": "HASH"', text)
    parsed: list[Json] = json.loads(re.sub(r'k:\{\\"uid\\":\\"[0-9a-f-]+\\"\}', "k:uid", text))
    return parsed


ROLLOUT = trimmed("rollout")


def status_of(event: Json) -> Json:
    """A status without times: generation, revision, counts, and conditions in their order."""
    obj = event["object"]
    status = obj.get("status", {})
    return {
        "generation": obj["metadata"]["generation"],
        "revision": obj["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision"),
        "counts": {name: value for name, value in status.items() if name != "conditions"},
        "conditions": [f"{c['type']} {c['status']} {c['reason']}" for c in status.get("conditions", ())],
    }


def is_subsequence(part: list[Json], of: list[Json]) -> bool:
    rest = iter(of)
    return all(item in rest for item in part)


def test_a_deployment_shows_the_recorded_statuses_from_creation_to_recovery(
    cluster_api: ClusterApi, cluster: Cluster
) -> None:
    cluster.fail_image(":broken$", "ImagePullBackOff")
    cluster.time_scale = 0.05
    seen: dict[str, list[Json]] = {}
    for phase, image in ROLLOUT["images"].items():
        start = cluster_api.call("GET", "/api/v1/namespaces").body["metadata"]["resourceVersion"]
        changes = {"spec": {"progressDeadlineSeconds": 5 if phase in ("fail", "recover") else 600}}
        manifest = with_image(ERRORS["manifest"], {"image": image, "changes": changes})
        assert cluster_api.apply(manifest, force="true").status in (200, 201)
        end = timed_out if phase == "fail" else settled
        eventually(lambda: cluster.get("Deployment", "recordings", "snapcraft-io"), end)
        seen[phase] = [status_of(event) for event in watched(cluster_api, start)]
    for phase, statuses in seen.items():
        recorded = ROLLOUT["statuses"][phase]
        assert is_subsequence(statuses, recorded), (phase, [s for s in statuses if s not in recorded])
        assert statuses[0] == recorded[0]
        assert statuses[-1] == recorded[-1]


def watched(cluster_api: ClusterApi, start: str) -> list[Json]:
    """What a watch from that resourceVersion has to tell of Deployments until now."""
    path = cluster_api.path("apps/v1", "Deployment")
    text = cluster_api.call("GET", f"{path}?watch=true&timeoutSeconds=0.1&resourceVersion={start}").body
    lines = text if isinstance(text, str) else json.dumps(text)
    return [json.loads(line) for line in lines.splitlines()]
