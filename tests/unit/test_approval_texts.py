"""Golden texts about approvals; see ``test_messages`` for how they are kept."""

from dataclasses import replace

from bot.messages import approvals as texts
from tests.unit.test_messages import SHA, matches

TAKEN = texts.TakenBack(
    app="snapcraft-io",
    environment="production",
    merge="9e8d7c6" + "0" * 33,
    merged_by="dora",
    missing="1 of 2 approvals; dora may not approve here",
    reverted="5b4a392" + "0" * 33,
    url=f"https://github.com/acme/config/commit/5b4a392{'0' * 33}",
    anew=8,
)


def test_the_revert_of_an_unapproved_merge() -> None:
    message = texts.revert_message(
        "snapcraft-io",
        "production",
        SHA,
        id=f"snapcraft-io@{SHA}/production/unapproved/9e8d7c600000",
        reverts=(TAKEN.merge,),
        reason=texts.revert_reason(7, TAKEN.merged_by, TAKEN.missing),
    )
    assert matches("unapproved-merge-revert.txt", message)


def test_the_comment_on_a_merge_that_was_reverted() -> None:
    assert matches("unapproved-merge.md", texts.taken_back_comment(TAKEN))


def test_the_comment_where_the_release_could_not_be_proposed_anew() -> None:
    assert matches("unapproved-merge-alone.md", texts.taken_back_comment(replace(TAKEN, anew=None)))
