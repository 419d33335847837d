"""What a cluster or a manifest refuses: what the person who merged reads, and that nothing was half done.

All apps of the table are merged at once and then looked at one by one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from bot.sandbox.cluster import Cluster
from bot.sandbox.faults import Answer
from tests.scenarios.world import CONFIG, DEPLOYMENT, DEVELOPER, AppWorld, World, until

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {app}\n---\n"
OLD_INGRESS = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: {app}\n---\n"


def denied(method: str, path: str, reason: str, code: int = 403) -> Callable[[Cluster], None]:
    """The cluster answers like this to the dry run of an object, as often as it is asked."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "code": code}
    answer = Answer(code, {"Content-Type": "application/json"}, json.dumps(body | {"reason": "Forbidden"}).encode())
    return lambda cluster: cluster.faults.add(method, path, answer, times=1000)


@dataclass(frozen=True)
class Case:
    """A manifest or a cluster with something wrong, and what is said of it.

    Attributes:
        before: put in front of a good manifest of two objects; or ``edit`` makes a bad one of it.
        bumped: whether the config branch got the release: it could not be known before.
    """

    words: tuple[str, ...]
    before: str = ""
    edit: Callable[[str], str] = lambda manifest: manifest
    arrange: Callable[[Cluster], None] = lambda cluster: None
    bumped: bool = True


CASES: Mapping[str, Case] = {
    "no-such-api": Case(
        (
            "Ingress `no-such-api`",
            "`extensions/v1beta1` Ingress is not served (any more): write `apiVersion: networking.k8s.io/v1`",
            "Nothing was applied.",
        ),
        OLD_INGRESS,
    ),
    "no-namespace": Case(
        ("ConfigMap `no-namespace`", "the namespace `absent` does not exist: create it, or add it to the manifests"),
        CONFIG_MAP.replace("name: {app}", "name: {app}\n  namespace: absent"),
    ),
    "forbidden": Case(
        (
            "the user `deploybot` may not patch `secrets` in namespace `staging`",
            '- {apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "watch", "create", "patch"]}',
            "Nothing was applied.",
        ),
        CONFIG_MAP.replace("ConfigMap", "Secret"),
        arrange=lambda cluster: cluster.forbid("patch", "secrets"),
    ),
    "policy": Case(
        ("ConfigMap `policy`", "the admission webhook `policy.example.com` denies it: no such thing on Fridays"),
        CONFIG_MAP,
        arrange=denied(
            "PATCH",
            "configmaps/policy",
            'admission webhook "policy.example.com" denied the request: no such thing on Fridays',
        ),
    ),
    "over-quota": Case(
        ("it would exceed the quota `small` (requested: configmaps=1, used: configmaps=2, limited: configmaps=2)",),
        CONFIG_MAP,
        arrange=denied(
            "PATCH",
            "configmaps/over-quota",
            'configmaps "over-quota" is forbidden: exceeded quota: small, requested: configmaps=1, used: configmaps=2, '
            "limited: configmaps=2",
        ),
    ),
    "unknown-field": Case(
        ("Deployment `unknown-field`", "`spec.replica` is no field of this kind: correct or remove it"),
        edit=lambda manifest: manifest.replace("replicas: 2", "replica: 2"),
    ),
    "no-yaml": Case(
        ("staging/no-yaml.yaml:9: this is not YAML: mapping values are not allowed here",),
        edit=lambda manifest: manifest.replace("apiVersion: apps/v1", "apiVersion: apps/v1: yes"),
        bumped=False,
    ),
}


