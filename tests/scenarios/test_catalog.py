"""A catalog with a mistake stops nothing and is told to whoever made it."""

from tests.scenarios.world import CONFIG, DEVELOPER, World, until


def test_a_bad_catalog_is_told_on_its_commit_and_the_last_good_one_stays_in_force(shared: World) -> None:
    app = shared.add_app("steady")
    first = app.merge("First")
    app.await_live("staging", first)
    bad = shared.catalog().replace("gate: commit", "gate: comit")
    forge = shared.forge
    forge.commit(CONFIG, "bad-catalog", {"slipway.yaml": bad}, "Rename a gate", DEVELOPER)
    number = forge.open_pull_request(CONFIG, "bad-catalog", "master", "Rename a gate", author=DEVELOPER)
    commit = forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    try:
        path = f"/repos/{CONFIG}/commits/{commit}/status"
        (status,) = until("a failed status", lambda: shared.api(path)["statuses"])
        assert (status["context"], status["state"]) == ("slipway/catalog", "failure")
        assert "did you mean `commit`" in status["description"]
        comments = until("a comment", lambda: shared.api(f"/repos/{CONFIG}/issues/{number}/comments"))
        assert len(comments) == 1
        assert "environments[staging].gate" in comments[0]["body"]
        assert "The last good one stays in force." in comments[0]["body"]
        second = app.merge("Second")
        assert app.await_live("staging", second).outcome == "healthy"
    finally:
        forge.commit(CONFIG, "master", {"slipway.yaml": shared.catalog()}, "Correct the gate", DEVELOPER)
