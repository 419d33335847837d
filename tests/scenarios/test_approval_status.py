"""What a promotion's page says of its approvals, and who counts, as reviews come and go."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from bot.adapters.config_repo import GitConfigRepo
from bot.releases import Merge, Person, Release
from bot.settings import Settings
from bot.steps.enter import Entered, Entry, enter
from bot.worker import services
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, OUTSIDER, Bot, World, until


def await_status(world: World, head: str, wanted: str) -> None:
    """Wait until a head's ``slipway/approval`` says exactly that."""

    def said() -> str:
        statuses = world.api(f"/repos/{CONFIG}/commits/{head}/status")["statuses"]
        return next((status["description"] for status in statuses if status["context"] == "slipway/approval"), "")

    until(f"{wanted!r} on {head}", lambda: said() == wanted)


def test_the_status_follows_reviews_dismissals_and_the_head(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.forge.create_user("ada")
    world.gate.update(approvals=2, approvers=[f"@{APPROVER}", "@ada"])
    bot.start()
    app = world.add_app("followed")
    first = app.merge("First")
    promotion = app.await_promotion(first)
    number, head = promotion["number"], promotion["head"]["sha"]
    await_status(world, head, "0 of 2 approvals")
    review = world.forge.review(CONFIG, number, APPROVER, "APPROVE")
    await_status(world, head, "1 of 2 approvals")
    world.forge.dismiss_review(CONFIG, number, review, DEVELOPER)
    await_status(world, head, "0 of 2 approvals")
    world.forge.review(CONFIG, number, APPROVER, "REQUEST_CHANGES", "Not yet")
    await_status(world, head, f"{APPROVER} asked for changes")
    app.approve(number)
    await_status(world, head, "1 of 2 approvals")
    world.forge.review(CONFIG, number, APPROVER, "COMMENT", "By the way")
    moved = app.await_promotion(app.merge("Second"))
    assert moved["number"] == number
    await_status(world, moved["head"]["sha"], f"0 of 2 approvals; {APPROVER} approved an older commit")
    assert "when a newer release takes its place here, it must be approved anew" in moved["body"]
    app.approve(number, "ada")
    await_status(world, moved["head"]["sha"], f"1 of 2 approvals; {APPROVER} approved an older commit")
    assert app.bumps("production") == []
    app.approve(number)
    until("the merge", lambda: app.bumps("production"))
    assert len(app.promotions("all")) == 1


def test_without_approvers_those_count_who_may_write_at_that_moment_and_not_the_author(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    world.forge.create_user("leaver")
    world.forge.set_permission(CONFIG, "leaver", "write")
    del world.gate["approvers"]
    bot.start()
    app = world.add_app("open-to-all")
    sha = app.merge("A change")
    promotion = app.await_promotion(sha)
    number, head = promotion["number"], promotion["head"]["sha"]
    world.forge.set_permission(CONFIG, "leaver", None)
    for login in ("leaver", OUTSIDER, DEVELOPER):
        app.approve(number, login)
    await_status(world, head, f"0 of 1 approvals; leaver, {OUTSIDER}, {DEVELOPER} may not approve here")
    assert app.bumps("production") == []
    app.approve(number)
    assert app.await_live("production", sha).approved_by == (APPROVER,)


def test_two_workers_who_propose_at_once_open_one_pull_request(quiet: tuple[World, Bot]) -> None:
    world, _ = quiet
    app = world.add_app("twice")
    sha = "5" * 40
    image = f"{app.image}:5555555@sha256:{'a' * 64}"
    release = Release("twice", image, Merge(app.source, sha, "A change", Person(DEVELOPER), "2026-11-24T10:00:00Z"))
    settings = Settings.read(world.variables)
    no_queue: Any = None
    workers = [services(settings, no_queue, slot=slot) for slot in ("a", "b")]
    together = Barrier(len(workers))

    def propose(worker: Any) -> Entered:
        together.wait()
        return enter(worker, release, "production")

    with ThreadPoolExecutor(len(workers)) as pool:
        entered = list(pool.map(propose, workers))
    for worker in workers:
        assert isinstance(worker.config, GitConfigRepo)
        worker.config.close()
    (promotion,) = app.promotions("all")
    assert entered == [Entered(Entry.PROPOSED, pull_request=promotion["number"])] * 2
    assert world.git("rev-list", "--count", f"master..{promotion['head']['sha']}") == "1"
