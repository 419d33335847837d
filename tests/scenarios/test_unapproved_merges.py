"""A person's Merge is that person's approval; where that is not enough, the merge is taken back before it runs."""

import signal
from typing import Literal

import pytest

from bot.sandbox.forge.faults import perform_then_drop, perform_then_status
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, Bot, World, until


def reverts(app: AppWorld, merge: str) -> list[str]:
    """The bot's reverts of a merge, by the trailers that anybody can read."""
    found = app.world.git("log", "--format=%H", f"--grep=^Reverts: {merge}$", "master").split()
    return [sha for sha in found if "/unapproved/" in app.world.git("log", "-1", "--format=%B", sha)]


def words_on(app: AppWorld, number: int) -> str:
    """All comments on a promotion."""
    return "\n".join(comment["body"] for comment in app.world.api(f"/repos/{CONFIG}/issues/{number}/comments"))


@pytest.mark.parametrize("method", ["squash", "merge", "rebase"])
def test_a_merge_by_somebody_who_may_not_approve_is_reverted_and_proposed_anew(
    shared: World, method: Literal["squash", "merge", "rebase"]
) -> None:
    app = shared.add_app(f"hasty-{method}")
    first = app.merge("First")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    before, running = shared.git("show", f"master:production/{app.name}.yaml"), app.running("production")
    second = app.merge("Second")
    number = app.await_promotion(second)["number"]
    merged = shared.forge.merge_pull_request(CONFIG, number, DEVELOPER, method)
    outcome = app.await_outcome(merged, "production")
    assert (outcome.outcome, outcome.approved_by) == ("superseded", ())
    (revert,) = reverts(app, merged)
    assert outcome.reason == f"unapproved: reverted in {revert}, and not applied"
    assert shared.git("show", f"{revert}:production/{app.name}.yaml") == before
    body = shared.git("log", "-1", "--format=%B", revert)
    assert f"Slipway-Id: {app.name}@{second}/production/unapproved/{merged[:12]}" in body
    assert f"Reason: @{DEVELOPER} merged #{number} before it was approved" in body
    until("the reason on the pull request", lambda: "was reverted" in words_on(app, number))
    until("the sync of the revert", lambda: app.outcome(revert, "production"))
    put_back = app.outcome(revert, "production")
    assert put_back
    assert (put_back.outcome, put_back.reason) == ("healthy", "")
    assert app.running("production") == running
    anew = app.await_promotion(second)["number"]
    assert anew != number
    assert f"#{anew} proposes the same release anew" in words_on(app, number)
    app.approve(anew)
    until("the second release, approved", lambda: second[:7] in (app.running("production") or ""))
    assert len(reverts(app, merged)) == 1


def test_a_merge_is_taken_as_it_is_where_the_catalog_says_so(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.gate["require_approval_on_merge"] = False
    bot.start()
    app = world.add_app("lenient")
    first = app.merge("First")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    second = app.merge("Second")
    merged = world.forge.merge_pull_request(CONFIG, app.await_promotion(second)["number"], DEVELOPER, "squash")
    outcome = app.await_outcome(merged, "production")
    assert (outcome.outcome, outcome.approved_by) == ("healthy", ())
    assert outcome.reason.startswith("unapproved")
    assert reverts(app, merged) == []


def test_one_of_two_approvals_and_a_merge_by_the_second_person_are_enough(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.forge.create_user("ada")
    world.gate.update(approvals=2, approvers=[f"@{APPROVER}", "@ada"])
    bot.start()
    app = world.add_app("two")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    app.approve(number)
    merged = world.forge.merge_pull_request(CONFIG, number, "ada", "merge")
    outcome = app.await_outcome(merged, "production")
    assert (outcome.outcome, outcome.approved_by) == ("healthy", (APPROVER, "ada"))


def test_a_first_release_merged_by_one_of_two_goes_back_to_its_placeholder_and_runs_nowhere(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    world.gate["approvals"] = 2
    world.gate["approvers"] = [f"@{APPROVER}", f"@{DEVELOPER}"]
    bot.start()
    app = world.add_app("early")
    path = f"production/{app.name}.yaml"
    before = world.git("show", f"master:{path}")
    number = app.await_promotion(app.merge("A change"))["number"]
    bot.stop()
    merged = world.forge.merge_pull_request(CONFIG, number, APPROVER, "squash")
    edited = world.git("show", f"master:{path}").replace("replicas: 2", "replicas: 3") + "\n"
    world.forge.commit(CONFIG, "master", {path: edited}, "More pods", DEVELOPER)
    bot.start()
    (revert,) = until("the revert", lambda: reverts(app, merged))
    assert world.git("show", f"{revert}:{path}") == before.replace("replicas: 2", "replicas: 3")
    until("the reason", lambda: f"@{APPROVER} merged it" in words_on(app, number))
    assert "1 of 2 approvals" in words_on(app, number)
    assert app.running("production") is None


def test_nobody_approves_a_push_of_their_own_to_a_promotion_by_merging_it(shared: World) -> None:
    app = shared.add_app("own-push")
    first = app.merge("First")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    before = shared.git("show", f"master:production/{app.name}.yaml")
    number = app.await_promotion(app.merge("Second"))["number"]
    branch, path = f"slipway/production/{app.name}", f"production/{app.name}.yaml"
    edited = shared.git("show", f"{branch}:{path}").replace("replicas: 2", "replicas: 9") + "\n"
    shared.forge.commit(CONFIG, branch, {path: edited}, "More pods", APPROVER)
    merged = shared.forge.merge_pull_request(CONFIG, number, APPROVER, "merge")
    (revert,) = until("the revert", lambda: reverts(app, merged))
    assert shared.git("show", f"{revert}:{path}") == before
    until("the reason", lambda: f"0 of 1 approvals; {APPROVER} may not approve here" in words_on(app, number))


def one_of_each(app: AppWorld, number: int, merged: str, sha: str) -> None:
    """One revert, one comment, one new promotion, once all that is to come has come."""
    until("the reason on the pull request", lambda: "proposes the same release anew" in words_on(app, number))
    (revert,) = reverts(app, merged)
    assert app.await_outcome(revert, "production").outcome == "healthy"
    assert app.await_promotion(sha)["number"] != number
    assert len(app.promotions("all")) == len(app.promotions("closed")) + 1
    assert words_on(app, number).count("This merge was reverted") == 1


def hasty_merge(app: AppWorld) -> tuple[int, str]:
    """A first release that is live, and a second whose promotion waits for somebody's hasty merge."""
    first = app.merge("First")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    second = app.merge("Second")
    return int(app.await_promotion(second)["number"]), second


def test_answers_that_are_lost_while_a_merge_is_taken_back_double_nothing(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("lossy")
    number, second = hasty_merge(app)
    world.forge.faults.add("POST", f"/{CONFIG}.git/git-receive-pack$", perform_then_status(502))
    world.forge.faults.add("POST", f"/repos/{CONFIG}/pulls$", perform_then_drop())
    world.forge.faults.add("POST", f"/repos/{CONFIG}/issues/{number}/comments$", perform_then_status(502))
    merged = world.forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    one_of_each(app, number, merged, second)


def test_a_worker_that_dies_right_after_the_revert_is_taken_over(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("dying")
    number, second = hasty_merge(app)
    merged = world.forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    until("the revert", lambda: reverts(app, merged))
    bot.stop(signal.SIGKILL)
    bot.start()
    one_of_each(app, number, merged, second)
