"""Faults on demand: each breaks exactly what it says, for exactly as long."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bot.sandbox.forge import faults as fault
from tests.forge_stage import REPO, Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        found.pull_request()
        yield found


COMMENTS = f"/repos/{REPO}/issues/1/comments"


def comment(scene: Stage) -> requests.Response:
    return scene.call("POST", COMMENTS, json={"body": "Hello"})


def comments(scene: Stage) -> int:
    return len(scene.call("GET", COMMENTS).json())


def test_a_gateway_gives_up_on_what_was_done(scene: Stage) -> None:
    scene.forge.faults.add("POST", r"/issues/1/comments$", fault.perform_then_status(502))
    assert (comment(scene).status_code, comments(scene)) == (502, 1)
    assert (comment(scene).status_code, comments(scene)) == (201, 2)


def test_the_connection_drops_after_it_was_done(scene: Stage) -> None:
    scene.forge.faults.add("POST", "comments", fault.perform_then_drop(), times=2)
    for done in (1, 2):
        with pytest.raises(requests.ConnectionError):
            comment(scene)
        assert comments(scene) == done
    assert comment(scene).status_code == 201
    assert [request.status for request in scene.forge.requests_log if request.method == "POST"] == [0, 0, 201]


def test_a_status_is_answered_and_nothing_done(scene: Stage) -> None:
    limited = fault.status(403, {"Retry-After": "7"}, '{"message": "secondary rate limit"}')
    scene.forge.faults.add("*", "comments", limited)
    answer = comment(scene)
    assert (answer.status_code, answer.headers["Retry-After"], comments(scene)) == (403, "7", 0)


def test_a_reset_does_nothing(scene: Stage) -> None:
    scene.forge.faults.add("POST", "comments", fault.reset())
    with pytest.raises(requests.ConnectionError, match="reset"):
        comment(scene)
    assert comments(scene) == 0


def test_a_late_answer_is_late_and_holds_up_nobody_else(scene: Stage) -> None:
    scene.forge.faults.add("GET", "/user$", fault.delay(0.3))
    with pytest.raises(requests.ReadTimeout):
        requests.get(
            f"{scene.forge.api_url}/user",
            headers={"Authorization": f"token {scene.tokens['ann']}"},
            timeout=0.1,
        )
    before = time.monotonic()
    assert scene.call("GET", "/user").status_code == 200
    assert time.monotonic() - before < 30


def test_faults_touch_only_what_they_name_and_can_be_taken_back(scene: Stage) -> None:
    scene.forge.faults.add("POST", "comments", fault.status(500), times=9)
    assert scene.call("GET", "/user").status_code == 200
    assert comment(scene).status_code == 500
    scene.forge.faults.clear()
    assert comment(scene).status_code == 201
