"""Golden texts: each file below ``texts/`` is what a person gets to read. Read them as that person would.

``SLIPWAY_WRITE_TEXTS=1`` writes them anew; the diff is then read before it is committed.
"""

import os
from pathlib import Path

import pytest

from bot import messages
from bot.approval import Approved, Blocked, Waiting
from bot.facts import Commit, Diagnosis
from bot.messages import Failure, Promotion, Row, RowState
from bot.releases import Merge, Person, Release

TEXTS = Path(__file__).parent / "texts"
SHA, OLD_SHA = "3f2c1ab" + "0" * 33, "77aa001" + "0" * 33
IMAGE = f"registry.example.com/snapcraft.io:3f2c1ab@sha256:{'d' * 64}"
OLD_IMAGE = f"registry.example.com/snapcraft.io:77aa001@sha256:{'e' * 64}"
DORA = Person("dora", 17, "Dora Lind")
MERGE = Merge("acme/snapcraft.io", SHA, "Add search (#12)", DORA, "2026-11-24T10:00:00Z", 12, "Add search", DORA)
RELEASE = Release("snapcraft-io", IMAGE, MERGE)


def matches(name: str, text: str) -> bool:
    """Whether a text is the one that is kept."""
    path = TEXTS / name
    if os.environ.get("SLIPWAY_WRITE_TEXTS"):
        path.write_text(text)
    return path.read_text() == text


def commit(sha: str, subject: str, author: Person | None = DORA) -> Commit:
    return Commit(sha, subject, author, "Dora Lind", "2026-11-24T10:00:00Z", f"https://github.com/x/{sha}")


def promotion(**changes: object) -> Promotion:
    values: dict[str, object] = {
        "release": RELEASE,
        "environment": "production",
        "previous_image": OLD_IMAGE,
        "commits": (commit("b" * 40, "Mend the | footer (#11)", None), commit(SHA, "Add search (#12)")),
        "total": 2,
        "deployed_sha": OLD_SHA,
        "came_through": ("staging", 94.0, "https://staging.snapcraft.io"),
        "who": messages.who_may_approve(("acme/web-team", "abel"), 1),
        "url": "https://snapcraft.io",
        "source_url": "https://github.com/acme/snapcraft.io",
    }
    return Promotion(**(values | changes))  # type: ignore[arg-type]


def test_a_bump() -> None:
    assert matches("bump.txt", messages.commit_message(RELEASE, "staging", previous_image=OLD_IMAGE))


def test_a_bump_of_a_direct_push() -> None:
    merge = Merge("acme/snapcraft.io", SHA, "Mend a typo", DORA, "2026-11-24T10:00:00Z")
    release = Release("snapcraft-io", IMAGE, merge)
    assert matches("bump-of-a-push.txt", messages.commit_message(release, "staging", previous_image=None))


def test_the_squashed_promotion() -> None:
    title = messages.subject(RELEASE.app, RELEASE.sha, "production")
    body = messages.commit_body(RELEASE, "production", previous_image=OLD_IMAGE, approved_by=("abel", "ada"))
    assert matches("promotion-commit.txt", f"{title}\n\n{body}")


def test_a_promotion() -> None:
    assert matches("promotion.md", messages.promotion_body(promotion()))


def test_a_first_promotion() -> None:
    first = promotion(
        previous_image=None,
        commits=(),
        total=0,
        deployed_sha=None,
        came_through=None,
        url=None,
        who=messages.who_may_approve((), 2, (("ada", "acme/web-team"),)),
    )
    assert matches("first-promotion.md", messages.promotion_body(first))


def test_a_promotion_of_more_commits_than_are_listed() -> None:
    commits = tuple(commit(f"{number:040x}", f"Change {number}") for number in range(60))
    text = messages.promotion_body(promotion(commits=commits, total=260))
    assert "- … and 210 earlier ones" in text
    assert "Change 59" in text
    assert "Change 9]" not in text
    assert text.count("\n- ") == messages.LONGEST_LIST + 1


def test_the_comment_while_it_waits() -> None:
    rows = [
        Row("staging", RowState.HEALTHY, "[`abc1234`](https://github.com/acme/config/commit/abc1234) after 1 min 34 s"),
        Row("production", RowState.AWAITING_APPROVAL, "[acme/config#7](https://github.com/acme/config/pull/7)"),
    ]
    assert matches("progress.md", messages.progress_comment("snapcraft-io", SHA, rows, image=IMAGE))


def test_the_comment_of_a_failed_build() -> None:
    rows = [Row("staging", RowState.FAILED), Row("production", RowState.LATER)]
    failure = Failure(
        "The build",
        "Dockerfile line 4: `RUN npm run build` ended with exit code 1.",
        "What ran before keeps serving.",
        ("npm error Missing script: build", "``` and a fence"),
        "release/snapcraft-io/3f2c1ab/1",
    )
    text = messages.progress_comment("snapcraft-io", SHA, rows, failure=failure)
    assert matches("failed-build.md", text)


def test_the_comment_of_a_failed_rollout_on_the_promotion() -> None:
    diagnosis = Diagnosis(
        ("web: ImagePullBackOff: Back-off pulling image", "web: ImagePullBackOff: Back-off pulling image")
    )
    reason = messages.rollout_reason("snapcraft-io: 1 of 2 pods updated.", diagnosis)
    failure = Failure("The rollout on production", reason, "What ran before keeps serving.")
    assert matches("failed-rollout.md", messages.failure_comment("snapcraft-io", failure))


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Approved(("abel", "ada")), "Approved by abel, ada"),
        (Blocked(("ada",)), "ada asked for changes"),
        (Waiting((), 1), "0 of 1 approvals"),
        (
            Waiting(("abel",), 2, ("ada",), ("otto",)),
            "1 of 2 approvals; ada approved an older commit; otto may not approve here",
        ),
        (
            Waiting(("abel",), 2, owners=(("olga", "acme/web"), ("ida",))),
            "1 of 2 approvals; a code owner (@olga or @acme/web) must approve; a code owner (@ida) must approve",
        ),
    ],
)
def test_the_approval_status(verdict: Approved | Blocked | Waiting, text: str) -> None:
    assert messages.approval_status(verdict) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (34, "34 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")])
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert messages.duration(seconds) == text


def test_a_pull_request_s_number_keeps_its_repository() -> None:
    text = messages.qualified("Merge pull request #12 from a/b, see other/repo#3 and &#38; (#4)", "acme/site")
    assert text == "Merge pull request acme/site#12 from a/b, see other/repo#3 and &#38; (acme/site#4)"


def test_a_person_s_text_becomes_one_printable_line() -> None:
    assert messages.one_line("  Fix\r\n\tthe\u202e thing\x00 ") == "Fix the thing"
    assert len(messages.one_line("x" * 1000)) == messages.LONGEST_LINE
