"""``/healthz``, ``/readyz`` and ``/metrics``: for whoever keeps the service running."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot.errors import SlipwayError
from webhooks.jobs_metrics import JobsCollector
from webhooks.parts import Metrics, WebParts


def blueprint(parts: WebParts, metrics: Metrics) -> Blueprint:
    """The routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        """The process answers."""
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        """A delivery could be stored: something was, just now."""
        try:
            parts.database_ok()
        except SlipwayError as error:
            response = jsonify(status="unavailable", reason=str(error))
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return response
        return jsonify(status="ok")

    def storing() -> float:
        try:
            parts.database_ok()
        except SlipwayError:
            return 0.0
        return 1.0

    metrics.storing.set_function(storing)
    metrics.registry.register(JobsCollector(parts.tally))

    @routes.get("/metrics")
    def tell_metrics() -> Response:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return routes
