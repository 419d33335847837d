"""The four figures of trails whose every time is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.audit import OutcomeNote
from bot.dora import Figures, figures, in_spans, lead_seconds
from bot.facts import ConfigCommit
from bot.releases import Outcome
from bot.trail import Entry, Kind
from tests.config_fake import release

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
END = START + timedelta(days=7)
HOUR = 3600.0
RELEASE = release("blog", 0x56)
"""Merged at ``START``."""


def entry(
    hours: float,
    *outcomes: tuple[float, Outcome],
    kind: Kind = Kind.RELEASE,
    app: str = "blog",
    reverted_by: str | None = None,
) -> Entry:
    """A change so many hours after the start, with (hour, outcome) of its syncs."""
    commit = ConfigCommit(f"{int(hours * 100):040x}", (), "Dora", "d@x", "Slipway", when(hours), "subject", ())
    notes = tuple(OutcomeNote(app, "production", "image", outcome, when(ended), 30.0) for ended, outcome in outcomes)
    made = RELEASE if kind is Kind.RELEASE else None
    return Entry(commit, kind, app, "production", "dora", "title", made, notes=notes, reverted_by=reverted_by)


def when(hours: float) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def of(*entries: Entry, since: datetime = START) -> Figures:
    return figures(entries, since=since, until=END)


def healthy(at: float) -> tuple[float, Outcome]:
    return at, Outcome.HEALTHY


def failed(at: float) -> tuple[float, Outcome]:
    return at, Outcome.FAILED


def test_nothing_happened_and_nothing_is_claimed() -> None:
    found = of()
    assert (found.deployments, found.per_week, found.failure_rate) == (0, 0.0, None)
    assert (found.lead_seconds, found.restore_seconds) == (None, None)


def test_what_reached_the_pods_is_a_deployment_and_nothing_else() -> None:
    found = of(
        entry(1, healthy(1.1)),
        entry(2, failed(2.1)),
        entry(3, healthy(3.1), kind=Kind.EDIT),
        entry(4, healthy(4.1), kind=Kind.ROLLBACK),
        entry(5, healthy(5.1), kind=Kind.REVERT),
        entry(6, healthy(6.1), kind=Kind.SHARED),
        entry(7, (7.1, Outcome.UNKNOWN)),
        entry(8, (8.1, Outcome.SUPERSEDED)),
        entry(9),
    )
    assert (found.deployments, found.per_week) == (3, 3.0)


def test_the_lead_time_runs_from_the_merge_to_the_first_healthy_outcome() -> None:
    assert lead_seconds(entry(1, failed(1), healthy(2), healthy(5))) == 2 * HOUR
    assert lead_seconds(entry(1, healthy(-1))) == 0
    assert lead_seconds(entry(1, failed(1))) is None
    assert lead_seconds(entry(1, healthy(1), kind=Kind.EDIT)) is None


@pytest.mark.parametrize("merged_at", [None, "yesterday", "2026-11-20T10:00:00"])
def test_a_release_whose_merge_has_no_time_has_no_lead_time(merged_at: str | None) -> None:
    untold = replace(RELEASE, merge=replace(RELEASE.merge, merged_at=merged_at))
    assert lead_seconds(replace(entry(1, healthy(2)), release=untold)) is None


def test_the_middle_lead_time_is_told() -> None:
    assert of(entry(1, healthy(1)), entry(2, healthy(2)), entry(3, healthy(90))).lead_seconds == 2 * HOUR


def test_a_deployment_failed_where_its_pods_did_or_where_it_was_undone() -> None:
    found = of(
        entry(1, failed(1.1)),
        entry(2, failed(2.1), healthy(2.2)),
        entry(3, healthy(3.1), reverted_by="4" * 40),
        entry(4, healthy(4.1)),
    )
    assert (found.failures, found.failure_rate) == (3, 0.75)


def test_a_failure_lasts_until_anything_is_healthy_there() -> None:
    found = of(entry(1, failed(1)), entry(2, healthy(3), kind=Kind.ROLLBACK))
    assert (found.restored, found.restore_seconds) == (1, 2 * HOUR)


def test_failures_in_a_row_are_one() -> None:
    found = of(entry(1, failed(1)), entry(2, failed(2), kind=Kind.ROLLBACK), entry(3, failed(3)), entry(4, healthy(6)))
    assert (found.restored, found.restore_seconds) == (1, 5 * HOUR)


def test_what_was_undone_later_was_bad_from_when_it_went_live() -> None:
    found = of(
        entry(1, healthy(1), reverted_by="3" * 40),
        entry(3, healthy(4), kind=Kind.REVERT),
    )
    assert (found.restored, found.restore_seconds) == (1, 3 * HOUR)


def test_a_failure_that_goes_on_is_not_restored() -> None:
    found = of(entry(1, failed(1)), entry(2, (2, Outcome.UNKNOWN)))
    assert (found.failures, found.restored, found.restore_seconds) == (1, 0, None)


def test_one_app_s_health_does_not_restore_another() -> None:
    found = of(entry(1, failed(1)), entry(2, healthy(2), app="shop"), entry(3, healthy(4)))
    assert found.restore_seconds == 3 * HOUR


def test_only_what_was_deployed_in_the_period_counts() -> None:
    since = START + timedelta(hours=10)
    early, late = entry(1, failed(1)), entry(11, failed(11))
    found = of(early, entry(2, healthy(2)), late, entry(12, healthy(14)), since=since)
    assert (found.deployments, found.failures, found.restored) == (2, 1, 1)
    assert found.restore_seconds == 3 * HOUR


def test_a_period_is_a_day_at_least() -> None:
    found = figures([entry(1, healthy(1))], since=END, until=END)
    assert found.days == 1


def test_spans_part_the_time_and_count_nothing_twice() -> None:
    day = 24.0
    trail = (
        entry(1, healthy(2)),
        entry(day * 3.5 - 1, failed(day * 3.5 - 0.5)),
        entry(day * 3.5 + 1, healthy(day * 3.5 + 1.5)),
        entry(day * 3.5, failed(day * 3.5 + 0.2), app="shop"),
    )
    first, second = in_spans(trail, since=START, until=END, count=2)
    assert (first.deployments, first.failures, first.lead_seconds) == (2, 1, 2 * HOUR)
    assert (first.restored, first.restore_seconds) == (1, 2 * HOUR)
    assert (second.deployments, second.failures, second.restored) == (2, 1, 0)
    assert first.days == second.days == 3.5
