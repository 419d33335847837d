"""The bot's own branches: set, left alone, moved, refused, deleted; on real git over HTTP."""

from functools import partial

import pytest

from bot.errors import Permanent, Transient
from bot.facts import Change, ConfigCommit
from bot.releases import Person
from tests.git_server import Answer
from tests.git_stage import ANN, GitStage, bump, stage, together

__all__ = ["stage"]

BRANCH = "slipway/production/a"


def promotion(version: int) -> Change:
    return bump("a", version, "production")


def proposed(commit: ConfigCommit | None) -> str:
    assert commit is not None
    return commit.sha


def test_a_proposal_is_one_commit_on_the_config_branch_s_head(stage: GitStage) -> None:
    commit = stage.open().propose(BRANCH, promotion(2))

    assert commit is not None
    assert stage.tip(BRANCH) == commit.sha
    assert commit.parents == (stage.tip(),)
    assert stage.subjects() == ["First"]
    assert stage.show("production/a.yaml", BRANCH) == "image: a:2"


def test_a_proposal_that_changes_nothing_makes_no_branch(stage: GitStage) -> None:
    assert stage.open().propose(BRANCH, promotion(1)) is None
    assert stage.tip(BRANCH) is None


def test_a_newer_release_moves_the_branch_onto_the_head(stage: GitStage) -> None:
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    stage.commit({"x": "1"})

    second = proposed(repo.propose(BRANCH, promotion(3)))

    assert stage.tip(BRANCH) == second
    assert stage.git("merge-base", second, "main") == stage.tip()
    assert stage.git("log", "--format=%s", f"main..{BRANCH}") == "a: 3 to production"
    assert repo.commit(first) is not None


def test_the_branch_stays_as_it_is_while_unrelated_bumps_land(stage: GitStage) -> None:
    repo = stage.open()
    first = repo.propose(BRANCH, promotion(2))
    repo.make(bump("a", 2))
    repo.make(bump("b", 2))
    stage.server.requests.clear()

    assert repo.propose(BRANCH, promotion(2)) == first
    assert stage.server.pushes == 0


def test_the_branch_moves_where_its_file_changed_on_the_config_branch(stage: GitStage) -> None:
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    stage.commit({"production/a.yaml": "image: a:1\nreplicas: 3\n"})

    second = proposed(repo.propose(BRANCH, promotion(2)))

    assert second != first
    assert stage.show("production/a.yaml", BRANCH) == "image: a:2\nreplicas: 3"


def test_the_branch_moves_where_the_same_change_would_have_another_text(stage: GitStage) -> None:
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    change = promotion(2)
    other = Change(change.id, change.message, ANN, lambda read: {"production/a.yaml": b"image: a@sha256:2\n"})

    assert proposed(repo.propose(BRANCH, other)) != first
    assert stage.show("production/a.yaml", BRANCH) == "image: a@sha256:2"


def test_the_branch_moves_where_the_same_change_would_touch_other_files(stage: GitStage) -> None:
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    change = promotion(2)
    files = {"production/a.yaml": b"image: a:2\n", "production/a-cron.yaml": b"image: a:2\n"}

    assert proposed(repo.propose(BRANCH, Change(change.id, change.message, ANN, lambda read: files))) != first


def test_the_branch_moves_where_the_config_branch_was_rewritten_below_it(stage: GitStage) -> None:
    stage.commit({"x": "1"}, "To be dropped")
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    stage.commit({"y": "1"}, "Rewritten", base=stage.git("rev-parse", "main~1"))

    second = proposed(repo.propose(BRANCH, promotion(2)))

    assert second != first
    assert stage.git("merge-base", second, "main") == stage.tip()


def test_a_branch_that_a_person_pushed_to_is_left_alone_and_named(stage: GitStage) -> None:
    repo = stage.open()
    repo.propose(BRANCH, promotion(2))
    theirs = stage.commit({"production/a.yaml": "image: a:2\nfixed: yes\n"}, "Fix it", branch=BRANCH)

    for attempt in (partial(repo.propose, BRANCH, promotion(3)), partial(repo.delete_branch, BRANCH)):
        with pytest.raises(Permanent, match=r"slipway/production/a .*'Fix it', by Paula.*not the bot's"):
            attempt()
    assert stage.tip(BRANCH) == theirs


def test_a_person_s_commit_that_copies_the_trailers_is_still_a_person_s(stage: GitStage) -> None:
    theirs = stage.commit({"x": "1"}, promotion(2).message, branch=BRANCH, base=stage.tip())

    with pytest.raises(Permanent, match="not the bot's"):
        stage.open().propose(BRANCH, promotion(2))
    assert stage.tip(BRANCH) == theirs


def test_a_person_who_pushes_at_the_same_moment_is_not_overwritten(stage: GitStage) -> None:
    repo = stage.open()
    repo.propose(BRANCH, promotion(2))
    pushed: list[str] = []

    def push() -> None:
        if not pushed:
            pushed.append(stage.commit({"x": "1"}, "Mine", branch=BRANCH))

    stage.server.meddle = push

    with pytest.raises(Permanent, match="'Mine'"):
        repo.propose(BRANCH, promotion(3))
    assert stage.tip(BRANCH) == pushed[0]


