"""A person signs in with GitHub in a real browser: there, back, in, and out again; on the stand-in's web flow."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from werkzeug.serving import make_server

from bot.adapters.github.sign_in import GitHubSignIn
from bot.sandbox.forge import Forge
from tests.browser.test_dashboard import FLAGS, opened
from tests.dashboard_stage import dashboard, git_stage
from tests.scenarios.world import free_port
from webhooks.access import Access


@dataclass(frozen=True, slots=True)
class Site:
    """Slipway under a name that is not the machine's own, and the GitHub that it asks."""

    url: str
    github: str


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    url = f"http://slipway.localhost:{free_port()}"  # a browser finds every name below localhost on this machine
    with Forge(tmp_path / "github") as forge, git_stage(tmp_path) as git:
        for login in ("ann", "carl"):
            forge.create_user(login)
        forge.create_team("acme", "web-team", ["ann"])
        client = forge.create_oauth_app("Slipway", f"{url}/sign-in/back")
        asked = GitHubSignIn(forge.url, forge.api_url, client, ["acme/web-team"])
        with dashboard(git, rules=Access(sign_in=asked, public_url=url)) as stage:
            server = make_server("127.0.0.1", int(url.rpartition(":")[2]), stage.app, threaded=True)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield Site(url, forge.url)
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield program
        program.close()


def test_a_member_signs_in_on_githubs_page_and_out_again(browser: Browser, site: Site) -> None:
    complaints: list[str] = []
    page = opened(browser, complaints)
    page.goto(f"{site.url}/?q=blog")
    expect(page.get_by_role("heading", name="Authorize Slipway")).to_be_visible()
    assert page.url.startswith(f"{site.github}/login/oauth/authorize?")
    expect(page.get_by_text("of which organizations and teams you are a member")).to_be_visible()
    page.get_by_role("combobox", name="You are").select_option("ann")
    page.get_by_role("button", name="Authorize Slipway").click()
    expect(page).to_have_url(f"{site.url}/?q=blog")
    expect(page.get_by_text("@ann")).to_be_visible()
    page.get_by_role("row", name="blog").get_by_role("link", name="details of blog on production").click()
    expect(page.get_by_role("heading", name="What you can ask for, @ann")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.url}/signed-out")
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Authorize Slipway")).to_be_visible()
    assert complaints == []


def test_who_is_no_member_or_refuses_stays_out(browser: Browser, site: Site) -> None:
    page = opened(browser, [])
    page.goto(site.url)
    page.get_by_role("combobox", name="You are").select_option("carl")
    page.get_by_role("button", name="Authorize Slipway").click()
    expect(page.get_by_text("GitHub does not tell that @carl belongs to @acme/web-team")).to_be_visible()
    page.goto(site.url)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("GitHub did not let you in")).to_be_visible()
