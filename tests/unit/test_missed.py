"""What a look at the config branch finds to do, where nobody told of it."""

from typing import Any, cast

from bot.clock import SystemClock
from bot.errors import Transient
from bot.facts import JobState
from bot.jobs import Ended, rollback_job, sync_job
from bot.releases import Outcome
from bot.services import Services
from bot.steps.missed import missed_jobs
from tests.config_fake import CATALOG, MANIFEST, FakeConfig, FakeQueue, release


class Away:
    """An outside system that cannot be reached."""

    def __getattr__(self, name: str) -> object:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise Transient(f"{name}: nobody answers")

        return refuse


class Heads:
    """Source repositories, each with one head, and which of them were looked at."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def branch_head(self, repo: str, _branch: str) -> str:
        self.asked.append(repo)
        return head_of(repo)


def head_of(repo: str) -> str:
    return repo.encode().hex().ljust(40, "0")[:40]


def services(config: FakeConfig, queue: FakeQueue, sources: Heads | None = None) -> Services:
    away = cast("Any", Away())
    return Services(
        forge=away,
        deliveries=away,
        sources=cast("Any", sources) or away,
        config=cast("Any", config),
        registry=away,
        builder=away,
        renderer=away,
        chat=away,
        clusters=away,
        clock=SystemClock(),
        queue=queue,
        journal=away,
        config_name="acme/config",
        github_url="https://github.com",
        rollout_timeout=600,
        dashboard_url=None,
        redact=str,
    )


def failed_head(*, outcome: Outcome = Outcome.FAILED) -> tuple[FakeConfig, FakeQueue, str]:
    """A release whose sync ended and told nobody any more."""
    config, queue = FakeConfig(), FakeQueue()
    image = "registry.example.com/blog:${TAG_TO_DEPLOY}"
    files = {f"{at}/blog.yaml": MANIFEST.format(app="blog", image=image) for at in ("staging", "production")}
    config.edit({"slipway.yaml": CATALOG, **files}, "Begin")
    bump = config.bump(release("blog", 0x56), "staging")
    config.end(bump, "blog", "staging", outcome)
    queue.add(sync_job("blog", "staging", bump), JobState.DONE, Ended(outcome.value))
    return config, queue, bump


def test_a_failed_head_that_nobody_decided_about_is_found() -> None:
    config, queue, bump = failed_head()
    assert rollback_job("blog", "staging", bump) in missed_jobs(services(config, queue), "1")


def test_what_was_decided_is_not_decided_again() -> None:
    config, queue, bump = failed_head()
    queue.add(rollback_job("blog", "staging", bump), JobState.DONE, Ended("stayed", "manual"))
    assert not [job for job in missed_jobs(services(config, queue), "1") if job.workflow == "rollback"]


def test_only_a_failure_asks_for_it() -> None:
    config, queue, _bump = failed_head(outcome=Outcome.UNKNOWN)
    assert not [job for job in missed_jobs(services(config, queue), "1") if job.workflow == "rollback"]
