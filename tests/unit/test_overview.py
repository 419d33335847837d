from dataclasses import replace

import pytest

from bot.activity import Tone, activity, sentence
from bot.drift import DriftSeen, PlaceSeen
from bot.facts import Job, JobState
from bot.jobs import DECLINED, REOPENED, Ended, approve_job, build_job, drift_job, reconcile_job, release_job, sync_job
from bot.links import Links
from bot.messages import rollback as texts
from bot.overview import Cell, CellState, Overview, overview
from bot.overview_json import overview_facts
from bot.releases import Outcome
from bot.steps.build import BuildResult
from bot.telling import title_of
from tests.config_fake import CATALOG, MANIFEST, FakeConfig, FakeQueue, release

LINKS = Links("https://github.example", "acme/config", "main")


@pytest.fixture
def config() -> FakeConfig:
    """Two apps that wait for their first release."""
    config = FakeConfig()
    image = "registry.example.com/{app}:${{TAG_TO_DEPLOY}}"
    places = [(environment, app) for environment in ("staging", "production") for app in ("blog", "shop")]
    files = {f"{at}/{app}.yaml": MANIFEST.format(app=app, image=image.format(app=app)) for at, app in places}
    config.edit({"slipway.yaml": CATALOG, **files}, "Begin")
    return config


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def look(config: FakeConfig, queue: FakeQueue, before: Overview | None = None) -> Overview:
    return overview(config, queue, lambda text: text.replace("s3cret", "[redacted]"), before=before)


def cell(found: Overview, app: str, environment: str) -> Cell:
    row = next(row for row in found.rows if row.app.name == app)
    return next(cell for cell in row.cells if cell.environment.name == environment)


def test_rows_and_columns_are_in_the_catalog_s_order(config: FakeConfig, queue: FakeQueue) -> None:
    found = look(config, queue)
    assert [row.app.name for row in found.rows] == ["blog", "shop"]
    assert [cell.environment.name for cell in found.rows[0].cells] == ["staging", "production"]
    assert [environment.name for environment in found.environments] == ["staging", "production"]


def test_an_app_with_a_placeholder_waits_for_its_first_release(config: FakeConfig, queue: FakeQueue) -> None:
    assert cell(look(config, queue), "blog", "production").state is CellState.AWAITING_RELEASE


def test_a_bumped_app_shows_its_release_and_how_its_sync_ended(config: FakeConfig, queue: FakeQueue) -> None:
    note = config.end(config.bump(release("blog", 7), "staging"), "blog", "staging", Outcome.HEALTHY)
    found = cell(look(config, queue), "blog", "staging")
    assert found.state is CellState.HEALTHY
    assert found.outcome == note
    assert found.url == "https://staging.blog.example.com"
    assert found.release is not None
    assert (found.release.sha, found.release.merge.pull_request) == (release("blog", 7).sha, 7)
    assert title_of(found.release) == "Add a search box"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.FAILED, CellState.FAILED),
        (Outcome.UNKNOWN, CellState.UNKNOWN),
        (Outcome.SUPERSEDED, CellState.NOT_APPLIED),
        (None, CellState.NOT_APPLIED),
    ],
)
def test_every_outcome_has_its_state(
    config: FakeConfig, queue: FakeQueue, outcome: Outcome | None, state: CellState
) -> None:
    bump = config.bump(release("blog", 7), "staging")
    if outcome:
        config.end(bump, "blog", "staging", outcome, "why")
    assert cell(look(config, queue), "blog", "staging").state is state


def test_a_hand_edit_after_a_bump_keeps_the_release_and_asks_for_its_own_outcome(
    config: FakeConfig, queue: FakeQueue
) -> None:
    wanted = release("blog", 7)
    config.end(config.bump(wanted, "staging"), "blog", "staging", Outcome.HEALTHY)
    edited = config.edit({"staging/blog.yaml": f"# more\n{MANIFEST.format(app='blog', image=wanted.image)}"})
    found = cell(look(config, queue), "blog", "staging")
    assert found.state is CellState.NOT_APPLIED
    assert found.changed is not None
    assert found.changed.sha == edited
    assert found.release is not None
    assert found.release.sha == wanted.sha


