"""What gunicorn runs: ``gunicorn 'webhooks.app:create_app()'``."""

import sys

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException, InternalServerError

from bot.errors import SlipwayError
from webhooks import api, dashboard, github, health
from webhooks.parts import Metrics, WebParts
from webhooks.sight import Sight, Source

log = structlog.get_logger()

APP_LOAD_ERROR = 4
"""gunicorn's exit code for an application that will not start (``gunicorn/arbiter.py``): it ends, with one message."""


def create_app(parts: WebParts | None = None, source: Source | None = None) -> Flask:
    """The application.

    Args:
        parts: what it works with; from the environment when None, and where that is not complete the process ends
            with the reason. Nothing is connected before the first request.
        source: where the pages' facts come from; from the environment likewise. Without it there are no pages.
    """
    app = Flask(__name__, static_folder=None)
    if parts is None:
        parts, source = _parts_from_environment()
    metrics = Metrics()
    app.register_blueprint(github.blueprint(parts, metrics))
    app.register_blueprint(health.blueprint(parts, metrics))
    if source is not None:
        sight = Sight(source)
        app.register_blueprint(dashboard.blueprint(sight))
        app.register_blueprint(api.blueprint(sight))
    app.register_error_handler(HTTPException, _say)
    app.register_error_handler(Exception, _say_internal)
    return app


def _parts_from_environment() -> tuple[WebParts, Source]:
    from bot import logs  # noqa: PLC0415 - tests that bring their own parts configure their own logs
    from bot.wiring import web_parts  # noqa: PLC0415 - it imports every adapter

    try:
        parts = web_parts()
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(APP_LOAD_ERROR)
    logs.configure(parts.redact)
    return parts, Source(parts.jobs, parts.open_config, parts.redact)


def _say(error: HTTPException) -> Response:
    """Every error is JSON; the headers of its kind (``Allow``, ``Retry-After``) stay."""
    response = jsonify(status="error", reason=error.description or error.name)
    response.status_code = error.code or InternalServerError.code
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _say_internal(error: Exception) -> Response:
    log.error("request failed unexpectedly", exc_info=error)
    return _say(InternalServerError("Slipway met a mistake of its own; the log of the web process has the details."))
