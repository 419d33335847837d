"""``POST /webhooks/github``: verify, parse, store, acknowledge.

GitHub waits 10 seconds for the answer, shows it in its list of deliveries, and never sends again by itself: whatever
is acknowledged here must be on disk, and whatever is not must say so (503), so that ``reconcile`` redelivers it.
"""

import json
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import structlog
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from bot import events
from bot.errors import SlipwayError
from bot.facts import Job
from webhooks import signature
from webhooks.parts import Metrics, WebParts

log = structlog.get_logger()

BODY_LIMIT = 25 * 1024 * 1024
"""Bytes. GitHub caps payloads at 25 MB (https://docs.github.com/en/webhooks/webhook-events-and-payloads)."""

RETRY_SECONDS = 30

FORM = "application/x-www-form-urlencoded"

_DELIVERY = re.compile(r"[A-Za-z0-9-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_]{1,100}")


class RefusedError(Exception):
    """A delivery that is answered with an error. ``answer`` is the word it is counted under."""

    def __init__(self, status: HTTPStatus, answer: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.answer = answer
        self.reason = reason


def blueprint(parts: WebParts, metrics: Metrics) -> Blueprint:
    """The route."""
    routes = Blueprint("github", __name__)

    @routes.post("/webhooks/github")
    def receive() -> Response:
        event, delivery = request.headers.get("X-GitHub-Event", ""), request.headers.get("X-GitHub-Delivery", "")
        with metrics.ack_seconds.time(), structlog.contextvars.bound_contextvars(delivery=delivery[:100]):
            try:
                status, answer, reason = _take(parts, event, delivery)
            except RefusedError as refused:
                status, answer, reason = refused.status, refused.answer, refused.reason
                log.warning("delivery refused", event_name=event[:100], answer=answer, reason=reason)
        metrics.count(event, answer)
        return _answer(status, answer, reason, delivery)

    return routes


def _take(parts: WebParts, event: str, delivery: str) -> tuple[HTTPStatus, str, str | None]:
    body = _body()
    if not signature.is_genuine(parts.webhook_secret, body, request.headers.get(signature.HEADER)):
        raise RefusedError(
            HTTPStatus.UNAUTHORIZED,
            "unsigned",
            f"The header {signature.HEADER} is missing or was not made with GITHUB_WEBHOOK_SECRET. Set the same "
            "secret here and in the webhook's settings on GitHub.",
        )
    happening = _parse(event, delivery, body)
    if isinstance(happening, events.Ignored):
        return HTTPStatus.OK, "ignored", happening.reason
    return HTTPStatus.ACCEPTED, "accepted", None if _store(parts, happening, delivery) else "it is stored already"


def _body() -> bytes:
    """The raw bytes, however they are framed."""
    request.max_content_length = BODY_LIMIT + 1  # a chunked body is cut there without a word
    try:
        with suppress(RequestEntityTooLarge):
            body = request.get_data(cache=False, parse_form_data=False)
            if len(body) <= BODY_LIMIT:
                return body
    except ClientDisconnected:
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT, "too_slow", "The body ended early, or did not arrive in time; send it again."
        ) from None
    raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"The body is longer than {BODY_LIMIT} bytes.")


def _parse(event: str, delivery: str, body: bytes) -> events.Event:
    if not _EVENT.fullmatch(event):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "malformed", "The header X-GitHub-Event names no event.")
    if not _DELIVERY.fullmatch(delivery):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "malformed", "The header X-GitHub-Delivery holds no delivery id.")
    try:
        return events.parse(event, _payload(body))
    except events.MalformedPayload as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "malformed", str(error)) from None


def _payload(body: bytes) -> Any:
    """The JSON, in itself or in the form field ``payload``, which is how GitHub sends it unless told otherwise."""
    try:
        if request.mimetype == FORM:
            body = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)["payload"][0].encode()
        return json.loads(body)
    except (ValueError, KeyError, RecursionError):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "malformed", "The body is neither JSON nor a form with JSON in the field payload."
        ) from None


def _store(parts: WebParts, happening: events.Happening, delivery: str) -> bool:
    """Put it into the queue, one lane for each repository; False where it is there already."""
    content = {"event": events.to_json(happening), "delivery": delivery}
    try:
        stored = parts.queue.enqueue(Job("delivery", f"delivery/{delivery}", happening.repo, content))
    except SlipwayError as error:
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", str(error)) from None
    log.info("delivery stored" if stored else "delivery known", repo=happening.repo, kind=type(happening).__name__)
    return stored


def _answer(status: HTTPStatus, answer: str, reason: str | None, delivery: str) -> Response:
    content = {"status": answer, "delivery": delivery} | ({} if reason is None else {"reason": reason})
    response = jsonify(content)
    response.status_code = status
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