def test_a_bump_that_also_left_another_image_is_read_from_the_file(config: FakeConfig, queue: FakeQueue) -> None:
    wanted = release("blog", 7)
    config.bump(wanted, "staging")
    both = f"{MANIFEST.format(app='blog', image=wanted.image)}        - name: b\n          image: {{}}\n"
    config.trees[-1] = {**config.trees[-1], "staging/blog.yaml": both.format("registry.example.com/blog:other")}
    found = cell(look(config, queue), "blog", "staging")
    assert found.deployed is not None
    assert found.deployed.images == (wanted.image, "registry.example.com/blog:other")


def test_a_manifest_that_cannot_be_read_is_told_and_spoils_nothing_else(config: FakeConfig, queue: FakeQueue) -> None:
    config.edit({"staging/blog.yaml": "image: [\n"})
    found = look(config, queue)
    assert cell(found, "blog", "staging").state is CellState.UNREADABLE
    assert cell(found, "blog", "staging").problem.startswith("staging/blog.yaml:")
    assert cell(found, "shop", "staging").state is CellState.AWAITING_RELEASE


def test_an_app_without_manifests_says_so(config: FakeConfig, queue: FakeQueue) -> None:
    config.edit({"production/shop.yaml": None})
    assert cell(look(config, queue), "shop", "production").state is CellState.ABSENT


def test_a_promotion_waits_until_its_id_has_arrived(config: FakeConfig, queue: FakeQueue) -> None:
    wanted = release("blog", 7)
    config.bump(wanted, "staging")
    branch = config.promote(wanted)
    before = look(config, queue)
    pending = cell(before, "blog", "production").pending
    assert pending is not None
    assert (pending.branch, pending.release.sha) == (branch, wanted.sha)
    assert look(config, queue, before) == before
    config.bump(wanted, "production", approved_by=["abel"])
    assert cell(look(config, queue, before), "blog", "production").pending is None


def test_a_promotion_that_a_person_closed_does_not_wait_though_its_branch_is_there(
    config: FakeConfig, queue: FakeQueue
) -> None:
    branch = config.promote(release("blog", 7))
    before = look(config, queue)
    assert cell(before, "blog", "production").pending is not None
    detail = f"#3 was declined at {config.branches[branch].sha}"
    queue.add(approve_job(3, DECLINED), JobState.DONE, Ended("superseded", detail))
    after = look(config, queue, before)
    assert cell(after, "blog", "production").pending is None
    head = config.branches[branch].sha
    queue.add(approve_job(3, f"{REOPENED}{head}"), JobState.DONE, Ended("waiting", "#3 is not approved yet"))
    assert cell(look(config, queue, after), "blog", "production").pending is not None


def test_a_place_that_was_rolled_back_says_why_until_something_else_enters(
    config: FakeConfig, queue: FakeQueue
) -> None:
    old, new = release("blog", 6), release("blog", 7)
    config.bump(old, "staging")
    failed = config.bump(new, "staging")
    back = texts.Return("staging", old, new.image, new.sha, (failed,), "its rollout on staging failed", None)
    text = MANIFEST.format(app="blog", image=old.image)
    config.edit({"staging/blog.yaml": text}, texts.commit_message(back))
    assert cell(look(config, queue), "blog", "staging").rolled_back == "its rollout on staging failed"
    config.bump(release("blog", 8), "staging")
    assert cell(look(config, queue), "blog", "staging").rolled_back is None


def test_somebody_s_own_commit_on_a_promotion_s_branch_is_no_promotion(config: FakeConfig, queue: FakeQueue) -> None:
    branch = config.promote(release("blog", 7))
    config.branches[branch] = replace(config.branches[branch], trailers=())
    assert cell(look(config, queue), "blog", "production").pending is None


