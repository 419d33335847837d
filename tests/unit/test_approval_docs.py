"""``docs/approvals.md`` quotes what people read: to the letter."""

import re
from pathlib import Path

import pytest

from bot.approval import Approved, Blocked, Verdict, Waiting
from bot.messages import approval_status

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "approvals.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^```markdown\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "unit" / "texts").glob("*.md")}

NOT_QUOTED = {
    "promotion-foreign-head-alone.md",
    "promotion-rebuilt-before-approval.md",
    "promotion-withdrawn.md",
    "unapproved-merge-alone.md",
}
"""Variants of what is quoted, and what ``docs/rolling-back.md`` is about."""


def visible(text: str) -> str:
    """Without the hidden line that begins a comment."""
    return text.partition("\n")[2].strip()


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_quoted_comment_is_one_that_slipway_writes(quoted: str) -> None:
    assert quoted.strip() in {visible(text) for text in TEXTS.values()}


def test_every_comment_on_a_promotion_is_quoted() -> None:
    wanted = {name for name in TEXTS if name.startswith(("promotion-", "unapproved-"))} - NOT_QUOTED
    assert {name for name in wanted if visible(TEXTS[name]) not in {quoted.strip() for quoted in QUOTED}} == set()


@pytest.mark.parametrize(
    "verdict",
    [
        Waiting((), 2),
        Waiting(("abel",), 2),
        Waiting(("abel",), 2, stale=("ada",)),
        Waiting((), 1, ignored=("otto",)),
        Waiting(("abel",), 1, owners=(("olga", "acme/web"),)),
        Blocked(("ada",)),
        Approved(("abel", "ada")),
    ],
)
def test_the_table_of_statuses_says_what_the_status_says(verdict: Verdict) -> None:
    assert f"| `{approval_status(verdict)}` |" in PAGE
