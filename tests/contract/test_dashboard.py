"""The pages and ``/api/v1``: a real queue on SQLite, a real mirror of a real config repo behind a git server."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from bot.config_mirror import open_mirror
from bot.errors import Permanent, Transient
from bot.facts import Job
from bot.jobs import Ended, release_job
from bot.releases import Outcome
from bot.settings import Settings
from bot.wiring import open_config
from tests.config_fake import FakeQueue, release
from tests.dashboard_stage import (
    BROKEN,
    CATALOG,
    GITHUB,
    NEW,
    OLD,
    SECRET,
    SHOP,
    DashboardStage,
    Parts,
    dashboard,
    git_stage,
)
from tests.git_stage import CONFIG, TOKEN, GitStage
from webhooks.app import create_app
from webhooks.sight import Sight, Source

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardStage]:
    """One stage for the tests that only look."""
    with git_stage(tmp_path_factory.mktemp("dashboard")) as git, dashboard(git) as made:
        yield made


@pytest.fixture
def client(shared: DashboardStage) -> FlaskClient:
    return shared.app.test_client()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[GitStage]:
    with git_stage(tmp_path) as git:
        yield git


@pytest.fixture
def own(stage: GitStage) -> Iterator[DashboardStage]:
    """A stage of the test's own, to change."""
    with dashboard(stage) as made:
        yield made


