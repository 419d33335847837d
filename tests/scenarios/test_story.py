"""From a merge to production, on a real engine and a real registry, with SQLite and with PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.engines import DockerEngine, RegistryServer
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, Bot, World, until, world


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'slipway.db'}"


@pytest.fixture
def running(
    tmp_path: Path, database_url: str, docker_engine: DockerEngine, registry: RegistryServer
) -> Iterator[World]:
    with world(tmp_path, database_url, registry_host=registry.host, docker_host=docker_engine.host) as made:
        bot = Bot(made)
        bot.start()
        try:
            yield made
        finally:
            bot.stop()


def test_a_merge_reaches_production_on_one_digest(running: World, docker_engine: DockerEngine) -> None:
    app = running.add_app("story")
    sha = app.merge("Add a search box")
    staged = app.await_live("staging", sha)
    promotion = app.await_promotion(sha)
    assert app.running("production") is None
    app.approve(promotion["number"])
    live = app.await_live("production", sha)
    digest = running.digest(app.image, sha[:7])
    assert digest
    until("latest", lambda: running.digest(app.image, "latest") == digest)
    image = f"{app.image}:{sha[:7]}@{digest}"
    assert (app.running("staging"), app.running("production")) == (image, image)
    assert (staged.outcome, live.outcome, live.approved_by) == ("healthy", "healthy", (APPROVER,))
    for environment in ("staging", "production"):
        (commit,) = app.bumps(environment)
        _assert_one_line(running, commit, environment)
        _assert_trailers(running, commit, sha, image, environment)
    assert running.git("log", "-1", "--format=%an %ae", app.bumps("staging")[0]).startswith(f"{DEVELOPER} ")
    until("the comment to say so", lambda: app.comments() and app.comments()[0].count("✅ live") == 2)
    assert len(app.comments()) == 1
    assert app.statuses(sha) == {"slipway/staging": "success", "slipway/production": "success"}
    with closing(docker_engine.client()) as engine:
        assert not [tag for local in engine.images.list() for tag in local.tags if tag.startswith(app.image)]


def _assert_one_line(running: World, commit: str, environment: str) -> None:
    assert running.git("show", "--numstat", "--format=", commit).split() == ["1", "1", f"{environment}/story.yaml"]


def _assert_trailers(running: World, commit: str, sha: str, image: str, environment: str) -> None:
    subject, *_ = running.git("log", "-1", "--format=%s", commit).splitlines()
    assert subject == f"story: {sha[:7]} to {environment}"
    lines = running.git("log", "-1", "--format=%(trailers:only,unfold)", commit).splitlines()
    trailers = dict(line.split(": ", 1) for line in lines)
    expected = {
        "Slipway-Id": f"story@{sha}/{environment}",
        "App": "story",
        "Environment": environment,
        "Image": image,
        "Source": f"acme/story@{sha}",
        "Source-PR": "acme/story#1",
        "Merged-by": f"@{DEVELOPER}",
        **({"Approved-by": f"@{APPROVER}"} if environment == "production" else {}),
    }
    assert trailers.items() >= expected.items()
    assert trailers["Source-Merged-At"].endswith("Z")


def test_the_promotion_tells_what_changes(running: World) -> None:
    app = running.add_app("tells")
    first = app.merge("Open the site")
    app.approve(app.await_promotion(first)["number"])
    app.await_live("production", first)
    second = app.merge("Add a search box")
    promotion = app.await_promotion(second)
    assert promotion["title"] == f"tells: {second[:7]} to production"
    for text in ("Add a search box", "#2", f"@{DEVELOPER}", f"@{APPROVER}", "How to approve", "How to roll back"):
        assert text in promotion["body"]
    assert promotion["base"]["ref"] == "master"
    assert promotion["head"]["repo"]["full_name"] == CONFIG