@pytest.fixture(scope="module")
def merged(shared: World) -> Mapping[str, tuple[AppWorld, str]]:
    """Every app of the table with a release merged."""
    apps = {name: shared.add_app(name) for name in CASES}
    files: dict[str, str | None] = {}
    for name, app in apps.items():
        case, good = CASES[name], DEPLOYMENT.format(app=name, image=app.image)
        files[f"staging/{name}.yaml"] = case.before.format(app=name) + case.edit(good)
        case.arrange(shared.clusters["staging"])
    shared.forge.commit(CONFIG, "master", files, "Make every mistake", DEVELOPER)
    return {name: (app, app.merge("A change")) for name, app in apps.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_told_on_the_pull_request_and_nothing_was_applied(
    shared: World, merged: Mapping[str, tuple[AppWorld, str]], name: str
) -> None:
    (app, sha), case = merged[name], CASES[name]
    until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
    (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
    assert [words for words in case.words if words not in comment] == []
    assert "What ran before keeps serving." in comment
    assert "Traceback" not in comment
    staging = shared.clusters["staging"]
    assert [
        kind for kind in ("Deployment", "Service", "ConfigMap", "Secret") if staging.get(kind, "staging", name)
    ] == []
    assert len(app.bumps("staging", sha)) == case.bumped
    assert app.promotions() == []
    if case.bumped:
        outcome = app.await_live("staging", sha)
        assert outcome.outcome == "failed"
        assert case.words[0] in outcome.reason


def test_a_field_that_cannot_change_is_told_and_the_old_pods_serve_on(shared: World) -> None:
    app = shared.add_app("fixed-selector")
    app.await_live("staging", app.merge("First"))
    before = app.running("staging")
    manifest = shared.git("show", "master:staging/fixed-selector.yaml")
    changed = manifest.replace("app: fixed-selector}", "app: other}").replace("port: 80", "port: 81")
    commit = shared.forge.commit(CONFIG, "master", {"staging/fixed-selector.yaml": changed}, "Relabel", DEVELOPER)
    outcome = app.await_outcome(commit, "staging")
    assert outcome.outcome == "failed"
    assert "`spec.selector`: it cannot change (field is immutable): keep it, or delete the object" in outcome.reason
    assert "Nothing was applied." in outcome.reason
    assert app.running("staging") == before
    service = shared.clusters["staging"].get("Service", "staging", app.name)
    assert service is not None
    assert service["spec"]["ports"][0]["port"] == 80


def test_a_hand_edit_that_cannot_be_read_is_told_on_its_commit_and_its_pull_request(shared: World) -> None:
    app = shared.add_app("misspelt")
    first = app.merge("First")
    app.await_live("staging", first)
    before = app.running("staging")
    manifest = shared.git("show", "master:staging/misspelt.yaml")
    broken = manifest.replace("replicas: 2", "replicas: 3: many")
    shared.forge.commit(CONFIG, "more-pods", {"staging/misspelt.yaml": broken}, "More pods", DEVELOPER)
    number = shared.forge.open_pull_request(CONFIG, "more-pods", "master", "More pods", author=DEVELOPER)
    commit = shared.forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    path = f"/repos/{CONFIG}/commits/{commit}/status"
    statuses = until("a status", lambda: shared.api(path)["statuses"])
    assert [(status["context"], status["state"]) for status in statuses] == [("slipway/staging", "failure")]
    assert "Reading what misspelt runs on staging failed: staging/misspelt.yaml:" in statuses[0]["description"]
    comments = f"/repos/{CONFIG}/issues/{number}/comments"
    why = "this is not YAML: mapping values are not allowed here"
    until("a comment", lambda: any(why in one["body"] for one in shared.api(comments)))
    recorded = app.await_outcome(commit, "staging")
    assert (recorded.outcome, recorded.image, why in recorded.reason) == ("failed", "", True)
    assert app.running("staging") == before
    mended = shared.forge.commit(
        CONFIG, "master", {"staging/misspelt.yaml": manifest.replace("replicas: 2", "replicas: 3")}, "Mend", DEVELOPER
    )
    assert app.await_outcome(mended, "staging").outcome == "healthy"
    shared.clusters["staging"].fail_image(f"{app.image}:(?!{first[:7]})", reason="CrashLoopBackOff")
    assert app.await_live("staging", app.merge("Second")).outcome == "failed"
    until("the rollback, whose search meets the unreadable commit", lambda: app.running("staging") == before)
