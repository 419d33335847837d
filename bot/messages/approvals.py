"""What people read about approvals: merges that are taken back, and what a promotion still waits for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.approval import Verdict
from bot.messages import approval_status, comment_marker, one_line, short


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An unapproved merge of a promotion, and its revert.

    Attributes:
        merge: the commit on the config branch that was reverted.
        merged_by: the login of who pressed Merge.
        missing: the verdict on its reviews, in the words of the status.
        reverted: the revert; ``url`` is its page.
        anew: the number of the pull request that proposes the release once more, or None where there is none.
    """

    app: str
    environment: str
    merge: str
    merged_by: str
    missing: str
    reverted: str
    url: str
    anew: int | None = None


def revert_message(
    app: str,
    environment: str,
    release_sha: str | None,
    *,
    id: str,  # noqa: A002 - the trailer's word
    reverts: Sequence[str],
    reason: str,
) -> str:
    """The whole message of the commit that takes an unapproved merge back."""
    what = f"{app}: {short(release_sha)} is not approved for {environment}" if release_sha else f"{app}: not approved"
    trailers = [
        ("Slipway-Id", id),
        ("App", app),
        ("Environment", environment),
        *(("Reverts", sha) for sha in reverts),
        ("Reason", reason),
    ]
    body = "\n".join(f"{key}: {one_line(value)}" for key, value in trailers)
    return f"Revert {what}\n\n{one_line(reason)}\n\n{body}\n"


def revert_reason(number: int, merged_by: str, missing: str) -> str:
    """Why the merge was taken back, in a line."""
    return f"@{merged_by} merged #{number} before it was approved ({missing})"


def missing_words(verdict: Verdict) -> str:
    """What the rule still asks for, without a full stop."""
    return approval_status(verdict)


def taken_back_comment(taken: TakenBack) -> str:
    """The one comment on a promotion that was merged before it was approved."""
    again = (
        f"#{taken.anew} proposes the same release anew: approve that one, and Slipway merges it."
        if taken.anew is not None
        else "Slipway proposes the release anew as soon as it can. Where this pull request's branch holds commits of "
        "other people, delete it first."
    )
    return (
        f"{comment_marker(taken.app)}\n\n"
        f"**This merge was reverted, because it was not approved.** @{taken.merged_by} merged it as "
        f"`{short(taken.merge)}`, and a Merge counts as the approval of the person who presses it, but what "
        f"{taken.environment} asks for is not met: {taken.missing}. Slipway has put the files back "
        f"([`{short(taken.reverted)}`]({taken.url})) and did not apply the change.\n\n"
        f"{again}\n"
    )
