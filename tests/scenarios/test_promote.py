"""A person brings a release into an environment: what the one before runs, or a certain one; through the gate."""

from tests.scenarios.commands import command, facts
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, Bot, World, until


def close(app: AppWorld, number: int) -> None:
    """Somebody declines a promotion."""
    app.world.forge.close_pull_request(CONFIG, number, APPROVER)


def trailers(world: World, commit: str) -> list[str]:
    return world.git("log", "-1", "--format=%(trailers:only,unfold)", commit).splitlines()


def test_a_declined_release_is_proposed_anew_when_somebody_asks_for_it(shared: World) -> None:
    app = shared.add_app("declined-asked")
    sha = app.merge("A change")
    first = app.await_promotion(sha)["number"]
    close(app, first)
    asked = facts(shared, "promote", app.name, "production", "--as", DEVELOPER)
    assert (asked["release"], asked["skipped"]) == (f"{app.name}@{sha}", [])
    anew = app.await_promotion(sha)
    assert anew["number"] != first
    assert f"| Asked for by | @{DEVELOPER} |" in anew["body"]
    app.approve(anew["number"])
    assert app.await_live("production", sha).outcome == "healthy"
    (bump,) = app.bumps("production", sha)
    assert f"Requested-by: @{DEVELOPER}" in trailers(shared, bump)
    assert f"Approved-by: @{APPROVER}" in trailers(shared, bump)
    again = facts(shared, "retry", asked["job"])["job"]
    until("the retry to end", lambda: again not in str(facts(shared, "status")["work"]))
    assert len(app.bumps("production", sha)) == 1
    assert app.promotions() == []


def test_a_promotion_never_goes_backwards_and_says_what_does(shared: World) -> None:
    app = shared.add_app("not-back")
    old = app.merge("Old")
    app.approve(app.await_promotion(old)["number"])
    app.await_live("production", old)
    new = app.merge("New")
    app.approve(app.await_promotion(new)["number"])
    app.await_live("production", new)
    head = shared.git("rev-parse", "master")
    answer = command(shared, "promote", app.name, "production", "--release", old[:7])
    assert answer.returncode == 1
    assert f"production runs {new[:7]}, which is newer than {old[:7]}" in answer.stderr
    assert f"use `rollback {app.name} production`" in answer.stderr
    assert shared.git("rev-parse", "master") == head
    assert [pull["state"] for pull in app.promotions()] == []


def test_what_cannot_be_promoted_is_explained(shared: World) -> None:
    app = shared.add_app("unpromoted")
    for arguments, words in (
        (("unpromoted", "production"), "staging does not run a healthy release of unpromoted now"),
        (("unpromoted", "staging"), "staging is the first environment"),
        (("unpromotd", "production"), "did you mean `unpromoted`"),
        (
            ("unpromoted", "production", "--release", "1234567"),
            "There is no release of unpromoted with the commit 1234567",
        ),
        (
            ("unpromoted", "production", "--release", "master"),
            "There is no release of unpromoted with the commit master",
        ),
    ):
        answer = command(shared, "promote", *arguments)
        assert (answer.returncode, words in answer.stderr) == (1, True), answer.stderr
        assert "Traceback" not in answer.stderr
    sha = app.merge("A change")
    app.await_promotion(sha)
    facts(shared, "hold", app.name, "production", "--reason", "Christmas", "--as", DEVELOPER)
    answer = command(shared, "promote", app.name, "production")
    assert answer.returncode == 1
    assert "is held in production by @dora: Christmas. Lift the hold first" in answer.stderr


def test_a_release_goes_through_three_environments_in_order(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.qa["gate"] = "commit"
    bot.start()
    app = world.add_app("three")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    staging, qa = app.bumps("staging", sha), app.bumps("qa", sha)
    assert [len(staging), len(qa)] == [1, 1]
    for commit, environment in ((staging[0], "staging"), (qa[0], "qa")):
        note = app.outcome(commit, environment)
        assert note
        assert note.outcome == "healthy"
    assert world.git("log", "--format=%H", f"{qa[0]}..master").count("\n") <= 1
    assert world.git("merge-base", "--is-ancestor", staging[0], qa[0]) == ""
    app.approve(number)
    assert app.await_live("production", sha).outcome == "healthy"
    digest = world.digest(app.image, sha[:7])
    assert {app.running(name) for name in ("staging", "qa", "production")} == {f"{app.image}:{sha[:7]}@{digest}"}


def test_a_release_that_skips_an_environment_says_so_in_the_trail(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.qa["gate"] = "commit"
    bot.start()
    app = world.add_app("skips")
    facts(world, "hold", app.name, "qa", "--reason", "Broken by us")
    sha = app.merge("An urgent change")
    app.await_live("staging", sha)
    asked = facts(world, "promote", app.name, "production", "--release", sha[:7], "--as", DEVELOPER)
    assert asked["skipped"] == ["qa"]
    promotion = app.await_promotion(sha)
    assert "| Skips | qa: it has not been healthy there |" in promotion["body"]
    app.approve(promotion["number"])
    assert app.await_live("production", sha).outcome == "healthy"
    (bump,) = app.bumps("production", sha)
    assert "Skipped: qa" in trailers(world, bump)
    assert app.bumps("qa") == []


def test_a_release_that_was_taken_back_enters_once_more_when_its_hold_is_lifted(shared: World) -> None:
    app = shared.add_app("taken-back")
    old = app.merge("Old")
    app.approve(app.await_promotion(old)["number"])
    app.await_live("production", old)
    new = app.merge("New")
    app.approve(app.await_promotion(new)["number"])
    app.await_live("production", new)
    facts(shared, "rollback", app.name, "production", "--reason", "Odd numbers")
    until("the old one to run", lambda: old[:7] in (app.running("production") or ""))
    assert app.promotions() == []
    facts(shared, "resume", app.name, "production", "--as", DEVELOPER)
    number = app.await_promotion(new)["number"]
    app.approve(number)
    until("the new one to run again", lambda: new[:7] in (app.running("production") or ""))
    newest, first = app.bumps("production", new)
    assert f"Slipway-Id: {app.name}@{new}/production/again/{first[:12]}" in trailers(shared, newest)
    assert f"Requested-by: @{DEVELOPER}" in trailers(shared, newest)
