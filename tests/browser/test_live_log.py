"""A release's page while its build goes on: what the build says appears, without secrets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.sandbox.registry import Registry
from tests.browser.test_dashboard import CONTRAST, FLAGS, PHONE, PICTURES, opened
from tests.gate import Gate
from tests.scenarios.world import DOCKERFILE, AppWorld, Bot, World, world

CANARY = "ghp_" + "a1B2" * 9
PATIENCE = 60_000
"""Milliseconds, as the browser counts."""


@pytest.fixture
def program(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def running(folder: Path, gate: Gate) -> Iterator[World]:
    """A running bot whose registry has the gate in front."""
    with (
        Registry(folder / "registry", middleware=gate) as registry,
        world(folder, f"sqlite:///{folder / 'slipway.db'}", registry_host=registry.host) as made,
    ):
        bot = Bot(made)
        bot.start()
        try:
            yield made
        finally:
            gate.open()
            bot.stop()


def test_the_lines_of_a_build_appear_while_it_builds(program: Browser, tmp_path: Path) -> None:
    gate = Gate()
    with running(tmp_path, gate) as site:
        watch_a_build(program, gate, site, site.add_app("slow"))
        assert CANARY not in (site.folder / "bot.log").read_text()


def watch_a_build(program: Browser, gate: Gate, site: World, app: AppWorld) -> None:
    files = {
        "Dockerfile": DOCKERFILE.replace("/site\n", f"/site\nCOPY {CANARY} /\n", 1),
        "site/serve": "x",
        CANARY: "x",
    }
    sha = app.merge("Build slowly", files)
    complaints: list[str] = []
    page = opened(program, complaints, viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
    url = f"http://127.0.0.1:{site.port}/releases/slow@{sha}"
    appear(page, url)
    log = page.get_by_label("What “build and push” of Build of slow")
    expect(log).to_contain_text("COPY site /site", timeout=PATIENCE)
    expect(log).to_contain_text("COPY [redacted] /")
    expect(page.locator(".step.is-now")).to_contain_text("under way")
    assert app.bumps("staging", sha) == []
    look_at(page, "building")
    expect(page.locator(".step.is-now")).to_contain_text("under way")
    plain = opened(program, complaints, java_script_enabled=False)
    plain.goto(url)
    expect(plain.get_by_label("What “build and push” of Build of slow")).to_contain_text("COPY site /site")
    gate.open()
    expect(log).to_contain_text("pushed ", timeout=PATIENCE)
    expect(page.get_by_text("Rollout of slow on staging", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("What “watch the rollout”")).to_contain_text("slow", timeout=PATIENCE)
    look_at(page, "rolling-out")
    assert CANARY not in page.content()
    assert complaints == []


def appear(page: Page, url: str) -> None:
    """Open a page as soon as there is one."""
    for _ in range(PATIENCE // 200):
        answer = page.goto(url)
        if answer is not None and answer.ok:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"there is no {url}")


def look_at(page: Page, name: str) -> None:
    """Pictures, light and dark, wide and on a phone; nothing sticks out, and every text is readable."""
    wide = page.viewport_size
    PICTURES.mkdir(parents=True, exist_ok=True)
    for size in (wide, PHONE):
        assert size is not None
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"{name}-{scheme}-{size['width']}.png", full_page=True)
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert wide is not None
    page.set_viewport_size({"width": wide["width"], "height": wide["height"]})
