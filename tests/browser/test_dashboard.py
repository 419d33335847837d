"""The dashboard in a real browser: clicked through, on a phone, in the dark, by keyboard, without JavaScript."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from bot.jobs import Ended, action_job, release_job
from bot.releases import Outcome
from tests.config_fake import release
from tests.dashboard_stage import BROKEN, NEW, OLD, DashboardStage, dashboard, git_stage, live_through
from webhooks.access import Access
from webhooks.live import MOST_LISTENERS

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = Path(__file__).parents[2] / "artifacts" / "dashboard"
"""Screenshots, for whoever wants to see what the tests saw. Git ignores them; CI keeps them."""

PAGES = {
    "home": "/",
    "release": f"/releases/{NEW.id}",
    "failed": f"/releases/docs@{BROKEN}",
    "audit": "/audit?since=12w",
    "place": "/apps/blog/production",
}

PHONE = {"width": 390, "height": 844}

CONTRAST = """
() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const luminance = ({ r, g, b }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const over = (top, below) => Object.fromEntries(
    ["r", "g", "b"].map((key) => [key, top[key] * top.a + below[key] * (1 - top.a)]));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255 });
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!walker.currentNode.textContent.trim() || box.width <= 1 || box.right < 0) continue;
    const below = ground(element);
    const text = over(parse(getComputedStyle(element).color), below);
    const [dark, light] = [luminance(below), luminance(text)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.className} ${walker.currentNode.textContent.trim()}`);
  }
  return poor;
}
"""
"""Every text whose contrast is below 4.5, the ratio of WCAG 2.2 AA (1.4.3, https://www.w3.org/TR/WCAG22/)."""


@dataclass(frozen=True, slots=True)
class Site:
    """The running web process."""

    stage: DashboardStage
    url: str


@pytest.fixture(scope="module")
def program(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def browser(program: Browser) -> Iterator[Browser]:
    """Whatever pages a test opens are closed after it: an open page listens, and few may."""
    yield program
    for context in program.contexts:
        context.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for the tests that only look."""
    with served(tmp_path_factory.mktemp("site"), before=live_through, title="Add a search box") as site:
        site.stage.queue.enqueue(release_job("shop", "d" * 40))
        yield site


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own, to change."""
    with served(tmp_path) as site:
        yield site


@contextmanager
def served(folder: Path, **stage_set: Any) -> Iterator[Site]:
    with git_stage(folder) as git, dashboard(git, fresh=0.2, rules=Access(local_login="abel"), **stage_set) as stage:
        server = make_server("127.0.0.1", 0, stage.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield Site(stage, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: errors of scripts, and whatever the policy forbade."""
    return []


def opened(browser: Browser, complaints: list[str], **options: Any) -> Page:
    """A page in a fresh context that writes down what the browser complains about."""
    page = browser.new_context(**options).new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def test_a_person_clicks_from_the_matrix_to_a_release_and_back(
    browser: Browser, site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints)
    page.goto(site.url)
    expect(page.get_by_role("row", name="blog")).to_contain_text("healthy")
    page.get_by_role("row", name="blog").get_by_role("link", name="3f3f3f3").click()
    expect(page).to_have_url(f"{site.url}/releases/{OLD.id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("blog 3f3f3f3 Open the blog")
    expect(page.get_by_role("listitem").filter(has_text="production")).to_contain_text(["done"])
    page.get_by_role("link", name="What runs where").click()
    expect(page.get_by_role("heading", name="Waiting for approval")).to_be_visible()
    page.get_by_role("searchbox", name="Find an app").fill("docs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="blog")).to_have_count(0)
    page.get_by_role("link", name="Release of docs c0c0c0c").first.click()
    expect(page.get_by_text("no rule for <all>")).to_be_visible()
    assert complaints == []


def test_the_page_follows_what_happens_without_losing_the_place(
    browser: Browser, own_site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints)
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((urlsplit(answer.url).path, answer.status)))
    page.goto(own_site.url)
    tutorials = page.get_by_role("row", name="tutorials")
    expect(tutorials).to_contain_text("not applied yet")
    focused = page.get_by_role("row", name="blog").get_by_role("link", name="3f3f3f3")
    focused.focus()
    own_site.stage.bump(release("docs", 0x77, "Write it down"), "staging", Outcome.HEALTHY)
    own_site.stage.queue.enqueue(release_job("shop", "d" * 40))
    expect(page.get_by_role("row", name="docs")).to_contain_text("Write it down", timeout=30_000)
    expect(page.get_by_text("waits for a free worker")).to_be_visible()
    expect(focused).to_be_focused()
    assert ("/events", 200) in answers
    assert complaints == []


def test_a_page_without_a_place_among_the_listeners_asks_by_itself(
    browser: Browser, own_site: Site, complaints: list[str]
) -> None:
    with ExitStack() as open_pages:
        for _ in range(MOST_LISTENERS):
            listening = open_pages.enter_context(requests.get(f"{own_site.url}/events", stream=True, timeout=60))
            assert listening.status_code == 200
        page = opened(browser, complaints)
        page.goto(own_site.url)
        own_site.stage.queue.enqueue(release_job("shop", "d" * 40))
        expect(page.get_by_text("waits for a free worker")).to_be_visible(timeout=30_000)
        assert len(complaints) == 1
        assert "503" in complaints[0]


def test_the_trail_is_narrowed_by_the_form_and_leads_to_releases(
    browser: Browser, site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints)
    page.goto(site.url)
    page.get_by_role("link", name="Audit", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who changed what")
    page.get_by_role("combobox", name="App").fill("blog")
    page.get_by_role("combobox", name="Environment").select_option("production")
    page.get_by_role("combobox", name="Since").select_option("a year")
    page.get_by_role("combobox", name="Since").press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/audit?app=blog&environment=production&since=52w")
    expect(page.get_by_role("listitem").filter(has_text="blog on production").first).to_be_visible()
    expect(page.get_by_text("shop on production")).to_have_count(0)
    expect(page.get_by_role("combobox", name="App")).to_have_value("blog")
    assert page.locator("svg.chart").count() == 4
    assert page.locator("svg.chart rect").count() > 4
    page.get_by_role("link", name="3f3f3f3").click()
    expect(page.get_by_role("heading", name="Its way")).to_be_visible()
    assert complaints == []


def test_a_button_is_pressed_and_what_comes_of_it_appears(
    browser: Browser, own_site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints)
    page.goto(own_site.url)
    page.get_by_role("row", name="blog").get_by_role("link", name="details of blog on production").click()
    page.get_by_role("textbox", name="Why").first.fill("Wait for the logo")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("it waits for a free worker")).to_be_visible()
    token = page.url.rpartition("/")[2]
    done = action_job("abel", "hold", "blog", "production", {}, token)
    own_site.stage.done(done, Ended("done", "blog is held in production."))
    expect(page.get_by_text("blog is held in production.")).to_be_visible(timeout=30_000)
    assert complaints == []


def test_another_site_can_neither_read_a_page_nor_press_a_button(
    browser: Browser, own_site: Site, complaints: list[str]
) -> None:
    with served_elsewhere(own_site.url) as elsewhere:
        page = browser.new_context().new_page()
        page.goto(f"{own_site.url}/apps/blog/production")
        page.goto(elsewhere)
        page.get_by_role("button", name="Win").click()
        expect(page.get_by_text("Nothing was done.")).to_be_visible()
        assert own_site.stage.queue.jobs("action/") == ()
        page.goto(elsewhere)
        assert page.evaluate(f"fetch('{own_site.url}/api/v1/apps').then(() => 'read', () => 'refused')") == "refused"


@contextmanager
def served_elsewhere(ours: str) -> Iterator[str]:
    """Somebody else's page, with a button that holds an app of ours."""
    form = f'<form method="post" action="{ours}/apps/blog/production/hold"><input name="text" value="x">'
    body = f"<!doctype html>{form}<button>Win</button></form>".encode()

    def application(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [body]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1360, "height": 900}, PHONE])
def test_every_text_is_readable_and_nothing_sticks_out(
    browser: Browser, site: Site, complaints: list[str], scheme: str, size: dict[str, int]
) -> None:
    page = opened(browser, complaints, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, path in PAGES.items():
        page.goto(site.url + path)
        page.screenshot(path=PICTURES / f"{name}-{scheme}-{size['width']}.png", full_page=True)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(244, 246, 248)") is (scheme == "light")
    assert complaints == []


@pytest.mark.parametrize(("name", "path"), [("matrix", "/"), ("audit", "/audit?since=12w")])
def test_a_picture_for_the_readme_is_taken(
    browser: Browser, site: Site, complaints: list[str], name: str, path: str
) -> None:
    page = opened(browser, complaints, viewport={"width": 1100, "height": 700}, reduced_motion="reduce")
    page.goto(site.url + path)
    PICTURES.mkdir(parents=True, exist_ok=True)
    picture = page.screenshot(path=PICTURES / f"readme-{name}.png")
    assert len(picture) < 200_000


def test_the_check_of_contrast_finds_poor_contrast(browser: Browser, site: Site, complaints: list[str]) -> None:
    page = opened(browser, complaints, color_scheme="light")
    page.goto(site.url)
    page.evaluate("document.documentElement.style.setProperty('--soft', '#c8ced4')")
    assert page.evaluate(CONTRAST) != []


def test_on_a_phone_each_place_says_which_environment_it_is(
    browser: Browser, site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints, viewport=PHONE, has_touch=True)
    page.goto(site.url)
    expect(page.get_by_role("row", name="blog").get_by_text("production", exact=True)).to_be_visible()
    button = page.get_by_role("link", name="See the change").bounding_box()
    assert button is not None
    assert button["height"] >= 24  # WCAG 2.2 AA, 2.5.8 Target Size
    page.get_by_role("row", name="blog").get_by_role("link", name="3f3f3f3").tap()
    expect(page.get_by_role("heading", name="Its way")).to_be_visible()


def test_a_keyboard_is_enough(browser: Browser, site: Site, complaints: list[str]) -> None:
    page = opened(browser, complaints)
    page.goto(site.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        if page.evaluate("document.activeElement.textContent") == "3f3f3f3":
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/releases/{OLD.id}")


def test_without_javascript_the_pages_are_whole(browser: Browser, site: Site, complaints: list[str]) -> None:
    page = opened(browser, complaints, java_script_enabled=False)
    page.goto(f"{site.url}/?q=blog")
    expect(page.get_by_role("row", name="blog")).to_contain_text("waits for approval")
    expect(page.get_by_role("row", name="shop")).to_have_count(0)
    page.get_by_role("row", name="blog").get_by_role("link", name="3f3f3f3").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Open the blog")
    assert complaints == []


def test_the_pages_have_one_heading_a_language_and_named_controls(
    browser: Browser, site: Site, complaints: list[str]
) -> None:
    page = opened(browser, complaints)
    for path in PAGES.values():
        page.goto(site.url + path)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.evaluate("[...document.images].every((image) => image.hasAttribute('alt'))")
        assert page.evaluate("[...document.links].every((link) => link.textContent.trim())")
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids))
    assert complaints == []
