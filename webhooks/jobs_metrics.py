"""What ``/metrics`` tells of the work, of all workers: read from the queue's database at each scrape.

The names, and what they are good for, are in ``docs/operations.md``.
"""

from collections.abc import Callable, Iterator

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.errors import SlipwayError
from bot.queue_tally import Tally

log = structlog.get_logger()


class JobsCollector(Collector):
    """Asks for a tally at each scrape; where there is none, ``slipway_database_up`` is 0 and the rest is left out."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the registry would otherwise ask the database when the process starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        up = GaugeMetricFamily("slipway_database_up", "Whether the queue's database could be asked")
        try:
            tally = self._tally()
        except SlipwayError as error:
            log.warning("jobs cannot be counted", reason=str(error))
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _families(tally)


def _families(tally: Tally) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("slipway_jobs", "Jobs that wait or run now", labels=("workflow", "state"))
    oldest = GaugeMetricFamily(
        "slipway_oldest_job_seconds", "Since the oldest such job was stored", labels=("workflow", "state")
    )
    for moving in tally.moving:
        jobs.add_metric((moving.workflow, moving.state), moving.count)
        oldest.add_metric((moving.workflow, moving.state), moving.oldest_seconds)
    ended = GaugeMetricFamily(
        "slipway_jobs_ended_last_hour", "Jobs that ended within the last hour", labels=("workflow", "outcome")
    )
    for (workflow, outcome), count in tally.ended.items():
        ended.add_metric((workflow, outcome), count)
    runs = GaugeMetricFamily("slipway_steps_last_hour", "Steps that ran within the last hour", labels=("step",))
    seconds = GaugeMetricFamily("slipway_step_seconds_last_hour", "What they took together", labels=("step",))
    for step in tally.steps:
        runs.add_metric((step.step,), step.count)
        seconds.add_metric((step.step,), step.seconds)
    yield from (jobs, oldest, ended, runs, seconds)
    yield from _places(tally)
    yield from _budgets(tally)
    if tally.reconciled_at is not None:
        reconciled = GaugeMetricFamily("slipway_last_reconcile_timestamp_seconds", "When the last reconcile ended")
        reconciled.add_metric([], tally.reconciled_at)
        yield reconciled


def _places(tally: Tally) -> Iterator[Metric]:
    rollouts = GaugeMetricFamily(
        "slipway_rollouts_ended_last_hour",
        "Rollouts that ended within the last hour",
        labels=("environment", "outcome"),
    )
    for (environment, outcome), count in tally.rollouts.items():
        rollouts.add_metric((environment, outcome), count)
    drifted = GaugeMetricFamily(
        "slipway_drifted_places", "Apps whose objects are not as the config branch says", labels=("environment",)
    )
    for environment, count in tally.drifted.items():
        drifted.add_metric((environment,), count)
    yield from (rollouts, drifted)


def _budgets(tally: Tally) -> Iterator[Metric]:
    limit = GaugeMetricFamily("slipway_github_budget_limit", "Requests GitHub answers in an hour", labels=("account",))
    remaining = GaugeMetricFamily("slipway_github_budget_remaining", "Requests of these left", labels=("account",))
    reset = GaugeMetricFamily(
        "slipway_github_budget_reset_timestamp_seconds", "When all of them are there again", labels=("account",)
    )
    for budget in tally.budgets:
        limit.add_metric((budget.account,), budget.limit)
        remaining.add_metric((budget.account,), budget.remaining)
        reset.add_metric((budget.account,), budget.resets_at)
    yield from (limit, remaining, reset)
