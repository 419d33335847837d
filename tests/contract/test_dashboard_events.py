"""``/events``: a line when something changed, for few listeners at once, each of which is let go."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from bot.adapters.dbos.database import migrate
from bot.jobs import release_job
from tests import dashboard_stage
from tests.dashboard_stage import DashboardStage, row
from tests.scenarios.world import free_port, until
from webhooks.live import MOST_LISTENERS, Stopping, never

own, stage = dashboard_stage.own, dashboard_stage.stage


def listening(seen: DashboardStage) -> TestResponse:
    return seen.app.test_client().get("/events", buffered=False)


def events(answer: Response, name: str) -> Iterator[str]:
    """The data of each event of that name."""
    for chunk in answer.iter_encoded():
        said = chunk.decode()
        if said.startswith(f"event: {name}\n"):
            yield said.partition("data: ")[2].strip()


@contextmanager
def ending() -> Iterator[None]:
    """The process is told to end."""
    Stopping.asked = lambda: True
    yield
    Stopping.asked = never


def test_a_change_is_told_with_a_version_that_the_page_can_be_had_in(own: DashboardStage) -> None:
    page = own.app.test_client().get("/").text
    with listening(own) as answer:
        assert answer.content_type.startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        changes = events(answer, "change")
        assert f'data-version="{next(changes)}"' in page
        own.queue.enqueue(release_job("shop", "d" * 40))
        version = next(changes)
        page = own.app.test_client().get("/").text
        assert f'data-version="{version}"' in page
        assert "Release of shop ddddddd" in row(page, "shop")


def test_while_nothing_changes_the_time_of_the_look_is_told(own: DashboardStage) -> None:
    with listening(own) as answer:
        looks = events(answer, "look")
        assert next(looks) < next(looks)


def test_there_is_room_for_few_and_a_place_becomes_free_again(own: DashboardStage) -> None:
    answers = [listening(own) for _ in range(MOST_LISTENERS)]
    assert [answer.status_code for answer in answers] == [200] * MOST_LISTENERS
    refused = listening(own)
    assert refused.status_code == 503
    assert own.app.test_client().get("/").status_code == 200
    answers.pop().close()
    answers.append(listening(own))
    assert answers[-1].status_code == 200
    for answer in answers:
        answer.close()


def test_listeners_are_let_go_when_the_process_ends(own: DashboardStage) -> None:
    with listening(own) as answer:
        lines = answer.iter_encoded()
        next(lines)
        with ending():
            thread = threading.Thread(target=lambda: [*lines], daemon=True)
            thread.start()
            thread.join(30)
        assert not thread.is_alive()


def test_strangers_hear_nothing(own: DashboardStage) -> None:
    answer = own.app.test_client().get("/events", environ_overrides={"REMOTE_ADDR": "10.0.0.7"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/releases/none/live", "/releases/blog@12/live"])
def test_a_part_of_a_page_that_is_not_there_is_not_found(own: DashboardStage, path: str) -> None:
    assert own.app.test_client().get(path).status_code == 404


# ---------------------------------------------------------------- under gunicorn


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The web process as the Procfile starts it, and its address."""
    database = f"sqlite:///{tmp_path / 'slipway.db'}"
    migrate(database)
    port = free_port()
    variables = {"DATABASE_URL": database, "GITHUB_WEBHOOK_SECRET": "s" * 20, "PORT": str(port)}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:webhooks.gunicorn_conf",
        "webhooks.app:create_app()",
    ]
    with (tmp_path / "web.log").open("wb") as log:
        started = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until("the web process to answer", lambda: _answers(url))
        yield url, started
    finally:
        started.kill()
        started.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def _listen(url: str) -> requests.Response:
    return requests.get(f"{url}/events", stream=True, timeout=60)


def _heard(url: str) -> requests.Response | None:
    """A listener, unless there is no place for one."""
    return answer if (answer := _listen(url)).ok else None


def test_a_browser_that_went_away_leaves_its_place_to_others(process: tuple[str, "subprocess.Popen[bytes]"]) -> None:
    url, _ = process
    for _ in range(2):
        listeners = [until("a place", lambda: _heard(url)) for _ in range(MOST_LISTENERS)]
        assert _listen(url).status_code == 503
        assert requests.get(f"{url}/healthz", timeout=60).ok
        for listener in listeners:
            listener.close()


def test_an_open_page_does_not_keep_the_process_from_ending(process: tuple[str, "subprocess.Popen[bytes]"]) -> None:
    url, started = process
    with _listen(url) as answer:
        started.terminate()
        assert started.wait(60) == 0
        assert b"".join(answer.iter_content(None)).endswith(b"\n\n")  # where gunicorn breaks it off, this raises
