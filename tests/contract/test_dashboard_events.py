"""``/events``: a line when something changed, for few listeners at once, each of which is let go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from bot.jobs import release_job
from tests import dashboard_stage
from tests.dashboard_stage import DashboardStage, row
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
