"""What GitHub, or a person on GitHub, refuses: it is said where people look, and nothing half done is left behind."""

from pathlib import Path

from bot.sandbox.forge import faults
from tests.scenarios.world import APPROVER, BOT, CONFIG, DEVELOPER, AppWorld, World, until


def promotion_comment(world: World, number: int) -> str:
    """The one comment on a promotion that failed."""
    path = f"/repos/{CONFIG}/issues/{number}/comments"
    told = until("the comment", lambda: [text for one in world.api(path) if _refuses(text := str(one["body"]))])
    (comment,) = told
    return comment


def _refuses(text: str) -> bool:
    return "failed" in text or "not merged" in text


def untouched(app: AppWorld) -> bool:
    """Whether production has neither the image nor a bump."""
    return app.running("production") is None and app.bumps("production") == []


def looks_at_promotions(world: World) -> int:
    """How often the open pull requests were listed, as the bot does whenever it looks of its own accord."""
    path = f"/repos/{CONFIG}/pulls"
    return sum(1 for asked in world.forge.requests_log if asked.method == "GET" and asked.path.endswith(path))


def test_a_branch_rule_in_the_way_of_a_merge_is_told_with_who_lifts_it(shared: World) -> None:
    app = shared.add_app("ruled")
    promotion = app.await_promotion(app.merge("A change"))
    shared.forge.protect(CONFIG, "master", approvals=2)
    try:
        app.approve(promotion["number"])
        comment = promotion_comment(shared, promotion["number"])
        assert untouched(app)
    finally:
        shared.forge.protect(CONFIG, "master", approvals=0)
    assert "**Approved, and not merged: the rules of `master` do not let Slipway.**" in comment
    assert "let Slipway's account bypass it" in comment
    assert "`python -m bot doctor` names the rule" in comment
    until("the merge, now that nothing is in its way", lambda: app.bumps("production"))


def test_a_bot_that_may_only_read_the_config_repo_is_told_on_the_pull_request(shared: World) -> None:
    app = shared.add_app("read-only")
    head = shared.git("rev-parse", "master")
    shared.forge.set_permission(CONFIG, BOT, "read")
    try:
        sha = app.merge("A change")
        until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
        (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
    finally:
        shared.forge.set_permission(CONFIG, BOT, "write")
    assert "**Bringing it to staging failed.**" in comment
    assert "Give the bot's account or app read and write access to the contents of acme/config" in comment
    assert shared.git("rev-parse", "master") == head
    assert app.running("staging") is None


def test_a_branch_that_refuses_the_bots_push_is_told_on_the_pull_request(shared: World, tmp_path: Path) -> None:
    app = shared.add_app("protected")
    head = shared.git("rev-parse", "master")
    hook = tmp_path / "update"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed for refs/heads/master.' >&2\nexit 1\n")
    hook.chmod(0o755)
    hooks = shared.git("config", "core.hooksPath")
    shared.git("config", "core.hooksPath", str(tmp_path))
    try:
        sha = app.merge("A change")
        until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
        (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
    finally:
        shared.git("config", "core.hooksPath", hooks)
    assert "acme/config does not let the bot push to master" in comment
    assert "Let the bot's account or app bypass the branch's rules." in comment
    assert shared.git("rev-parse", "master") == head
    assert app.running("staging") is None


def test_a_promotion_that_a_person_closes_stays_closed_until_something_newer(shared: World) -> None:
    app = shared.add_app("declined")
    first = app.merge("First")
    number = app.await_promotion(first)["number"]
    until("a pending status", lambda: app.statuses(first).get("slipway/production") == "pending")
    shared.forge.close_pull_request(CONFIG, number, APPROVER)
    until("a red status", lambda: app.statuses(first).get("slipway/production") == "failure")
    (comment,) = until("the comment", lambda: [text for text in app.comments() if "🚫 declined" in text])
    assert f"| production | 🚫 declined | [acme/config#{number}]" in comment
    assert "✅ live" in comment
    looks = looks_at_promotions(shared)
    until("another look", lambda: looks_at_promotions(shared) > looks + 1)
    assert app.promotions() == []
    assert untouched(app)
    second = app.merge("Second")
    assert app.await_promotion(second)["number"] != number


def test_a_promotion_whose_branch_a_person_deletes_is_declined_too(shared: World) -> None:
    app = shared.add_app("branchless")
    first = app.merge("First")
    number = app.await_promotion(first)["number"]
    shared.forge.delete_branch(CONFIG, "slipway/production/branchless", DEVELOPER)
    until("a red status", lambda: app.statuses(first).get("slipway/production") == "failure")
    until("the comment", lambda: [text for text in app.comments() if "declined" in text])
    assert untouched(app)
    second = app.merge("Second")
    newer = app.await_promotion(second)
    assert newer["number"] != number
    app.approve(newer["number"])
    assert app.await_live("production", second).outcome == "healthy"


def test_a_rate_limit_is_waited_out_and_nothing_is_done_twice(shared: World) -> None:
    app = shared.add_app("limited")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    limited = faults.status(403, {"Retry-After": "2"}, '{"message": "You have exceeded a secondary rate limit."}')
    shared.forge.faults.add("PUT", rf"/repos/{CONFIG}/pulls/{number}/merge", limited, times=2)
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    assert len(app.bumps("production", sha)) == 1
