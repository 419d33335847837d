"""The delivery log of webhooks: on the stand-in as administrator, and as a GitHub App against scripted answers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.github.credentials import AppCredentials, TokenCredentials
from bot.adapters.github.deliveries import GitHubDeliveries
from tests.engines import free_port
from tests.forge_stage import REPO, Stage, stage
from tests.scripted_http import Answer, ScriptedServer

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made
        made.judge()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def log_as(login: str, scene: Stage) -> GitHubDeliveries:
    return GitHubDeliveries(scene.forge.api_url, TokenCredentials(scene.tokens[login]))


def test_what_nobody_took_is_found_and_sent_again(scene: Stage, server: ScriptedServer) -> None:
    server.script(Answer(202), Answer(503), Answer(202))
    hook = scene.forge.add_webhook(REPO, f"{server.url}/webhooks/github", "secret")
    scene.forge.add_webhook(REPO, f"http://127.0.0.1:{free_port()}/elsewhere", "secret")
    number = scene.pull_request("topic")
    assert scene.forge.wait_for_deliveries()
    log = log_as("olga", scene)
    failed = log.failed([REPO], LONG_AGO)
    sent = scene.forge.deliveries(REPO, hook)
    assert [(one.guid, one.event, one.attempts) for one in failed] == [
        (one.guid, one.event, 1) for one in reversed(sent) if one.status_code != 202
    ]
    assert number
    assert failed
    for one in failed:
        server.script(Answer(202))
        log.redeliver(one)
    assert scene.forge.wait_for_deliveries()
    assert log.failed([REPO], LONG_AGO) == ()


def test_what_is_older_is_left_alone(scene: Stage) -> None:
    scene.forge.add_webhook(REPO, f"http://127.0.0.1:{free_port()}/webhooks/github", "secret")
    assert scene.forge.wait_for_deliveries()
    log = log_as("olga", scene)
    assert len(log.failed([REPO], LONG_AGO)) == 1
    assert log.failed([REPO], datetime.now(UTC) + timedelta(minutes=1)) == ()


def test_a_log_that_is_shown_to_administrators_alone_is_done_without(
    scene: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_as("slipway-bot", scene)
    assert [log.failed([REPO], LONG_AGO) for _ in range(2)] == [(), ()]
    assert capsys.readouterr().out.count("delivery log") == 1


def entry(number: int, guid: str, status: int) -> dict[str, Any]:
    return {
        "id": number,
        "guid": guid,
        "event": "push",
        "status_code": status,
        "delivered_at": f"2026-01-01T00:00:{number:02}Z",
    }


def test_an_app_has_one_log_which_is_read_page_by_page(server: ScriptedServer) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    log = GitHubDeliveries(server.url, AppCredentials(17, pem, server.url))
    following = f'<{server.url}/app/hook/deliveries?per_page=100&cursor=v1_5>; rel="next"'
    server.script(
        Answer(body=[entry(9, "b", 202), entry(8, "a", 502)], headers={"Link": following}),
        Answer(body=[entry(5, "b", 500), entry(4, "a", 504), entry(3, "c", 200)]),
        Answer(202, {}),
    )
    (failed,) = log.failed(["org/config", "org/site"], LONG_AGO)
    assert (failed.guid, failed.id, failed.attempts, failed.at) == ("a", 8, 2, "2026-01-01T00:00:08Z")
    log.redeliver(failed)
    assert server.lines == [
        "GET /app/hook/deliveries",
        "GET /app/hook/deliveries",
        "POST /app/hook/deliveries/8/attempts",
    ]
    assert server.received[1].query["cursor"] == "v1_5"
