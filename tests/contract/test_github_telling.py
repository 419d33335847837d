"""What the adapter writes for people, on the stand-in: the one comment, statuses, deployments, labels.

All that it sends and gets is held to GitHub's own description.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.adapters.github.credentials import TokenCredentials
from bot.adapters.github.forge import GitHubForge
from bot.errors import Transient, UnknownOutcome
from bot.facts import Deploying, DeploymentState, StatusState
from bot.repetition import first_time
from bot.sandbox.forge.faults import perform_then_drop, status
from tests.forge_stage import REPO, Stage, stage
from tests.openapi import description

MARKER = "<!-- slipway:site -->"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    """The stand-in with people in it; what was said is judged at the end."""
    description()  # skips early where it cannot be had
    with stage(tmp_path) as found:
        yield found
        found.judge()


@pytest.fixture
def forge(scene: Stage) -> GitHubForge:
    return as_("slipway-bot", scene)


def as_(login: str, scene: Stage) -> GitHubForge:
    return GitHubForge(scene.forge.api_url, TokenCredentials(scene.tokens[login]))


def head(scene: Stage) -> str:
    found = scene.forge.head(REPO, "master")
    assert found is not None
    return found


# ---------------------------------------------------------------- comments


def test_one_comment_is_kept_and_edited(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    scene.forge.comment(REPO, number, "ann", f"What does {MARKER} mean?")
    for text in ("building", "built", "built"):
        forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\n{text}")
    bodies = [comment.body for comment in scene.repo().get_issue(number).get_comments()]
    assert bodies == [f"What does {MARKER} mean?", f"{MARKER}\nbuilt"]
    assert [entry.status for entry in scene.forge.requests_log if entry.method in {"POST", "PATCH"}] == [201, 200]


def test_a_comment_that_is_only_to_be_updated_is_not_begun(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\ngone", only_update=True)
    assert list(scene.repo().get_issue(number).get_comments()) == []
    forge.comment(REPO, number, marker=MARKER, body=MARKER)
    forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\ngone", only_update=True)
    assert [comment.body for comment in scene.repo().get_issue(number).get_comments()] == [f"{MARKER}\ngone"]


def test_a_comment_that_was_found_is_edited_without_looking_for_it_again(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    with first_time():
        for text in ("building", "built", "live", "live on production"):
            forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\n{text}")
    asked = [entry.method for entry in scene.forge.requests_log if "/comments" in entry.path]
    assert asked == ["GET", "POST", "GET", "PATCH", "PATCH", "PATCH"]
    assert [comment.body for comment in scene.repo().get_issue(number).get_comments()] == [
        f"{MARKER}\nlive on production"
    ]


def test_a_comment_that_somebody_deleted_meanwhile_is_written_anew(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    with first_time():
        for text in ("building", "built"):
            forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\n{text}")
        next(iter(scene.repo().get_issue(number).get_comments())).delete()
        forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\nlive")
    assert [comment.body for comment in scene.repo().get_issue(number).get_comments()] == [f"{MARKER}\nlive"]


def test_an_edit_whose_answer_was_lost_is_looked_for(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    with first_time():
        for text in ("building", "built"):
            forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\n{text}")
        scene.forge.faults.add("PATCH", "/comments/", perform_then_drop())
        with pytest.raises(UnknownOutcome):
            forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\nlive")
    forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\nlive")
    assert [entry.method for entry in scene.forge.requests_log if "/comments" in entry.path][-2:] == ["PATCH", "GET"]


def test_comment_whose_answer_was_lost_is_not_doubled(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    scene.forge.faults.add("POST", "/comments$", perform_then_drop())
    with pytest.raises(UnknownOutcome):
        forge.comment(REPO, number, marker=MARKER, body=MARKER)
    forge.comment(REPO, number, marker=MARKER, body=MARKER)
    assert [comment.body for comment in scene.repo().get_issue(number).get_comments()] == [MARKER]


def test_doubled_comment_of_the_bot_is_removed(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    for login in ("slipway-bot", "ann", "slipway-bot"):
        scene.forge.comment(REPO, number, login, f"{MARKER}\nbuilding")
    forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\nbuilt")
    left = [(comment.user.login, comment.body) for comment in scene.repo().get_issue(number).get_comments()]
    assert left == [("slipway-bot", f"{MARKER}\nbuilt"), ("ann", f"{MARKER}\nbuilding")]


# ---------------------------------------------------------------- statuses


def test_status_whose_answer_was_lost_is_not_doubled(scene: Stage, forge: GitHubForge) -> None:
    def say(state: StatusState, description: str) -> None:
        forge.set_status(REPO, head(scene), context="slipway/staging", state=state, description=description, url=None)

    scene.forge.faults.add("POST", "/statuses/", perform_then_drop())
    with pytest.raises(UnknownOutcome):
        say(StatusState.PENDING, "rolling out")
    say(StatusState.PENDING, "rolling out")
    say(StatusState.SUCCESS, "")
    say(StatusState.SUCCESS, "")
    said = [status.state for status in scene.repo().get_commit(head(scene)).get_statuses()]
    assert said == ["success", "pending"]


def test_a_status_that_is_news_is_looked_for_only_where_it_may_have_been_set(scene: Stage, forge: GitHubForge) -> None:
    def say() -> None:
        forge.set_status(
            REPO,
            head(scene),
            context="slipway/staging",
            state=StatusState.PENDING,
            description="",
            url=None,
            is_news=True,
        )

    with first_time():
        say()
    say()
    asked = [(entry.method, entry.status) for entry in scene.forge.requests_log if "/status" in entry.path]
    assert asked == [("POST", 201), ("GET", 200)]


def test_status_is_set_once_however_long_its_description(scene: Stage, forge: GitHubForge) -> None:
    forge.set_status(
        REPO, head(scene), context="slipway/staging", state=StatusState.FAILURE, description="x" * 200, url="https://s/"
    )
    (found,) = scene.repo().get_commit(head(scene)).get_statuses()
    assert (found.state, found.context, found.target_url) == ("failure", "slipway/staging", "https://s/")


def test_status_where_the_bot_may_not_is_done_without(scene: Stage) -> None:
    as_("carl", scene).set_status(
        REPO, head(scene), context="slipway/staging", state=StatusState.SUCCESS, description="healthy", url=None
    )
    assert scene.repo().get_commit(head(scene)).get_statuses().totalCount == 0


# ---------------------------------------------------------------- deployments and labels


def deploying(scene: Stage, commit: str = "c" * 40) -> Deploying:
    about = {"slipway_id": "site@1/production", "config_commit": commit}
    return Deploying(REPO, head(scene), "production", production=True, description="site to production", about=about)


def end(forge: GitHubForge, deployment: int, state: DeploymentState = DeploymentState.SUCCESS) -> None:
    page, log = "https://site/", "https://slipway/x"
    forge.end_deployment(REPO, deployment, state=state, description="site is live", url=page, log_url=log, is_news=True)


def test_a_deployment_tells_what_runs_where(scene: Stage, forge: GitHubForge) -> None:
    scene.repo().get_commit(head(scene)).create_status("failure", context="ci")
    with first_time():
        begun = forge.begin_deployment(deploying(scene), is_news=True)
        assert begun is not None
        end(forge, begun)
    (found,) = scene.repo().get_deployments()
    assert (found.id, found.sha, found.environment, found.production_environment) == (
        begun,
        head(scene),
        "production",
        True,
    )
    (said,) = found.get_statuses()
    assert (said.state, said.description, said.environment_url, said.log_url) == (
        "success",
        "site is live",
        "https://site/",
        "https://slipway/x",
    )
    assert forge.find_deployments(REPO, head(scene), "production") == (begun,)
    assert forge.find_deployments(REPO, head(scene), "staging") == ()
    assert [one.method for one in scene.forge.requests_log if "/deployments" in one.path][:2] == ["POST", "POST"]


def test_a_deployment_whose_answer_was_lost_is_not_doubled(scene: Stage, forge: GitHubForge) -> None:
    scene.forge.faults.add("POST", "/deployments$", perform_then_drop())
    with pytest.raises(UnknownOutcome), first_time():
        forge.begin_deployment(deploying(scene), is_news=True)
    begun = forge.begin_deployment(deploying(scene), is_news=True)
    other = forge.begin_deployment(replace(deploying(scene), about={"config_commit": "d" * 40}))
    assert begun is not None
    assert [one.id for one in scene.repo().get_deployments()] == [other, begun]
    scene.forge.faults.add("POST", "/deployments/[0-9]+/statuses$", perform_then_drop())
    with pytest.raises(UnknownOutcome), first_time():
        end(forge, begun)
    end(forge, begun)
    end(forge, begun, DeploymentState.INACTIVE)
    said = [one.state for one in scene.repo().get_deployment(begun).get_statuses()]
    assert said == ["inactive", "success"]


@pytest.mark.parametrize("refusal", [403, 404, 409, 422, 501])
def test_deployments_that_github_refuses_are_done_without(tmp_path: Path, refusal: int) -> None:
    with stage(tmp_path) as scene:
        forge = as_("slipway-bot", scene)
        for method in ("GET", "POST"):
            scene.forge.faults.add(method, "/deployments", status(refusal, body='{"message": "No"}'), times=10)
        assert forge.begin_deployment(deploying(scene)) is None
        assert forge.find_deployments(REPO, head(scene), "production") == ()
        end(forge, 1)


@pytest.mark.parametrize("limited", [403, 429])
def test_what_only_a_rate_limit_refuses_is_said_later(scene: Stage, forge: GitHubForge, limited: int) -> None:
    def say() -> None:
        forge.set_status(
            REPO,
            head(scene),
            context="slipway/staging",
            state=StatusState.SUCCESS,
            description="live",
            url=None,
            is_news=True,
        )

    for path in ("/statuses/", "/deployments$", "/labels$"):
        scene.forge.faults.add("POST", path, status(limited, {"Retry-After": "7"}, '{"message": "Slow down"}'))
    number = scene.pull_request("topic")
    tells: list[Callable[[], object]] = [
        say,
        lambda: forge.begin_deployment(deploying(scene)),
        lambda: forge.label(REPO, number, ["slipway"]),
    ]
    for tell in tells:
        with pytest.raises(Transient) as refused, first_time():
            tell()
        assert refused.value.retry_after == 7
        tell()
    assert [one.state for one in scene.repo().get_commit(head(scene)).get_statuses()] == ["success"]
    assert len(list(scene.repo().get_deployments())) == 1
    assert forge.pull_request(REPO, number).labels == ("slipway",)


def test_labels_are_added_once_and_where_the_bot_may_not_are_done_without(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    as_("carl", scene).label(REPO, number, ["slipway"])
    assert forge.pull_request(REPO, number).labels == ()
    for _ in range(2):
        forge.label(REPO, number, ["slipway", "slipway:production"])
    assert forge.pull_request(REPO, number).labels == ("slipway", "slipway:production")
    (listed,) = forge.open_pull_requests(REPO)
    assert listed.labels == ("slipway", "slipway:production")
