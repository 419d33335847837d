"""Holds as commits on a real config repo: once each, whoever else writes, however often it is tried."""

from datetime import UTC, datetime
from functools import partial

import pytest

from bot.errors import Permanent
from bot.holds import Hold, render_hold
from bot.releases import Person
from bot.steps.hold import Occasion, hold, resume
from tests.git_stage import ANN, GitStage, stage, together

__all__ = ["stage"]

PATH = ".slipway/holds/production/shop.yaml"
CATALOG = """\
environments:
  - {name: staging, cluster: staging, namespace: staging, gate: commit}
  - {name: production, cluster: production, namespace: production, gate: pull-request}
apps:
  - {name: shop, source: acme/shop, image: registry.example.com/shop}
"""
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
RELEASE = f"shop@{'a' * 40}"


def occasion(token: str = "t1", by: Person = ANN) -> Occasion:
    return Occasion(by, AT, token)


def test_a_hold_that_is_tried_again_after_a_crash_is_one_commit(stage: GitStage) -> None:
    stage.commit({"slipway.yaml": CATALOG})
    first = hold(stage.open(), "shop", "production", "Wait", occasion())
    again = hold(stage.open("another"), "shop", "production", "Wait", occasion())
    assert first.commit == again.commit == stage.tip()
    assert stage.show(PATH) == 'reason: "Wait"\nby: "ann"\nat: "2026-11-20T10:00:00Z"'


def test_of_two_who_hold_at_once_one_does_and_the_other_is_told_by_whom(stage: GitStage) -> None:
    stage.commit({"slipway.yaml": CATALOG})
    repo = stage.open()
    people = (ANN, Person("ben", 8))
    calls = [partial(hold, repo, "shop", "production", "Wait", occasion(one.login, one)) for one in people]
    done = [future.result() for future in together(calls)]
    assert sorted(change.commit is None for change in done) == [False, True]
    assert len({change.hold.by for change in done if change.hold}) == 1
    assert stage.subjects().count("shop: hold production") == 1


def test_a_hold_takes_the_place_of_one_on_a_single_release_and_of_one_that_cannot_be_read(stage: GitStage) -> None:
    stage.commit({"slipway.yaml": CATALOG, PATH: render_hold(Hold("It failed", "slipway[bot]", "", RELEASE))})
    assert hold(stage.open(), "shop", "production", "Wait", occasion()).commit == stage.tip()
    assert "release" not in stage.show(PATH)
    stage.commit({PATH: "until: Monday\n"})
    assert hold(stage.open("another"), "shop", "production", "Wait", occasion("t2")).commit == stage.tip()
    assert 'reason: "Wait"' in stage.show(PATH)


def test_a_hold_is_lifted_once_whatever_it_says(stage: GitStage) -> None:
    stage.commit({"slipway.yaml": CATALOG, PATH: render_hold(Hold("It failed", "slipway[bot]", "", RELEASE))})
    first = resume(stage.open(), "shop", "production", occasion())
    again = resume(stage.open("another"), "shop", "production", occasion())
    assert first == again
    assert first.hold == Hold("It failed", "slipway[bot]", "", RELEASE)
    assert resume(stage.open("third"), "shop", "production", occasion("t2")).commit is None
    stage.commit({PATH: "until: Monday\n"})
    assert resume(stage.open("fourth"), "shop", "production", occasion("t3")).commit == stage.tip()
    assert stage.git("ls-tree", "-r", "--name-only", "main", PATH) == ""


def test_nobody_holds_without_a_reason_or_what_does_not_exist(stage: GitStage) -> None:
    stage.commit({"slipway.yaml": CATALOG})
    repo, head = stage.open(), stage.tip()
    for app, environment, reason in (("shop", "production", " \n"), ("shp", "production", "x"), ("shop", "live", "x")):
        with pytest.raises(Permanent):
            hold(repo, app, environment, reason, occasion())
    assert stage.tip() == head
