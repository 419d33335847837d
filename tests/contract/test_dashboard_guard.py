"""The pages when something is away, who may see them, and that deliveries come first."""

import re
import subprocess
import sys
import threading
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from bot.adapters.dbos.tally import QueueTally
from bot.config_mirror import open_mirror
from bot.errors import Permanent, Transient
from bot.facts import Job
from bot.settings import Settings
from bot.wiring import open_config
from tests import dashboard_stage
from tests.config_fake import FakeQueue
from tests.dashboard_stage import (
    BROKEN,
    NEW,
    SECRET,
    DashboardStage,
    Parts,
    Stages,
    dashboard,
    get,
    row,
    text,
)
from tests.git_stage import CONFIG, TOKEN, GitStage
from webhooks.app import create_app
from webhooks.sight import Sight, Source

shared, client, own = dashboard_stage.shared, dashboard_stage.client, dashboard_stage.own
stage = dashboard_stage.stage

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


# ---------------------------------------------------------------- when something is away


def test_what_was_seen_last_is_shown_while_github_is_away(own: DashboardStage) -> None:
    client = own.app.test_client()
    client.get("/")
    own.git.server.status = 503
    page = text(client.get("/").text)
    assert "The config repo cannot be read. What you see is as of" in page
    assert "3f3f3f3 healthy" in page
    assert "503" in get(client, "/api/v1/apps")["problem"]
    own.git.server.status = None
    assert "cannot be read" not in text(client.get("/").text)


def test_a_page_does_not_wait_for_a_slow_github(stage: GitStage) -> None:
    with dashboard(stage, patience=0.1) as seen:
        let_go, client = threading.Event(), seen.app.test_client()

        def hold() -> None:
            let_go.wait(60)

        stage.server.watch = hold
        assert "is being read for the first time" in client.get("/").text
        let_go.set()
        pages = (client.get("/").text for _ in range(600))
        assert "healthy" in row(next(page for page in pages if "first time" not in page), "blog")


def test_without_the_worker_s_settings_the_jobs_are_shown(stage: GitStage) -> None:
    with dashboard(stage) as seen:
        source = Source(seen.queue, lambda: open_config({"GITHUB_TOKEN": TOKEN}), lambda text: text)
        parts = Parts(seen.queue, SECRET, seen.queue.check_writable, QueueTally(f"sqlite:///{seen.database}").count)
        client = create_app(parts, Sight(source)).test_client()
        page = text(client.get("/").text)
        assert "The config repo cannot be shown" in page
        assert "CONFIG_REPO: is missing" in page
        assert "Release of docs c0c0c0c" in page
        assert get(client, "/api/v1/apps")["apps"] == []
        assert Stages(client.get(f"/releases/docs@{BROKEN}").text).found == ["merge done", "image failed"]
        assert get(client, "/api/v1/releases")["releases"][0]["id"] == f"docs@{BROKEN}"


class AwayQueue(FakeQueue):
    """A database that cannot be reached."""

    def jobs(self, prefix: str, *, limit: int = 100) -> Any:
        raise Transient("The database cannot be reached.")


class BrokenQueue(FakeQueue):
    """A queue with a mistake of ours in it."""

    def jobs(self, prefix: str, *, limit: int = 100) -> Any:
        raise ZeroDivisionError


def _no_config() -> Any:
    raise Permanent("There is no config repo here.")


def test_a_database_that_is_away_is_told(stage: GitStage) -> None:
    sight = Sight(Source(AwayQueue(), _no_config, lambda text: text), patience=60)
    client = create_app(Parts(AwayQueue(), SECRET, lambda: None, lambda: None), sight).test_client()  # type: ignore[arg-type]
    assert "The database cannot be reached." in client.get("/").text
    page = client.get(f"/releases/{NEW.id}")
    assert (page.status_code, "The database cannot be reached." in page.text) == (503, True)
    answer = client.get("/api/v1/releases")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "unavailable", "reason": "The database cannot be reached."},
    )


def test_a_mistake_in_the_background_lets_the_page_go(stage: GitStage) -> None:
    sight = Sight(Source(BrokenQueue(), _no_config, lambda text: text), patience=60)
    client = create_app(Parts(BrokenQueue(), SECRET, lambda: None, lambda: None), sight).test_client()  # type: ignore[arg-type]
    assert "Slipway met a mistake of its own" in client.get("/").text


# ---------------------------------------------------------------- who may look


