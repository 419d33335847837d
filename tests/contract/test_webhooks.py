"""The web process over HTTP: gunicorn as the Procfile starts it, on SQLite and on PostgreSQL."""

import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest
import requests

from bot import events
from bot.adapters.dbos.database import migrate
from tests.engines import free_port
from tests.github_payloads import examples
from tests.web_stage import MEGABYTE, PROJECT, SECRET, Web, procfile_command, push, serving, told
from webhooks.signature import HEADER, sign


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/slipway.db"
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("postgres_server").fresh_database())
        migrate(url)
        yield stack.enter_context(serving(folder, url))


# ---------------------------------------------------------------- accepted


def test_a_push_is_stored_and_accepted(web: Web) -> None:
    delivery = str(uuid4())
    assert told(web.send(push(), delivery=delivery)) == (202, {"status": "accepted", "delivery": delivery})
    record = web.queue.job(f"delivery/{delivery}")
    assert record is not None
    assert record.workflow == "delivery"


def test_a_redelivery_is_stored_once_and_accepted_again(web: Web) -> None:
    delivery = str(uuid4())
    first, second = web.send(push(), delivery=delivery), web.send(push(), delivery=delivery)
    assert (first.status_code, second.status_code) == (202, 202)
    assert "already" in second.json()["reason"]
    assert len(web.queue.jobs(f"delivery/{delivery}")) == 1


