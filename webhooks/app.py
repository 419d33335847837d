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


def create_app(parts: WebParts | None = None, sight: Sight | None = None) -> Flask:
    """The application.

    Args:
        parts: what it works with; from the environment when None, and where that is not complete the process ends
            with the reason. Nothing is connected before the first request.
        sight: what the pages see; from the environment likewise. Without it there are no pages.
    """
    app = Flask(__name__, static_folder=None)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if parts is None:
        parts, sight = _parts_from_environment()
    metrics = Metrics()
    app.register_blueprint(github.blueprint(parts, metrics))
    app.register_blueprint(health.blueprint(parts, metrics))
    if sight is not None:
        app.register_blueprint(dashboard.blueprint(sight))
        app.register_blueprint(api.blueprint(sight))
    app.register_error_handler(HTTPException, _say)
    app.register_error_handler(Exception, _say_internal)
    return app


def _parts_from_environment() -> tuple[WebParts, Sight]:
    from bot import logs  # noqa: PLC0415 - tests that bring their own parts configure their own logs
    from bot.wiring import web_parts  # noqa: PLC0415 - it imports every adapter

    try:
        parts = web_parts()
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(APP_LOAD_ERROR)
    logs.configure(parts.redact)
    return parts, Sight(Source(parts.jobs, parts.open_config, parts.redact))


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