def test_a_branch_that_another_bot_moved_meanwhile_is_looked_at_again(stage: GitStage) -> None:
    repo, other = stage.open("one"), stage.open("two")
    repo.propose(BRANCH, promotion(2))
    theirs: list[ConfigCommit | None] = []

    def compete() -> None:
        stage.server.meddle = lambda: None
        theirs.append(other.propose(BRANCH, promotion(3)))

    stage.server.meddle = compete

    assert repo.propose(BRANCH, promotion(3)) == theirs[0]
    assert stage.tip(BRANCH) == proposed(theirs[0])


@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.NONE])
def test_a_proposal_whose_answer_was_lost_is_not_made_twice(stage: GitStage, answer: Answer) -> None:
    repo = stage.open()
    answers = iter([answer])
    stage.server.answer = lambda: next(answers, Answer.AS_IT_IS)

    commit = repo.propose(BRANCH, promotion(2))

    assert proposed(commit) == stage.tip(BRANCH)
    objects = stage.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert objects.count("commit") == len(["First", "the proposal"])


def test_proposals_that_are_ready_together_share_pushes(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()

    futures = together(
        [partial(repo.propose, f"slipway/production/app{n}", bump(f"app{n}", 2, "production")) for n in range(16)]
    )

    assert stage.server.pushes <= 4
    for n, future in enumerate(futures):
        assert proposed(future.result()) == stage.tip(f"slipway/production/app{n}")
        assert stage.git("rev-list", "--count", f"main..slipway/production/app{n}") == "1"


def test_a_proposal_that_is_refused_leaves_those_beside_it_alone(stage: GitStage) -> None:
    theirs = stage.commit({"x": "1"}, "Theirs", branch="slipway/production/app1", base=stage.tip())
    repo = stage.open()
    repo.fetch()

    good, bad, also = together(
        [partial(repo.propose, f"slipway/production/app{n}", bump(f"app{n}", 2, "production")) for n in range(3)]
    )

    with pytest.raises(Permanent, match="'Theirs'"):
        bad.result()
    assert stage.tip("slipway/production/app1") == theirs
    assert {proposed(good.result()), proposed(also.result())} == {
        stage.tip("slipway/production/app0"),
        stage.tip("slipway/production/app2"),
    }


def test_a_hook_that_refuses_one_branch_is_permanent_for_that_one(stage: GitStage) -> None:
    hook = stage.bare() / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/slipway/production/app1 ] || { echo "GH013: no"; exit 1; }\n')
    hook.chmod(0o755)
    repo = stage.open()

    good, bad = together(
        [partial(repo.propose, f"slipway/production/app{n}", bump(f"app{n}", 2, "production")) for n in range(2)]
    )

    with pytest.raises(Permanent, match=r"slipway/production/app1.*GH013"):
        bad.result()
    assert proposed(good.result()) == stage.tip("slipway/production/app0")


def test_two_changes_for_one_branch_at_once_leave_one_of_them(stage: GitStage) -> None:
    repo = stage.open()

    futures = together([partial(repo.propose, BRANCH, promotion(2)), partial(repo.propose, BRANCH, promotion(3))])

    assert stage.tip(BRANCH) in {proposed(future.result()) for future in futures}
    assert stage.git("rev-list", "--count", f"main..{BRANCH}") == "1"


def test_a_branch_of_the_bot_s_own_is_deleted_once_and_for_all(stage: GitStage) -> None:
    repo = stage.open()
    repo.propose(BRANCH, promotion(2))

    repo.delete_branch(BRANCH)
    assert stage.tip(BRANCH) is None
    assert repo.branch_tip(BRANCH) is None
    repo.delete_branch(BRANCH)


def test_a_branch_that_was_deleted_under_the_bot_is_set_again(stage: GitStage) -> None:
    repo = stage.open()
    first = proposed(repo.propose(BRANCH, promotion(2)))
    stage.git("update-ref", "-d", f"refs/heads/{BRANCH}")

    again = proposed(repo.propose(BRANCH, promotion(2)))

    assert stage.tip(BRANCH) == again
    assert repo.commit(first) is not None


def test_the_config_branch_is_not_the_bot_s_own(stage: GitStage) -> None:
    repo = stage.open()

    for attempt in (partial(repo.propose, "main", promotion(2)), partial(repo.delete_branch, "main")):
        with pytest.raises(Permanent, match="is the config branch"):
            attempt()


def test_a_branch_that_keeps_moving_is_given_up_for_now(stage: GitStage) -> None:
    repo = stage.open(deadline=0.0)
    other = stage.open("other", committer=Person("slipway[bot]", 41))
    rounds = iter(range(10, 20))

    def compete() -> None:
        meddle, stage.server.meddle = stage.server.meddle, lambda: None
        other.propose(BRANCH, promotion(next(rounds)))
        stage.server.meddle = meddle

    stage.server.meddle = compete

    with pytest.raises(Transient, match="kept moving"):
        repo.propose(BRANCH, promotion(3))
