"""What the dashboard shows, made for its tests: a config repo on a git server, a real queue whose jobs have ended."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from time import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from bot import messages
from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.dbos.serializer import JsonSerializer
from bot.adapters.dbos.tally import QueueTally
from bot.audit import OutcomeNote
from bot.facts import Job
from bot.holds import Hold, render_hold
from bot.jobs import Ended, approve_job, build_job, release_job, sync_job
from bot.links import Links
from bot.logs import Redactor
from bot.messages import rollback as texts
from bot.releases import Outcome, Release, promotion_branch
from bot.steps.build import BuildResult
from bot.wiring import QUEUES
from tests.config_fake import MANIFEST, release
from tests.git_server import serve
from tests.git_stage import CONFIG, TOKEN, GitStage
from webhooks.access import Access
from webhooks.app import create_app
from webhooks.sight import Sight, Source

APPS = ("blog", "shop", "docs", "tutorials")
CATALOG = """\
environments:
  - {name: staging, cluster: staging, namespace: staging, gate: commit, url: "https://staging.{app}.example.com"}
  - {name: production, cluster: production, namespace: production, gate: pull-request}
apps:
""" + "".join(f"  - {{name: {app}, source: acme/{app}, image: registry.example.com/{app}}}\n" for app in APPS)

OLD, NEW = release("blog", 0x3F, "Open the blog"), release("blog", 0x56, "Add a <b>search</b> box")
SHOP, TUTORIALS = release("shop", 0x71, "Sort by price"), release("tutorials", 0x72, "First tutorial")
BROKEN = "c0" * 20
"""A commit of docs whose build failed."""

TITLES = ("Add a search box", "Load fonts later", "Mend the footer", "Sort by price", "Tell of the price in euros")
WHY = "The pods did not become ready: CrashLoopBackOff."

GITHUB = "https://github.example"
SECRET = b"the webhook secret of these tests"


@dataclass(frozen=True, slots=True)
class Parts:
    """As ``bot.wiring.web_parts`` gives them."""

    queue: DbosQueue
    webhook_secret: bytes
    database_ok: Any
    tally: Any


@dataclass
class DashboardStage:
    """The config repo, the queue, and the application in front. ``at``: when the next commit is made (seconds)."""

    git: GitStage
    queue: DbosQueue
    database: Path
    app: Flask
    writer: GitConfigRepo
    at: float = 1795168800.0  # 2026-11-20T10:00:00Z

    def commit(self, files: Mapping[str, str | None], message: str, minutes: float = 7.0, **where: Any) -> str:
        """Somebody pushes to the config repo, so many minutes after the commit before."""
        self.at += 60 * minutes
        return self.git.commit(files, message, at=str(int(self.at)), **where)

    def bump(
        self, wanted: Release, environment: str, outcome: Outcome | None = None, reason: str = "", minutes: float = 7.0
    ) -> str:
        """A release enters an environment so many minutes after its merge, and its sync ends."""
        merged_at = time_of(self.at)
        wanted = replace(wanted, merge=replace(wanted.merge, merged_at=merged_at))
        path = f"{environment}/{wanted.app}.yaml"
        approved_by = ["abel"] if environment == "production" else []
        body = messages.commit_body(wanted, environment, previous_image=None, approved_by=approved_by)
        text = MANIFEST.format(app=wanted.app, image=wanted.image)
        sha = self.commit({path: text}, f"{messages.subject(wanted.app, wanted.sha, environment)}\n\n{body}", minutes)
        if outcome is not None:
            self.end(sha, wanted.app, environment, outcome, reason)
        return sha

    def end(self, commit: str, app: str, environment: str, outcome: Outcome, reason: str = "") -> None:
        """How a sync ended, as a note."""
        self.writer.fetch()
        by = ("abel",) if environment == "production" else ()
        note = OutcomeNote(app, environment, "image", outcome, time_of(self.at + 34), 34.0, by, reason)
        self.writer.add_note(commit, note.line())

    def take_back(self, to: Release, left: Release, reverted: str) -> None:
        """A rollback on production."""
        back = texts.Return("production", to, left.image, left.sha, (reverted,), "its rollout failed", None)
        text = MANIFEST.format(app=to.app, image=to.image)
        sha = self.commit({f"production/{to.app}.yaml": text}, texts.commit_message(back))
        self.end(sha, to.app, "production", Outcome.HEALTHY)

    def propose(self, wanted: Release) -> None:
        """A promotion waits for approval."""
        self.commit(
            {f"production/{wanted.app}.yaml": MANIFEST.format(app=wanted.app, image=wanted.image)},
            messages.commit_message(wanted, "production", previous_image=None),
            branch=promotion_branch("production", wanted.app),
            base=self.git.tip(),
        )

    def done(self, job: Job, result: object) -> None:
        """A job that a worker has done."""
        self.queue.enqueue(job)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(
                "UPDATE workflow_status SET status = 'SUCCESS', output = ? WHERE workflow_uuid = ?",
                (JsonSerializer().serialize(result), job.id),
            )


def time_of(seconds: float) -> str:
    """RFC 3339 in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def git_stage(folder: Path) -> Iterator[GitStage]:
    """A git server with an empty config repo."""
    with serve(folder / "server", TOKEN) as server:
        stage = GitStage(server, folder)
        stage.create(CONFIG)
        with stage.stack:
            yield stage


