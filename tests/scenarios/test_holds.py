"""A hold keeps releases and approvals out, and nothing else; once it is lifted, what it kept out goes in."""

from tests.scenarios.commands import command, facts
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, Bot, World, until


def described(world: World, repo: str, sha: str, words: str) -> bool:
    """Whether a commit's newest statuses say that."""
    return any(words in each["description"] for each in world.api(f"/repos/{repo}/commits/{sha}/status")["statuses"])


def test_a_release_waits_before_a_held_environment_and_enters_when_it_is_resumed(shared: World) -> None:
    app = shared.add_app("held-staging")
    first = app.merge("First")
    app.await_live("staging", first)
    held = facts(shared, "hold", app.name, "staging", "--reason", "The till is being counted", "--as", DEVELOPER)
    assert (held["changed"], held["by"]) == (True, DEVELOPER)
    second = app.merge("Second")
    until("the reason", lambda: described(shared, app.source, second, "held out of staging by @dora: The till"))
    assert app.bumps("staging", second) == []
    assert shared.digest(app.image, second[:7]) is not None
    row = "| staging | ⏸️ held | by @dora: The till is being counted |"
    until("the row of the comment", lambda: any(row in text for text in app.comments(2)))
    (shown,) = facts(shared, "status", app.name)["apps"]
    assert shown["environments"]["staging"]["hold_reason"] == "The till is being counted"
    resumed = facts(shared, "resume", app.name, "staging", "--as", f"@{DEVELOPER}")
    assert resumed["changed"] is True
    assert app.await_live("staging", second).outcome == "healthy"
    assert len(app.bumps("staging", second)) == 1


def test_the_commits_of_a_hold_tell_who_and_why(shared: World) -> None:
    app = shared.add_app("told")
    done = facts(shared, "hold", app.name, "production", "--reason", "Audit\nSlipway-Id: forged", "--as", DEVELOPER)
    commit = done["commit"]
    assert shared.git("log", "-1", "--format=%s|%an|%ae|%cn", commit).split("|") == [
        "told: hold production",
        DEVELOPER,
        next(f"{user['id']}+{DEVELOPER}@users.noreply.github.com" for user in [shared.api(f"/users/{DEVELOPER}")]),
        "slipway-bot",
    ]
    trailers = shared.git("log", "-1", "--format=%(trailers:only,unfold)", commit).splitlines()
    assert trailers[1:] == [
        f"App: {app.name}",
        "Environment: production",
        "Reason: Audit Slipway-Id: forged",
        f"Requested-by: @{DEVELOPER}",
    ]
    assert 'reason: "Audit Slipway-Id: forged"' in shared.git("show", "master:.slipway/holds/production/told.yaml")
    again = command(shared, "hold", app.name, "production", "--reason", "Another")
    assert again.returncode == 0
    assert "is held in production already by @dora: Audit" in again.stdout
    resumed = command(shared, "resume", app.name, "production")
    assert "The hold on told in production is lifted (it was held by @dora: Audit" in resumed.stdout
    subject, author = shared.git("log", "-1", "--format=%s|%an", "master").split("|")
    assert (subject, author) == ("told: resume production", "slipway-bot")
    assert shared.git("ls-tree", "-r", "--name-only", "master", ".slipway/holds/production/told.yaml") == ""
    assert "is not held in production" in command(shared, "resume", app.name, "production").stdout
    assert len(shared.git("log", "--format=%H", "--grep=^App: told$", "master").split()) == 2


def test_what_cannot_be_held_is_explained(shared: World) -> None:
    shared.add_app("till")
    head = shared.git("rev-parse", "master")
    for arguments, words, code in (
        (("hold", "til", "production", "--reason", "x"), "did you mean `till`", 1),
        (("hold", "till", "live", "--reason", "x"), "there are `staging` and `production`", 1),
        (("hold", "till", "production", "--reason", " "), "Say why", 1),
        (("hold", "till", "production"), "--reason", 2),
        (("resume", "till", "prod"), "did you mean `production`", 1),
    ):
        answer = command(shared, *arguments)
        assert (answer.returncode, words in answer.stderr) == (code, True), answer.stderr
        assert "Traceback" not in answer.stderr
    assert shared.git("rev-parse", "master") == head


