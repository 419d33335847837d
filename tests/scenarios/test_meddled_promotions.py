"""Promotions that people, or time, meddled with: each ends as a person would expect, and says so."""

from typing import Any

from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, Bot, World, until

BRANCH = "slipway/production/"


def words_on(app: AppWorld, number: int) -> str:
    """All comments on a promotion."""
    return "\n".join(comment["body"] for comment in app.world.api(f"/repos/{CONFIG}/issues/{number}/comments"))


def await_words(app: AppWorld, number: int, wanted: str) -> None:
    until(f"{wanted!r} on #{number}", lambda: wanted in words_on(app, number))


def page(app: AppWorld, number: int) -> Any:
    return app.world.api(f"/repos/{CONFIG}/pulls/{number}")


def text_of(app: AppWorld, ref: str = "master") -> str:
    return app.world.git("show", f"{ref}:production/{app.name}.yaml") + "\n"


def push(app: AppWorld, branch: str, *replaced: tuple[str, str], ref: str = "master") -> str:
    """Dora edits the production manifest on a branch."""
    text = text_of(app, ref)
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    files = {f"production/{app.name}.yaml": text}
    return app.world.forge.commit(CONFIG, branch, files, "Edit by hand", DEVELOPER)


def proposed(world: World, name: str) -> tuple[AppWorld, str, int]:
    """An app whose first release waits for approval."""
    app = world.add_app(name)
    sha = app.merge("A change")
    return app, sha, int(app.await_promotion(sha)["number"])