def test_a_hold_shows_its_reason(config: FakeConfig, queue: FakeQueue) -> None:
    config.edit({".slipway/holds/production/blog.yaml": "by: dora\nreason: 'Wait for the logo'\n"})
    config.edit({".slipway/holds/staging/shop.yaml": ""})
    found = look(config, queue)
    assert cell(found, "blog", "production").held == "Wait for the logo"
    assert cell(found, "shop", "staging").held == ""
    assert cell(found, "shop", "production").hold is None


def test_a_hold_on_one_release_names_it_and_is_over_once_another_one_has_passed(
    config: FakeConfig, queue: FakeQueue
) -> None:
    held, newer = release("blog", 8), release("blog", 9)
    config.bump(release("blog", 7), "production")
    config.edit({".slipway/holds/production/blog.yaml": f"reason: It failed\nrelease: {held.id}\n"})
    found = cell(look(config, queue), "blog", "production")
    assert (found.held, found.hold and found.hold.release) == ("0808080 stays out: It failed", held.id)
    config.edit({"production/blog.yaml": f"# by hand\n{MANIFEST.format(app='blog', image=release('blog', 7).image)}"})
    assert cell(look(config, queue), "blog", "production").hold is not None
    config.bump(newer, "production")
    assert cell(look(config, queue), "blog", "production").hold is None


def test_a_hold_that_cannot_be_read_is_shown_with_what_to_mend(config: FakeConfig, queue: FakeQueue) -> None:
    config.edit({".slipway/holds/production/blog.yaml": "until: Monday\n"})
    held = cell(look(config, queue), "blog", "production").held
    assert held is not None
    assert ".slipway/holds/production/blog.yaml:1: until: is not a key" in held


def test_work_is_shown_where_it_leads(config: FakeConfig, queue: FakeQueue) -> None:
    wanted = release("blog", 7)
    bump = config.bump(wanted, "staging")
    queue.add(release_job("blog", wanted.sha), JobState.RUNNING)
    queue.add(build_job("registry.example.com/blog", "r", wanted.sha), JobState.QUEUED)
    queue.add(build_job("blog", "registry.example.com/blog", wanted.sha), JobState.QUEUED)
    queue.add(sync_job("blog", "staging", bump), JobState.RUNNING)
    queue.add(sync_job("blog", "production", bump), JobState.DONE, Ended("healthy"))
    found = look(config, queue)
    staging = cell(found, "blog", "staging")
    assert staging.state is CellState.ROLLING_OUT
    assert [work.about.what for work in staging.work] == [
        "Rollout of blog on staging",
        "Release of blog 0707070",
        "Build of blog 0707070",
    ]
    assert cell(found, "blog", "production").work == ()
    assert cell(found, "shop", "staging").work == ()


def test_a_failed_release_is_shown_until_a_newer_one_comes(config: FakeConfig, queue: FakeQueue) -> None:
    queue.add(release_job("blog", "a" * 40), JobState.DONE, Ended("failed", "Dockerfile line 3 says s3cret."))
    failed = cell(look(config, queue), "blog", "staging").failed
    assert failed is not None
    assert failed.result == "Dockerfile line 3 says [redacted]."
    assert cell(look(config, queue), "blog", "production").failed is None
    queue.add(release_job("blog", "b" * 40), JobState.RUNNING)
    assert cell(look(config, queue), "blog", "staging").failed is None


def test_a_bad_catalog_is_told_while_the_last_good_one_is_in_force(config: FakeConfig, queue: FakeQueue) -> None:
    config.edit({"slipway.yaml": CATALOG.replace("gate: commit", "gat: commit")})
    found = look(config, queue)
    assert "did you mean `gate`?" in found.catalog_error
    assert [row.app.name for row in found.rows] == ["blog", "shop"]
    assert look(config, queue, found) == found


def test_without_any_catalog_only_the_work_is_shown(queue: FakeQueue) -> None:
    config = FakeConfig()
    config.edit({"README.md": "x"})
    queue.add(release_job("blog", "a" * 40), JobState.RUNNING)
    found = look(config, queue)
    assert found.catalog is None
    assert "slipway.yaml" in found.catalog_error
    assert found.rows == ()
    assert len(found.work) == 1


