"""Who changed a path last, and which commit carries a trailer: held against ``git log`` on every kind of history."""

import random

import pytest

from bot.adapters.config_repo import GitConfigRepo
from tests.git_stage import GitStage, bump, stage

__all__ = ["stage"]


def reference(stage: GitStage, commit: str, *paths: str) -> str | None:
    """What DESIGN means by "changed last", in git's words."""
    line = stage.git("log", "-1", "--first-parent", "-m", "--format=%H", commit, "--", *paths)
    return line or None


def told(repo: GitConfigRepo, commit: str, *paths: str) -> str | None:
    change = repo.last_change(commit, paths)
    return change.sha if change else None


PATHS = ["a", "b", "dir/a", "dir/b", "dir/sub/c", "dir/sub/d", "deep/er/e"]
ASKED = [["a"], ["dir"], ["dir/sub"], ["dir/sub/c", "b"], ["deep"], ["nowhere"], ["."], ["a", "b", "dir/a"], ["dir/"]]


def grow(stage: GitStage, rng: random.Random, commits: int) -> None:
    """A history with deletions, files that become folders, empty commits, and merges of every kind."""
    for number in range(commits):
        files = {
            path: None if rng.random() < 0.25 else str(rng.random()) for path in rng.sample(PATHS, rng.randint(0, 2))
        }
        kind = rng.random()
        if kind < 0.25:
            base = rng.choice(stage.git("log", "--first-parent", "-5", "--format=%H", "main").split())
            stage.commit(files, f"Side {number}", branch="side", base=base)
        elif kind < 0.45 and (side := stage.tip("side")):
            tree = rng.choice(["main", side]) + "^{tree}"
            merge = stage.git("commit-tree", "-p", "main", "-p", side, "-m", f"Merge {number}", tree)
            stage.git("update-ref", "refs/heads/main", merge)
        elif kind < 0.5 and (side := stage.tip("side")):
            foxtrot = stage.git("commit-tree", "-p", side, "-p", "main", "-m", f"Foxtrot {number}", "main^{tree}")
            stage.git("update-ref", "refs/heads/main", foxtrot)
        else:
            stage.commit(files, f"Change {number}")


@pytest.mark.parametrize("seed", range(4))
def test_last_change_agrees_with_git_log_on_any_history(stage: GitStage, seed: int) -> None:
    rng = random.Random(seed)
    repo = stage.open()
    for _ in range(4):
        grow(stage, rng, 9)
        head = repo.fetch()
        line = stage.git("log", "--first-parent", "--format=%H", "main").split()
        for commit in [head, *rng.sample(line, 2), stage.tip("side") or head]:
            for paths in ASKED:
                assert told(repo, commit, *paths) == reference(stage, commit, *paths), (commit, paths)


def test_last_change_is_right_after_a_force_push(stage: GitStage) -> None:
    repo = stage.open()
    first = repo.fetch()
    stage.commit({"staging/a.yaml": "2"}, "Gone")
    stage.commit({"staging/b.yaml": "2"}, "Gone too")
    old = repo.fetch()
    assert told(repo, old, "staging/a.yaml") == stage.git("rev-parse", "main~1")
    stage.commit({"staging/b.yaml": "3"}, "Rewritten", base=first)
    head = repo.fetch()

    assert told(repo, head, "staging/a.yaml") == first
    assert told(repo, head, "staging/b.yaml") == head
    assert told(repo, old, "staging/a.yaml") == stage.git("rev-parse", f"{old}~1")


def test_last_change_is_right_when_the_branch_goes_back(stage: GitStage) -> None:
    repo = stage.open()
    first = repo.fetch()
    stage.commit({"staging/a.yaml": "2"})
    assert told(repo, repo.fetch(), "staging") == stage.tip()
    stage.git("update-ref", "refs/heads/main", first)

    assert told(repo, repo.fetch(), "staging") == first


def test_a_merge_counts_as_the_change_of_what_it_brings(stage: GitStage) -> None:
    first = stage.tip()
    side = stage.commit({"staging/a.yaml": "2"}, "On the side", branch="side", base=first)
    stage.commit({"x": "1"}, "On main")
    merge = stage.commit({"staging/a.yaml": "2"}, "Merge", merge=side)
    repo = stage.open()
    head = repo.fetch()

    assert told(repo, head, "staging/a.yaml") == merge
    assert told(repo, head, "staging/b.yaml") == first


