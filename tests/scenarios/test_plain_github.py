"""A GitHub that offers only what the design calls needed; everything else answers 404, 403 or 501."""

from bot.sandbox.forge.faults import status
from tests.scenarios.world import APPROVER, Bot, World, until

FOR_EVER = 10**9


def test_the_way_to_production_needs_only_the_needed_parts(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    faults = world.forge.faults
    faults.add("GET", "/user$", status(404), FOR_EVER)
    faults.add("*", "/statuses", status(501), FOR_EVER)
    faults.add("*", "/status$", status(501), FOR_EVER)
    faults.add("*", "/(deployments|check-runs|rules|hooks|teams|collaborators|protection)", status(403), FOR_EVER)
    faults.add("*", "/(orgs|users|rate_limit|app)", status(404), FOR_EVER)
    bot.start()
    app = world.add_app("plain")
    sha = app.merge("A change")
    app.approve(app.await_promotion(sha)["number"])
    live = app.await_live("production", sha)
    assert (live.outcome, live.approved_by) == ("healthy", (APPROVER,))
    until("latest", lambda: world.digest(app.image, "latest") == world.digest(app.image, sha[:7]))
    until("the comment to say so", lambda: app.comments() and app.comments()[0].count("✅ live") == 2)
    assert len(app.comments()) == 1
