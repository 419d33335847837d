"""GitHub does what it is asked and the answer never comes: nothing is done twice, nothing is lost."""

from bot.sandbox.forge.faults import perform_then_drop, perform_then_status
from tests.scenarios.world import APPROVER, CONFIG, Bot, World, until


def test_writes_whose_answers_are_lost_are_not_doubled(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("lossy")
    faults = world.forge.faults
    faults.add("POST", f"/repos/{app.source}/issues/[0-9]+/comments$", perform_then_status(502))
    faults.add("POST", f"/{CONFIG}.git/git-receive-pack$", perform_then_status(502))
    faults.add("POST", f"/repos/{CONFIG}/pulls$", perform_then_drop())
    faults.add("PUT", f"/repos/{CONFIG}/pulls/[0-9]+/merge$", perform_then_drop())
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    app.approve(number)
    live = app.await_live("production", sha)
    assert (live.outcome, live.approved_by) == ("healthy", (APPROVER,))
    until("latest", lambda: world.digest(app.image, "latest") == world.digest(app.image, sha[:7]))
    until("the comment to say so", lambda: app.comments() and app.comments()[0].count("✅ live") == 2)
    assert [len(app.bumps("staging")), len(app.bumps("production"))] == [1, 1]
    assert [pull["number"] for pull in app.promotions("all")] == [number]
    assert len(app.comments()) == 1
    for method, ending, lost in (
        ("POST", f"/repos/{CONFIG}/pulls", 0),
        ("PUT", f"/repos/{CONFIG}/pulls/{number}/merge", 0),
        ("POST", f"/repos/{app.source}/issues/1/comments", 502),
    ):
        asked = [one for one in world.forge.requests_log if one.method == method and one.path.endswith(ending)]
        assert [one.status for one in asked] == [lost]
    pushes = [one.status for one in world.forge.requests_log if one.path.endswith(f"/{CONFIG}.git/git-receive-pack")]
    assert pushes.count(502) == 1
