"""What people read in chat."""

import pytest

from bot.messages import chat
from bot.messages.chat import Note
from tests.unit.test_messages import RELEASE, matches

COMMIT = "https://github.com/acme/config/commit/c0ffee"

NOTES = {
    "waiting": chat.waiting(RELEASE, "production", "https://github.com/acme/config/pull/7"),
    "live": chat.live(RELEASE, "production", 34.2, "https://shop.example.com"),
    "live-without-url": chat.live(RELEASE, "staging", 250, None),
    "failed": chat.failed("shop", "staging", "The pods did not become ready: 0 of 2.\nPods: CrashLoopBackOff.", COMMIT),
    "rolled-back": chat.rolled_back("shop", "production", RELEASE.image, COMMIT),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_message_says_in_its_title_what_happened_where(name: str) -> None:
    note: Note = NOTES[name]
    assert matches(f"chat-{name}.txt", f"{note.title}\n\n{note.text}\n")
