"""GitHub still works on what it was asked for when the worker dies, or the connection does: it is not asked again."""

import signal
import socket
import threading
import time
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Response

from bot.sandbox.forge.faults import Action
from tests.scenarios.world import CONFIG, Bot, World, until

LATE_SECONDS = 7.0
"""Longer than a worker needs to start and to look, shorter than GitHub lets a request live."""


def arrive_late(begun: threading.Event) -> Action:
    """Tell that the request is here, and do it late, whatever becomes of who asked for it."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:
        begun.set()
        time.sleep(LATE_SECONDS)
        return app

    return act


def hang_up_and_do_it_late(arrived: list[str]) -> Action:
    """The connection breaks, and what was asked for happens all the same, after the next look for it."""

    def act(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        time.sleep(LATE_SECONDS)
        Response.from_app(app, environ, buffered=True).close()
        arrived.append(environ["PATH_INFO"])
        raise ConnectionAbortedError

    return act


def test_what_a_broken_connection_brings_late_is_not_sent_again(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("broken")
    paths, arrived = ("issues/1/comments$", "deployments$", "statuses/"), list[str]()
    for path in paths:
        world.forge.faults.add("POST", f"/repos/{app.source}/{path}", hang_up_and_do_it_late(arrived))
    sha = app.merge("A change")
    app.await_promotion(sha)
    until("what is late", lambda: len(arrived) == len(paths))
    until("staging to be told", lambda: app.statuses(sha).get("slipway/staging") == "success")
    said = [one["context"] for one in world.api(f"/repos/{app.source}/commits/{sha}/statuses")]
    assert said.count("slipway/staging") == 1
    assert len(app.comments()) == 1
    assert [one["environment"] for one in world.api(f"/repos/{app.source}/deployments")] == ["staging"]


def test_what_a_dead_worker_had_sent_out_is_not_sent_again(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("late")

    def die_during(method: str, path: str) -> threading.Event:
        begun = threading.Event()
        world.forge.faults.add(method, path, arrive_late(begun))
        return begun

    def restart(begun: threading.Event, what: str) -> None:
        until(what, begun.is_set)
        bot.stop(signal.SIGKILL)
        bot.start()

    commenting = die_during("POST", f"/repos/{app.source}/issues/1/comments$")
    deploying = die_during("POST", f"/repos/{app.source}/deployments$")
    sha = app.merge("A change")
    restart(commenting, "the first comment to be on its way")
    restart(deploying, "the first deployment to be on its way")
    number = app.await_promotion(sha)["number"]
    head = app.promotions("open")[0]["head"]["sha"]
    until("the promotion to wait", lambda: len(world.api(f"/repos/{CONFIG}/commits/{head}/statuses")) == 1)
    approving = die_during("POST", f"/repos/{CONFIG}/statuses/{head}$")
    app.approve(number)
    restart(approving, "the approval to be told")
    app.await_live("production", sha)
    until("the comment to say so", lambda: app.comments() and app.comments()[0].count("✅ live") == 2)
    said = [one["description"] for one in reversed(world.api(f"/repos/{CONFIG}/commits/{head}/statuses"))]
    assert (said[0], said[1].partition(" by ")[0], len(said)) == ("0 of 1 approvals", "Approved", 2)
    assert len(app.comments()) == 1
    deployed = [one["environment"] for one in world.api(f"/repos/{app.source}/deployments")]
    assert sorted(deployed) == ["production", "staging"]
