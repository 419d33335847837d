"""Back to what was healthy: by itself after a failed rollout, and what it leaves alone."""

from tests.scenarios.world import CONFIG, AppWorld, World, until


def fails(world: World, app: AppWorld, sha: str, environment: str) -> None:
    """From now on the pods of this release crash there."""
    log = "no such table: basket"
    world.clusters[environment].fail_image(f"{app.image}:{sha[:7]}", reason="CrashLoopBackOff", log=log)


def next_sha_fails(world: World, app: AppWorld, environment: str, *good: str) -> None:
    """From now on whatever is not one of these releases crashes there."""
    but = "".join(f"(?!{sha[:7]})" for sha in good)
    world.clusters[environment].fail_image(f"{app.image}:{but}", reason="CrashLoopBackOff", log="no such table: basket")


def rollbacks(app: AppWorld, environment: str, to: str) -> list[str]:
    """The config commits that went back to a release."""
    wanted = f"^Slipway-Id: {app.name}@{to}/{environment}/rollback/[0-9a-f]*$"
    return app.world.git("log", "--format=%H", f"--grep={wanted}", "master").split()


def await_rollback(app: AppWorld, environment: str, to: str) -> str:
    return until(f"{app.name} to go back on {environment}", lambda: rollbacks(app, environment, to))[0]


def live_on_both(app: AppWorld, title: str) -> str:
    sha = app.merge(title)
    app.approve(app.await_promotion(sha)["number"])
    app.await_live("production", sha)
    digest = app.world.digest(app.image, sha[:7])
    until("latest", lambda: app.world.digest(app.image, "latest") == digest)
    return sha


def test_a_failing_rollout_in_staging_goes_back_by_itself(shared: World) -> None:
    app = shared.add_app("back-staging", private=True)
    good = app.merge("A good version")
    app.await_live("staging", good)
    before = shared.git("show", "master:staging/back-staging.yaml")
    next_sha_fails(shared, app, "staging", good)
    bad = app.merge("A bad version")
    bump = app.await_bump("staging", bad)
    back = await_rollback(app, "staging", good)
    assert app.outcome(bump, "staging").outcome == "failed"  # type: ignore[union-attr]
    assert app.await_outcome(back, "staging").outcome == "healthy"
    assert shared.git("show", f"{back}:staging/back-staging.yaml") == before
    changed = shared.git("show", "--format=", "--name-only", back).split()
    assert changed == [".slipway/holds/staging/back-staging.yaml", "staging/back-staging.yaml"]
    message = shared.git("log", "-1", "--format=%B", back)
    assert f"\nReverts: {bump}\n" in message
    assert f"\nSource: {app.source}@{good}\n" in message
    assert "CrashLoopBackOff" in message
    assert f'release: "{app.name}@{bad}"' in shared.git("show", f"{back}:.slipway/holds/staging/back-staging.yaml")
    until("a red status", lambda: app.statuses(bad).get("slipway/staging") == "failure")
    (comment,) = until("the end", lambda: [text for text in app.comments(2) if "runs again" in text])
    for words in ("CrashLoopBackOff", "no such table", "↩️ rolled back", "resume back-staging staging", good[:7]):
        assert words in comment
    assert len(rollbacks(app, "staging", good)) == 1
    assert app.statuses(good)["slipway/staging"] == "success"


def test_a_failing_rollout_in_production_goes_back_without_an_approval(shared: World) -> None:
    app = shared.add_app("back-live")
    good = live_on_both(app, "A good version")
    next_sha_fails(shared, app, "production", good)
    bad = app.merge("A bad version")
    promotion = app.await_promotion(bad)["number"]
    app.approve(promotion)
    back = await_rollback(app, "production", good)
    outcome = app.await_outcome(back, "production")
    assert (outcome.outcome, outcome.reason) == ("healthy", "")
    assert shared.digest(app.image, "latest") == shared.digest(app.image, good[:7])
    until("the source's people to be told", lambda: "runs again" in "".join(app.comments(2)))
    path = f"/repos/{CONFIG}/issues/{promotion}/comments"
    (told,) = until("the approver to be told", lambda: [one["body"] for one in shared.api(path)])
    assert "Slipway took production back from" in told
    assert "no such table" not in told + "".join(app.comments(2))
    assert app.promotions() == []
    assert app.running("production") == f"{app.image}:{good[:7]}@{shared.digest(app.image, good[:7])}"