def test_the_bot_s_own_bumps_are_known_without_a_fetch(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    made = [repo.make(bump("a", 2)), repo.make(bump("b", 2)), repo.make(bump("a", 3))]
    stage.server.requests.clear()
    head = stage.tip() or ""

    assert repo.last_change(head, ["staging/a.yaml"]) == made[2]
    assert repo.last_change(head, ["staging/b.yaml"]) == made[1]
    assert repo.find(head, "Image", "a:2") == made[0]
    assert stage.server.requests == []


def test_paths_are_meant_literally(stage: GitStage) -> None:
    stage.commit({"*": "1"}, "Star")
    stage.commit({"staging/a.yaml": "1"})
    side = stage.commit({"x": "1"}, branch="side", base=stage.tip())
    repo = stage.open()
    repo.fetch()

    for commit in (repo.fetch(), side):
        change = repo.last_change(commit, ["*"])
        assert change is not None
        assert change.subject == "Star"
        assert repo.last_change(commit, ["stag*"]) is None
        assert repo.last_change(commit, []) is None


@pytest.mark.parametrize("trailer", ["Slipway-Id", "App"])
def test_the_newest_commit_with_exactly_that_trailer_is_found(stage: GitStage, trailer: str) -> None:
    older = stage.commit({"x": "1"}, f"One\n\n{trailer}: a")
    stage.commit({"x": "2"}, f"Two\n\n{trailer}: ab")
    stage.commit({"x": "3"}, f"Talk\n\n{trailer}: a\n\nwas said.")
    newer = stage.commit({"x": "4"}, f"Three\n\n{trailer}: a\nOther: 1")
    repo = stage.open()
    head = repo.fetch()

    def found(commit: str, value: str) -> str | None:
        commit_ = repo.find(commit, trailer, value)
        return commit_.sha if commit_ else None

    assert found(head, "a") == newer
    assert found(stage.git("rev-parse", "main~1"), "a") == older
    assert found(stage.git("rev-parse", f"{older}~1"), "a") is None
    assert found(head, "b") is None


def test_a_trailer_on_a_side_branch_is_found_once_it_is_merged(stage: GitStage) -> None:
    base = stage.tip()
    side = stage.commit({"x": "1"}, "Side\n\nSlipway-Id: s", branch="side", base=base)
    before = stage.commit({"y": "1"}, "Main")
    repo = stage.open()

    assert repo.find(repo.fetch(), "Slipway-Id", "s") is None
    merge = stage.commit({"x": "1"}, "Merge", merge=side)
    found = repo.find(repo.fetch(), "Slipway-Id", "s")
    assert found is not None
    assert found.sha == side
    assert repo.find(before, "Slipway-Id", "s") is None
    assert repo.find(side, "Slipway-Id", "s") == found
    assert merge == stage.tip()


def test_a_commit_changed_what_differs_from_its_first_parent(stage: GitStage) -> None:
    first = stage.commit({"a": "1", "dir/b": "1"}, "First")
    stage.commit({"dir/b": None, "dir/ç": "2"}, "Side", branch="side", base=first)
    stage.commit({"a": "2"}, "Second")
    merge = stage.git("commit-tree", "-p", "main", "-p", "side", "-m", "Merge", "side^{tree}")
    stage.git("update-ref", "refs/heads/main", merge)
    repo = stage.open()
    repo.fetch()
    assert set(repo.changed_paths(merge)) == {"a", "dir/b", "dir/ç"}
    assert repo.changed_paths(stage.git("rev-list", "--max-parents=0", "main").split()[-1]) == ()


def test_every_commit_whose_trailer_begins_so_is_found_newest_first(stage: GitStage) -> None:
    first = stage.commit({"x": "1"}, "One\n\nSlipway-Id: shop@abc1/staging")
    stage.commit({"x": "2"}, "Two\n\nIt says Slipway-Id: shop@abc1/staging in the middle of a line.")
    stage.commit({"x": "3"}, "Three\n\nSlipway-Id: shop@def/staging")
    last = stage.commit({"x": "4"}, "Four\n\nSlipway-Id: shop@abc2/staging\nSlipway-Id: other")
    found = stage.open().find_all(last, "Slipway-Id", "shop@abc")
    assert [one.sha for one in found] == [last, first]


def test_a_commit_contains_what_is_reachable_from_it_and_itself(stage: GitStage) -> None:
    first = stage.tip() or ""
    side = stage.commit({"b": "1"}, "Side", branch="slipway/production/shop", base=first)
    second = stage.commit({"a": "2"}, "Second")
    merge = stage.git("commit-tree", "-p", "main", "-p", side, "-m", "Merge", "main^{tree}")
    repo = stage.open()
    repo.fetch()
    assert repo.branch_tips("slipway/") == {"slipway/production/shop": side}
    assert [repo.contains(second, sha) for sha in (first, second, side)] == [True, True, False]
    stage.git("update-ref", "refs/heads/main", merge)
    repo.fetch()
    assert [repo.contains(merge, sha) for sha in (first, second, side, merge)] == [True] * 4
    assert [repo.contains(second, merge), repo.contains(merge, "e" * 40)] == [False, False]
