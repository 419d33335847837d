"""Many apps are looked at in parts, spread over the interval, and one look answers for many pushes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.events import Pushed
from bot.facts import FailedDelivery, Job, JobState
from bot.jobs import Ended, release_job, round_job, sync_job
from bot.memory import ConfigLook
from bot.releases import Outcome
from bot.services import Services
from bot.steps.changes import changed_places
from bot.steps.missed import jobs_for, missed_jobs, missed_jobs_in
from bot.steps.parts import FEW_APPS, WHOLE, Part, parts_for, pause_between
from bot.steps.redeliver import redeliver_failed
from bot.workflows import WORKFLOWS
from tests.config_fake import MANIFEST, FakeConfig, FakeQueue, release
from tests.unit.test_missed import Heads, head_of, services

ENVIRONMENTS = """\
environments:
  - {name: staging, cluster: staging, namespace: staging, gate: commit}
  - {name: production, cluster: production, namespace: production, gate: pull-request}
apps:
"""

NOWHERE = "0" * 40


def catalog(apps: int) -> str:
    entry = "  - {{name: app-{0}, source: acme/app-{0}, branch: main, image: registry.example.com/app-{0}}}\n"
    return ENVIRONMENTS + "".join(entry.format(number) for number in range(apps))


def config_of(apps: int) -> FakeConfig:
    config = FakeConfig()
    config.edit({"slipway.yaml": catalog(apps)}, "Begin")
    return config


def push(config: FakeConfig, at: int = -1) -> Pushed:
    """The webhook of one commit of the config branch."""
    before = config.line[at - 1].sha if len(config.line) + at > 0 else NOWHERE
    return Pushed("acme/config", config.branch, before, config.line[at].sha, "dora")


def heard(bot: Services, event: Pushed) -> tuple[Job, ...]:
    """What a delivery starts, as the workflow remembers it."""
    looks: list[ConfigLook] = []
    jobs = jobs_for(bot, event, looks.append)
    bot.memory.looked = looks[-1] if looks else bot.memory.looked
    return jobs


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(("apps", "parts"), [(0, 1), (1, 1), (50, 1), (51, 2), (1_000, 19), (10_000, 19)])
def test_above_fifty_apps_a_look_is_cut_into_parts_that_the_interval_has_room_for(apps: int, parts: int) -> None:
    assert parts_for(apps, 120) == parts
    assert (parts - 1) * pause_between(parts, 120) < 120


def test_a_short_interval_has_one_part() -> None:
    assert parts_for(1_000, 3) == 1


def test_each_app_is_in_one_part_and_always_in_the_same() -> None:
    config, sources = config_of(200), Heads()
    bot = services(config, FakeQueue(), sources)
    for number in range(4):
        missed_jobs_in(bot, Part(number, 4))
    assert sorted(sources.asked) == sorted(f"acme/app-{number}" for number in range(200))
    before = list(sources.asked)
    missed_jobs_in(bot, Part(2, 4))
    assert set(sources.asked[200:]) < set(before)
    assert 20 < len(sources.asked[200:]) < 80


# ---------------------------------------------------------------- rounds


def test_few_apps_are_looked_at_at_once() -> None:
    sources = Heads()
    jobs = missed_jobs(services(config_of(FEW_APPS), FakeQueue(), sources), "7")
    assert len(sources.asked) == FEW_APPS
    assert release_job("app-3", head_of("acme/app-3")) in jobs


def test_many_apps_are_left_to_a_round_and_rounds_never_overlap() -> None:
    config, queue, sources = config_of(100), FakeQueue(), Heads()
    asked = round_job("7", 2, 48.0)
    assert missed_jobs(services(config, queue, sources), "7")[-1] == asked
    assert not sources.asked
    queue.add(asked, JobState.RUNNING)
    assert not [job for job in missed_jobs(services(config, queue, sources), "8") if job.workflow == "round"]
    queue.records.clear()
    queue.add(asked, JobState.DONE, Ended("done"))
    assert round_job("8", 2, 48.0) in missed_jobs(services(config, queue, sources), "8")


class Steps:
    """``ports.Run`` that runs each step at once and sleeps not at all."""

    id = "round/7/1"

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.started: list[Job] = []

    def step(self, _name: str, function: Callable[[], Any], *, attempts: int = 5) -> Any:
        assert attempts
        return function()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def start(self, job: Job) -> bool:
        self.started.append(job)
        return True


def test_a_round_looks_at_every_app_once_with_pauses_between_its_parts() -> None:
    sources, run = Heads(), Steps()
    asked = round_job("7", *(parts := (4, 24.0)))
    ended = WORKFLOWS["round"](cast("Any", run), services(config_of(200), FakeQueue(), sources), asked.input)
    assert sorted(sources.asked) == sorted(f"acme/app-{number}" for number in range(200))
    assert len(run.started) == 200
    assert isinstance(ended, Ended)
    assert ended.outcome == "done"
    assert len(run.slept) == parts[0] - 1
    assert all(0 <= seconds < parts[1] for seconds in run.slept), "what the looks took counts"


class Logs:
    """Delivery logs without an entry; which of them were read, and how many days back."""

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []

    def failed(self, repos: Sequence[str], since: datetime) -> tuple[FailedDelivery, ...]:
        self.read.append((len(repos), (datetime.now(UTC) - since + timedelta(minutes=1)).days))
        return ()


@pytest.mark.parametrize(("apps", "at_start", "later"), [(20, (21, 3), (11, 0)), (100, (1, 3), (11, 3))])
def test_the_delivery_logs_of_many_repositories_are_never_read_all_at_once(
    apps: int, at_start: tuple[int, int], later: tuple[int, int]
) -> None:
    logs = Logs()
    bot = replace(services(config_of(apps), FakeQueue()), deliveries=cast("Any", logs))
    redeliver_failed(bot, "start-1a2b")
    redeliver_failed(bot, "7")
    assert logs.read == [at_start, later]


# ---------------------------------------------------------------- pushes to the config repo


def test_one_look_answers_for_every_push_that_it_has_seen_the_end_of() -> None:
    config = config_of(2)
    bot = services(config, FakeQueue(), Heads())
    for number in range(3):
        config.edit({f"notes/{number}.txt": "a competitor's"})
    assert heard(bot, push(config))
    config.reads.clear()
    assert [heard(bot, push(config, at)) for at in (-3, -2)] == [(), ()]
    assert not config.reads


def test_a_push_back_to_an_earlier_commit_is_looked_at() -> None:
    config = config_of(2)
    bot = services(config, FakeQueue(), Heads())
    config.edit({"staging/app-0.yaml": "one"})
    config.edit({"staging/app-0.yaml": "two"})
    heard(bot, push(config))
    config.reads.clear()
    newest, older = config.line[-1].sha, config.line[-2].sha
    heard(bot, Pushed("acme/config", config.branch, newest, older, "dora"))
    assert config.reads


def test_only_what_changed_since_the_last_look_is_asked_for() -> None:
    config, queue = config_of(2), FakeQueue()
    bot = services(config, queue, Heads())
    bumps = [config.bump(release(f"app-{number}", 0x56), "staging") for number in range(2)]
    first = heard(bot, push(config))
    assert all(sync_job(f"app-{number}", "staging", bump) in first for number, bump in enumerate(bumps))
    newer = config.bump(release("app-1", 0x57), "staging")
    assert [job for job in heard(bot, push(config)) if job.workflow == "sync"] == [sync_job("app-1", "staging", newer)]


def test_a_look_that_could_not_see_everything_answers_for_nothing() -> None:
    config = config_of(2)
    bot = services(config, FakeQueue(), Heads())
    config.promote(release("gone", 0x56))  # of no app any more; its pull request is on GitHub, which is away
    heard(bot, push(config))
    assert bot.memory.looked is None


def test_a_failed_sync_is_found_by_the_next_look_at_everything() -> None:
    config, queue = config_of(1), FakeQueue()
    bot = services(config, queue, Heads())
    bump = config.bump(release("app-0", 0x56), "staging")
    heard(bot, push(config))
    queue.add(sync_job("app-0", "staging", bump), JobState.DONE, Ended("failed"))
    config.end(bump, "app-0", "staging", Outcome.FAILED)
    assert [job.workflow for job in missed_jobs(bot, "7") if job.workflow == "rollback"] == ["rollback"]


# ---------------------------------------------------------------- new apps


def test_an_app_that_the_catalog_gains_is_released_at_once() -> None:
    config, sources = config_of(2), Heads()
    bot = services(config, FakeQueue(), sources)
    heard(bot, push(config))
    sources.asked.clear()
    config.edit({"slipway.yaml": catalog(3)}, "Add an app")
    config.edit({"README.md": "one more commit of the same push"})
    jobs = heard(bot, push(config))
    assert [job for job in jobs if job.workflow == "release"] == [release_job("app-2", head_of("acme/app-2"))]
    assert sources.asked == ["acme/app-2"]


def test_an_app_that_moves_to_another_repository_is_released_from_there() -> None:
    config, sources = config_of(2), Heads()
    bot = services(config, FakeQueue(), sources)
    heard(bot, push(config))
    config.edit({"slipway.yaml": catalog(2).replace("source: acme/app-1", "source: acme/moved")}, "Move")
    jobs = heard(bot, push(config))
    assert [job for job in jobs if job.workflow == "release"] == [release_job("app-1", head_of("acme/moved"))]


def test_the_manifests_of_a_place_are_read_once_until_they_change() -> None:
    config = config_of(1)
    image = "registry.example.com/app-0:${TAG_TO_DEPLOY}"
    config.edit({"staging/app-0.yaml": MANIFEST.format(app="app-0", image=image)})
    bot = services(config, FakeQueue(), Heads())
    (first, second) = (list(changed_places(bot, config.fetch(), WHOLE)) for _ in range(2))
    assert first == second == [(("app-0", "staging"), config.fetch(), ())]
    assert config.reads.count("staging/app-0.yaml") == 1
    bump = config.bump(release("app-0", 0x56), "staging")
    assert sync_job("app-0", "staging", bump) in missed_jobs(bot, "3")
