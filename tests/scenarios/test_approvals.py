"""Who may, and that what was approved is what runs."""

from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, OUTSIDER, Bot, World, until


def test_a_review_by_somebody_else_does_not_merge(shared: World) -> None:
    app = shared.add_app("outsiders")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    app.approve(number, OUTSIDER)
    app.approve(number, DEVELOPER)
    head = app.promotions()[0]["head"]["sha"]

    def described() -> bool:
        statuses = shared.api(f"/repos/{CONFIG}/commits/{head}/status")["statuses"]
        return any(
            "may not approve" in status["description"] and DEVELOPER in status["description"] for status in statuses
        )

    until("the status to say who may not", described)
    assert [pull["state"] for pull in app.promotions()] == ["open"]
    assert app.bumps("production") == []


def test_an_approval_of_an_older_head_does_not_count(shared: World) -> None:
    app = shared.add_app("stale")
    first = app.merge("First")
    number = app.await_promotion(first)["number"]
    second = app.merge("Second")
    moved = app.await_promotion(second)
    assert moved["number"] == number
    shared.forge.review(CONFIG, number, APPROVER, "COMMENT", "Looking")
    assert app.bumps("production") == []
    app.approve(number)
    app.await_live("production", second)
    assert app.bumps("production", first) == []
    assert len(app.promotions("all")) == 1


def test_changes_requested_block_until_they_are_taken_back(shared: World) -> None:
    app = shared.add_app("blocked")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    shared.forge.review(CONFIG, number, APPROVER, "REQUEST_CHANGES", "Not yet")
    head = app.promotions()[0]["head"]["sha"]
    path = f"/repos/{CONFIG}/commits/{head}/status"
    until("the status", lambda: "asked for changes" in str(shared.api(path)["statuses"]))
    assert app.bumps("production") == []
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"


def test_a_merge_by_somebody_who_may_approve_counts_as_the_approval(shared: World) -> None:
    app = shared.add_app("pressed-merge")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    merged = shared.forge.merge_pull_request(CONFIG, number, APPROVER, "merge")
    outcome = app.await_outcome(merged, "production")
    assert (outcome.outcome, outcome.approved_by) == ("healthy", (APPROVER,))
    digest = shared.digest(app.image, sha[:7])
    until("latest", lambda: shared.digest(app.image, "latest") == digest)
    assert app.running("production") == f"{app.image}:{sha[:7]}@{digest}"


def test_a_push_straight_to_a_gated_path_runs_and_is_recorded_as_unapproved(shared: World) -> None:
    app = shared.add_app("pushed")
    sha = app.merge("A change")
    app.approve(app.await_promotion(sha)["number"])
    app.await_live("production", sha)
    path = "production/pushed.yaml"
    text = shared.git("show", f"master:{path}").replace("replicas: 2", "replicas: 3") + "\n"
    pushed = shared.forge.commit(CONFIG, "master", {path: text}, "More pods", DEVELOPER)
    outcome = app.await_outcome(pushed, "production")
    assert (outcome.outcome, outcome.approved_by) == ("healthy", ())
    assert outcome.reason.startswith("unapproved")
    deployment = shared.clusters["production"].get("Deployment", "production", app.name)
    assert deployment
    assert deployment["spec"]["replicas"] == 3


def test_a_rule_of_the_branch_that_refuses_is_explained_and_the_merge_follows_once_it_is_met(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    world.forge.protect(CONFIG, "master", approvals=2)
    bot.start()
    app = world.add_app("ruled")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    app.approve(number)
    path = f"/repos/{CONFIG}/issues/{number}/comments"
    until("the explanation", lambda: "the rules of `master` do not let Slipway" in str(world.api(path)))
    assert "At least 2 approving review is required" in str(world.api(path))
    assert app.bumps("production") == []
    world.forge.protect(CONFIG, "master", approvals=1)
    assert app.await_live("production", sha).outcome == "healthy"
