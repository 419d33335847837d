"""Merging on the stand-in, against what GitHub documents of its three methods and its refusals."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from github import GithubException

from bot.sandbox.forge.git import Commit, GitRepo
from tests.forge_stage import REPO, Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def tip(scene: Stage) -> Commit:
    head = scene.forge.head(REPO, "master")
    assert head
    return GitRepo(scene.root / "forge" / f"{REPO}.git").commit(head)


def content(scene: Stage, path: str) -> str:
    found = scene.repo().get_contents(path)
    assert not isinstance(found, list)
    return found.decoded_content.decode()


def test_a_squash_of_one_commit_takes_its_words(scene: Stage) -> None:
    number = scene.pull_request()
    base = tip(scene).sha
    scene.pull(number, "bob").merge(merge_method="squash")
    commit = tip(scene)
    assert commit.message == "Paint it blue (#1)\n\nRed hurts the eyes."
    assert commit.parents == (base,)
    assert (commit.author.name, commit.author.email) == ("Ann", scene.forge.email("ann"))
    assert (commit.committer.name, commit.committer.email) == ("GitHub", "noreply@github.com")


def test_a_squash_of_several_commits_takes_the_title_and_lists_them(scene: Stage) -> None:
    number = scene.pull_request(title="Blue everywhere")
    scene.forge.commit(REPO, "topic", {"more": "x"}, "More blue", "ann")
    scene.pull(number).merge(merge_method="squash")
    assert tip(scene).message == ("Blue everywhere (#1)\n\n* Paint it blue\n\nRed hurts the eyes.\n\n* More blue")


def test_a_squash_takes_the_words_it_is_given(scene: Stage) -> None:
    number = scene.pull_request()
    message = "What and why.\n\nApp: site\nApproved-by: @bob"
    scene.pull(number).merge(merge_method="squash", commit_title="site: 3f2c1ab", commit_message=message)
    assert tip(scene).message == f"site: 3f2c1ab\n\n{message}"


def test_a_merge_keeps_both_parents(scene: Stage) -> None:
    number = scene.pull_request()
    base, head = scene.forge.commit(REPO, "master", {"x": "y"}, "Beside", "bob"), scene.pull(number).head.sha
    scene.pull(number, "bob").merge()
    commit = tip(scene)
    assert commit.message == "Merge pull request #1 from org/topic\n\nPaint it blue"
    assert (commit.parents, commit.author.name) == ((base, head), "Bob")
    assert (content(scene, "colour.txt"), content(scene, "x")) == ("blue\n", "y")


def test_a_rebase_makes_every_commit_anew(scene: Stage) -> None:
    number = scene.pull_request()
    scene.forge.commit(REPO, "topic", {"more": "x"}, "More blue", "ann")
    base = scene.forge.commit(REPO, "master", {"x": "y"}, "Beside", "bob")
    scene.pull(number, "bob").merge(merge_method="rebase")
    repo = scene.repo()
    newest = list(repo.get_commits())[:3]
    assert [commit.commit.message.split("\n")[0] for commit in newest] == ["More blue", "Paint it blue", "Beside"]
    assert newest[2].sha == base
    assert (tip(scene).author.name, tip(scene).committer.name) == ("Ann", "Bob")
    assert content(scene, "x") == "y"
    assert [[pull.number for pull in commit.get_pulls()] for commit in newest] == [[number], [number], []]


def test_a_conflict_is_found_when_asked_twice_and_refuses_the_merge(scene: Stage) -> None:
    number = scene.pull_request()
    scene.forge.commit(REPO, "master", {"colour.txt": "green\n"}, "Paint it green", "bob")
    seen = [scene.call("GET", f"/repos/{REPO}/pulls/{number}").json() for _ in range(2)]
    assert [(pull["mergeable"], pull["mergeable_state"]) for pull in seen] == [(None, "unknown"), (False, "dirty")]
    for method in ("merge", "squash", "rebase"):
        with pytest.raises(GithubException, match=r"405.*Pull Request is not mergeable"):
            scene.pull(number).merge(merge_method=method)


def test_mergeability_is_unknown_again_after_the_base_moved(scene: Stage) -> None:
    number = scene.pull_request()
    path = f"/repos/{REPO}/pulls/{number}"
    assert [scene.call("GET", path).json()["mergeable"] for _ in range(2)] == [None, True]
    scene.forge.commit(REPO, "master", {"x": "y"}, "Beside", "bob")
    assert [scene.call("GET", path).json()["mergeable"] for _ in range(2)] == [None, True]


def test_another_head_than_the_one_named_is_not_merged(scene: Stage) -> None:
    number = scene.pull_request()
    seen = scene.pull(number).head.sha
    scene.forge.commit(REPO, "topic", {"colour.txt": "black\n"}, "Paint it black", "ann")
    with pytest.raises(GithubException, match=r"409.*Head branch was modified. Review and try the merge again."):
        scene.pull(number).merge(sha=seen)
    assert not scene.pull(number).merged


def test_a_merged_pull_request_is_not_merged_twice(scene: Stage) -> None:
    number = scene.pull_request()
    scene.pull(number).merge()
    with pytest.raises(GithubException, match="405"):
        scene.pull(number).merge()
    assert scene.pull(number).merged_at is not None


def test_methods_that_are_switched_off_are_refused(scene: Stage) -> None:
    scene.forge.configure_repo(REPO, merge_methods=["squash"], delete_branch_on_merge=True)
    number = scene.pull_request()
    with pytest.raises(GithubException, match=r"405.*Merge commits are not allowed on this repository"):
        scene.pull(number).merge()
    scene.pull(number).merge(merge_method="squash")
    assert scene.forge.head(REPO, "topic") is None


def test_drafts_are_refused(scene: Stage) -> None:
    scene.forge.commit(REPO, "topic", {"a": "b"}, "Change", "ann")
    pull = scene.repo().create_pull(base="master", head="topic", title="Later", draft=True)
    with pytest.raises(GithubException, match=r"405.*still a draft"):
        pull.merge()


def test_a_protected_branch_waits_for_approvals_of_people_who_may_write(scene: Stage) -> None:
    scene.forge.protect(REPO, "master", approvals=1)
    number = scene.pull_request()
    scene.forge.review(REPO, number, "carl", "APPROVE")
    with pytest.raises(GithubException, match=r"405.*At least 1 approving review is required"):
        scene.pull(number).merge()
    assert [scene.pull(number).mergeable_state for _ in range(2)][-1] == "blocked"
    scene.forge.review(REPO, number, "bob", "REQUEST_CHANGES", "No")
    scene.forge.review(REPO, number, "olga", "APPROVE")
    with pytest.raises(GithubException, match=r"405.*Changes have been requested"):
        scene.pull(number).merge()
    scene.forge.review(REPO, number, "bob", "APPROVE")
    assert scene.pull(number).merge().merged


def test_a_strict_branch_wants_heads_that_are_up_to_date(scene: Stage) -> None:
    scene.forge.protect(REPO, "master", approvals=0, strict=True)
    number = scene.pull_request()
    scene.forge.commit(REPO, "master", {"x": "y"}, "Beside", "bob")
    with pytest.raises(GithubException, match=r"405.*out of date"):
        scene.pull(number).merge()
    assert [scene.pull(number).mergeable_state for _ in range(2)][-1] == "behind"


def test_failing_checks_make_it_unstable_but_mergeable(scene: Stage) -> None:
    number = scene.pull_request()
    scene.repo().get_commit(scene.pull(number).head.sha).create_status("failure", context="ci")
    assert [(pull.mergeable, pull.mergeable_state) for pull in [scene.pull(number)]] == [(True, "unstable")]


def test_a_second_pull_request_from_the_same_branch_is_refused(scene: Stage) -> None:
    scene.pull_request()
    with pytest.raises(GithubException, match=r"422.*A pull request already exists for org:topic."):
        scene.repo().create_pull(base="master", head="topic", title="Again")
    with pytest.raises(GithubException, match=r"422.*No commits between topic and master"):
        scene.repo().create_pull(base="topic", head="master", title="Backwards")


def test_a_closed_pull_request_opens_again_unless_its_branch_was_rewritten(scene: Stage) -> None:
    number = scene.pull_request()
    scene.forge.close_pull_request(REPO, number, "ann")
    scene.pull(number).edit(state="open")
    assert scene.pull(number).state == "open"
    scene.pull(number).edit(state="closed")
    scene.repo().get_git_ref("heads/topic").edit(str(scene.forge.head(REPO, "master")), force=True)
    with pytest.raises(GithubException, match="force-pushed or recreated"):
        scene.pull(number).edit(state="open")


def test_revert_opens_a_pull_request_that_undoes_the_merge(scene: Stage) -> None:
    number = scene.pull_request()
    scene.forge.commit(REPO, "topic", {"more": "x"}, "More blue", "ann")
    merged = scene.forge.merge_pull_request(REPO, number, "bob", "squash")
    scene.forge.commit(REPO, "master", {"x": "y"}, "Beside", "bob")
    revert = scene.forge.revert_pull_request(REPO, number, "bob")
    pull = scene.pull(revert)
    assert (pull.title, pull.body) == ('Revert "Paint it blue"', f"Reverts {REPO}#{number}")
    scene.forge.merge_pull_request(REPO, revert, "bob", "merge")
    assert content(scene, "colour.txt") == "red\n"
    assert content(scene, "x") == "y"
    assert f"This reverts commit {merged}." in scene.repo().get_commit(pull.head.sha).commit.message
