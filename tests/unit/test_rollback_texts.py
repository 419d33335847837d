"""Golden texts about going back: read each as the person who gets it."""

import pytest

from bot.facts import Diagnosis
from bot.messages import Failure, Row, RowState, progress_comment, rollout_reason
from bot.messages import rollback as texts
from bot.messages.rollback import Return, RolledBack
from bot.releases import Merge, Outcome, Release
from bot.rollback import Refusal, Why
from bot.trailers import parse_trailers
from tests.unit.test_messages import DORA, IMAGE, OLD_IMAGE, OLD_SHA, SHA, TEXTS, matches

BUMP, BACK = "abc1234" + "0" * 33, "bac0123" + "0" * 33
OLD = Release(
    "snapcraft-io",
    OLD_IMAGE,
    Merge("acme/snapcraft.io", OLD_SHA, "Mend the footer (acme/snapcraft.io#11)", DORA, "2026-11-20T09:00:00Z", 11),
)
URL = "https://github.com/acme/config/commit"
DIAGNOSIS = Diagnosis(("web: CrashLoopBackOff: back-off 10s restarting failed container",))
REASON = rollout_reason("snapcraft-io: 1 of 2 pods updated.", DIAGNOSIS)
FAILURE = Failure(
    "The rollout on production", REASON, evidence=("Warning BackOff: restarting", "no such table: basket")
)


def told(**changes: object) -> RolledBack:
    values: dict[str, object] = {
        "app": "snapcraft-io",
        "environment": "production",
        "left": SHA,
        "to": OLD_SHA,
        "commit": BACK,
        "url": f"{URL}/{BACK}",
        "ended": Outcome.HEALTHY,
        "failure": FAILURE,
    }
    return RolledBack(**(values | changes))  # type: ignore[arg-type]


def comment(story: str) -> str:
    links = f"[`abc1234`]({URL}/{BUMP}) · back to `77aa001` in [`bac0123`]({URL}/{BACK})"
    rows = [Row("staging", RowState.HEALTHY), Row("production", RowState.ROLLED_BACK, links)]
    return progress_comment("snapcraft-io", SHA, rows, image=IMAGE, story=story)


def test_the_commit_of_an_automatic_rollback() -> None:
    reason = texts.failed_reason("production", REASON)
    back = Return("production", OLD, IMAGE, SHA, (BUMP,), reason)
    assert matches("rollback-commit.txt", texts.commit_message(back))


def test_the_commit_of_a_rollback_by_hand() -> None:
    back = Return("production", OLD, IMAGE, SHA, (BACK, BUMP), texts.by_hand_reason("Baskets\nare empty"), "abel")
    text = texts.commit_message(back)
    assert matches("rollback-commit-by-hand.txt", text)
    assert dict(parse_trailers(text))["Reason"] == "Baskets are empty"


def test_the_comment_of_an_automatic_rollback() -> None:
    assert matches("rolled-back.md", comment(texts.rolled_back(told())))


def test_the_comment_while_the_pods_are_waited_for() -> None:
    assert matches("rolling-back.md", comment(texts.rolled_back(told(ended=None))))


def test_the_comment_of_a_rollback_by_hand() -> None:
    by_hand = told(by="abel", reason="Baskets are <b>empty</b>.", failure=None)
    assert matches("rolled-back-by-hand.md", comment(texts.rolled_back(by_hand)))


def test_a_person_without_a_known_account_is_an_operator() -> None:
    nobody = told(by="", failure=None)
    assert "**An operator took production back from" in texts.rolled_back(nobody)
    assert "An operator took 3f2c1ab back" in texts.commit_message(
        Return("production", OLD, IMAGE, SHA, (BUMP,), texts.by_hand_reason(None), "")
    )


def test_the_comment_of_a_rollback_that_failed() -> None:
    failed = told(ended=Outcome.FAILED, failure=None, reason=REASON)
    assert matches("rollback-failed.md", comment(texts.rollback_failed(failed)))


@pytest.mark.parametrize("why", [why for why in Why if why not in {Why.MOVED_ON, Why.NOT_FAILED, Why.ROLLBACK_FAILED}])
def test_the_comment_of_a_failure_that_is_left_to_people(why: Why) -> None:
    failure = Failure("The rollout on production", REASON, "What ran before keeps serving.")
    to = None if why is Why.NOTHING_HEALTHY else OLD_SHA
    text = texts.stayed(why, "snapcraft-io", "production", failure, to)
    assert matches(f"stayed-{why.value.replace(' ', '-')}.md", f"{text}\n")


def test_the_comment_on_a_promotion_that_is_closed() -> None:
    assert matches("promotion-withdrawn.md", texts.withdrawn("snapcraft-io", SHA, "staging"))


def test_the_statuses_fit_into_github_s_140_characters() -> None:
    statuses = [
        texts.status("snapcraft-io", "production", OLD_SHA, None),
        texts.status("snapcraft-io", "production", OLD_SHA, "abel"),
        texts.failed_status("snapcraft-io", "production", OLD_SHA),
    ]
    assert all(len(text) <= 140 for text in statuses)
    assert matches("rollback-statuses.txt", "".join(f"{text}\n" for text in statuses))


def test_the_refusals() -> None:
    said = [texts.refusal(why, "snapcraft-io", "production", SHA, ["77aa001", "66aa001"]) for why in Refusal]
    said.append(texts.image_gone("snapcraft-io", "production", OLD_SHA, OLD_IMAGE))
    assert matches("rollback-refusals.txt", "".join(f"{text}\n\n" for text in said))


@pytest.mark.parametrize("name", ["rollback-commit.txt", "rolled-back.md", "rollback-failed.md"])
def test_the_chapter_shows_what_people_will_see(name: str) -> None:
    chapter = (TEXTS.parents[2] / "docs" / "rolling-back.md").read_text(encoding="utf-8")
    assert (TEXTS / name).read_text(encoding="utf-8") in chapter
