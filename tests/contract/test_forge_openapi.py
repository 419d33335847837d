"""Everything PyGithub sends to the stand-in, and all it answers, is held to GitHub's own description."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from github import GithubException

from bot.sandbox.forge import application
from bot.sandbox.forge.api import API
from bot.sandbox.forge.state import Store
from tests.forge_stage import REPO, Stage, stage
from tests.openapi import description


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    description()  # skips early where it cannot be had
    with stage(tmp_path) as found:
        yield found


def test_people_and_repositories(scene: Stage) -> None:
    hub = scene.hub()
    repo = hub.get_repo(REPO)
    assert hub.get_user().login == "slipway-bot"
    assert (hub.get_user("ann").name, hub.get_organization("org").login) == ("Ann", "org")
    assert repo.default_branch == "master"
    assert repo.permissions.push
    assert not repo.permissions.admin
    assert hub.get_rate_limit().rate.limit == 5000
    assert scene.call("GET", "/users/nobody").status_code == 404
    scene.judge()


def test_permissions_and_teams(scene: Stage) -> None:
    scene.forge.create_team("org", "web-team", ["ann", "bob"])
    repo = scene.repo()
    assert [repo.get_collaborator_permission(who) for who in ("ann", "olga", "carl")] == ["write", "admin", "read"]
    team = scene.hub().get_organization("org").get_team_by_slug("web-team")
    assert {member.login for member in team.get_members()} == {"ann", "bob"}
    assert team.get_team_membership("ann").state == "active"
    assert scene.call("GET", "/orgs/org/teams/web-team/members").json()[0]["login"] == "ann"
    assert scene.call("GET", "/orgs/org/teams/web-team/memberships/carl").status_code == 404
    assert scene.call("GET", "/orgs/org/teams/nobody/members").status_code == 404
    assert scene.call("GET", "/user/memberships/orgs/org", "ann").json()["state"] == "active"
    assert scene.call("GET", "/user/memberships/orgs/org", "carl").status_code == 404
    with pytest.raises(GithubException, match="404"):
        repo.get_collaborator_permission("nobody")
    scene.judge()


def test_branches_and_refs(scene: Stage) -> None:
    repo = scene.repo()
    master = repo.get_branch("master").commit.sha
    repo.create_git_ref("refs/heads/slipway/production/site", master)
    moved = scene.forge.commit(REPO, "master", {"a": "b"}, "Second", "ann")
    ref = repo.get_git_ref("heads/slipway/production/site")
    assert ref.object.sha == master
    ref.edit(moved)
    assert {branch.name for branch in repo.get_branches()} == {"master", "slipway/production/site"}
    assert repo.get_branch("slipway/production/site").commit.sha == moved
    assert [found.ref for found in repo.get_git_matching_refs("heads/slip")] == ["refs/heads/slipway/production/site"]
    ref.delete()
    for missing in (
        ("GET", f"/repos/{REPO}/git/ref/heads/slipway/production/site", None),
        ("GET", f"/repos/{REPO}/branches/slipway/production/site", None),
        ("PATCH", f"/repos/{REPO}/git/refs/heads/gone", {"sha": master}),
        ("POST", f"/repos/{REPO}/git/refs", {"ref": "refs/heads/x", "sha": "1" * 40}),
        ("POST", f"/repos/{REPO}/git/refs", {"ref": "refs/heads/master", "sha": master}),
        ("POST", f"/repos/{REPO}/git/refs", {"sha": master}),
    ):
        assert scene.call(missing[0], missing[1], json=missing[2]).status_code in (404, 422)
    assert scene.call("GET", f"/repos/{REPO}/rules/branches/master").json() == []
    scene.judge()


def test_protection(scene: Stage) -> None:
    assert scene.call("GET", f"/repos/{REPO}/branches/master/protection", "olga").status_code == 404
    scene.forge.protect(REPO, "master", approvals=2, strict=True)
    shown = scene.repo("olga").get_branch("master").get_protection()
    assert shown.required_pull_request_reviews.required_approving_review_count == 2
    assert shown.required_status_checks.strict
    assert scene.repo().get_branch("master").protected
    scene.judge()


def test_commits_comparisons_and_contents(scene: Stage) -> None:
    repo = scene.repo()
    first = repo.get_commits()[0].sha
    shas = [scene.forge.commit(REPO, "master", {"n": str(n)}, f"Number {n}", "ann") for n in range(5)]
    assert [commit.sha for commit in repo.get_commits(sha="master")] == [*reversed(shas), first]
    assert [commit.sha for commit in repo.get_commits(path="colour.txt")] == [first]
    commit = repo.get_commit(shas[0])
    assert (commit.author.login, commit.files[0].filename, commit.stats.additions) == ("ann", "n", 1)
    ahead = repo.compare(first, "master")
    assert (ahead.status, ahead.ahead_by, [c.sha for c in ahead.commits]) == ("ahead", 5, shas)
    assert repo.compare("master", first).status == "behind"
    assert repo.compare("master", "master").status == "identical"
    content = repo.get_contents("docs/read me.md", ref=first)
    assert not isinstance(content, list)
    assert content.decoded_content == b"# Site\n"
    listing = repo.get_contents("docs")
    assert isinstance(listing, list)
    assert [(entry.path, entry.type) for entry in listing] == [("docs/read me.md", "file")]
    for path in ("compare/master...gone", "contents/gone", "commits/0000000", "commits?sha=gone"):
        assert scene.call("GET", f"/repos/{REPO}/{path}").status_code in (404, 422)
    scene.judge()


def test_a_whole_life_of_a_pull_request(scene: Stage) -> None:
    repo = scene.repo()
    head = scene.forge.commit(REPO, "topic", {"colour.txt": "blue\n"}, "Paint it blue", "slipway-bot")
    pull = repo.create_pull(base="master", head="topic", title="Paint", body="Please")
    assert pull.raw_data["mergeable"] is None
    assert [repo.get_pull(1).mergeable, repo.get_pull(1).mergeable_state] == [True, "clean"]
    assert [found.number for found in repo.get_pulls(state="all", head="org:topic", base="master")] == [1]
    pull.edit(title="Paint it", body="Really")
    assert [commit.sha for commit in pull.get_commits()] == [head]
    assert [(file.filename, file.status) for file in pull.get_files()] == [("colour.txt", "modified")]
    assert not pull.is_merged()
    review = scene.pull(1, "ann").create_review(body="Nice", event="APPROVE")
    assert (review.state, review.commit_id) == ("APPROVED", head)
    merged = pull.merge(merge_method="squash", sha=head, commit_title="site: blue", commit_message="App: site")
    assert merged.merged
    assert pull.is_merged()
    assert repo.get_pull(1).merged_by.login == "slipway-bot"
    assert [found.number for found in repo.get_commit(merged.sha).get_pulls()] == [1]
    assert repo.get_commit(merged.sha).commit.message == "site: blue\n\nApp: site"
    scene.judge()


def test_reviews_of_every_kind(scene: Stage) -> None:
    number = scene.pull_request()
    pull = scene.pull(number, "bob")
    pull.create_review(body="Hm", event="COMMENT")
    pending = pull.create_review(body="Wait")
    assert pending.state == "PENDING"
    assert [review.state for review in scene.pull(number).get_reviews()] == ["COMMENTED"]
    submit = f"/repos/{REPO}/pulls/{number}/reviews/{pending.id}/events"
    assert scene.call("POST", submit, "bob", {"event": "REQUEST_CHANGES"}).json()["state"] == "CHANGES_REQUESTED"
    scene.pull(number).get_review(pending.id).dismiss("Settled")
    assert [review.state for review in pull.get_reviews()] == ["COMMENTED", "DISMISSED"]
    with pytest.raises(GithubException, match="Can not approve your own pull request"):
        scene.pull(number, "ann").create_review(event="APPROVE")
    with pytest.raises(GithubException, match="422"):
        pull.create_review(event="COMMENT")
    scene.judge()


def test_the_conversation_and_labels(scene: Stage) -> None:
    number = scene.pull_request()
    issue = scene.repo().get_issue(number)
    comment = issue.create_comment("Building")
    comment.edit("Built")
    assert comment.create_reaction("rocket").content == "rocket"
    assert comment.create_reaction("rocket").content == "rocket"
    assert [found.body for found in issue.get_comments()] == ["Built"]
    assert scene.pull(number).get_issue_comment(comment.id).body == "Built"
    issue.add_to_labels("deploy", "production")
    assert [label.name for label in scene.pull(number).get_labels()] == ["deploy", "production"]
    comment.delete()
    assert issue.get_comments().totalCount == 0
    assert scene.call("GET", f"/repos/{REPO}/issues/comments/{comment.id}").status_code == 404
    assert scene.call("POST", f"/repos/{REPO}/issues/{number}/comments", json={"body": ""}).status_code == 422
    scene.judge()


def test_statuses_and_deployments(scene: Stage) -> None:
    repo = scene.repo()
    commit = repo.get_commit("master")
    commit.create_status("pending", context="slipway/staging")
    commit.create_status("success", "http://127.0.0.1/x", "healthy", "slipway/staging")
    assert [status.state for status in commit.get_statuses()] == ["success", "pending"]
    combined = commit.get_combined_status()
    assert (combined.state, combined.total_count) == ("success", 1)
    deployment = repo.create_deployment(commit.sha, environment="staging", auto_merge=False, payload={"app": "x"})
    deployment.create_status("in_progress", description="waiting for pods", auto_inactive=False)
    deployment.create_status("success", environment_url="http://127.0.0.1/site", auto_inactive=True)
    assert [status.state for status in deployment.get_statuses()] == ["success", "in_progress"]
    assert [found.id for found in repo.get_deployments(sha=commit.sha, environment="staging")] == [deployment.id]
    assert repo.get_deployment(deployment.id).environment == "staging"
    commit.create_status("failure", context="ci")
    with pytest.raises(GithubException, match="Commit status checks failed"):
        repo.create_deployment(commit.sha, environment="staging")
    with pytest.raises(GithubException, match="maximum is 140 characters"):
        commit.create_status("success", description="x" * 141)
    scene.judge()


def test_hooks_and_their_deliveries(scene: Stage) -> None:
    hook_id = scene.forge.add_webhook(REPO, "http://127.0.0.1:9/nobody", "s3cret", ["push"], "form")
    scene.forge.commit(REPO, "master", {"a": "b"}, "Second", "ann")
    assert scene.forge.wait_for_deliveries()
    repo = scene.repo("olga")
    assert [hook.id for hook in repo.get_hooks()] == [hook_id]
    assert repo.get_hook(hook_id).config["content_type"] == "form"
    found = list(repo.get_hook_deliveries(hook_id))
    assert [(delivery.event, delivery.status_code) for delivery in found] == [("push", 502), ("ping", 502)]
    one = found[0]
    assert one.id is not None
    assert repo.get_hook_delivery(hook_id, one.id).raw_data["request"]["payload"]["ref"] == "refs/heads/master"
    attempts = f"/repos/{REPO}/hooks/{hook_id}/deliveries/{one.id}/attempts"
    assert scene.call("POST", attempts, "olga").status_code == 202
    assert scene.call("GET", f"/repos/{REPO}/hooks", "ann").status_code == 404
    scene.judge()


def test_lists_lead_from_page_to_page(scene: Stage) -> None:
    for number in range(7):
        branch = f"topic-{number}"
        scene.forge.commit(REPO, branch, {f"f{number}": "x"}, f"Add {number}", "ann")
        scene.forge.open_pull_request(REPO, branch, "master", f"Add {number}", author="ann")
    hub = scene.hub()
    hub.per_page = 3
    repo = hub.get_repo(REPO)
    assert [pull.number for pull in repo.get_pulls(sort="created", direction="asc")] == [*range(1, 8)]
    assert [pull.number for pull in repo.get_pulls()] == [*range(7, 0, -1)]
    assert repo.get_pulls().totalCount == 7
    links = scene.call("GET", f"/repos/{REPO}/pulls?per_page=3&page=2").links
    assert set(links) == {"first", "prev", "next", "last"}
    assert links["next"]["url"].endswith("per_page=3&page=3")
    scene.judge()


def test_a_comparison_shows_its_commits_page_by_page(scene: Stage) -> None:
    first = scene.forge.head(REPO, "master")
    shas = [scene.forge.commit(REPO, "master", {"n": str(n)}, f"Number {n}", "ann") for n in range(5)]
    pages = [
        scene.call("GET", f"/repos/{REPO}/compare/{first}...master?per_page=2&page={page}").json() for page in (1, 2, 3)
    ]
    assert [[commit["sha"] for commit in page["commits"]] for page in pages] == [
        list(batch) for batch in (shas[:2], shas[2:4], shas[4:])
    ]
    assert [page["total_commits"] for page in pages] == [5, 5, 5]
    assert [("files" in page) for page in pages] == [True, False, False]
    scene.judge()


def test_refusals_have_github_s_form(scene: Stage) -> None:
    number = scene.pull_request()
    pull = f"/repos/{REPO}/pulls/{number}"
    for method, path, login, body, status in (
        ("GET", f"/repos/{REPO}/pulls/99", "ann", None, 404),
        ("GET", "/user", None, None, 401),
        ("PUT", f"{pull}/merge", None, {}, 401),
        ("PUT", f"{pull}/merge", "carl", {}, 403),
        ("PUT", f"{pull}/merge", "bob", {"sha": "0" * 40}, 409),
        ("POST", f"/repos/{REPO}/pulls", "bob", {"head": "topic", "base": "master", "title": "again"}, 422),
        ("POST", f"/repos/{REPO}/pulls", "bob", {"head": "gone", "base": "master", "title": "x"}, 422),
        ("POST", f"/repos/{REPO}/pulls", "bob", {"head": "master", "base": "topic", "title": "x"}, 422),
        ("GET", f"/repos/{REPO}/pulls/{number}/merge", "bob", None, 404),
    ):
        assert scene.call(method, path, login, body).status_code == status, path
    scene.judge()


def test_every_route_is_one_that_github_describes(tmp_path: Path) -> None:
    for rule in application(Store(tmp_path), 5000).url_map.iter_rules():
        if rule.rule.startswith(API) and rule.rule != f"{API}/repos/<owner>/<name>/contents/":
            path = re.sub("<[^>]+>", "x", rule.rule.removeprefix(API))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert description().describes(method, path), f"{method} {path}"
