"""A person's Merge is that person's approval; where that is not enough, the merge is taken back before it runs."""

from typing import Literal

import pytest

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
