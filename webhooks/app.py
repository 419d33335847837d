"""What gunicorn runs: ``gunicorn 'webhooks.app:create_app()'``."""

import hmac
import os
import sys

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException, InternalServerError

from bot.errors import SlipwayError
from bot.settings import AccessSettings
from webhooks import api, dashboard, github, health, sign_in
from webhooks.access import Access, SignIn
from webhooks.parts import Metrics, WebParts
from webhooks.sight import Sight, Source

log = structlog.get_logger()

APP_LOAD_ERROR = 4
"""gunicorn's exit code for an application that will not start (``gunicorn/arbiter.py``): it ends, with one message."""


def create_app(parts: WebParts | None = None, sight: Sight | None = None, rules: Access | None = None) -> Flask:
    """The application.

    Args:
        parts: what it works with; from the environment when None, and where that is not complete the process ends
            with the reason. Nothing is connected before the first request.
        sight: what the pages see; from the environment likewise. Without it there are no pages.
        rules: who may see them; from the environment likewise. Without them, this machine alone.
    """
    app = Flask(__name__, static_folder=None)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if parts is None:
        parts, sight, rules = _parts_from_environment()
    metrics = Metrics()
    app.register_blueprint(github.blueprint(parts, metrics))
    app.register_blueprint(health.blueprint(parts, metrics))
    if sight is not None:
        rules = rules or Access()
        sign_in.set_cookies(app, rules)
        app.register_blueprint(dashboard.blueprint(sight, rules, parts.queue))
        app.register_blueprint(sign_in.blueprint(rules))
        app.register_blueprint(api.blueprint(sight, rules))
    app.register_error_handler(HTTPException, _say)
    app.register_error_handler(Exception, _say_internal)
    return app


def _parts_from_environment() -> tuple[WebParts, Sight, Access]:
    from bot import logs  # noqa: PLC0415 - tests that bring their own parts configure their own logs
    from bot.wiring import web_parts  # noqa: PLC0415 - it imports every adapter

    try:
        parts, settings = web_parts(), AccessSettings.read(os.environ)
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(APP_LOAD_ERROR)
    logs.configure(parts.redact)
    return parts, Sight(Source(parts.jobs, parts.open_config, parts.redact, parts.journal)), _rules(settings)


def _rules(settings: AccessSettings) -> Access:
    """The cookies' key comes from the webhook's secret, so that they outlive the process, and fit each of several."""
    secret = settings.webhook_secret.get_secret_value().encode()
    return Access(
        local_login=settings.local_login,
        proxy_header=settings.proxy_header,
        proxy_addresses=settings.proxy_addresses,
        sign_in=_sign_in(settings),
        public_url=settings.public_url,
        session_key=hmac.digest(secret, b"Slipway signs sessions", "sha256"),
    )


def _sign_in(settings: AccessSettings) -> SignIn | None:
    if settings.oauth_client_id is None or settings.oauth_client_secret is None:
        return None
    from bot.adapters.github.sign_in import GitHubSignIn  # noqa: PLC0415 - only where people sign in

    client = settings.oauth_client_id, settings.oauth_client_secret.get_secret_value()
    return GitHubSignIn(settings.github_url, settings.github_api_url, client, settings.members)


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
