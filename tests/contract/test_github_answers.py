"""What the GitHub adapter sends and makes of answers that are odd, sparse, long or somebody else's."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bot.adapters.github.credentials import TokenCredentials
from bot.adapters.github.forge import GitHubForge
from bot.facts import Commit, Repository, ReviewState, StatusState
from bot.releases import Person
from tests.scripted_http import Answer, ScriptedServer

REPO = "web-team/shop"
SHA = "3f2c1ab0c9e1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"
BRANCH = "slipway/production/shop"
MARKER = "<!-- slipway:shop -->"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def forge(server: ScriptedServer) -> GitHubForge:
    return GitHubForge(server.url + "/api/v3/", TokenCredentials("ghp_test"))


def pull(number: int = 7, branch: str = BRANCH, *, repo: str | None = REPO, state: str = "open") -> dict[str, Any]:
    head: dict[str, Any] = {"ref": branch, "sha": SHA}
    if repo is not None:
        head["repo"] = {"full_name": repo}
    return {"number": number, "state": state, "head": head, "base": {"ref": "main"}}


def comment(id: int, body: str, login: str = "slipway-bot") -> dict[str, Any]:  # noqa: A002 - GitHub's name
    return {"id": id, "body": body, "user": {"login": login}}


ME = Answer(body={"login": "Slipway-Bot", "id": 41})


# ---------------------------------------------------------------- sparse answers


def test_sparse_pull_request_is_understood_with_one_request(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body=pull()))
    found = forge.pull_request(REPO, 7)
    assert (found.number, found.head_branch, found.head_sha, found.head_repo) == (7, BRANCH, SHA, REPO)
    assert (found.title, found.body, found.author, found.merged_by) == ("", "", None, None)
    assert (found.merged, found.merge_sha, found.mergeable) == (False, None, None)
    assert server.lines == ["GET /api/v3/repos/web-team/shop/pulls/7"]


def test_commit_that_would_be_the_merge_is_not_taken_for_the_merge(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body=pull() | {"merge_commit_sha": "b" * 40, "merged_at": None, "mergeable": True}))
    found = forge.pull_request(REPO, 7)
    assert (found.merge_sha, found.mergeable) == (None, True)


def test_merged_pull_request_tells_who_and_when_in_utc(server: ScriptedServer, forge: GitHubForge) -> None:
    merged = {"merged": True, "merge_commit_sha": "b" * 40, "merged_by": {"login": "ada", "id": 3}}
    server.script(Answer(body=pull(state="closed") | merged | {"merged_at": "2018-12-03T11:22:33+02:00"}))
    found = forge.pull_request(REPO, 7)
    assert (found.merged, found.merge_sha, found.merged_by) == (True, "b" * 40, Person("ada", 3))
    assert found.merged_at == "2018-12-03T09:22:33Z"


def test_merged_pull_request_in_a_list_needs_no_second_request(server: ScriptedServer, forge: GitHubForge) -> None:
    merged = {"merged_at": "2018-12-03T11:22:33Z", "merge_commit_sha": SHA}
    server.script(Answer(body=[pull(state="closed") | merged]))
    (found,) = forge.pull_requests_of(REPO, SHA)
    assert (found.merged, found.merge_sha) == (True, SHA)
    assert server.lines == [f"GET /api/v3/repos/web-team/shop/commits/{SHA}/pulls"]


def test_repository_of_unknown_visibility_counts_as_public(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body={"default_branch": "master"}))
    assert forge.repository(REPO) == Repository(REPO, "master", private=False)


def test_commit_of_an_address_without_account_has_a_name_only(server: ScriptedServer, forge: GitHubForge) -> None:
    inner = {"message": "Fix it\n\nFor good.", "author": {"name": "Ada", "date": "2018-12-03T11:22:33Z"}}
    server.script(Answer(body={"sha": SHA, "commit": inner, "author": None}))
    assert forge.commit(REPO, SHA) == Commit(SHA, "Fix it", None, "Ada", "2018-12-03T11:22:33Z", "")


def test_reviews_leave_out_drafts_and_states_nobody_knows(server: ScriptedServer, forge: GitHubForge) -> None:
    at = "2018-12-03T11:22:3{}Z"
    sent = [
        {"id": 3, "state": "DISMISSED", "user": None, "submitted_at": at.format(3), "commit_id": None},
        {"id": 1, "state": "PENDING", "user": {"login": "ada"}},
        {"id": 2, "state": "BLESSED", "user": {"login": "ada"}, "submitted_at": at.format(1), "commit_id": SHA},
        {"id": 4, "state": "APPROVED", "user": {"login": "bob"}, "submitted_at": at.format(2), "commit_id": SHA},
    ]
    server.script(Answer(body=sent))
    approved, dismissed = forge.reviews(REPO, 7)
    assert (approved.id, approved.state, approved.person, approved.commit) == (
        4,
        ReviewState.APPROVED,
        Person("bob"),
        SHA,
    )
    assert (dismissed.state, dismissed.person, dismissed.commit) == (ReviewState.DISMISSED, Person("ghost"), "")


def test_comparison_keeps_the_whole_number_beside_the_listed_commits(
    server: ScriptedServer, forge: GitHubForge
) -> None:
    server.script(Answer(body={"status": "ahead", "total_commits": 300, "commits": [{"sha": SHA}]}))
    found = forge.compare(REPO, "a" * 40, SHA)
    assert found is not None
    assert (found.status, found.total, [commit.sha for commit in found.commits]) == ("ahead", 300, [SHA])
    assert server.lines == [f"GET /api/v3/repos/web-team/shop/compare/{'a' * 40}...{SHA}"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([{"filename": "b", "previous_filename": "a"}, {"filename": "c"}], ("b", "a", "c")),
        ([], ()),
        ([{"filename": str(number)} for number in range(300)], None),
        (None, None),
    ],
)
def test_comparison_tells_its_files_only_where_they_are_all_listed(
    server: ScriptedServer, forge: GitHubForge, files: list[dict[str, str]] | None, told: tuple[str, ...] | None
) -> None:
    server.script(Answer(body={"status": "ahead", "total_commits": 1, "commits": [], "files": files}))
    found = forge.compare(REPO, "a" * 40, SHA)
    assert found is not None
    assert found.files == told


def test_comparison_of_two_commits_is_asked_for_once_and_one_with_a_branch_each_time(
    server: ScriptedServer, forge: GitHubForge
) -> None:
    answer = Answer(body={"status": "ahead", "total_commits": 0, "commits": []})
    server.script(answer, answer, answer)
    assert forge.compare(REPO, "a" * 40, SHA) == forge.compare(REPO, "a" * 40, SHA)
    forge.compare(REPO, SHA, "main")
    forge.compare(REPO, SHA, "main")
    assert len(server.lines) == 3


def test_a_reaction_that_github_will_not_take_keeps_nothing_from_being_done(
    server: ScriptedServer, forge: GitHubForge
) -> None:
    server.script(Answer(status=403, body={"message": "Resource not accessible by integration"}))
    forge.react(REPO, 1, 17)
    assert server.lines == ["POST /api/v3/repos/web-team/shop/issues/comments/17/reactions"]


def test_an_account_that_is_not_there_is_none(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body={"login": "Dora", "id": 17}), Answer(status=404, body={"message": "Not Found"}))
    assert forge.account("dora") == Person("Dora", 17)
    assert forge.account("nobody") is None


# ---------------------------------------------------------------- lists


def test_pull_request_is_found_among_those_a_server_did_not_filter(server: ScriptedServer, forge: GitHubForge) -> None:
    listed = [
        pull(9, "feature"),
        pull(8, repo="mallory/shop"),
        pull(3, state="closed"),
        pull(4),
        pull(5, repo="Web-Team/Shop"),
    ]
    server.script(Answer(body=listed))
    found = forge.find_pull_request(REPO, BRANCH)
    assert found is not None
    assert (found.number, found.head_repo) == (5, REPO)
    query = server.received[0].query
    assert (query["head"], query["state"], query["sort"], query["direction"]) == (
        f"web-team:{BRANCH}",
        "open",
        "created",
        "desc",
    )


def test_closed_pull_requests_are_found_by_state_all(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body=[pull(3, state="closed")]), Answer(body=[pull(3, state="closed")]))
    found = forge.find_pull_request(REPO, BRANCH, state="all")
    assert found is not None
    assert found.number == 3
    assert forge.find_pull_request(REPO, BRANCH) is None


@pytest.mark.parametrize(("label", "number"), [(f"web-team:{BRANCH}", 7), (f"mallory:{BRANCH}", None)])
def test_head_without_a_repository_is_told_by_its_owner(
    server: ScriptedServer, forge: GitHubForge, label: str, number: int | None
) -> None:
    sent = pull(repo=None)
    sent["head"] |= {"repo": None, "label": label}
    server.script(Answer(body=[sent]))
    found = forge.find_pull_request(REPO, BRANCH)
    assert (found.number if found else None) == number


def test_every_page_of_a_list_is_read(server: ScriptedServer, forge: GitHubForge) -> None:
    following = f'<{server.url}/api/v3/repositories/1/pulls?page=2>; rel="next", <{server.url}/x>; rel="last"'
    server.script(Answer(body=[pull(2), pull(1)], headers={"Link": following}), Answer(body=[pull(3)]))
    assert [found.number for found in forge.open_pull_requests(REPO)] == [1, 2, 3]
    assert server.received[0].query["per_page"] == "100"
    assert (server.received[1].path, server.received[1].query) == ("/api/v3/repositories/1/pulls", {"page": "2"})


# ---------------------------------------------------------------- writes


def test_merge_squashes_exactly_the_head_with_our_words(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body={"merged": True, "sha": "c" * 40, "message": "Pull Request successfully merged"}))
    assert forge.merge_pull_request(REPO, 7, head=SHA, title="shop: 3f2c1ab", message="App: shop") == "c" * 40
    assert server.lines == ["PUT /api/v3/repos/web-team/shop/pulls/7/merge"]
    assert server.received[0].json() == {
        "sha": SHA,
        "merge_method": "squash",
        "commit_title": "shop: 3f2c1ab",
        "commit_message": "App: shop",
    }


def test_long_description_of_a_status_is_cut(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(200, {"statuses": []}), Answer(201, {"id": 1}))
    forge.set_status(
        REPO, SHA, context="slipway/staging", state=StatusState.FAILURE, description="x" * 200, url="https://s/"
    )
    assert server.lines[1] == f"POST /api/v3/repos/web-team/shop/statuses/{SHA}"
    assert server.received[1].json() == {
        "state": "failure",
        "context": "slipway/staging",
        "description": "x" * 139 + "…",
        "target_url": "https://s/",
    }


def test_first_comment_is_created(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(ME, Answer(body=[comment(1, f"> {MARKER} quoted", "ada")]), Answer(201, comment(2, MARKER)))
    forge.comment(REPO, 7, marker=MARKER, body=f"{MARKER}\nnow")
    assert server.lines[-1] == "POST /api/v3/repos/web-team/shop/issues/7/comments"
    assert server.received[-1].json() == {"body": f"{MARKER}\nnow"}


def test_comment_is_edited_in_place(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(ME, Answer(body=[comment(1, "hello"), comment(2, f"{MARKER}\nbefore")]), Answer(body={"id": 2}))
    forge.comment(REPO, 7, marker=MARKER, body=f"{MARKER}\nnow")
    assert server.lines[-1] == "PATCH /api/v3/repos/web-team/shop/issues/comments/2"
    assert server.received[-1].json() == {"body": f"{MARKER}\nnow"}


def test_comment_that_says_it_already_is_left_alone(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(ME, Answer(body=[comment(2, f"{MARKER}\r\nnow")]))
    forge.comment(REPO, 7, marker=MARKER, body=f"{MARKER}\nnow\n")
    assert server.lines == ["GET /api/v3/user", "GET /api/v3/repos/web-team/shop/issues/7/comments"]


@pytest.mark.parametrize("deleted", [Answer(204), Answer(404, {"message": "Not Found"})])
def test_doubled_comment_is_deleted(server: ScriptedServer, forge: GitHubForge, deleted: Answer) -> None:
    listed = [comment(2, f"{MARKER}\nbefore"), comment(3, MARKER, "ada"), comment(4, f"{MARKER}\nbefore")]
    server.script(ME, Answer(body=listed), Answer(body={"id": 2}), deleted)
    forge.comment(REPO, 7, marker=MARKER, body=f"{MARKER}\nnow")
    assert server.lines[2:] == [
        "PATCH /api/v3/repos/web-team/shop/issues/comments/2",
        "DELETE /api/v3/repos/web-team/shop/issues/comments/4",
    ]


def test_marker_suffices_where_the_bot_does_not_know_its_name(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(404, {"message": "Not Found"}), Answer(body=[comment(2, MARKER, "whoever")]))
    forge.comment(REPO, 7, marker=MARKER, body=MARKER)
    assert len(server.received) == 2


# ---------------------------------------------------------------- people


@pytest.mark.parametrize(
    ("answer", "may"),
    [
        ({"permission": "admin"}, True),
        ({"permission": "write", "role_name": "deployers"}, True),
        ({"permission": "write", "role_name": "maintain"}, True),
        ({"permission": "read", "role_name": "triage"}, False),
        ({"permission": "none"}, False),
        ({}, False),
    ],
)
def test_only_permissions_that_allow_to_push_count(
    server: ScriptedServer, forge: GitHubForge, answer: dict[str, str], may: bool
) -> None:
    server.script(Answer(body=answer))
    assert forge.can_write(REPO, "deploy[bot]") is may
    assert server.lines == ["GET /api/v3/repos/web-team/shop/collaborators/deploy%5Bbot%5D/permission"]


def test_team_is_asked_once_a_minute(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body=[{"login": "Ada"}, {"login": "bob"}]))
    assert forge.team_members("web-team/deployers") == forge.team_members("web-team/deployers") == {"Ada", "bob"}
    assert server.lines == ["GET /api/v3/orgs/web-team/teams/deployers/members"]


def test_threads_ask_one_after_another(server: ScriptedServer, forge: GitHubForge) -> None:
    asked = [f"web-team/site-{number}" for number in range(4)]
    server.script(*(Answer(body={"default_branch": "main"}, delay=0.05) for _ in asked))
    threads = [threading.Thread(target=forge.repository, args=(name,)) for name in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(server.lines) == [f"GET /api/v3/repos/{name}" for name in asked]
    assert server.most_at_once == 1
