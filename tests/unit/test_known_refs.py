"""When a look at the remote's refs is news to the mirror."""

import pytest

from bot.adapters.config_repo.known_refs import has_news

MASTER, NOTES, BRANCH = "refs/heads/master", "refs/notes/slipway", "refs/heads/slipway/production/shop"


@pytest.mark.parametrize(
    ("seen", "before", "now"),
    [
        ({MASTER: "1"}, {MASTER: "1"}, {MASTER: "1"}),
        ({MASTER: "1"}, {MASTER: "1"}, {MASTER: "2"}),  # pushed after the look
        ({MASTER: "2"}, {MASTER: "1"}, {MASTER: "2"}),  # pushed before it
        ({MASTER: "2", NOTES: "7"}, {MASTER: "1", NOTES: "7"}, {MASTER: "2", NOTES: "8"}),  # one before, one after
        ({MASTER: "1"}, {MASTER: "1", BRANCH: "3"}, {MASTER: "1"}),  # deleted before the look
        ({MASTER: "1", BRANCH: "3"}, {MASTER: "1", BRANCH: "3"}, {MASTER: "1"}),  # deleted after it
        ({MASTER: "1", "refs/notes/slipway-drafts": "5"}, {MASTER: "1"}, {MASTER: "1"}),  # not kept
    ],
)
def test_what_was_there_and_own_pushes_are_no_news(
    seen: dict[str, str], before: dict[str, str], now: dict[str, str]
) -> None:
    assert not has_news(seen, before, now)


@pytest.mark.parametrize(
    ("seen", "before", "now"),
    [
        ({MASTER: "9"}, {MASTER: "1"}, {MASTER: "1"}),
        ({MASTER: "9"}, {MASTER: "1"}, {MASTER: "2"}),
        ({MASTER: "1", BRANCH: "3"}, {MASTER: "1"}, {MASTER: "1"}),
        ({MASTER: "1"}, {MASTER: "1", BRANCH: "3"}, {MASTER: "1", BRANCH: "3"}),
        ({MASTER: "1", f"{NOTES}/more": "5"}, {MASTER: "1"}, {MASTER: "1"}),
        ({}, {MASTER: "1"}, {MASTER: "1"}),
    ],
)
def test_what_others_did_is_news(seen: dict[str, str], before: dict[str, str], now: dict[str, str]) -> None:
    assert has_news(seen, before, now)
