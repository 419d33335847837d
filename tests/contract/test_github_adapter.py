"""The GitHub adapter on the stand-in; all that it sends and gets is held to GitHub's own description."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.github.credentials import AppCredentials, TokenCredentials
from bot.adapters.github.forge import GitHubForge
from bot.errors import Permanent, Refused, SlipwayError, Transient, UnknownOutcome
from bot.facts import Repository, ReviewState
from bot.sandbox.forge.faults import Action, perform_then_drop, perform_then_status, reset, status
from tests.forge_stage import REPO, Stage, stage
from tests.openapi import description

GONE = "d" * 40
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


def head(scene: Stage, branch: str = "master") -> str:
    found = scene.forge.head(REPO, branch)
    assert found is not None
    return found


# ---------------------------------------------------------------- reading


def test_repository_tells_its_branch_and_visibility(scene: Stage, forge: GitHubForge) -> None:
    scene.forge.create_repo("org/secret", private=True, default_branch="main", collaborators={"slipway-bot": "write"})
    assert forge.repository(REPO) == Repository(REPO, "master", private=False)
    assert forge.repository("org/secret") == Repository("org/secret", "main", private=True)


def test_the_budget_is_what_the_last_answer_told(scene: Stage, forge: GitHubForge) -> None:
    assert forge.budgets() == ()
    forge.repository(REPO)
    (before,) = forge.budgets()
    with pytest.raises(Permanent):
        forge.repository("org/nowhere")
    (after,) = forge.budgets()
    assert (before.account, before.limit, after.remaining) == ("token", 5000, before.remaining - 1)
    assert after.resets_at > after.seen_at >= before.seen_at > 0


def test_repository_hidden_from_the_bot_is_named(scene: Stage, forge: GitHubForge) -> None:
    scene.forge.create_repo("org/hidden", private=True)
    with pytest.raises(Permanent, match="org/hidden"):
        forge.repository("org/hidden")


def test_token_that_github_does_not_know_is_refused(scene: Stage) -> None:
    with pytest.raises(Permanent, match="GITHUB_TOKEN"):
        GitHubForge(scene.forge.api_url, TokenCredentials("ghp_unknown")).repository(REPO)


def test_bot_knows_its_own_account(scene: Stage, forge: GitHubForge) -> None:
    me = forge.identity()
    assert me is not None
    assert me.login == "slipway-bot"
    assert me.email == scene.forge.email("slipway-bot")


def test_commit_tells_subject_author_and_time(scene: Stage, forge: GitHubForge) -> None:
    sha = scene.forge.commit(REPO, "master", {"a": "b"}, "Second\n\nWith reasons.", "ann")
    commit = forge.commit(REPO, sha)
    assert (commit.sha, commit.subject, commit.author_name) == (sha, "Second", "Ann")
    assert commit.author is not None
    assert commit.author.email == scene.forge.email("ann")
    assert commit.committed_at.endswith("Z")
    with pytest.raises(Permanent):
        forge.commit(REPO, GONE)


def test_comparison_leads_from_base_to_head(scene: Stage, forge: GitHubForge) -> None:
    base = head(scene)
    shas = [scene.forge.commit(REPO, "master", {"n": str(n)}, f"Number {n}", "ann") for n in range(3)]
    found = forge.compare(REPO, base, shas[-1])
    assert found is not None
    assert (found.status, found.total, [commit.sha for commit in found.commits]) == ("ahead", 3, shas)
    back = forge.compare(REPO, shas[-1], base)
    assert back is not None
    assert (back.status, back.commits) == ("behind", ())


def test_comparison_with_a_commit_that_is_gone_is_none(scene: Stage, forge: GitHubForge) -> None:
    assert forge.compare(REPO, GONE, head(scene)) is None
    with pytest.raises(Permanent, match="org/nowhere"):
        forge.compare("org/nowhere", GONE, head(scene))


# ---------------------------------------------------------------- pull requests


def test_pull_request_is_opened_found_edited_and_merged(scene: Stage, forge: GitHubForge) -> None:
    branch = "slipway/production/site"
    sha = scene.forge.commit(REPO, branch, {"image": "new"}, "site: 3f2c1ab to production", "slipway-bot")
    assert forge.find_pull_request(REPO, branch) is None
    opened = forge.open_pull_request(REPO, head=branch, base="master", title="site to production", body="Please")
    assert (opened.head_branch, opened.head_sha, opened.base_branch) == (branch, sha, "master")
    assert (opened.state, opened.merged, opened.merge_sha, opened.head_repo) == ("open", False, None, REPO)
    assert forge.find_pull_request(REPO, branch) == opened
    assert forge.find_pull_request(REPO, branch, state="closed") is None

    forge.edit_pull_request(REPO, opened.number, title="site: 3f2c1ab", body="Really")
    edited = forge.pull_request(REPO, opened.number)
    assert (edited.title, edited.body) == ("site: 3f2c1ab", "Really")

    merge = forge.merge_pull_request(
        REPO, opened.number, head=sha, title="site: 3f2c1ab to production", message="App: site\nApproved-by: @ann"
    )
    assert merge == head(scene)
    merged = forge.pull_request(REPO, opened.number)
    assert (merged.merged, merged.merge_sha, merged.state) == (True, merge, "closed")
    assert merged.merged_by == forge.identity()
    assert merged.merged_at is not None
    assert forge.commit(REPO, merge).subject == "site: 3f2c1ab to production"
    (of_commit,) = forge.pull_requests_of(REPO, merge)
    assert (of_commit.number, of_commit.merged, of_commit.merge_sha) == (opened.number, True, merge)
    assert forge.find_pull_request(REPO, branch) is None
    found = forge.find_pull_request(REPO, branch, state="all")
    assert found is not None
    assert found.number == opened.number


def test_newest_pull_request_of_a_branch_is_found(scene: Stage, forge: GitHubForge) -> None:
    numbers = []
    for round_ in range(3):
        scene.forge.commit(REPO, "topic", {"n": str(round_)}, "Again", "ann")
        numbers.append(scene.forge.open_pull_request(REPO, "topic", "master", "Again", author="ann"))
        scene.forge.close_pull_request(REPO, numbers[-1], "ann")
    found = forge.find_pull_request(REPO, "topic", state="all")
    assert found is not None
    assert found.number == numbers[-1]


def test_open_pull_requests_come_oldest_first(scene: Stage, forge: GitHubForge) -> None:
    first, second, third = (scene.pull_request(f"topic-{number}") for number in range(3))
    scene.forge.close_pull_request(REPO, second, "ann")
    assert [pull.number for pull in forge.open_pull_requests(REPO)] == [first, third]


def test_lists_that_have_not_changed_cost_nothing_and_those_that_have_are_read(
    scene: Stage, forge: GitHubForge
) -> None:
    number = scene.pull_request("topic")

    def look() -> tuple[list[int], list[str]]:
        before = len(scene.forge.requests_log)
        found = [pull.number for pull in forge.open_pull_requests(REPO)]
        said = [str(review.state) for review in forge.reviews(REPO, number)]
        statuses.append([entry.status for entry in scene.forge.requests_log[before:]])
        return found, said

    statuses: list[list[int]] = []
    assert look() == ([number], [])
    used = scene.hub().get_rate_limit().rate.used
    assert look() == ([number], [])
    assert scene.hub().get_rate_limit().rate.used == used
    scene.forge.review(REPO, number, "bob", "APPROVE")
    assert look() == ([number], ["APPROVED"])
    scene.forge.close_pull_request(REPO, number, "ann")
    assert look() == ([], ["APPROVED"])
    assert statuses[:2] == [[200, 200], [304, 304]]
    assert statuses[2][1] == 200
    assert statuses[3] == [200, 304]


def test_a_list_that_grows_by_a_page_is_read_whole(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    for _ in range(100):
        scene.forge.review(REPO, number, "bob", "COMMENT", "Hm")
    assert [len(forge.reviews(REPO, number)) for _ in range(2)] == [100, 100]
    scene.forge.review(REPO, number, "bob", "APPROVE")
    assert [len(forge.reviews(REPO, number)) for _ in range(2)] == [101, 101]


def test_second_pull_request_of_a_branch_is_refused_in_githubs_words(scene: Stage, forge: GitHubForge) -> None:
    scene.pull_request("topic")
    with pytest.raises(Permanent, match="A pull request already exists"):
        forge.open_pull_request(REPO, head="topic", base="master", title="Again", body="")


def test_head_that_moved_is_not_merged(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    seen = head(scene, "topic")
    scene.forge.commit(REPO, "topic", {"colour.txt": "green\n"}, "Paint it green", "ann")
    before = head(scene)
    with pytest.raises(Permanent, match="Head branch was modified"):
        forge.merge_pull_request(REPO, number, head=seen, title="t", message="m")
    assert head(scene) == before


def test_conflict_is_told_as_github_tells_it(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    scene.forge.commit(REPO, "master", {"colour.txt": "green\n"}, "Paint it green", "bob")
    with pytest.raises(Refused, match="not mergeable") as refusal:
        forge.merge_pull_request(REPO, number, head=head(scene, "topic"), title="t", message="m")
    assert refusal.value.words == "Pull Request is not mergeable"


def test_the_closed_pull_requests_are_told_merged_or_not(scene: Stage, forge: GitHubForge) -> None:
    closed = scene.pull_request("one")
    scene.forge.close_pull_request(REPO, closed, "ann")
    merged = scene.pull_request("two")
    assert [one.number for one in forge.closed_pull_requests(REPO)] == [closed]
    scene.forge.merge_pull_request(REPO, merged, "ann")
    assert {one.number: one.merged for one in forge.closed_pull_requests(REPO)} == {merged: True, closed: False}


def test_mergeable_is_unknown_first_and_then_known(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    assert [forge.pull_request(REPO, number).mergeable for _ in range(2)] == [None, True]


def test_who_may_only_read_may_not_merge(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    with pytest.raises(Permanent):
        as_("carl", scene).merge_pull_request(REPO, number, head=head(scene, "topic"), title="t", message="m")


# ---------------------------------------------------------------- answers that never came


@pytest.mark.parametrize("fault", [perform_then_status(502), perform_then_drop()])
def test_create_whose_answer_was_lost_happens_once(scene: Stage, forge: GitHubForge, fault: Action) -> None:
    scene.forge.commit(REPO, "topic", {"a": "b"}, "Second", "slipway-bot")
    scene.forge.faults.add("POST", "/pulls$", fault)
    with pytest.raises(UnknownOutcome):
        forge.open_pull_request(REPO, head="topic", base="master", title="Second", body="")
    found = forge.find_pull_request(REPO, "topic")
    assert found is not None
    assert [pull.number for pull in forge.open_pull_requests(REPO)] == [found.number]


@pytest.mark.parametrize("fault", [perform_then_status(502), perform_then_drop()])
def test_merge_whose_answer_was_lost_is_found_by_reading(scene: Stage, forge: GitHubForge, fault: Action) -> None:
    number = scene.pull_request("topic")
    scene.forge.faults.add("PUT", "/merge$", fault)
    with pytest.raises(UnknownOutcome):
        forge.merge_pull_request(REPO, number, head=head(scene, "topic"), title="t", message="m")
    assert forge.pull_request(REPO, number).merge_sha == head(scene)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reset(), Transient),
        (status(503, body='{"message": "Unicorn"}'), Transient),
        (status(429, {"Retry-After": "7"}, '{"message": "Slow down"}'), Transient),
    ],
)
def test_read_that_failed_is_asked_again_by_who_wants_it(
    scene: Stage, forge: GitHubForge, fault: Action, kind: type[SlipwayError]
) -> None:
    scene.forge.faults.add("GET", f"/repos/{REPO}$", fault)
    with pytest.raises(kind):
        forge.repository(REPO)
    assert forge.repository(REPO).default_branch == "master"


# ---------------------------------------------------------------- reviews


def test_reviews_tell_who_said_what_about_which_commit(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    first = head(scene, "topic")
    scene.forge.review(REPO, number, "bob", "REQUEST_CHANGES", "Why?")
    second = scene.forge.commit(REPO, "topic", {"colour.txt": "green\n"}, "Paint it green", "ann")
    scene.forge.review(REPO, number, "bob", "APPROVE")
    found = forge.reviews(REPO, number)
    assert [(review.person.login, review.state, review.commit) for review in found] == [
        ("bob", ReviewState.CHANGES_REQUESTED, first),
        ("bob", ReviewState.APPROVED, second),
    ]
    assert found[0].submitted_at <= found[1].submitted_at


def test_a_pull_request_is_closed_and_closing_it_again_is_no_error(scene: Stage, forge: GitHubForge) -> None:
    number = scene.pull_request("topic")
    for _ in range(2):
        forge.close_pull_request(REPO, number)
        closed = forge.pull_request(REPO, number)
        assert (closed.state, closed.merged) == ("closed", False)


# ---------------------------------------------------------------- people


def test_only_who_may_push_can_write(scene: Stage, forge: GitHubForge) -> None:
    may = {login: forge.can_write(REPO, login) for login in ("ann", "olga", "carl", "nobody")}
    assert may == {"ann": True, "olga": True, "carl": False, "nobody": False}


def test_team_members_are_told_and_a_missing_team_is_empty(scene: Stage, forge: GitHubForge) -> None:
    scene.forge.create_team("org", "web-team", ["ann", "bob"])
    assert forge.team_members("org/web-team") == {"ann", "bob"}
    assert forge.team_members("org/nobody") == frozenset()


def test_github_app_acts_as_its_bot(scene: Stage) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    app_id = scene.forge.create_app("slipway", public.decode(), [REPO])
    forge = GitHubForge(scene.forge.api_url, AppCredentials(app_id, private, scene.forge.api_url))
    me = forge.identity()
    assert me is not None
    assert (me.login, me.email) == ("slipway[bot]", scene.forge.email("slipway[bot]"))
    number = scene.pull_request("topic")
    forge.comment(REPO, number, marker=MARKER, body=MARKER)
    forge.comment(REPO, number, marker=MARKER, body=f"{MARKER}\nagain")
    (comment,) = scene.repo().get_issue(number).get_comments()
    assert (comment.user.login, comment.body) == ("slipway[bot]", f"{MARKER}\nagain")
    assert forge.can_write(REPO, "ann")
