"""The bot merges past the branch's rules, so CODEOWNERS is Slipway's to heed."""

from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, World, until

OWNER = "olga"


def approval_said(world: World, head: str) -> str:
    """The text of the status that a promotion's page shows."""
    statuses = world.api(f"/repos/{CONFIG}/commits/{head}/status")["statuses"]
    return next((status["description"] for status in statuses if status["context"] == "slipway/approval"), "")


def test_a_code_owner_of_the_manifest_must_approve_beside_the_number(shared: World) -> None:
    shared.forge.create_user(OWNER)
    shared.forge.set_permission(CONFIG, OWNER, "write")
    shared.forge.create_team("acme", "owners", [OWNER])
    lines = "* @otto\n/production/ @acme/nobody\n/production/owned.yaml @acme/owners olga@acme.example\n"
    shared.forge.commit(CONFIG, "master", {".github/CODEOWNERS": lines}, "Name the owners", DEVELOPER)
    app = shared.add_app("owned")
    sha = app.merge("A change")
    promotion = app.await_promotion(sha)
    number, head = promotion["number"], promotion["head"]["sha"]
    assert "By CODEOWNERS, a code owner (@acme/owners) must approve." in promotion["body"]
    wanted = "0 of 1 approvals; a code owner (@acme/owners) must approve"
    until("what is missing", lambda: approval_said(shared, head) == wanted)
    app.approve(number)
    wanted = "1 of 1 approvals; a code owner (@acme/owners) must approve"
    until("what is still missing", lambda: approval_said(shared, head) == wanted)
    assert app.bumps("production") == []
    app.approve(number, OWNER)
    outcome = app.await_live("production", sha)
    assert (outcome.outcome, outcome.approved_by) == ("healthy", (APPROVER, OWNER))


def test_a_code_owner_who_may_not_write_any_more_does_not_count(shared: World) -> None:
    shared.forge.create_user("oskar")
    shared.forge.set_permission(CONFIG, "oskar", "write")
    lines = "/production/left.yaml @oskar\n"
    shared.forge.commit(CONFIG, "master", {"CODEOWNERS": lines, ".github/CODEOWNERS": None}, "Owners", DEVELOPER)
    app = shared.add_app("left")
    promotion = app.await_promotion(app.merge("A change"))
    number, head = promotion["number"], promotion["head"]["sha"]
    app.approve(number, "oskar")
    shared.forge.set_permission(CONFIG, "oskar", "read")
    app.approve(number)
    wanted = "1 of 1 approvals; a code owner (@oskar) must approve; oskar may not approve here"
    until("that he does not count", lambda: approval_said(shared, head) == wanted)
    assert app.bumps("production") == []
    shared.forge.set_permission(CONFIG, "oskar", "write")
    until("the merge, found by reconcile", lambda: app.bumps("production"))
