"""How fast a webhook is acknowledged at 200 a second, beside a Flask that only does what cannot be left out.

The floor is ``tests.bench.floor_web``: one HMAC and one durable insert, under the same gunicorn with the same settings.
"""

import hashlib
import hmac
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
RATE = 200
SENDERS = 32
STARTS_SECONDS = 30.0

PUSH = {
    "ref": "refs/heads/master",
    "before": "0" * 40,
    "after": "1" * 40,
    "created": False,
    "deleted": False,
    "forced": False,
    "repository": {"id": 1, "full_name": "acme/elsewhere", "default_branch": "master"},
    "pusher": {"name": "dora"},
    "sender": {"login": "dora", "id": 1, "type": "User"},
    "commits": [{"id": f"{number:040x}", "message": "A change\n" * 10} for number in range(10)],
}


@contextmanager
def gunicorn(app: str, port: int, variables: Mapping[str, str], log: Path) -> Iterator[None]:
    """An application under gunicorn with Slipway's settings; ready when this yields."""
    command = [sys.executable, "-m", "gunicorn", "--config", "python:webhooks.gunicorn_conf", app]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**inherited, **variables, "PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _await(port)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _await(port: int) -> None:
    deadline = time.monotonic() + STARTS_SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise RuntimeError("the web process did not start")


def acks(port: int, secret: str, seconds: float) -> list[float]:
    """Send ``RATE`` deliveries a second for so long; how long each took to be acknowledged, in seconds.

    Raises:
        RuntimeError: one was answered with something else than 202.
    """
    body = json.dumps(PUSH).encode()
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
    senders, begin = threading.local(), time.perf_counter() + 0.1
    opened: list[http.client.HTTPConnection] = []

    def send(number: int) -> float:
        time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        connection: http.client.HTTPConnection | None = getattr(senders, "connection", None)
        if connection is None:
            connection = senders.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.connect()
            opened.append(connection)
        sent = time.perf_counter()
        delivery = {"X-GitHub-Delivery": str(uuid.uuid4())}
        connection.request("POST", "/webhooks/github", body=body, headers=headers | delivery)
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - sent
        if answer.status != http.client.ACCEPTED:
            raise RuntimeError(f"a delivery was answered with {answer.status}")
        return took

    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            return list(pool.map(send, range(int(RATE * seconds))))
    finally:
        for connection in opened:
            connection.close()


def p99(took: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(took, n=100)[98]