def test_an_approval_during_a_hold_waits_and_is_carried_out_when_it_is_lifted(shared: World) -> None:
    app = shared.add_app("held-approval")
    sha = app.merge("A change")
    promotion = app.await_promotion(sha)
    facts(shared, "hold", app.name, "production", "--reason", "Not before noon", "--as", DEVELOPER)
    app.approve(promotion["number"])
    head = promotion["head"]["sha"]
    words = f"Approved by {APPROVER}; held by @{DEVELOPER}: Not before noon"
    until("the status", lambda: described(shared, CONFIG, head, words))
    assert app.bumps("production") == []
    facts(shared, "resume", app.name, "production")
    assert app.await_live("production", sha).outcome == "healthy"
    assert len(app.bumps("production")) == 1


def test_an_approval_that_was_taken_back_during_a_hold_is_not_carried_out(shared: World) -> None:
    app = shared.add_app("held-dismissed")
    sha = app.merge("A change")
    promotion = app.await_promotion(sha)
    facts(shared, "hold", app.name, "production", "--reason", "Not before noon")
    app.approve(promotion["number"])
    head = promotion["head"]["sha"]
    until("the status", lambda: described(shared, CONFIG, head, "; held by @slipway-bot: Not before noon"))
    shared.forge.review(CONFIG, promotion["number"], APPROVER, "REQUEST_CHANGES", "Changed my mind")
    until("the change of mind", lambda: described(shared, CONFIG, head, "asked for changes"))
    facts(shared, "resume", app.name, "production")
    other = shared.add_app("held-dismissed-other")
    other.await_live("staging", other.merge("Something that takes longer"))
    assert app.bumps("production") == []
    assert [pull["state"] for pull in app.promotions()] == ["open"]


def test_a_release_that_became_healthy_before_a_held_environment_is_proposed_once_it_is_resumed(
    shared: World,
) -> None:
    app = shared.add_app("held-production")
    facts(shared, "hold", app.name, "production", "--reason", "Christmas")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    until("the reason", lambda: described(shared, app.source, sha, "held out of production by @slipway-bot: Christmas"))
    assert app.promotions("all") == []
    facts(shared, "resume", app.name, "production")
    app.approve(app.await_promotion(sha)["number"])
    assert app.await_live("production", sha).outcome == "healthy"
    assert len(app.promotions("all")) == 1


def test_a_hold_does_not_stop_a_change_beside_the_image(shared: World) -> None:
    app = shared.add_app("held-edit")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    facts(shared, "hold", app.name, "staging", "--reason", "Christmas")
    path = f"staging/{app.name}.yaml"
    text = shared.git("show", f"master:{path}").replace("replicas: 2", "replicas: 3") + "\n"
    edited = shared.forge.commit(CONFIG, "master", {path: text}, "More pods", DEVELOPER)
    assert app.await_outcome(edited, "staging").outcome == "healthy"


def test_a_hold_that_a_person_deletes_by_hand_lets_the_release_in(shared: World) -> None:
    app = shared.add_app("held-by-hand")
    path = f".slipway/holds/staging/{app.name}.yaml"
    shared.forge.commit(CONFIG, "master", {path: "reason: By hand\n"}, "Hold", DEVELOPER)
    sha = app.merge("A change")
    until("the reason", lambda: described(shared, app.source, sha, "held out of staging: By hand"))
    shared.forge.commit(CONFIG, "master", {path: None}, "Go on", DEVELOPER)
    assert app.await_live("staging", sha).outcome == "healthy"


def test_a_release_waits_before_a_frozen_environment_and_enters_when_the_freeze_ends(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    world.staging["freeze"] = ["2020-01-01 - 2099-12-31 Europe/London"]
    bot.start()
    app = world.add_app("frozen")
    sha = app.merge("A change")
    until(
        "the end of the freeze in the status",
        lambda: described(world, app.source, sha, "staging is frozen until Fri 1 Jan 2100, 00:00 Europe/London"),
    )
    row = "| staging | ❄️ frozen | until Fri 1 Jan 2100, 00:00 Europe/London |"
    until("the row of the comment", lambda: any(row in text for text in app.comments()))
    assert app.bumps("staging") == []
    world.staging["freeze"] = ["2020-01-01 - 2020-01-02 Europe/London"]
    world.change_catalog("Thaw")
    assert app.await_live("staging", sha).outcome == "healthy"
    assert len(app.bumps("staging")) == 1


def test_a_hold_works_while_no_worker_runs_and_is_found_by_the_next_one(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    app = world.add_app("asleep")
    facts(world, "hold", app.name, "staging", "--reason", "Nobody is there")
    sha = app.merge("A change")
    bot.start()
    until("the reason", lambda: described(world, app.source, sha, "held out of staging"))
    assert app.bumps("staging") == []
    bot.stop()
    assert facts(world, "resume", app.name, "staging")["changed"] is True
    bot.start()
    assert app.await_live("staging", sha).outcome == "healthy"
