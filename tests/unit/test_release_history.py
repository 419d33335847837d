from datetime import UTC, datetime

import pytest

from bot.facts import JobState
from bot.jobs import Ended, build_job, promote_job, release_job, rollback_job, sync_job
from bot.links import Links
from bot.messages.rollback import Return
from bot.messages.rollback import commit_message as rollback_message
from bot.overview import overview
from bot.release_history import History, parse_release_id, release_history
from bot.release_list import newest_releases
from bot.releases import Merge, Outcome
from bot.telling import ago
from tests.config_fake import CATALOG, MANIFEST, FakeConfig, FakeQueue, release

BLOG = release("blog", 0x56)


@pytest.fixture
def config() -> FakeConfig:
    config = FakeConfig()
    image = "registry.example.com/blog:${TAG_TO_DEPLOY}"
    files = {f"{at}/blog.yaml": MANIFEST.format(app="blog", image=image) for at in ("staging", "production")}
    config.edit({"slipway.yaml": CATALOG, **files}, "Begin")
    return config


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def history(config: FakeConfig, queue: FakeQueue) -> History:
    now = overview(config, queue, str)
    found = release_history(config, queue, str, BLOG.app, BLOG.sha, now=now)
    assert found is not None
    return found


def stages(config: FakeConfig, queue: FakeQueue) -> dict[str, tuple[str, str]]:
    """Each stage's state and sentence, by name."""
    return {stage.name: (stage.state.value, stage.told) for stage in history(config, queue).stages}


def test_a_release_that_waits_for_a_worker_is_at_its_image(config: FakeConfig, queue: FakeQueue) -> None:
    queue.add(release_job("blog", BLOG.sha), JobState.QUEUED)
    found = stages(config, queue)
    assert found["merge"] == ("done", "Commit 5656565 arrived.")
    assert found["image"] == ("now", "Waits for a free worker.")
    assert {found[name][0] for name in ("staging", "approval", "production", "latest")} == {"later"}


def test_a_build_under_way_is_said(config: FakeConfig, queue: FakeQueue) -> None:
    queue.add(release_job("blog", BLOG.sha), JobState.RUNNING)
    queue.add(build_job("blog", "registry.example.com/blog", BLOG.sha), JobState.RUNNING)
    assert stages(config, queue)["image"] == ("now", "Under way.")


def test_a_release_that_was_superseded_before_its_build_was_passed_over(config: FakeConfig, queue: FakeQueue) -> None:
    queue.add(release_job("blog", BLOG.sha), JobState.DONE, Ended("superseded", f"the branch moved on to {'e' * 40}"))
    assert stages(config, queue)["image"] == ("skipped", "The branch moved on to eeeeeee.")


def test_a_rollout_goes_from_committed_to_under_way_to_its_outcome(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(BLOG, "staging")
    assert stages(config, queue)["staging"] == ("waiting", "Committed, and not applied yet.")
    queue.add(sync_job("blog", "staging", bump), JobState.RUNNING)
    assert stages(config, queue)["staging"] == ("now", "Under way.")
    queue.records.pop()
    config.end(bump, "blog", "staging", Outcome.UNKNOWN)
    assert stages(config, queue)["staging"] == ("unknown", "The cluster could not be asked.")
    config.end(bump, "blog", "staging", Outcome.HEALTHY)
    assert stages(config, queue)["staging"] == ("done", "Healthy after 12 s.")


def test_a_sync_that_ended_without_a_note_tells_its_own_result(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(BLOG, "staging")
    queue.add(sync_job("blog", "staging", bump), JobState.DONE, Ended("superseded", "the config branch moved on"))
    assert stages(config, queue)["staging"] == ("skipped", "The config branch moved on.")


def test_a_hold_that_is_there_keeps_it_out_still(config: FakeConfig, queue: FakeQueue) -> None:
    queue.add(release_job("blog", BLOG.sha), JobState.DONE, Ended("done", "held in staging"))
    config.edit({".slipway/holds/staging/blog.yaml": "reason: Wait for the logo\n"})
    assert stages(config, queue)["staging"] == ("skipped", "A hold keeps it out.")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("held", "A hold kept it out."),
        ("outdated", "Something newer runs there."),
        ("declined", "Its pull request was closed without a merge."),
    ],
)
def test_what_kept_a_release_out_of_production_is_said_once(
    config: FakeConfig, queue: FakeQueue, entry: str, why: str
) -> None:
    bump = config.bump(BLOG, "staging")
    config.end(bump, "blog", "staging", Outcome.HEALTHY)
    queue.add(sync_job("blog", "staging", bump), JobState.DONE, Ended("healthy", f"{entry} in production"))
    found = stages(config, queue)
    assert (found["approval"], found["production"]) == (("skipped", why), ("skipped", ""))


def test_an_approval_that_nobody_gave_is_not_claimed(config: FakeConfig, queue: FakeQueue) -> None:
    config.bump(BLOG, "production")
    assert stages(config, queue)["approval"] == ("unknown", "No approval is recorded.")