def test_an_edit_elsewhere_in_the_file_leaves_the_approval_as_it_is(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.gate.update(approvals=2, approvers=[f"@{APPROVER}", f"@{DEVELOPER}"], self_approval=True)
    bot.start()
    app, sha, number = proposed(world, "elsewhere")
    head = page(app, number)["head"]["sha"]
    app.approve(number)
    push(app, "master", ("replicas: 2", "replicas: 3"))
    app.approve(number, DEVELOPER)
    assert app.await_live("production", sha).outcome == "healthy"
    assert page(app, number)["head"]["sha"] == head
    assert "replicas: 3" in text_of(app)
    assert sha[:7] in text_of(app)


def test_an_edit_of_the_same_line_makes_it_anew_and_asks_for_approval_anew(shared: World) -> None:
    app, sha, number = proposed(shared, "same-line")
    old_head = app.promotions()[0]["head"]["sha"]
    shared.forge.review(CONFIG, number, APPROVER, "COMMENT", "Looks good")
    push(app, "master", (":${TAG_TO_DEPLOY}", ":by-hand"))
    await_words(app, number, "This must be approved as it is now.")
    assert "Edit by hand" in words_on(app, number)
    (moved,) = app.promotions()
    assert moved["number"] == number
    assert moved["head"]["sha"] != old_head
    assert app.bumps("production") == []
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    assert shared.git("log", "--format=%p", "-1", *app.bumps("production")).count(" ") == 0


def test_the_void_approval_is_named_when_it_is_made_anew(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.gate["approvals"] = 2
    world.gate["approvers"] = [f"@{APPROVER}", f"@{DEVELOPER}"]
    bot.start()
    app, _, number = proposed(world, "void")
    app.approve(number)
    world.forge.faults.webhooks.drop = 1.0
    push(app, "master", (":${TAG_TO_DEPLOY}", ":by-hand"))
    await_words(app, number, "This must be approved anew.")
    assert f"What @{APPROVER} approved is the commit before" in words_on(app, number)
    assert app.bumps("production") == []


def test_a_person_s_push_to_its_branch_is_explained_not_merged_and_not_overwritten(shared: World) -> None:
    app, sha, number = proposed(shared, "pushed-to")
    ours = app.promotions()[0]["head"]["sha"]
    branch = BRANCH + app.name
    theirs = push(app, branch, ("replicas: 2", "replicas: 9"), ref=branch)
    await_words(app, number, "Slipway does not merge this as it is.")
    assert f"git push --force-with-lease origin {ours}:refs/heads/{branch}" in words_on(app, number)
    app.approve(number)
    status = f"/repos/{CONFIG}/commits/{theirs}/status"
    until("the status", lambda: "its head is not Slipway's commit" in str(shared.api(status)["statuses"]))
    assert app.bumps("production") == []
    assert shared.forge.head(CONFIG, branch) == theirs
    shared.forge.move_branch(CONFIG, branch, ours, DEVELOPER)
    await_words(app, number, "The head is Slipway's commit again")
    assert "Slipway does not merge this as it is" not in words_on(app, number)
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    assert "replicas: 9" not in text_of(app)


def test_an_amended_commit_that_keeps_slipway_s_trailers_is_not_slipway_s(shared: World) -> None:
    app, sha, number = proposed(shared, "amended")
    branch = BRANCH + app.name
    ours = app.promotions()[0]["head"]["sha"]
    message = shared.git("log", "-1", "--format=%B", ours)
    text = text_of(app, ours).replace("replicas: 2", "replicas: 9")
    amended = shared.forge.commit(CONFIG, "amend", {f"production/{app.name}.yaml": text}, message, DEVELOPER)
    shared.forge.move_branch(CONFIG, branch, amended, DEVELOPER)
    await_words(app, number, "Slipway does not merge this as it is.")
    app.approve(number)
    assert f"python3 -m bot promote amended production --release {sha[:7]}" in words_on(app, number)
    assert app.bumps("production") == []


def test_a_promotion_that_was_closed_stays_declined_until_it_is_reopened(shared: World) -> None:
    app, sha, number = proposed(shared, "closed")
    shared.forge.close_pull_request(CONFIG, number, APPROVER)
    await_words(app, number, "**Declined.** It was closed without a merge")
    until("the row on the source pull request", lambda: "🚫 declined" in "".join(app.comments()))
    shared.forge.edit_pull_request(CONFIG, number, DEVELOPER, state="open")
    await_words(app, number, "Open again")
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    assert len(app.promotions("all")) == 1


def test_a_promotion_that_is_closed_once_more_is_told_where_no_webhook_came(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app, sha, number = proposed(world, "again")
    world.forge.close_pull_request(CONFIG, number, APPROVER)
    await_words(app, number, "**Declined.**")
    world.forge.edit_pull_request(CONFIG, number, DEVELOPER, state="open")
    await_words(app, number, "Open again")
    assert world.forge.wait_for_deliveries()
    world.forge.faults.webhooks.drop = 1.0
    world.forge.close_pull_request(CONFIG, number, APPROVER)
    await_words(app, number, "**Declined.**")
    until("a red status", lambda: app.statuses(sha).get("slipway/production") == "failure")


def test_the_next_release_after_a_declined_one_has_a_pull_request_of_its_own(shared: World) -> None:
    app, _, number = proposed(shared, "declined")
    shared.forge.delete_branch(CONFIG, BRANCH + app.name, APPROVER)
    await_words(app, number, "**Declined.** Its branch was deleted, which closed it")
    assert app.promotions() == []
    second = app.merge("Another change")
    anew = app.await_promotion(second)["number"]
    assert anew != number
    app.approve(anew)
    assert app.await_live("production", second).outcome == "healthy"


def test_the_promotion_of_an_app_that_left_the_catalog_is_closed_with_a_word_why(shared: World) -> None:
    app, sha, number = proposed(shared, "leaver")
    left = next(known for known in shared.apps if known["name"] == app.name)
    shared.apps.remove(left)
    shared.forge.commit(CONFIG, "master", {"slipway.yaml": shared.catalog()}, "Let it go", DEVELOPER)
    await_words(app, number, "`leaver` is not among the apps of slipway.yaml any more.")
    until("it to be closed", lambda: page(app, number)["state"] == "closed")
    until("its branch to be gone", lambda: shared.forge.head(CONFIG, BRANCH + app.name) is None)
    shared.apps.append(left)
    shared.forge.commit(CONFIG, "master", {"slipway.yaml": shared.catalog()}, "Take it back", DEVELOPER)
    assert "Declined" not in words_on(app, number)
    second = app.merge("Back again")
    assert app.await_promotion(second)["number"] != number
    assert app.bumps("production", sha) == []


def test_a_promotion_that_is_aimed_at_another_branch_is_not_merged(shared: World) -> None:
    app, sha, number = proposed(shared, "aimed")
    shared.forge.commit(CONFIG, "elsewhere", {"x": "y"}, "A branch", DEVELOPER)
    shared.forge.edit_pull_request(CONFIG, number, DEVELOPER, base="elsewhere")
    await_words(app, number, "It is aimed at `elsewhere`")
    app.approve(number)
    shared.forge.edit_pull_request(CONFIG, number, DEVELOPER, base="master")
    assert app.await_live("production", sha).outcome == "healthy"
    assert app.world.git("log", "--format=%s", "elsewhere", "--not", "master") == "A branch"


def test_an_environment_that_was_renamed_closes_its_promotions_and_all_of_it_is_found_without_webhooks(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    bot.start()
    closed, _, closed_number = proposed(world, "closed")
    pushed, _, pushed_number = proposed(world, "pushed")
    edited, _, edited_number = proposed(world, "edited")
    assert world.forge.wait_for_deliveries()
    world.forge.faults.webhooks.drop = 1.0
    world.forge.close_pull_request(CONFIG, closed_number, DEVELOPER)
    push(pushed, BRANCH + "pushed", ("replicas: 2", "replicas: 9"), ref=BRANCH + "pushed")
    push(edited, "master", (":${TAG_TO_DEPLOY}", ":by-hand"))
    await_words(closed, closed_number, "**Declined.**")
    await_words(pushed, pushed_number, "Slipway does not merge this as it is.")
    await_words(edited, edited_number, "This must be approved as it is now.")
    renamed = world.catalog().replace("name: production", "name: live")
    world.forge.commit(CONFIG, "master", {"slipway.yaml": renamed}, "Rename it", DEVELOPER)
    for app, number in ((pushed, pushed_number), (edited, edited_number)):
        await_words(app, number, "`production` is not among the environments of slipway.yaml any more")
        until("it to be closed", lambda app=app, number=number: page(app, number)["state"] == "closed")  # type: ignore[misc]
    assert world.forge.head(CONFIG, BRANCH + "pushed")
