"""Commits on the config branch against competitors, and with answers that get lost: nothing is lost or doubled."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from bot.errors import Transient, UnknownOutcome
from bot.facts import Change, ConfigCommit, Reader
from tests.git_server import Answer
from tests.git_stage import GitStage, bump, made, stage, together

__all__ = ["stage"]


def test_whoever_comes_while_a_push_is_under_way_goes_out_together_in_the_next(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    others: list[Future[ConfigCommit | None]] = []

    with ThreadPoolExecutor(8) as pool:

        def others_come() -> None:
            if not others:
                others.extend(pool.submit(repo.make, bump(f"app{n}", 2)) for n in range(8))
                while len(repo._writer._changes._waiting) < 8:
                    time.sleep(0.001)

        stage.server.meddle = others_come
        repo.make(bump("a", 2))

    assert stage.server.pushes == 2
    assert [made(other.result()).subject for other in others] == [f"app{n}: 2 to staging" for n in range(8)]


def test_a_competitor_s_push_is_kept_and_the_bump_comes_on_top(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    rounds = iter(range(3))

    def compete() -> None:
        if (n := next(rounds, None)) is not None:
            stage.commit({f"people/{n}": "x", "staging/a.yaml": f"image: a:1\nround: {n}\n"}, f"Competitor {n}")

    stage.server.meddle = compete

    commit = made(repo.make(bump("a", 2)))

    assert stage.subjects() == ["a: 2 to staging", "Competitor 2", "Competitor 1", "Competitor 0", "First"]
    assert stage.show("staging/a.yaml") == "image: a:2\nround: 2"
    assert stage.tip() == commit.sha
    assert stage.git("log", "--merges", "--format=%H") == ""


def test_a_batch_that_loses_a_race_loses_nothing(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    rounds = iter(range(4))

    def compete() -> None:
        if (n := next(rounds, None)) is not None:
            stage.commit({f"people/{n}": "x"}, f"Competitor {n}")

    stage.server.meddle = compete

    together([partial(repo.make, bump(f"app{n}", 2)) for n in range(16)])

    expected = [f"app{n}: 2 to staging" for n in range(16)] + [f"Competitor {n}" for n in range(4)] + ["First"]
    assert sorted(stage.subjects()) == sorted(expected)


def test_two_bots_with_a_mirror_each_lose_nothing(stage: GitStage) -> None:
    bots = [stage.open("one"), stage.open("two")]

    together([partial(bots[n % 2].make, bump(f"app{n}", 2)) for n in range(12)])

    assert sorted(stage.subjects()[:-1]) == sorted(f"app{n}: 2 to staging" for n in range(12))


def test_a_race_that_does_not_end_is_given_up_and_may_be_tried_again(stage: GitStage) -> None:
    repo = stage.open(deadline=0.0)
    repo.fetch()

    def compete() -> None:
        stage.commit({"people/x": stage.tip()})

    stage.server.meddle = compete

    with pytest.raises(Transient, match="kept pushing to main"):
        repo.make(bump("a", 2))


@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.NONE])
def test_a_push_that_happened_and_whose_answer_was_lost_is_found(stage: GitStage, answer: Answer) -> None:
    repo = stage.open()
    repo.fetch()
    answers = iter([answer])
    stage.server.answer = lambda: next(answers, Answer.AS_IT_IS)

    futures = together([partial(repo.make, bump(f"app{n}", 2)) for n in range(4)])

    assert {made(future.result()).subject for future in futures} == {f"app{n}: 2 to staging" for n in range(4)}
    assert len(stage.subjects()) == 5


def test_a_push_that_never_happened_is_made_again(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    answers = iter([Answer.NOT_PERFORMED, Answer.NOT_PERFORMED])
    stage.server.answer = lambda: next(answers, Answer.AS_IT_IS)

    commit = made(repo.make(bump("a", 2)))

    assert stage.subjects() == ["a: 2 to staging", "First"]
    assert stage.tip() == commit.sha


def test_a_lost_answer_that_cannot_be_looked_for_is_unknown_and_found_later(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()

    def lose_and_go_down() -> Answer:
        stage.server.status = 503
        return Answer.NONE

    stage.server.answer = lose_and_go_down
    with pytest.raises(UnknownOutcome, match="org/config"):
        repo.make(bump("a", 2))
    stage.server.status, stage.server.answer = None, lambda: Answer.AS_IT_IS

    assert made(repo.make(bump("a", 2))).sha == stage.tip()
    assert stage.subjects() == ["a: 2 to staging", "First"]


def test_connections_that_always_break_leave_it_unknown(stage: GitStage) -> None:
    repo = stage.open()
    stage.server.answer = lambda: Answer.NOT_PERFORMED

    with pytest.raises(UnknownOutcome):
        repo.make(bump("a", 2))


def test_a_server_that_is_down_before_anything_is_sent_is_transient(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    stage.server.status = 503

    with pytest.raises(Transient, match="503"):
        repo.make(bump("a", 2))


def test_a_config_branch_that_was_force_pushed_gets_the_change_again(stage: GitStage) -> None:
    first = stage.tip()
    repo = stage.open()
    repo.make(bump("a", 2))
    repo.make(bump("b", 2))
    stage.commit({"staging/b.yaml": "image: b:7\n"}, "Rewritten", base=first)

    commit = made(repo.make(bump("a", 2)))

    assert stage.subjects() == ["a: 2 to staging", "Rewritten", "First"]
    assert repo.find(commit.sha, "Slipway-Id", "b@2/staging") is None


def counted(change: Change, asked: list[str]) -> Change:
    """The same change, which notes each time it is asked what it makes of the files."""

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        asked.append(change.id)
        return change.edit(read)

    return replace(change, edit=edit)


def test_an_edit_is_asked_again_only_where_what_it_read_has_changed(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    asked: list[str] = []
    competitors = iter([{"people/1": "x"}, {"people/2": "x"}, {"staging/a.yaml": "image: a:1\nby: hand\n"}])

    def compete() -> None:
        if (files := next(competitors, None)) is not None:
            stage.commit(files, "Competitor")

    stage.server.meddle = compete
    repo.make(counted(bump("a", 2), asked))

    assert len(asked) == 2
    assert stage.show("staging/a.yaml") == "image: a:2\nby: hand"


def test_a_batch_that_keeps_losing_is_halved_until_it_gets_in_between(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    others: list[Future[ConfigCommit | None]] = []
    competitors = iter(range(4))

    with ThreadPoolExecutor(8) as pool:

        def compete() -> None:
            if not others:
                others.extend(pool.submit(repo.make, bump(f"app{n}", 2)) for n in range(8))
                while len(repo._writer._changes._waiting) < 8:
                    time.sleep(0.001)
            if (n := next(competitors, None)) is not None:
                stage.commit({f"people/{n}": "x"}, f"Competitor {n}")

        stage.server.meddle = compete
        repo.make(bump("a", 2))

    assert {made(other.result()).subject for other in others} == {f"app{n}: 2 to staging" for n in range(8)}
    lost, sizes_that_won = 4, [2, 2, 2, 2, 1]
    assert stage.server.pushes == lost + len(sizes_that_won)
