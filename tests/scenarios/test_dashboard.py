"""The dashboard in front of a running bot: buttons in a person's name, and promotions that people closed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

from flask.testing import FlaskClient

from bot.wiring import web_parts
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, World, until
from webhooks.access import Access
from webhooks.app import create_app
from webhooks.sight import Sight, Source


@contextmanager
def pages(world: World, login: str | None) -> Iterator[FlaskClient]:
    """A browser in front of a web process of its own, which knows who sits there."""
    parts = web_parts(world.variables)
    config, links = parts.open_config()
    with config:  # type: ignore[attr-defined]
        sight = Sight(Source(parts.jobs, lambda: (config, links), parts.redact), fresh=0.5)
        yield create_app(parts, sight, Access(local_login=login)).test_client()
    parts.jobs.close()
    parts.queue.close()


def press(browser: FlaskClient, place: str, verb: str, **fields: str) -> str:
    """Press a button; what came of it, in words."""
    page = until("the form", lambda: found.text if (found := browser.get(place)).status_code == 200 else None)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', page.partition("<form class")[2]))
    answer = browser.post(f"{place}/{verb}", data={**hidden, **fields}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303

    def came() -> str | None:
        banner = browser.get(answer.headers["Location"]).text.partition('data-key="came">')[2].partition("</div>")[0]
        return None if "Look again" in banner else unescape(banner)

    return until(f"what came of {verb}", came)


def cell(browser: FlaskClient, app: str, environment: str) -> dict[str, Any]:
    """What the pages tell of a place."""
    facts: Any = browser.get("/api/v1/apps").json
    (row,) = [one for one in facts["apps"] if one["name"] == app]
    found: dict[str, Any] = row["environments"][environment]
    return found


def test_buttons_act_in_the_name_of_those_whom_the_catalog_allows(shared: World) -> None:
    app = shared.add_app("pressed")
    first = app.merge("First")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    place, path = "/apps/pressed/production", ".slipway/holds/production/pressed.yaml"
    with pages(shared, DEVELOPER) as browser:
        told = press(browser, place, "hold", text="I do not like it")
        assert f"is for @{APPROVER}; @{DEVELOPER} is not among them" in told
        assert shared.git("ls-tree", "-r", "--name-only", "master", path) == ""
    with pages(shared, APPROVER) as browser:
        assert "pressed is held in production" in press(browser, place, "hold", text="Wait for the logo")
        assert (
            shared.git("log", "-1", "--format=%s|%an", "master", "--", path) == f"pressed: hold production|{APPROVER}"
        )
        held = until(
            "the hold to be shown", lambda: shown if (shown := cell(browser, app.name, "production"))["held"] else None
        )
        assert (held["held_by"], held["hold_reason"]) == (APPROVER, "Wait for the logo")
        assert "lifted" in press(browser, place, "resume")
        assert shared.git("ls-tree", "-r", "--name-only", "master", path) == ""
        second = app.merge("Second")
        app.approve(app.await_promotion(second)["number"])
        app.await_live("production", second)
        assert f"back to {first[:7]}" in press(browser, place, "rollback", text="It is slow", commit=first)
        until("the first one to run", lambda: first[:7] in (app.running("production") or ""))
        assert shared.git("log", "-1", "--format=%an|%b", "master", "--", "production/pressed.yaml").startswith(
            f"{APPROVER}|"
        )
        until("that it is told", lambda: cell(browser, "pressed", "production")["rolled_back"])


def test_a_promotion_that_a_person_closed_does_not_wait_for_approval(shared: World) -> None:
    app = shared.add_app("closed-and-shown")
    sha = app.merge("A change")
    number = app.await_promotion(sha)["number"]
    with pages(shared, APPROVER) as browser:
        until("it to wait", lambda: cell(browser, app.name, "production")["pending"])
        shared.forge.close_pull_request(CONFIG, number, APPROVER)
        until("it to wait no more", lambda: cell(browser, app.name, "production")["pending"] is None)
        assert shared.git("for-each-ref", f"refs/heads/slipway/production/{app.name}") != ""
        told = press(browser, f"/apps/{app.name}/production", "promote", commit=sha)
        assert f"Bringing {app.name} {sha[:7]} to production" in told
        until("it to wait again", lambda: cell(browser, app.name, "production")["pending"])
