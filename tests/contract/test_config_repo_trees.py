"""What a pull request would leave behind, held against git's own answers."""

import pytest

from bot.errors import SlipwayError
from tests.git_stage import GitStage, stage

__all__ = ["stage"]


def test_a_pull_request_is_read_as_it_would_be_after_the_merge(stage: GitStage) -> None:
    base = stage.tip()
    head = stage.commit({"staging/a.yaml": "image: a:2\n"}, branch="topic", base=base)
    moved = stage.commit({"staging/b.yaml": "image: b:9\n"})
    repo = stage.open()
    repo.fetch()

    tree = repo.merged_tree(moved, head)

    assert tree is not None
    assert repo.differing_paths(moved, tree) == ("staging/a.yaml",)
    assert repo.read(tree, "staging/a.yaml") == b"image: a:2\n"
    assert repo.read(tree, "staging/b.yaml") == b"image: b:9\n"
    assert repo.files(tree, "staging") == ("staging/a.yaml", "staging/b.yaml")
    assert repo.read(tree, "nope") is None


def test_conflicts_have_no_tree(stage: GitStage) -> None:
    head = stage.commit({"staging/a.yaml": "image: a:2\n"}, branch="topic", base=stage.tip())
    base = stage.commit({"staging/a.yaml": "image: a:3\n"})
    repo = stage.open()
    repo.fetch()

    assert repo.merged_tree(base, head) is None
    assert repo.merged_tree(base, base) == stage.git("rev-parse", "main^{tree}")


def test_new_renamed_and_deleted_files_are_changes(stage: GitStage) -> None:
    before = stage.tip() or ""
    text = "image: a:1\n"
    after = stage.commit({"staging/a.yaml": None, "staging/moved.yaml": text, "staging/é .yaml": text})
    repo = stage.open()
    repo.fetch()

    assert repo.differing_paths(before, after) == ("staging/a.yaml", "staging/moved.yaml", "staging/é .yaml")


def test_a_head_that_no_branch_holds_is_fetched_by_the_number(stage: GitStage) -> None:
    head = stage.commit({"staging/a.yaml": "image: a:2\n"}, branch="of-a-fork", base=stage.tip())
    stage.git("update-ref", "refs/pull/7/head", head)
    stage.git("update-ref", "-d", "refs/heads/of-a-fork")
    repo = stage.open()
    base = repo.fetch()
    assert repo.commit(head) is None

    repo.fetch_pull_request(7)

    assert repo.commit(head) is not None
    assert repo.merged_tree(base, head) is not None
    repo.fetch()
    assert repo.branch_tip("of-a-fork") is None


def test_a_pull_request_that_is_not_there_is_explained(stage: GitStage) -> None:
    with pytest.raises(SlipwayError, match="fetching pull request #9 of"):
        stage.open().fetch_pull_request(9)