@pytest.mark.parametrize(
    "stranger",
    [
        {"environ_overrides": {"REMOTE_ADDR": "10.0.0.7"}},
        {"environ_overrides": {"REMOTE_ADDR": ""}},
        {"environ_overrides": LOCAL, "headers": {"X-Forwarded-For": "203.0.113.9"}},
        {"environ_overrides": LOCAL, "headers": {"Forwarded": "for=203.0.113.9"}},
        {"environ_overrides": LOCAL, "headers": {"Host": "rebound.example"}},
        {"environ_overrides": LOCAL, "headers": {"Host": "127.0.0.1.rebound.example"}},
    ],
)
def test_strangers_see_no_page(client: FlaskClient, stranger: Any) -> None:
    for path in ("/", "/live", f"/releases/{NEW.id}", "/api/v1/apps", "/api/v1/releases", f"/api/v1/releases/{NEW.id}"):
        answer = client.get(path, **stranger)
        assert answer.status_code == 403
        assert "shown on its own machine only" in unescape(answer.text)
        assert "blog" not in answer.text
    assert client.get("/healthz", **stranger).status_code == 200
    assert client.get("/metrics", **stranger).status_code == 200
    assert client.get("/readyz", **stranger).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_the_machine_itself_may_look(client: FlaskClient, address: str) -> None:
    assert client.get("/", environ_overrides={"REMOTE_ADDR": address}).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_the_machine_s_own_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/live", f"/releases/{NEW.id}", "/releases/none", "/api/v1/apps"])
def test_pages_let_nothing_in_from_elsewhere(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", answer.text)


def test_no_title_becomes_markup_and_no_secret_is_shown(client: FlaskClient) -> None:
    for path in ("/", f"/releases/{NEW.id}", f"/releases/docs@{BROKEN}", "/api/v1/apps", f"/api/v1/releases/{NEW.id}"):
        page = client.get(path).text
        assert TOKEN not in page
        if "/api/" not in path:
            assert "<b>search</b>" not in page
    assert "[redacted]" in client.get(f"/releases/docs@{BROKEN}").text


def test_the_assets_are_served_and_may_be_kept(client: FlaskClient) -> None:
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', client.get("/").text):
        with client.get(unescape(address)) as asset:
            assert asset.status_code == 200


# ---------------------------------------------------------------- webhooks come first


def test_nothing_is_read_before_a_page_is_asked_for(stage: GitStage) -> None:
    opened: list[str] = []

    def open_it() -> Any:
        opened.append("config")
        return _no_config()

    source = Source(FakeQueue(), open_it, lambda text: text)
    client = create_app(Parts(FakeQueue(), SECRET, lambda: None, lambda: None), Sight(source)).test_client()  # type: ignore[arg-type]
    threads = threading.active_count()
    assert client.post("/webhooks/github", data=b"{}").status_code == 401
    assert client.get("/healthz").status_code == 200
    assert (opened, threading.active_count()) == ([], threads)
    client.get("/")
    assert opened == ["config"]


def test_a_web_process_loads_nothing_of_git_until_somebody_looks(tmp_path: Path) -> None:
    program = (
        "import sys, webhooks.app\n"
        "webhooks.app.create_app()\n"
        "late = ('git', 'github', 'kubernetes', 'docker', 'ruamel.yaml', 'bot.overview', 'bot.config_mirror')\n"
        "print([name for name in late if name in sys.modules])\n"
    )
    environment = {"GITHUB_WEBHOOK_SECRET": "s" * 20, "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_two_web_processes_on_one_machine_look_through_mirrors_of_their_own(stage: GitStage) -> None:
    environment = {
        "CONFIG_REPO": CONFIG,
        "GITHUB_URL": stage.server.url,
        "GITHUB_TOKEN": TOKEN,
        "SLIPWAY_STATE": str(stage.folder / "state"),
    }
    head = stage.commit({"README.md": "x"})
    settings = Settings.read(environment)
    with open_mirror(settings, "web") as one, open_mirror(settings, "web") as other:
        assert (one.fetch(), other.fetch()) == (head, head)
    assert sorted(folder.name for folder in (stage.folder / "state" / "mirrors").iterdir()) == ["web", "web-2"]


def test_a_delivery_is_stored_while_a_page_is_looked_at(own: DashboardStage) -> None:
    client = own.app.test_client()
    client.get("/")
    assert own.queue.enqueue(Job("delivery", "delivery/during", "acme/blog"))