def test_latest_is_told_by_the_last_sync(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(BLOG, "production", approved_by=["abel", "ada"])
    queue.add(sync_job("blog", "production", bump), JobState.DONE, Ended("healthy", "The registry refuses the tag"))
    found = stages(config, queue)
    assert found["approval"] == ("done", "Approved by @abel, @ada.")
    assert found["latest"] == ("unknown", "The registry refuses the tag.")
    queue.add(sync_job("blog", "production", bump, 2), JobState.DONE, Ended("healthy", f"latest is sha256:{'d' * 64}"))
    assert stages(config, queue)["latest"] == ("done", "Latest is sha256:dddddddddddd.")


def test_its_jobs_are_listed_newest_first_and_no_others(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(BLOG, "staging")
    queue.add(release_job("blog", BLOG.sha), JobState.DONE, Ended("done"))
    queue.add(sync_job("blog", "staging", bump), JobState.RUNNING)
    queue.add(sync_job("blog", "staging", "f" * 40), JobState.RUNNING)
    queue.add(release_job("shop", BLOG.sha), JobState.RUNNING)
    assert [work.about.what for work in history(config, queue).jobs] == [
        "Rollout of blog on staging",
        "Release of blog 5656565",
    ]


def test_what_people_asked_for_and_what_took_it_back_are_among_its_jobs(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(BLOG, "staging")
    queue.add(rollback_job("blog", "staging", bump), JobState.DONE, Ended("stayed", "refused"))
    queue.add(rollback_job("blog", "staging", "f" * 40), JobState.DONE, Ended("done"))
    queue.add(promote_job("blog", "production", BLOG.sha, by="abel"), JobState.DONE, Ended("done", "proposed"))
    queue.add(promote_job("blog", "production", "e" * 40, by="abel"), JobState.DONE, Ended("done", "proposed"))
    assert [work.id.split("/")[0] for work in history(config, queue).jobs] == ["promote", "rollback"]


def test_a_release_that_nobody_knows_is_none(config: FakeConfig, queue: FakeQueue) -> None:
    now = overview(config, queue, str)
    assert release_history(config, queue, str, "blog", BLOG.sha, now=now) is None
    assert release_history(None, queue, str, "blog", BLOG.sha) is None


def test_without_the_config_repo_the_jobs_tell_what_they_can(queue: FakeQueue) -> None:
    queue.add(release_job("blog", BLOG.sha), JobState.DONE, Ended("failed", "no Dockerfile"))
    found = release_history(None, queue, str, "blog", BLOG.sha)
    assert found is not None
    assert [(stage.name, stage.state.value) for stage in found.stages] == [("merge", "done"), ("image", "failed")]
    assert found.release is None


def test_a_list_of_releases_knows_those_that_were_replaced(config: FakeConfig, queue: FakeQueue) -> None:
    old = release("blog", 0x3F)
    config.bump(old, "staging")
    config.bump(BLOG, "staging")
    for one in (old, BLOG):
        queue.add(release_job("blog", one.sha), JobState.DONE, Ended("failed"))
        queue.add(release_job("blog", one.sha, 2), JobState.DONE, Ended("done"))
    listed = newest_releases(config, queue, str, app=None, limit=10, now=overview(config, queue, str))
    assert [(one.sha, one.runs_in, one.job and one.job.outcome) for one in listed] == [
        (BLOG.sha, ("staging",), "done"),
        (old.sha, (), "done"),
    ]
    assert listed[1].release is not None
    assert listed[1].release.image == old.image


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (f"blog@{'a' * 40}", ("blog", "a" * 40)),
        (f"blog@{'A' * 40}", None),
        (f"@{'a' * 40}", None),
        ("blog@main", None),
        ("blog", None),
    ],
)
def test_a_release_s_id_is_an_app_and_a_whole_commit(text: str, parsed: tuple[str, str] | None) -> None:
    assert parse_release_id(text) == parsed


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (None, ""),
        ("2026-11-20T12:00:01Z", "just now"),
        ("2026-11-20T11:59:20Z", "40 s ago"),
        ("2026-11-20T11:57:00Z", "3 min ago"),
        ("2026-11-18T12:00:01Z", "47 h ago"),
        ("2026-11-08T12:00:00+00:00", "12 days ago"),
        ("2026-11-08T12:00:00", "2026-11-08T12:00:00"),
        ("in the spring", "in the spring"),
    ],
)
def test_a_time_is_told_as_people_say_it(moment: str | None, told: str) -> None:
    assert ago(moment, datetime(2026, 11, 20, 12, tzinfo=UTC)) == told


def test_links_lead_to_github() -> None:
    links = Links("https://github.example", "acme/config", "main")
    pushed = Merge("acme/blog", "a" * 40, "Fix", None, None)
    assert links.config_pull_request(3) == "https://github.example/acme/config/pull/3"
    assert links.source_commit(pushed) == f"https://github.example/acme/blog/commit/{'a' * 40}"
    assert links.source_pull_request(pushed) is None
    assert links.repo('acme/<"x">') == "https://github.example/acme/%3C%22x%22%3E"


def test_a_release_that_was_rolled_back_says_so_and_why(config: FakeConfig, queue: FakeQueue) -> None:
    before = release("blog", 0x12)
    config.bump(before, "staging")
    bump = config.bump(BLOG, "staging")
    config.end(bump, "blog", "staging", Outcome.HEALTHY)
    back = Return("staging", before, BLOG.image, BLOG.sha, (bump,), "Baskets are empty")
    files: dict[str, str | None] = {"staging/blog.yaml": MANIFEST.format(app="blog", image=before.image)}
    config.edit(files, rollback_message(back))
    found = {stage.name: stage for stage in history(config, queue).stages}["staging"]
    assert (found.state.value, found.told, found.runs) == ("failed", "Rolled back. Baskets are empty.", False)
