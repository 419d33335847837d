"""What the web process is given, and what it counts."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from bot.ports import Queue
from bot.queue_tally import Tally

EVENTS = frozenset({"push", "pull_request", "pull_request_review", "issue_comment", "ping"})
"""The event names that are counted by name. The others come from whoever knows the address, and are one."""

ACK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; GitHub gives up after 10."""


class WebParts(Protocol):
    """See ``bot.wiring.web_parts``."""

    @property
    def queue(self) -> Queue:
        """Where deliveries go."""
        ...

    @property
    def webhook_secret(self) -> bytes:
        """The secret shared with GitHub."""
        ...

    @property
    def database_ok(self) -> Callable[[], None]:
        """Raises a SlipwayError where no delivery could be stored now."""
        ...

    @property
    def tally(self) -> Callable[[], Tally]:
        """Counts the jobs; raises a SlipwayError where the database cannot be asked."""
        ...


class Metrics:
    """What ``/metrics`` tells of one web process; gunicorn runs one, with threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "slipway_deliveries", "Webhook deliveries", ("event", "answer"), registry=self.registry
        )
        self.ack_seconds = Histogram(
            "slipway_ack_seconds",
            "From the first byte of a delivery read to its answer",
            buckets=ACK_BUCKETS,
            registry=self.registry,
        )
        self.storing = Gauge(
            "slipway_storing", "Whether a delivery could be stored just now, by trying", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def count(self, event: str, answer: str) -> None:
        """Count one delivery."""
        self.deliveries.labels(event if event in EVENTS else "other", answer).inc()
