"""Whatever fails ends in one clear paragraph and a red status, and what ran before keeps serving."""

from tests.scenarios.world import CONFIG, World, until


def test_a_failing_build_is_told_on_the_pull_request_and_changes_nothing(shared: World) -> None:
    app = shared.add_app("broken-build", private=True)
    sha = app.merge("Run something", {"Dockerfile": "FROM scratch\nCOPY site /site\nRUN make\n", "site/a": "a"})
    until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
    (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
    assert "**The build failed.**" in comment
    assert "line 3" in comment
    assert "What ran before keeps serving." in comment
    assert app.bumps("staging") == []
    assert app.running("staging") is None


def test_a_failing_rollout_is_told_and_leaves_the_old_pods_serving(shared: World) -> None:
    app = shared.add_app("bad-pods", private=True)
    good = app.merge("A good version")
    app.await_live("staging", good)
    shared.clusters["staging"].fail_image(f"{app.image}:(?!{good[:7]})", reason="CrashLoopBackOff", log="no such table")
    bad = app.merge("A bad version")
    outcome = app.await_live("staging", bad)
    assert outcome.outcome == "failed"
    assert "CrashLoopBackOff" in outcome.reason
    until("a red status", lambda: app.statuses(bad).get("slipway/staging") == "failure")
    (comment,) = until("the comment", lambda: [text for text in app.comments(2) if "runs again" in text])
    assert "CrashLoopBackOff" in comment
    assert [pull["title"] for pull in app.promotions()] == [f"bad-pods: {good[:7]} to production"]
    pods = shared.clusters["staging"].list("Pod", "staging")
    serving = [pod for pod in pods if pod["metadata"]["labels"].get("app") == app.name and _ready(pod)]
    assert {pod["spec"]["containers"][0]["image"].partition("@")[0] for pod in serving} == {f"{app.image}:{good[:7]}"}


def _ready(pod: dict[str, object]) -> bool:
    conditions = pod["status"].get("conditions", [])  # type: ignore[attr-defined]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def test_an_app_without_its_image_in_the_manifests_is_told_what_to_correct(shared: World) -> None:
    app = shared.add_app("no-match")
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: no-match\n"
    shared.forge.commit(CONFIG, "master", {"staging/no-match.yaml": manifest}, "Remove the deployment", "dora")
    sha = app.merge("A change")
    until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
    (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
    assert "No container of no-match in staging uses the image" in comment
    assert "staging/no-match.yaml" in comment


def test_a_refusal_to_merge_is_told_on_the_promotion(shared: World) -> None:
    app = shared.add_app("no-squash")
    sha = app.merge("A change")
    promotion = app.await_promotion(sha)
    shared.forge.configure_repo(CONFIG, merge_methods=["merge"])
    try:
        app.approve(promotion["number"])
        path = f"/repos/{CONFIG}/issues/{promotion['number']}/comments"
        (comment,) = until("the comment", lambda: [one["body"] for one in shared.api(path)])
    finally:
        shared.forge.configure_repo(CONFIG, merge_methods=["merge", "squash", "rebase"])
    assert "**Merging this promotion failed.**" in comment
    assert "quash" in comment
    assert app.bumps("production") == []


def test_a_cluster_that_is_away_is_unknown_until_it_is_back(shared: World) -> None:
    app = shared.add_app("away")
    first = app.merge("First")
    app.await_live("staging", first)
    shared.clusters["staging"].stop()
    try:
        second = app.merge("Second")
        unknown = app.await_live("staging", second)
        assert unknown.outcome == "unknown"
        assert "cluster" in unknown.reason
    finally:
        shared.clusters["staging"].start()
    bump = app.await_bump("staging", second)

    def healthy() -> bool:
        outcome = app.outcome(bump, "staging")
        return outcome is not None and outcome.outcome == "healthy"

    until("the sync to be made up for", healthy)
    assert f":{second[:7]}@" in (app.running("staging") or "")
    assert len(app.bumps("staging", second)) == 1
