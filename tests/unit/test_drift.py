"""Whose turn it is, what counts as drift, and what is shown of it."""

from datetime import timedelta

import pytest

from bot.drift import DriftSeen, PlaceSeen, drifted, looks_for, may_heal, turn
from bot.facts import Difference, JobState
from bot.jobs import Ended, drift_job, sync_job
from bot.overview import overview
from bot.overview_json import overview_facts
from bot.releases import Outcome
from tests.config_fake import CATALOG, MANIFEST, FakeConfig, FakeQueue, release


@pytest.mark.parametrize("count", [1, 4, 60, 2000])
def test_every_place_has_its_turn_once_a_round_and_a_look_is_never_long(count: int) -> None:
    places = [(f"app-{number}", "staging") for number in range(count)]
    looks = [turn(places, occasion) for occasion in range(7, 7 + looks_for(count))]
    assert sorted(place for look in looks for place in look) == sorted(places)
    assert max(map(len, looks)) <= 20
    assert len(looks) >= 5


def test_what_differs_and_what_is_gone_is_drift_and_nothing_else() -> None:
    found = (
        Difference("ConfigMap", "a", "same", "x", "x"),
        Difference("ConfigMap", "a", "edited", "x", "y"),
        Difference("Service", "a", "missing", None, "y"),
        Difference("Job", "a", "cleared-away", None, "y"),
        Difference("Deployment", "a", "refused", problem="no"),
        Difference("ConfigMap", "a", "taken-over", "x", "y", note="there, and not applied by Slipway so far"),
        Difference("ConfigMap", "a", "untried", None, "y", note="its namespace comes with this change"),
    )
    assert drifted(found) == (
        "ConfigMap `edited` differs",
        "Service `missing` is gone",
        "ConfigMap `taken-over` differs",
    )


def test_drift_is_shown_until_a_later_look_or_a_sync() -> None:
    config, queue = FakeConfig(), FakeQueue()
    files = {"staging/blog.yaml": MANIFEST.format(app="blog", image="registry.example.com/blog:${TAG_TO_DEPLOY}")}
    config.edit({"slipway.yaml": CATALOG, **files}, "Begin")
    commit = config.bump(release("blog", 7), "staging")
    config.end(commit, "blog", "staging", Outcome.HEALTHY)
    words = ("ConfigMap `settings` differs",)

    def shown() -> list[str]:
        facts = overview_facts(overview(config, queue, str), None)
        row = next(row for row in facts["apps"] if row["name"] == "blog")
        drift: list[str] = row["environments"]["staging"]["drift"]
        return drift

    def see(occasion: int, *objects: str, at: str = commit) -> None:
        seen = DriftSeen((PlaceSeen("blog", "staging", at, objects),))
        queue.add(drift_job(occasion), JobState.DONE, seen)

    assert shown() == []
    see(1, *words)
    assert shown() == [*words]
    see(2)
    assert shown() == []
    see(3, *words)
    queue.add(sync_job("blog", "staging", commit, 2), JobState.DONE, Ended("healthy"))
    assert shown() == []
    see(4, *words, at="f" * 40)
    assert shown() == []


def test_a_drift_that_keeps_coming_back_is_undone_three_times_and_then_every_six_hours() -> None:
    at_once, later = timedelta(minutes=2), timedelta(hours=6)
    assert [may_heal(syncs, at_once) for syncs in range(1, 6)] == [True, True, True, False, False]
    assert may_heal(9, later)