def text(page: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def row(page: str, app: str) -> str:
    """What a person reads in an app's row."""
    return text(page.partition(f'id="app-{app}"')[2].partition("</tr>")[0].partition(">")[2])


# ---------------------------------------------------------------- what runs where


def test_the_matrix_shows_what_each_place_runs_and_how_it_is(client: FlaskClient) -> None:
    page = client.get("/").text
    blog = row(page, "blog")
    assert "3f3f3f3 healthy in 34 s" in blog
    assert "Open the blog #63 by @dora" in blog
    assert "5656565 waits for approval" in blog
    assert "7171717 failed" in row(page, "shop")
    assert "CrashLoopBackOff" in row(page, "shop")
    assert "waits for first release" in row(page, "docs")
    assert "Release of docs c0c0c0c failed: Dockerfile line 3" in row(page, "docs")
    assert "Held: Wait for the new logo" in row(page, "tutorials")
    assert "7272727 not applied yet" in row(page, "tutorials")


def test_whatever_can_be_looked_at_elsewhere_is_linked(client: FlaskClient, shared: DashboardStage) -> None:
    page = client.get("/").text
    for address in (
        f"{GITHUB}/{CONFIG}/compare/main...slipway/production/blog",
        f"{GITHUB}/{CONFIG}/commit/{shared.git.tip()}",
        f"{GITHUB}/acme/blog/pull/86",
        "https://staging.blog.example.com",
        f"/releases/{NEW.id}",
        f"/releases/docs@{BROKEN}",
    ):
        assert f'href="{address}"' in page


def test_below_it_stands_what_was_done_and_what_came_of_it(own: DashboardStage) -> None:
    client = own.app.test_client()
    own.queue.enqueue(release_job("shop", "d" * 40))
    page = text(client.get("/").text)
    now, _, lately = page.partition("What the workers do now")[2].partition("Lately")
    assert "Release of shop ddddddd waits for a free worker" in now
    assert "Webhook 7d1c Started release of docs c0c0c0c." in lately
    assert "Approval of promotion #12 #12 merged as" in lately
    assert "Look for what was missed" not in lately


def test_a_search_shows_the_apps_of_that_name(client: FlaskClient) -> None:
    page = client.get("/?q=tuto").text
    assert 'id="app-tutorials"' in page
    assert 'id="app-blog"' not in page
    assert "No app is called anything like “nothing<”" in text(client.get("/?q=nothing<").text)


def test_many_apps_are_shown_in_part_until_all_are_asked_for(own: DashboardStage) -> None:
    client = own.app.test_client()
    many = "".join(f"  - {{name: a{n}, source: acme/a{n}, image: registry.example.com/a{n}}}\n" for n in range(230))
    own.git.commit({"slipway.yaml": CATALOG + many})
    page = client.get("/").text
    assert "The first 200 of 234 apps." in text(page)
    assert page.count('id="app-') == 200
    assert client.get("/?all=1").text.count('id="app-') == 234


def test_a_catalog_with_errors_is_told_above_the_last_good_one(own: DashboardStage) -> None:
    client = own.app.test_client()
    own.git.commit({"slipway.yaml": CATALOG.replace("gate: commit", "gat: commit")})
    page = client.get("/").text
    assert "The catalog has errors; the last good one stays in force." in text(page)
    assert "did you mean `gate`?" in text(page)
    assert 'id="app-blog"' in page


def test_the_script_gets_a_new_part_only_where_something_is_new(own: DashboardStage) -> None:
    client = own.app.test_client()
    first = client.get("/live")
    again = client.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Slipway-As-Of"] > first.headers["Slipway-As-Of"]
    own.bump(release("docs", 0x77), "staging", Outcome.HEALTHY)
    news = client.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert news.status_code == 200
    assert "7777777 healthy" in row(news.text, "docs")
    assert row(news.text, "blog") == row(first.text, "blog")
    assert client.get("/live?q=blog").headers["ETag"] != news.headers["ETag"]


# ---------------------------------------------------------------- one release


class Stages(HTMLParser):
    """The stages of a release's page: name and state."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._at = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("class") or ""
        if tag == "li" and kind.startswith("stage is-"):
            self._at = kind.removeprefix("stage is-")
        elif tag == "h3":
            self._at += " "

    def handle_data(self, data: str) -> None:
        if self._at.endswith(" "):
            self.found.append(f"{data.strip()} {self._at.strip()}")
            self._at = ""


def test_a_release_s_page_shows_its_way_to_production(own: DashboardStage) -> None:
    client = own.app.test_client()
    page = client.get(f"/releases/{NEW.id}").text
    assert Stages(page).found == [
        "merge done", "image done", "staging done", "approval waiting", "production later", "latest later",
    ]  # fmt: skip
    assert "Healthy after 34 s." in text(page)
    assert "staging current done" in text(page)
    assert NEW.image.partition("@")[2] in page
    assert f'href="{GITHUB}/{CONFIG}/compare/main...slipway/production/blog"' in page


def test_a_release_that_is_live_tells_who_approved_it(client: FlaskClient) -> None:
    page = client.get(f"/releases/{OLD.id}").text
    assert [stage.rpartition(" ")[2] for stage in Stages(page).found] == ["done"] * 6
    assert "Approved by @abel." in text(page)
    assert f'href="{GITHUB}/{CONFIG}/pull/12"' in page
    assert "Latest is sha256:3f3f3f3f3f3f." in text(page)


def test_a_failed_release_tells_why_and_shows_the_build_s_last_lines(client: FlaskClient) -> None:
    page = client.get(f"/releases/docs@{BROKEN}").text
    assert Stages(page).found[:3] == ["merge done", "image failed", "staging later"]
    assert "image failed. Dockerfile line 3: RUN make ended with 2." in text(page)
    assert "no rule for &lt;all&gt;" in page
    shop = client.get(f"/releases/{SHOP.id}").text
    assert Stages(shop).found[2] == "staging failed"


def test_a_release_that_something_kept_out_says_what(own: DashboardStage) -> None:
    client = own.app.test_client()
    sha = "e" * 40
    own.done(release_job("tutorials", sha), Ended("done", "held in staging"))
    page = client.get(f"/releases/tutorials@{sha}").text
    assert "staging skipped" in Stages(page).found
    assert "A hold keeps it out." in text(page)


@pytest.mark.parametrize("name", ["nonsense", "blog@123", f"blog@{'9' * 40}", f"<b>@{'9' * 40}"])
def test_an_unknown_release_is_not_found(client: FlaskClient, name: str) -> None:
    page = client.get(f"/releases/{name}")
    assert page.status_code == 404
    assert "<b>@" not in page.text
    answer = client.get(f"/api/v1/releases/{name}")
    assert answer.status_code == 404
    assert answer.json is not None
    assert "release" in answer.json["reason"]


# ---------------------------------------------------------------- JSON


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.json


def test_the_api_tells_what_runs_where(client: FlaskClient, shared: DashboardStage) -> None:
    facts = get(client, "/api/v1/apps")
    assert facts["head"] == shared.git.tip()
    assert facts["problem"] is None
    assert facts["as_of"].endswith("Z")
    blog = facts["apps"][0]["environments"]
    assert (blog["staging"]["state"], blog["staging"]["release"]["id"]) == ("healthy", NEW.id)
    assert blog["production"]["pending"]["release"]["sha"] == NEW.sha


def test_the_api_lists_releases_newest_first(client: FlaskClient) -> None:
    listed = get(client, "/api/v1/releases?app=blog")["releases"]
    assert {one["id"]: (one["runs_in"], one["waits_for"]) for one in listed} == {
        NEW.id: (["staging"], ["production"]),
        OLD.id: (["production"], []),
    }
    everything = get(client, "/api/v1/releases")["releases"]
    assert everything[0]["id"] == f"docs@{BROKEN}"
    assert everything[0]["job"]["outcome"] == "failed"
    assert len(get(client, "/api/v1/releases?limit=1")["releases"]) == 1


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", ""])
def test_the_api_refuses_a_limit_that_is_none(client: FlaskClient, limit: str) -> None:
    answer = client.get(f"/api/v1/releases?limit={limit}")
    assert answer.status_code == 400
    assert answer.json == {"status": "error", "reason": "limit must be a number from 1 to 100."}


def test_the_api_tells_one_release_s_way(client: FlaskClient) -> None:
    facts = get(client, f"/api/v1/releases/{NEW.id}")
    assert facts["release"]["image"] == NEW.image
    assert [(stage["name"], stage["state"]) for stage in facts["stages"]][2:4] == [
        ("staging", "done"),
        ("approval", "waiting"),
    ]
    assert {job["workflow"] for job in facts["jobs"]} == {"release", "build", "sync"}


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
        client = create_app(Parts(seen.queue, SECRET, seen.queue.check_writable), Sight(source)).test_client()
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
    sight = Sight(Source(AwayQueue(), _no_config, lambda text: text))
    client = create_app(Parts(AwayQueue(), SECRET, lambda: None), sight).test_client()  # type: ignore[arg-type]
    assert "The database cannot be reached." in client.get("/").text
    page = client.get(f"/releases/{NEW.id}")
    assert (page.status_code, "The database cannot be reached." in page.text) == (503, True)
    answer = client.get("/api/v1/releases")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "unavailable", "reason": "The database cannot be reached."},
    )


def test_a_mistake_in_the_background_lets_the_page_go(stage: GitStage) -> None:
    sight = Sight(Source(BrokenQueue(), _no_config, lambda text: text))
    client = create_app(Parts(BrokenQueue(), SECRET, lambda: None), sight).test_client()  # type: ignore[arg-type]
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
    client = create_app(Parts(FakeQueue(), SECRET, lambda: None), Sight(source)).test_client()  # type: ignore[arg-type]
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