def test_a_form_is_read_as_github_sends_it(web: Web) -> None:
    delivery = str(uuid4())
    body = urlencode({"payload": push().decode()}).encode()
    response = web.send(body, delivery=delivery, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 202
    assert web.stored(delivery)


def test_a_chunked_body_is_read_whole(web: Web) -> None:
    body = push()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": str(uuid4()), HEADER: sign(SECRET, body)}
    pieces = iter([body[:100], body[100:]])
    response = requests.post(f"{web.url}/webhooks/github", data=pieces, headers=headers, timeout=30)
    assert response.status_code == 202


def test_every_payload_that_github_shows_is_answered(web: Web) -> None:
    for known in examples():
        response = web.send(json.dumps(known.payload).encode(), known.event)
        expected = 200 if isinstance(events.parse(known.event, known.payload), events.Ignored) else 202
        assert response.status_code == expected, known.event


# ---------------------------------------------------------------- ignored, refused


def test_what_is_not_used_is_answered_with_the_reason_and_not_stored(web: Web) -> None:
    delivery = str(uuid4())
    answer = told(web.send(b"{}", "star", delivery))
    assert answer == (200, {"status": "ignored", "reason": "event star is not used", "delivery": delivery})
    assert not web.stored(delivery)


@pytest.mark.parametrize("signature", [None, "sha256=", "sha256=" + "0" * 64, sign(b"another secret", b"{}")])
def test_a_body_without_its_signature_is_refused_before_it_is_read(web: Web, signature: str | None) -> None:
    delivery = str(uuid4())
    status, answer = told(web.send(b"no JSON", delivery=delivery, signature=signature))
    assert (status, answer["status"]) == (401, "unsigned")
    assert "GITHUB_WEBHOOK_SECRET" in answer["reason"]
    assert not web.stored(delivery)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"number": ' + b"9" * 10_000 + b"}", "application/json"),
        (b"payload=%7B", "application/x-www-form-urlencoded"),
        (b"load=%7B%7D", "application/x-www-form-urlencoded"),
        (b"{}", "application/x-www-form-urlencoded"),
        (b"payload=\xff", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_json_is_refused(web: Web, body: bytes, content_type: str) -> None:
    status, answer = told(web.send(body, content_type=content_type))
    assert (status, answer["status"]) == (400, "malformed")
    assert "JSON" in answer["reason"]


def test_a_known_event_without_its_fields_is_refused_by_name(web: Web) -> None:
    status, answer = told(web.send(b'{"ref": "refs/heads/main"}'))
    assert status == 400
    assert "before" in answer["reason"]


@pytest.mark.parametrize(
    ("event", "delivery", "named"),
    [
        (None, None, "X-GitHub-Event"),
        ("Push!", None, "X-GitHub-Event"),
        ("push", "", "X-GitHub-Delivery"),
        ("push", "../../etc", "X-GitHub-Delivery"),
        ("push", "x" * 101, "X-GitHub-Delivery"),
    ],
)
def test_headers_that_are_missing_or_wrong_are_named(
    web: Web, event: str | None, delivery: str | None, named: str
) -> None:
    status, answer = told(web.send(push(), event, delivery))
    assert status == 400
    assert named in answer["reason"]


def test_a_body_of_25_megabytes_is_read(web: Web) -> None:
    body = b"{}".ljust(25 * MEGABYTE)
    assert web.send(body, "star").status_code == 200


def test_a_longer_body_is_refused_whether_or_not_its_length_is_told(web: Web) -> None:
    body = b"{}".ljust(25 * MEGABYTE + 1)
    status, answer = told(web.send(body, "star"))
    assert (status, answer["status"]) == (413, "too_large")
    chunks = (body[start : start + MEGABYTE] for start in range(0, len(body), MEGABYTE))
    headers = {"X-GitHub-Event": "star", "X-GitHub-Delivery": "chunked", HEADER: sign(SECRET, body)}
    assert requests.post(f"{web.url}/webhooks/github", data=chunks, headers=headers, timeout=30).status_code == 413


def test_a_body_that_ends_before_its_length_is_not_taken_for_a_delivery(web: Web) -> None:
    delivery = str(uuid4())
    body = push()
    head = f"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\n"
    head += f"{HEADER}: {sign(SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(web.address, timeout=30) as connection:
        connection.sendall(head.encode() + body[:-10])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(MEGABYTE)
    assert b" 5" not in answer[:13]
    assert not web.stored(delivery)
    assert web.get("/healthz").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(web: Web, method: str) -> None:
    response = requests.request(method, f"{web.url}/webhooks/github", timeout=30)
    assert told(response)[0] == 405
    assert "POST" in response.headers["Allow"]


def test_other_paths_are_not_found_in_json(web: Web) -> None:
    assert told(web.get("/nowhere"))[0] == 404


# ---------------------------------------------------------------- the database


@contextmanager
def unwritable(database_url: str) -> Iterator[None]:
    """A database that answers but cannot store: locked by another, or read-only as a failed-over one is."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    read_only(database_url, "on")
    yield
    read_only(database_url, "off")


def read_only(database_url: str, value: str) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_what_cannot_be_stored_is_not_acknowledged(web: Web) -> None:
    delivery = str(uuid4())
    with unwritable(web.database_url):
        response = web.send(push(), delivery=delivery)
        status, answer = told(response)
        assert (status, answer["status"]) == (503, "unavailable")
        assert response.headers["Retry-After"] == "30"
        what = web.database_url.removeprefix("sqlite:///") if web.database_url.startswith("sqlite") else "DATABASE_URL"
        assert what in answer["reason"]
        assert told(web.get("/readyz"))[0] == 503
        assert told(web.get("/healthz")) == (200, {"status": "ok"})
    assert told(web.get("/readyz")) == (200, {"status": "ok"})
    assert web.send(push(), delivery=delivery).status_code == 202
    assert web.stored(delivery)


def test_a_database_without_tables_is_unavailable_and_says_what_to_run(tmp_path: Path) -> None:
    with serving(tmp_path, f"sqlite:///{tmp_path}/empty.db") as web:
        status, answer = told(web.send(push()))
        assert status == 503
        assert "python -m bot migrate" in answer["reason"]


# ---------------------------------------------------------------- as it is run


def test_the_procfiles_line_serves_with_nothing_but_the_designs_variables(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(database_url)
    with serving(tmp_path, database_url, procfile_command()) as web:
        delivery = str(uuid4())
        assert web.send(push(), delivery=delivery).status_code == 202
        assert web.stored(delivery)
        assert web.get("/readyz").status_code == 200


def test_without_a_secret_it_ends_and_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("PORT", str(free_port()))
    done = subprocess.run(procfile_command(), cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 4
    assert "GITHUB_WEBHOOK_SECRET: is missing" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- metrics


def test_deliveries_are_counted_by_event_and_answer(web: Web) -> None:
    web.send(b"{}", "made_up_by_a_stranger", signature=None)
    web.send(push())
    text = web.get("/metrics").text
    assert 'slipway_deliveries_total{answer="accepted",event="push"}' in text
    assert 'slipway_deliveries_total{answer="unsigned",event="other"}' in text
    assert "stranger" not in text
    assert "slipway_ack_seconds_count" in text


def test_jobs_are_counted_as_they_stand(web: Web) -> None:
    answer = web.send(push())
    assert answer.status_code == 202
    text = web.get("/metrics").text
    assert "slipway_database_up 1.0" in text
    assert re.search(r'slipway_jobs\{state="queued",workflow="delivery"\} [1-9]', text)
    assert re.search(r'slipway_oldest_job_seconds\{state="queued",workflow="delivery"\} [0-9]', text)
