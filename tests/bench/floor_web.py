"""The floor of an acknowledgement: Flask, one HMAC, one insert that is on disk before the answer."""

import hashlib
import hmac
import os
import sqlite3
import threading

from flask import Flask, Response, abort, request

_CONNECTIONS = threading.local()


def create_app() -> Flask:
    """What gunicorn runs; ``FLOOR_DATABASE`` and ``GITHUB_WEBHOOK_SECRET`` are in the environment."""
    app = Flask(__name__, static_folder=None)
    secret, path = os.environ["GITHUB_WEBHOOK_SECRET"].encode(), os.environ["FLOOR_DATABASE"]
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, body BLOB)")

    def connection() -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(_CONNECTIONS, "database", None)
        if known is None:
            known = _CONNECTIONS.database = sqlite3.connect(path, timeout=10, isolation_level="IMMEDIATE")
            known.execute("PRAGMA synchronous=FULL")
        return known

    @app.post("/webhooks/github")
    def receive() -> Response:
        body = request.get_data(cache=False)
        expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
            abort(401)
        with connection() as database:
            database.execute("INSERT INTO deliveries VALUES (?, ?)", (request.headers["X-GitHub-Delivery"], body))
        return Response(status=202)

    @app.get("/readyz")
    def readyz() -> Response:
        return Response("ok")

    return app
