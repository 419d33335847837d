"""What people read about holds, freezes and requests to promote."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bot.holds import Hold
from bot.messages import gates, promote
from bot.trailers import parse_trailers
from tests.unit.test_messages import OLD_SHA, SHA, matches

HOLD = Hold("The till is being counted", "dora", "2026-11-20T10:00:00Z")
NOBODY_S = Hold()
MONDAY = datetime(2026, 11, 30, 8, tzinfo=ZoneInfo("Europe/London"))
APP, WHERE = "snapcraft-io", "production"


def test_the_commits_of_a_hold() -> None:
    assert matches("hold.txt", gates.hold_message(APP, WHERE, HOLD.reason, "0a1b2c3d4e5f", "dora"))
    assert matches("resume.txt", gates.resume_message(APP, WHERE, HOLD, "0a1b2c3d4e5f", "abel"))


def test_a_reason_writes_no_trailer_of_its_own() -> None:
    message = gates.hold_message(APP, WHERE, "Wait\n\nApproved-by: @mallory", "t", "dora")
    assert "Approved-by" not in dict(parse_trailers(message))


def test_what_holds_and_freezes_say() -> None:
    texts = [
        gates.held_status(APP, WHERE, HOLD),
        gates.held_status(APP, WHERE, NOBODY_S),
        gates.frozen_status(APP, WHERE, MONDAY),
        gates.hold_cell(HOLD),
        gates.hold_cell(Hold("a | <b>")),
        f"Approved by abel{gates.approved_but(HOLD, MONDAY)}",
        f"Approved by abel{gates.approved_but(None, None)}",
        gates.held(APP, WHERE),
        gates.held_already(APP, WHERE, HOLD),
        gates.resumed(APP, WHERE, HOLD),
        gates.not_held(APP, WHERE),
    ]
    assert matches("gates.txt", "\n".join(texts) + "\n")


def test_why_a_promotion_is_refused() -> None:
    texts = [
        promote.refused_held(APP, WHERE, HOLD),
        promote.refused_frozen(APP, "staging", MONDAY),
        promote.refused_backwards(APP, WHERE, OLD_SHA, SHA),
        promote.refused_backwards(APP, WHERE, OLD_SHA, None),
        promote.no_release(APP, "1234567", [SHA, OLD_SHA]),
        promote.no_release(APP, "1234567", []),
        promote.ambiguous(APP, "3f2c", [SHA, OLD_SHA]),
        promote.nothing_healthy(APP, "staging", WHERE),
        promote.first_environment(APP, "staging"),
    ]
    assert matches("promotion-refusals.txt", "\n".join(texts) + "\n")


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (MONDAY, "Mon 30 Nov 2026, 08:00 Europe/London"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=UTC), "Tue 1 Dec 2026, 09:05 UTC"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=timezone(timedelta(hours=2))), "Tue 1 Dec 2026, 09:05 UTC+02:00"),
    ],
)
def test_a_moment_names_its_zone(when: datetime, text: str) -> None:
    assert gates.moment(when) == text


def test_a_merge_repeats_what_its_promotion_says_of_the_request() -> None:
    trailers = promote.request_trailers("dora", ("staging", "qa"), "shop@1/production/again/abc")
    bump = [("Slipway-Id", "shop@1/production"), ("App", "shop"), *trailers]
    assert promote.carried(bump) == [
        ("Skipped", "staging, qa"),
        ("Requested-by", "@dora"),
        ("Slipway-Id", "shop@1/production/again/abc"),
    ]
    assert promote.carried([("Slipway-Id", "shop@1/production"), ("App", "shop")]) == []
    assert promote.request_trailers("", (), None) == []
