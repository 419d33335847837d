"""What an environment ran before, and what may call itself a rollback, read from a real repository."""

from collections.abc import Mapping
from itertools import islice

import pytest

from bot.adapters.config_repo import GitConfigRepo
from bot.audit import OutcomeNote
from bot.errors import Permanent
from bot.messages import commit_message
from bot.messages import rollback as texts
from bot.releases import Merge, Outcome, Release
from bot.rollback import Past
from bot.steps.rollback import is_rollback, past_of, plan_by_hand
from bot.steps.state import look
from tests.git_stage import GitStage, stage

__all__ = ["stage"]

CATALOG = """\
environments:
  - {name: live, cluster: live, namespace: web, gate: pull-request}
apps:
  - {name: site, source: acme/site, image: r.example.com/site}
"""
FILE = "live/site.yaml"


def release(number: int) -> Release:
    sha = str(number) * 40
    merge = Merge("acme/site", sha, f"Change {number}", None, "2026-11-24T10:00:00Z", number)
    return Release("site", f"r.example.com/site:{sha[:7]}@sha256:{str(number) * 64}", merge)


def manifest(image: str, replicas: int = 2) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: site}}
spec:
  replicas: {replicas}
  template:
    spec:
      containers:
        - name: web
          image: {image}
"""


def bump(stage: GitStage, number: int, **options: str) -> str:
    made = release(number)
    files = {FILE: manifest(made.image)}
    return stage.commit(files, commit_message(made, "live", previous_image=None), **options)


def begin(stage: GitStage) -> GitConfigRepo:
    stage.commit({"slipway.yaml": CATALOG, FILE: manifest("r.example.com/site:${TAG}")}, "Begin")
    return stage.open()


def noted(config: GitConfigRepo, commit: str, number: int, outcome: Outcome = Outcome.HEALTHY) -> None:
    config.fetch()
    note = OutcomeNote("site", "live", release(number).image, outcome, "2026-11-24T10:00:00Z", 4.0)
    config.add_note(commit, note.line())


def pasts(config: GitConfigRepo) -> tuple[Past, ...]:
    place = look(config, "site", "live")
    return tuple(islice(past_of(config, place, place.head), 10))


def go_back(stage: GitStage, to: int, left: int, reverted: str, more: Mapping[str, str] | None = None) -> str:
    """A commit with a rollback's trailers, by somebody; ``more`` is what it changes beside."""
    back = texts.Return("live", release(to), release(left).image, release(left).sha, (reverted,), "It failed")
    files = {FILE: manifest(release(to).image), ".slipway/holds/live/site.yaml": "reason: it failed\n"}
    return stage.commit({**files, **(more or {})}, texts.commit_message(back))


def test_each_change_of_the_files_is_a_state_with_its_release_and_its_outcomes(stage: GitStage) -> None:
    config = begin(stage)
    first = bump(stage, 1)
    noted(config, first, 1)
    stage.commit({"other.txt": "nothing of the app"}, "Elsewhere")
    edit = stage.commit({FILE: manifest(release(1).image, replicas=3)}, "More pods")
    second = bump(stage, 2)
    found = pasts(config)
    assert [past.commit for past in found[:3]] == [second, edit, first]
    assert [past.forward for past in found] == [True, False, True, False]
    assert [past.release.sha[0] if past.release else None for past in found] == ["2", "1", "1", None]
    assert [past.outcomes for past in found] == [(), (), (Outcome.HEALTHY,), ()]


def test_a_promotion_that_a_person_merged_counts_as_brought_by_slipway(stage: GitStage) -> None:
    config = begin(stage)
    base = bump(stage, 1)
    tip = bump(stage, 2, branch="slipway/live/site", base=base)
    merge = stage.commit({FILE: manifest(release(2).image)}, "Merge pull request #7", merge=tip)
    newest = pasts(config)[0]
    assert (newest.commit, newest.forward) == (merge, True)


def test_a_state_that_cannot_be_read_is_passed_over(stage: GitStage) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1)
    stage.commit({FILE: "image: [\n"}, "Break it")
    bump(stage, 2)
    config.fetch()
    assert [past.images[:1] for past in pasts(config)[:3]] == [(release(2).image,), (), (release(1).image,)]
    plan = plan_by_hand(config, lambda _image: True, "site", "live", None)
    assert plan.to is not None
    assert plan.to.sha == release(1).sha


def test_a_rollback_is_known_by_what_it_does(stage: GitStage) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1)
    failed = bump(stage, 2)
    back = go_back(stage, 1, 2, failed)
    assert claims(config, back)


@pytest.mark.parametrize(
    "more",
    [
        {"live/other.yaml": "kind: Secret\n"},
        {FILE: manifest(release(1).image, replicas=9)},
        {"slipway.yaml": CATALOG + "\n"},
    ],
)
def test_a_rollback_s_trailers_on_anything_more_prove_nothing(stage: GitStage, more: dict[str, str]) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1)
    assert not claims(config, go_back(stage, 1, 2, bump(stage, 2), more))


def test_a_rollback_s_trailers_bring_in_nothing_that_was_not_healthy_there(stage: GitStage) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1, Outcome.FAILED)
    assert not claims(config, go_back(stage, 1, 2, bump(stage, 2)))
    assert not claims(config, go_back(stage, 3, 1, bump(stage, 1)))


def claims(config: GitConfigRepo, commit: str) -> bool:
    """Whether the commit passes for a rollback, which needs no approval."""
    place = look(config, "site", "live")
    found = config.commit(commit)
    assert found is not None
    return is_rollback(config, place, found)


def test_by_hand_names_what_is_taken_back_below_later_edits(stage: GitStage) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1)
    second = bump(stage, 2)
    stage.commit({FILE: manifest(release(2).image, replicas=5)}, "More pods")
    plan = plan_by_hand(config, lambda _image: True, "site", "live", None)
    assert (plan.reverted, plan.image) == ((second,), release(2).image)
    assert (plan.left and plan.left.sha, plan.to and plan.to.sha) == (release(2).sha, release(1).sha)


def test_by_hand_is_refused_where_the_image_is_gone(stage: GitStage) -> None:
    config = begin(stage)
    noted(config, bump(stage, 1), 1)
    bump(stage, 2)
    with pytest.raises(Permanent, match="not in the registry any more"):
        plan_by_hand(config, lambda _image: False, "site", "live", None)