@contextmanager
def dashboard(
    git: GitStage,
    *,
    fresh: float = 0.0,
    patience: float = 30.0,
    rules: Access | None = None,
    before: Callable[["DashboardStage"], None] = lambda _stage: None,
    title: str = NEW.merge.subject,
) -> Iterator[DashboardStage]:
    """A stage with every kind of place: see ``_play``. ``fresh`` and ``patience`` are the sight's.

    ``before`` plays what happened earlier; ``title`` is that of the newest release of blog.
    """
    database = git.folder / "slipway.db"
    migrate(f"sqlite:///{database}")
    with closing(DbosQueue(f"sqlite:///{database}", QUEUES)) as queue:
        source = Source(queue, lambda: (git.open("web"), partial(Links, GITHUB, CONFIG)), Redactor([TOKEN]))
        sight = Sight(source, fresh=fresh, patience=patience)
        app = create_app(
            Parts(queue, SECRET, queue.check_writable, QueueTally(f"sqlite:///{database}").count), sight, rules
        )
        stage = DashboardStage(git, queue, database, app, git.open("writer"))
        before(stage)
        _play(stage, release("blog", 0x56, title))
        yield stage


def live_through(stage: DashboardStage, days: int = 80, releases: int = 24) -> None:
    """Weeks of releases that end now, some of which failed and were rolled back."""
    stage.at = time() - 86400 * days
    begin(stage)
    for number in range(releases):
        app = APPS[number % 3]
        wanted = release(app, 0x80 + number, TITLES[number % len(TITLES)])
        stage.bump(wanted, "staging", Outcome.HEALTHY)
        failed = number % 7 == 5
        went = stage.bump(
            wanted,
            "production",
            Outcome.FAILED if failed else Outcome.HEALTHY,
            WHY if failed else "",
            9 + 11 * number % 29,
        )
        if failed:
            stage.take_back(release(app, 0x80 + number - 3), wanted, went)
        stage.at += 86400 * (days / releases) * (0.6 + 0.8 * (number % 3) / 2) - 14 * 60
    stage.at = time() - 3600


def begin(stage: DashboardStage) -> None:
    """The first commit, unless it was made."""
    if stage.git.tip() is not None:
        return
    places = [(environment, app) for environment in ("staging", "production") for app in APPS]
    files: Mapping[str, str] = {
        f"{environment}/{app}.yaml": MANIFEST.format(app=app, image=f"registry.example.com/{app}:${{TAG_TO_DEPLOY}}")
        for environment, app in places
    }
    stage.commit({"slipway.yaml": CATALOG, **files}, "Describe our sites")


def _play(stage: DashboardStage, new: Release) -> None:
    """Blog: a new release on staging waits for production. Shop failed, docs was never built, tutorials are held."""
    begin(stage)
    hold = Hold("Wait for the new logo", "abel", time_of(stage.at))
    stage.commit({".slipway/holds/production/tutorials.yaml": render_hold(hold)}, "Hold the tutorials")
    stage.bump(OLD, "staging", Outcome.HEALTHY)
    went_live = stage.bump(OLD, "production", Outcome.HEALTHY)
    on_staging = stage.bump(new, "staging", Outcome.HEALTHY)
    stage.propose(new)
    stage.bump(SHOP, "staging", Outcome.FAILED, "The pods did not become ready: CrashLoopBackOff.")
    stage.bump(TUTORIALS, "staging")
    stage.done(approve_job(12, "review-3-APPROVED"), Ended("done", f"#12 merged as {went_live}"))
    latest = Ended("healthy", f"latest is sha256:{'3f' * 32}")
    stage.done(sync_job("blog", "production", went_live), latest)
    stage.done(release_job("blog", new.sha), Ended("done", "committed in staging"))
    stage.done(build_job("blog", "registry.example.com/blog", new.sha), BuildResult(new.image, built=True))
    stage.done(sync_job("blog", "staging", on_staging), Ended("healthy", "proposed in production"))
    why = "Dockerfile line 3: RUN make ended with 2."
    evidence = ("make: *** no rule for <all>", f"token={TOKEN}")
    failed = BuildResult(None, built=False, reason=why, evidence=evidence)
    stage.done(build_job("docs", "registry.example.com/docs", BROKEN), failed)
    stage.done(release_job("docs", BROKEN), Ended("failed", f"{why} The token was {TOKEN}."))
    stage.done(Job("delivery", "delivery/7d1c", "acme/docs"), Ended("done", release_job("docs", BROKEN).id))
    stage.done(Job("reconcile", "reconcile/1", "reconcile"), Ended("done", "nothing to do"))


# ---------------------------------------------------------------- for pytest


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


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.json


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