def test_a_second_look_at_the_same_head_reads_no_file_of_an_app_again(config: FakeConfig, queue: FakeQueue) -> None:
    config.end(config.bump(release("blog", 7), "staging"), "blog", "staging", Outcome.HEALTHY)
    before = look(config, queue)
    config.reads.clear()
    assert look(config, queue, before) == before
    assert set(config.reads) <= {"notes", "slipway.yaml"}  # places without an outcome are asked again


def test_a_row_without_news_is_the_very_same_row(config: FakeConfig, queue: FakeQueue) -> None:
    before = look(config, queue)
    config.bump(release("blog", 7), "staging")
    blog, shop = look(config, queue, before).rows
    assert shop is before.rows[1]
    assert blog != before.rows[0]


def test_a_new_outcome_on_the_same_commit_is_seen_when_its_sync_ends(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(release("blog", 7), "staging")
    config.end(bump, "blog", "staging", Outcome.FAILED, "no room")
    before = look(config, queue)
    assert cell(before, "blog", "staging").state is CellState.FAILED
    config.end(bump, "blog", "staging", Outcome.HEALTHY)
    queue.add(sync_job("blog", "staging", bump, 2), JobState.DONE, Ended("healthy"))
    assert cell(look(config, queue, before), "blog", "staging").state is CellState.HEALTHY


def test_a_changed_catalog_entry_is_read_afresh(config: FakeConfig, queue: FakeQueue) -> None:
    config.bump(release("blog", 7), "staging")
    before = look(config, queue)
    config.edit({"slipway.yaml": CATALOG.replace("example.com/blog}", "example.com/other}")})
    found = cell(look(config, queue, before), "blog", "staging")
    assert found.deployed is not None
    assert found.deployed.images == ()


def test_the_facts_are_json_with_links(config: FakeConfig, queue: FakeQueue) -> None:
    bump = config.bump(release("blog", 7), "staging")
    config.end(bump, "blog", "staging", Outcome.FAILED, "no room")
    config.promote(release("blog", 7))
    facts = overview_facts(look(config, queue), LINKS)
    places = facts["apps"][0]["environments"]
    assert places["staging"]["state"] == "failed"
    assert places["staging"]["reason"] == "no room"
    assert places["staging"]["config_commit_url"] == f"https://github.example/acme/config/commit/{bump}"
    assert places["staging"]["release"]["pull_request_url"] == "https://github.example/acme/blog/pull/7"
    assert places["production"]["pending"]["url"] == (
        "https://github.example/acme/config/compare/main...slipway/production/blog"
    )


# ---------------------------------------------------------------- what jobs tell


@pytest.mark.parametrize(
    ("job", "result", "what", "told", "tone"),
    [
        (release_job("blog", "a" * 40), Ended("done", "committed in staging"), "Release of blog aaaaaaa",
         "Committed in staging.", Tone.GOOD),
        (sync_job("blog", "staging", "c" * 40), Ended("healthy", f"latest is sha256:{'d' * 64}"),
         "Rollout of blog on staging", "Latest is sha256:dddddddddddd.", Tone.GOOD),
        (sync_job("blog", "staging", "c" * 40), Ended("superseded", f"the config branch moved on to {'e' * 40}"),
         "Rollout of blog on staging", "The config branch moved on to eeeeeee.", Tone.QUIET),
        (sync_job("blog", "staging", "c" * 40), Ended("unknown", "It is away.\nTry later."),
         "Rollout of blog on staging", "It is away. Try later.", Tone.BAD),
        (approve_job(12, "review-3-APPROVED"), Ended("waiting", "#12 is not approved yet"),
         "Approval of promotion #12", "#12 is not approved yet.", Tone.QUIET),
        (build_job("blog", "r.example/team/blog", "a" * 40), BuildResult("r.example/team/blog:a", built=True),
         "Build of blog aaaaaaa", "Built blog:a.", Tone.GOOD),
        (build_job("blog", "r.example/blog", "a" * 40), BuildResult("r.example/blog:a", built=False),
         "Build of blog aaaaaaa", "Found in the registry: blog:a.", Tone.GOOD),
        (build_job("blog", "r.example/blog", "a" * 40), BuildResult(None, built=False, reason="exit 1"),
         "Build of blog aaaaaaa", "Exit 1.", Tone.BAD),
        (Job("delivery", "delivery/1-2", "x"), Ended("done", f"release/blog/{'a' * 40}/1, catalog/{'b' * 40}/1"),
         "Webhook 1-2", "Started release of blog aaaaaaa, check of the catalog at bbbbbbb.", Tone.GOOD),
        (reconcile_job("77"), Ended("failed", "GitHub is away"), "Look for what was missed", "GitHub is away.",
         Tone.BAD),
    ],
)  # fmt: skip
def test_a_finished_job_is_told_in_words(
    queue: FakeQueue, job: Job, result: object, what: str, told: str, tone: Tone
) -> None:
    queue.add(job, JobState.DONE, result)
    (work,) = activity(queue, str)
    assert (work.about.what, work.result, work.tone, work.routine) == (what, told, tone, False)


def test_work_under_way_has_no_result_and_a_defect_shows_its_reason(queue: FakeQueue) -> None:
    queue.add(release_job("blog", "a" * 40), JobState.RUNNING)
    queue.add(release_job("blog", "b" * 40), JobState.FAILED, "Slipway has a defect")
    failed, running = activity(queue, str)
    assert (failed.tone, failed.result) == (Tone.BAD, "Slipway has a defect.")
    assert (running.tone, running.result, running.under_way) == (Tone.BUSY, "", True)


def test_a_look_that_found_nothing_is_routine(queue: FakeQueue) -> None:
    queue.add(reconcile_job("77"), JobState.DONE, Ended("done", "nothing to do"))
    assert activity(queue, str)[0].routine


def test_a_sentence_holds_no_control_characters() -> None:
    assert sentence("red \x1b[31malert\n\tnow") == "Red [31malert now."


# ---------------------------------------------------------------- shared files


SHARING = CATALOG.replace("gate: pull-request}", "gate: pull-request, shared: [ingress]}")


def test_shared_files_are_a_place_of_their_environment(config: FakeConfig, queue: FakeQueue) -> None:
    assert look(config, queue).shared == ()
    changed = config.edit({"slipway.yaml": SHARING, "ingress/all.yaml": "kind: Ingress\n"}, "Let people in")
    queue.add(release_job("blog", "a" * 40), JobState.RUNNING)
    before = look(config, queue)
    (found,) = before.shared
    assert (found.environment.name, found.state, found.url, found.work) == (
        "production",
        CellState.NOT_APPLIED,
        None,
        (),
    )
    queue.add(sync_job("", "production", changed), JobState.RUNNING)
    (running,) = look(config, queue, before).shared
    assert (running.state, [work.about.what for work in running.work]) == (
        CellState.ROLLING_OUT,
        ["Rollout of production's shared files"],
    )
    queue.records.pop()
    queue.add(sync_job("", "production", changed), JobState.DONE, Ended("failed", "no class"))
    config.end(changed, "", "production", Outcome.FAILED, "no such class")
    after = look(config, queue, before)
    (failed,) = after.shared
    assert (failed.state, failed.compared) == (CellState.FAILED, False)
    assert look(config, queue, after).shared[0] is failed
    facts = overview_facts(after, LINKS)["shared"]
    assert (facts["production"]["state"], facts["production"]["reason"]) == ("failed", "no such class")
    assert "staging" not in facts


def test_what_drifted_of_the_shared_files_is_shown(config: FakeConfig, queue: FakeQueue) -> None:
    changed = config.edit({"slipway.yaml": SHARING, "ingress/all.yaml": "kind: Ingress\n"})
    config.end(changed, "", "production", Outcome.HEALTHY)
    seen = PlaceSeen("", "production", changed, ("Ingress `all` differs",))
    queue.add(drift_job(1), JobState.DONE, DriftSeen((seen,)))
    assert look(config, queue).shared[0].drift == ("Ingress `all` differs",)
